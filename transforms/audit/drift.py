"""Drift: how fast a meter's error changes.

Weighted least squares of the windows' errors on time (Draper and Smith, chapter 9), the weights the inverse of what pairs
and windows scatter by; standard errors by what the windows do scatter about the line, by their persistence, and by the
calibrations of the reference, each of which shifts all its windows at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.audit.bends import MONTH_DAYS
from transforms.audit.changes import common_variance
from transforms.audit.listed import Listed
from transforms.audit.noise import Calm, calm
from transforms.audit.series import Floats, Ints, Series, numbered
from transforms.compiled import compiled
from transforms.statistics import student_quantile

#: fewest windows and days that a slope is told from
LEAST_WINDOWS, LEAST_DAYS = 10, 14.0
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Slopes:
    """Straight lines of error against time, one entry per group.

    ``level`` is the error at ``middle`` (days since 1970), ``per_month`` the slope; ``level_variance``,
    ``slope_variance`` (per month squared) and ``covariance`` hold the reference's calibrations. ``quantile`` is Student's
    t for 95 %. NaN where there is too little to tell.
    """

    middle: Floats
    level: Floats
    per_month: Floats
    level_variance: Floats
    slope_variance: Floats
    covariance: Floats
    quantile: Floats
    first: Floats
    last: Floats

    def at(self, day: Floats) -> tuple[Floats, Floats]:
        """The line and half the width of its 95 % band on some days, shape of ``day`` broadcast."""
        months = (day - self.middle) / MONTH_DAYS
        variance = self.level_variance + 2 * months * self.covariance + months**2 * self.slope_variance
        return self.level + months * self.per_month, self.quantile * np.sqrt(np.maximum(variance, 0.0))


def slopes(windows: Listed, telling: Ints, group: Ints, groups: int, before: Calm | None = None) -> Slopes:
    """Fit a line to the errors of each group of windows.

    Parameters
    ----------
    telling : ndarray
        Rows of the windows that tell.
    group : ndarray
        The group of each, rising.
    groups : int
        How many groups there are; those without windows get NaN.
    before : Calm, optional
        What is known of some groups already.
    """
    full = {name: np.full(groups, np.nan) for name in Slopes.__dataclass_fields__}
    if len(telling):
        which = group[np.flatnonzero(np.diff(group, prepend=-1))]
        fitted = fit_slopes(Series.packed(windows, telling, numbered(group)), before)
        for name, values in full.items():
            values[which] = getattr(fitted, name)
    return Slopes(**full)


def fit_slopes(series: Series, before: Calm | None = None) -> Slopes:
    """Fit a line to each row."""
    known_of = calm(series, before)
    noise = known_of.noise
    variance = series.variance + noise.between[:, None]
    middle, level, slope, total, spread, chi2, for_level, for_slope = _fitted(
        known_of.drawn_in.error, variance, series.day, series.n
    )
    dof = np.maximum(series.n - 2.0, 1.0)
    scatter = np.maximum(chi2 / dof, 1.0) * noise.persistence
    shared_level, shared_slope, shared_both = (
        common_variance(share, series.common, series.calibration)
        for share in (for_level, for_slope, for_level + for_slope)
    )
    rows = np.arange(len(series.n))
    last = np.maximum(series.n - 1, 0)
    first_day, last_day = series.day[rows, 0], series.day[rows, last]
    enough = (series.n >= LEAST_WINDOWS) & (last_day - first_day >= LEAST_DAYS)

    def known(values: Floats) -> Floats:
        return np.where(enough, values, np.nan)

    with np.errstate(divide="ignore", invalid="ignore"):
        slope_variance = scatter / spread + shared_slope
    return Slopes(
        middle=middle,
        level=level,
        per_month=known(slope),
        level_variance=scatter / total + shared_level,
        slope_variance=known(slope_variance),
        covariance=known((shared_both - shared_level - shared_slope) / 2),
        quantile=student_quantile(_Z95, np.maximum(dof / noise.persistence, 2.0)),
        first=first_day,
        last=last_day,
    )


@compiled
def _fitted(error: Floats, variance: Floats, day: Floats, n: Ints) -> tuple[Floats, ...]:
    """Middle, level and slope of each row's line, the sum of weights, the weighted spread of months, what is left, and
    the shares that each window has in level and slope."""
    rows, width = error.shape
    middle, level, slope = np.zeros(rows), np.zeros(rows), np.full(rows, np.nan)
    total, spread, chi2 = np.zeros(rows), np.zeros(rows), np.full(rows, np.nan)
    for_level, for_slope = np.zeros((rows, width)), np.full((rows, width), np.nan)
    for row in range(rows):
        for k in range(n[row]):
            weight = 1 / variance[row, k]
            total[row] += weight
            middle[row] += weight * (day[row, k] - day[row, 0])
            level[row] += weight * error[row, k]
        middle[row] = day[row, 0] + middle[row] / total[row]
        level[row] /= total[row]
        product = 0.0
        for k in range(n[row]):
            weight, months = 1 / variance[row, k], (day[row, k] - middle[row]) / MONTH_DAYS
            spread[row] += weight * months**2
            product += weight * months * (error[row, k] - level[row])
        if spread[row] > 0:
            slope[row], chi2[row] = product / spread[row], 0.0
        for k in range(n[row]):
            weight, months = 1 / variance[row, k], (day[row, k] - middle[row]) / MONTH_DAYS
            for_level[row, k] = weight / total[row]
            if spread[row] > 0:
                chi2[row] += weight * (error[row, k] - level[row] - slope[row] * months) ** 2
                for_slope[row, k] = weight * months / spread[row]
        for_slope[row, n[row] :] = 0.0
    return middle, level, slope, total, spread, chi2, for_level, for_slope
