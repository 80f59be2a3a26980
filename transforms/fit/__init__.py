"""Fit: the maintenance parameters of many meters at once, by least squares from their moments or their samples."""

from transforms.fit.choose import FORMS, Choice, choose_form
from transforms.fit.curve_fits import fit_piecewise, fit_power, fit_quadratic, fit_straight
from transforms.fit.curves import CURVE_FORMS, Curves
from transforms.fit.lines import Centred, Lines, centre, fit_gain, fit_line, fit_offset
from transforms.fit.points import Points, invert, is_monotone, to_points
from transforms.fit.robust import fit_robust
from transforms.fit.york import Bins, bins_of, fit_deming, fit_york, single_bins

__all__ = [
    "CURVE_FORMS",
    "FORMS",
    "Bins",
    "Centred",
    "Choice",
    "Curves",
    "Lines",
    "Points",
    "bins_of",
    "centre",
    "choose_form",
    "fit_deming",
    "fit_gain",
    "fit_line",
    "fit_offset",
    "fit_piecewise",
    "fit_power",
    "fit_quadratic",
    "fit_robust",
    "fit_straight",
    "fit_york",
    "invert",
    "is_monotone",
    "single_bins",
    "to_points",
]
