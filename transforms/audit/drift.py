"""Drift: how fast a meter's error changes, and when it crosses the permissible error.

Weighted least squares of the windows' errors on time (Draper and Smith, chapter 9), the weights the inverse of what pairs
and windows scatter by; standard errors by what the windows do scatter about the line, by their persistence, and by the
calibrations of the reference, each of which shifts all its windows at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.audit.changes import common_variance
from transforms.audit.noise import drawn_in, estimate_noise
from transforms.audit.series import Floats, Ints, Series, pack
from transforms.statistics import student_quantile

#: days in a month, on average over the Gregorian calendar's 400 years
MONTH_DAYS = 365.2425 / 12
#: fewest windows and days that a slope is told from
LEAST_WINDOWS, LEAST_DAYS = 10, 14.0
#: how far ahead a crossing is foretold [days]
HORIZON_DAYS = 3652.5
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


def slopes(telling: pl.DataFrame, groups: int) -> Slopes:
    """Fit a line to the errors of each group of windows.

    Parameters
    ----------
    telling : DataFrame
        Windows that tell, with ``group``, sorted by group and time.
    groups : int
        How many groups there are; those without windows get NaN.
    """
    full = {name: np.full(groups, np.nan) for name in Slopes.__dataclass_fields__}
    if not telling.is_empty():
        ranked = telling.with_columns(own=pl.col("group").rank("dense").cast(pl.Int64) - 1)
        which = ranked.group_by("own", maintain_order=True).first()["group"].to_numpy()
        fitted = fit_slopes(pack(ranked, "own"))
        for name, values in full.items():
            values[which] = getattr(fitted, name)
    return Slopes(**full)


def fit_slopes(series: Series) -> Slopes:
    """Fit a line to each row."""
    noise = estimate_noise(series)
    calm = drawn_in(series, noise)
    variance = series.variance + noise.between[:, None]
    weight = np.where(series.present, 1 / variance, 0.0)
    total = weight.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (weight * series.day).sum(axis=1) / total
        months = np.where(series.present, (series.day - middle[:, None]) / MONTH_DAYS, 0.0)
        spread = (weight * months**2).sum(axis=1)
        level = (weight * calm.error).sum(axis=1) / total
        slope = (weight * months * calm.error).sum(axis=1) / spread
        residual = np.where(series.present, calm.error - level[:, None] - slope[:, None] * months, 0.0)
        dof = np.maximum(series.n - 2.0, 1.0)
        scatter = np.maximum((weight * residual**2).sum(axis=1) / dof, 1.0) * noise.persistence
        for_level, for_slope = weight / total[:, None], weight * months / spread[:, None]
        shared_level = common_variance(for_level, series.common, series.calibration)
        shared_slope = common_variance(for_slope, series.common, series.calibration)
        shared_both = common_variance(for_level + for_slope, series.common, series.calibration)
    rows = np.arange(len(series.n))
    last = np.maximum(series.n - 1, 0)
    first_day, last_day = series.day[rows, 0], series.day[rows, last]
    enough = (series.n >= LEAST_WINDOWS) & (last_day - first_day >= LEAST_DAYS)

    def known(values: Floats) -> Floats:
        return np.where(enough, values, np.nan)

    return Slopes(
        middle=middle,
        level=level,
        per_month=known(slope),
        level_variance=scatter / total + shared_level,
        slope_variance=known(scatter / spread + shared_slope),
        covariance=known((shared_both - shared_level - shared_slope) / 2),
        quantile=student_quantile(_Z95, np.maximum(dof / noise.persistence, 2.0)),
        first=first_day,
        last=last_day,
    )


@dataclass(frozen=True)
class Crossings:
    """When errors cross their limits [days since 1970]; NaN where they do not, or where that side of the interval is open."""

    day: Floats
    low: Floats
    high: Floats


def crossings(lines: Slopes, limit: Floats, day: Ints | Floats) -> Crossings:
    """When each line crosses the limit that it moves towards, with a 95 % interval.

    The interval is that of inverse regression (Fieller; Draper and Smith, 3.2): the days on which the band about the line
    holds the limit. It is open where the band never leaves it.

    Parameters
    ----------
    limit : ndarray
        The permissible error [relative], above 0.
    day : ndarray
        The day up to which something is known; crossings more than ten years later are none.
    """
    sign = np.sign(lines.per_month)
    target = sign * limit
    with np.errstate(divide="ignore", invalid="ignore"):
        months = (target - lines.level) / lines.per_month
        # the roots of (level + m slope - target)^2 = t^2 var(m)
        t2 = lines.quantile**2
        gap = lines.level - target
        a = lines.per_month**2 - t2 * lines.slope_variance
        b = gap * lines.per_month - t2 * lines.covariance
        c = gap**2 - t2 * lines.level_variance
        root = np.sqrt(np.maximum(b**2 - a * c, 0.0))
        bounded = (a > 0) & (b**2 - a * c >= 0)
        low, high = (-b - root) / a, (-b + root) / a
    crossing = lines.middle + months * MONTH_DAYS
    wanted = np.isfinite(months) & (crossing <= day + HORIZON_DAYS)
    ends = []
    for bound in (low, high):
        when = lines.middle + bound * MONTH_DAYS
        ends.append(np.where(wanted & bounded & (np.abs(when - day) <= 2 * HORIZON_DAYS), when, np.nan))
    return Crossings(np.where(wanted, crossing, np.nan), ends[0], ends[1])
