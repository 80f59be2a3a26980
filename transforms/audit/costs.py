"""Costs: what a level or a straight line leaves of the windows of any stretch, from prefix sums.

The weighted sum of squares about the mean and about the regression line (Draper and Smith, Applied Regression Analysis,
chapters 1 and 9), for any stretches of any rows at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from transforms.audit.series import Floats, Ints, Series
from transforms.compiled import compiled

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
    return PrefixSums(*_running_sums(series.day, series.error, variance, series.n))


@compiled
def _running_sums(day: Floats, error: Floats, variance: Floats, n: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    rows, width = day.shape
    sums = np.zeros((_TERMS, rows, width + 1))
    origin, unit, datum = np.zeros(rows), np.ones(rows), np.zeros(rows)
    for row in range(rows):
        if n[row] == 0:
            continue
        first, last = day[row, 0], day[row, n[row] - 1]
        origin[row], unit[row] = (first + last) / 2, max((last - first) / 2, 1.0)
        total = 0.0
        for k in range(n[row]):
            total += 1 / variance[row, k]
            datum[row] += error[row, k] / variance[row, k]
        datum[row] /= total
        for k in range(width):
            w, t, y = 0.0, 0.0, 0.0
            if k < n[row]:
                w, t, y = 1 / variance[row, k], (day[row, k] - origin[row]) / unit[row], error[row, k] - datum[row]
            sums[0, row, k + 1] = sums[0, row, k] + w
            sums[1, row, k + 1] = sums[1, row, k] + w * t
            sums[2, row, k + 1] = sums[2, row, k] + w * t * t
            sums[3, row, k + 1] = sums[3, row, k] + w * y
            sums[4, row, k + 1] = sums[4, row, k] + w * t * y
            sums[5, row, k + 1] = sums[5, row, k] + w * y * y
    return sums, origin, unit, datum


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
