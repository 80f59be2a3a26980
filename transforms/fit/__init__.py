"""Fit: the maintenance parameters of many meters at once, by least squares from their moments or their samples.

For the single data set of a notebook: `straight_line`, `polynomial`, `power_law`, `nonlinear`, `zone_errors`.
"""

from transforms.fit.choose import FORMS, Choice, choose_form
from transforms.fit.curve_fits import fit_piecewise, fit_power, fit_quadratic, fit_straight
from transforms.fit.curves import CURVE_FORMS, Curves
from transforms.fit.lines import Centred, Lines, centre, fit_gain, fit_line, fit_offset
from transforms.fit.points import Points, invert, is_monotone, to_points
from transforms.fit.proportional import proportional_errors
from transforms.fit.robust import fit_robust
from transforms.fit.single import CalibrationCurve, nonlinear, polynomial, power_law
from transforms.fit.straight import Estimate, StraightLine, straight_line
from transforms.fit.york import Bins, bins_of, fit_deming, fit_york, single_bins
from transforms.fit.zones import ZoneError, zone_errors

__all__ = [
    "CURVE_FORMS",
    "FORMS",
    "Bins",
    "CalibrationCurve",
    "Centred",
    "Choice",
    "Curves",
    "Estimate",
    "Lines",
    "Points",
    "StraightLine",
    "ZoneError",
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
    "nonlinear",
    "polynomial",
    "power_law",
    "proportional_errors",
    "single_bins",
    "straight_line",
    "to_points",
    "zone_errors",
]
