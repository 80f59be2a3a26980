"""Fit: the maintenance parameters of many meters at once, by least squares from their moments."""

from transforms.fit.choose import FORMS, Choice, choose_form
from transforms.fit.lines import Centred, Lines, centre, fit_gain, fit_line, fit_offset

__all__ = ["FORMS", "Centred", "Choice", "Lines", "centre", "choose_form", "fit_gain", "fit_line", "fit_offset"]
