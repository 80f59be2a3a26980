"""Costs: what a level or a straight line leaves of the windows of any stretch, from prefix sums.

The weighted sum of squares about the mean and about the regression line (Draper and Smith, Applied Regression Analysis,
chapters 1 and 9), for any stretches of any rows at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from transforms.audit.series import Floats, Ints, Series

_TERMS = 6


class Cost(NamedTuple):
    """Of stretches: the residual sums of squares about a level and about a line, the sum of weights and the weighted spread
    of time, level and slope."""

    level: Floats
    line: Floats
    weight: Floats
    spread: Floats
    mean: Floats
    slope: Floats
    middle: Floats


@dataclass(frozen=True)
class PrefixSums:
    """Running sums of w, wt, wtt, wy, wty, wyy over the columns of each row, shape (6, rows, columns + 1).

    Times are in units of ``unit`` days about ``origin``, errors about ``datum``, both per row, so that nothing is lost to
    cancellation.
    """

    sums: Floats
    origin: Floats
    unit: Floats
    datum: Floats

    def between(self, first: Ints, last: Ints, rows: Ints) -> Cost:
        """Costs of the stretches [first, last) of some rows; the three broadcast."""
        return _cost(self.sums[:, rows, last] - self.sums[:, rows, first])


def prefix_sums(series: Series, variance: Floats) -> PrefixSums:
    """Prefix sums of a series with given variances."""
    count = np.maximum(series.n, 1)
    rows = np.arange(len(series.n))
    origin = (series.day[:, 0] + series.day[rows, count - 1]) / 2 if series.day.shape[1] else np.zeros(len(rows))
    unit = (
        np.maximum((series.day[rows, count - 1] - series.day[:, 0]) / 2, 1.0)
        if series.day.shape[1]
        else np.ones(len(rows))
    )
    with np.errstate(divide="ignore"):
        w = np.where(series.present, 1 / variance, 0.0)
    total = np.maximum(w.sum(axis=1), np.finfo(np.float64).tiny)
    datum = (w * series.error).sum(axis=1) / total
    t = np.where(series.present, (series.day - origin[:, None]) / unit[:, None], 0.0)
    y = np.where(series.present, series.error - datum[:, None], 0.0)
    sums = np.zeros((_TERMS, *w.shape[:1], w.shape[1] + 1))
    for place, term in enumerate((w, w * t, w * t * t, w * y, w * t * y, w * y * y)):
        np.cumsum(term, axis=1, out=sums[place, :, 1:])
    return PrefixSums(sums, origin, unit, datum)


def _cost(part: Floats) -> Cost:
    w, wt, wtt, wy, wty, wyy = part
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(w > 0, 1 / w, 0.0)
        middle, mean = wt * inverse, wy * inverse
        level = np.maximum(wyy - wy * mean, 0.0)
        spread = np.maximum(wtt - wt * middle, 0.0)
        cross = wty - wt * mean
        slope = np.where(spread > 0, cross / spread, 0.0)
    return Cost(level, np.maximum(level - cross * slope, 0.0), w, spread, mean, slope, middle)
