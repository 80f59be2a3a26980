"""Segmentation: where a meter's error changes, and whether it stays or drifts in between.

Optimal partitioning (Jackson et al., IEEE Signal Processing Letters 12, 2005; with pruning known as PELT, Killick et al.,
JASA 107, 2012) of each row into stretches with a constant error or one that drifts in a straight line: exact for the sum
of what the stretches leave, plus a price for each change and each slope. So a slow drift is one stretch, not ten steps.
Long rows are partitioned over blocks of windows first, and each change is then put to the single window that leaves least.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.audit.costs import PrefixSums
from transforms.audit.series import Bools, Floats, Ints, Series
from transforms.compiled import compiled
from transforms.statistics import load

#: chance that a row without any change is given one, by Bonferroni over the windows where it might be
FALSE_CHANGE = 1e-3
#: chance that a stretch without a slope is given one
FALSE_SLOPE = 1e-4
#: fewest windows of a stretch, and of one that drifts
LEAST, LEAST_DRIFTING = 5, 10
#: shortest stretch that can be told to drift [days]
DRIFTING_DAYS = 10.0
#: columns that the exact search is carried out over
_COLUMNS = 240
#: blocks of a row whose stretches tell whether it can have a change
_SCREEN = 64


@dataclass(frozen=True)
class Stretches:
    """Stretches of all rows, sorted by row and time: the windows [first, last), and whether the error drifts there."""

    row: Ints
    first: Ints
    last: Ints
    drifts: Bools


@dataclass(frozen=True)
class Prices:
    """What a change and a slope cost in units of the squared standardised residual, one entry per row."""

    change: Floats
    slope: Floats


def prices(n: Ints, dof: Floats) -> Prices:
    """Quantiles of F with one degree of freedom over those that the noise was estimated with.

    A change may be at any of n windows (Bonferroni); the best slope is one test a stretch.
    """
    special = load()
    count = np.maximum(n, 2).astype(np.float64)
    change = special.fdtri(1.0, np.maximum(dof, 2.0), 1 - FALSE_CHANGE / count)
    slope = special.fdtri(1.0, np.maximum(dof, 2.0), np.full(len(count), 1 - FALSE_SLOPE))
    return Prices(np.asarray(change), np.asarray(slope))


def segment(series: Series, sums: PrefixSums, price: Prices) -> Stretches:
    """Partition each row.

    Parameters
    ----------
    series : Series
        Errors with outliers drawn in.
    sums : PrefixSums
        With the variance of each window about its regime.
    price : Prices
        What a change and a slope must save.
    """
    none = np.zeros(0, dtype=np.int64)
    maybe = np.flatnonzero(_might_change(series, sums, price))
    edges = [np.array([0, count]) for count in series.n]
    if len(maybe):
        for place, found in zip(maybe, partition(series, sums, price, maybe, grid(series.n[maybe])), strict=True):
            edges[place] = found
    finer = np.array([row for row in maybe if len(edges[row]) > 2 and series.n[row] > _COLUMNS], dtype=np.int64)
    if len(finer):
        near = _nearby([edges[row] for row in finer], series.n[finer])
        for place, found in zip(finer, partition(series, sums, price, finer, near), strict=True):
            edges[place] = found
    row = np.repeat(np.arange(len(edges)), [len(own) - 1 for own in edges])
    first, last = (np.concatenate([none, *[own[side] for own in edges]]) for side in (slice(-1), slice(1, None)))
    return Stretches(row, first, last, drifting(series, sums, price, row, first, last))


def drifting(series: Series, sums: PrefixSums, price: Prices, row: Ints, first: Ints, last: Ints) -> Bools:
    """Whether a line leaves so much less than a level that the slope is worth its price."""
    cost = sums.between(first, last, row)
    long = series.day[row, np.maximum(last - 1, 0)] - series.day[row, first] >= DRIFTING_DAYS
    return np.asarray((cost.level - cost.line > price.slope[row]) & (last - first >= LEAST_DRIFTING) & long)


def _might_change(series: Series, sums: PrefixSums, price: Prices) -> Bools:
    """Whether a row can have a change at all: cheap, and passes every row that has one to speak of.

    The largest gain from setting one stretch of blocks apart from the rest of the row.
    """
    best = _largest_gain(sums.sums, series.n)
    return np.asarray((best > 0.6 * price.change) & (series.n >= 2 * LEAST))


@compiled
def _largest_gain(sums: Floats, n: Ints) -> Floats:
    best = np.zeros(len(n))
    w, y = np.zeros(_SCREEN + 1), np.zeros(_SCREEN + 1)
    for row in range(len(n)):
        for k in range(_SCREEN + 1):
            edge = round(k / _SCREEN * n[row])
            w[k], y[k] = sums[0, row, edge], sums[3, row, edge]
        for first in range(_SCREEN):
            for last in range(first + 1, _SCREEN + 1):
                part, moved = w[last] - w[first], y[last] - y[first]
                if 0 < part < w[_SCREEN]:
                    best[row] = max(best[row], moved**2 * (w[_SCREEN] / (part * (w[_SCREEN] - part))))
    return best


def grid(n: Ints) -> Ints:
    """Where stretches may end: after each block of as few windows as give no more than `_COLUMNS` blocks a row."""
    size = -(-n // _COLUMNS)
    width = int((-(-n // size)).max())
    return np.asarray(np.minimum(np.arange(width + 1)[None, :] * size[:, None], n[:, None]))


def _nearby(found: list[Ints], n: Ints) -> Ints:
    """Every single window within a block of the ends found, for the same search at full resolution."""
    size = -(-n // _COLUMNS)
    edges = []
    for own, block, count in zip(found, size, n, strict=True):
        around = own[1:-1, None] + np.arange(-block - 1, block + 2)[None, :]
        edges.append(np.unique(np.concatenate([[0, count], np.clip(around, 0, count).ravel()])))
    width = max(len(own) for own in edges)
    return np.stack([np.concatenate([own, np.full(width - len(own), own[-1])]) for own in edges])


def partition(series: Series, sums: PrefixSums, price: Prices, rows: Ints, edge: Ints) -> list[Ints]:
    """The edges of the best stretches of some rows, first and last included, out of those allowed.

    Parameters
    ----------
    edge : ndarray
        Where stretches may end, shape (rows, places), rising from 0 to the row's end, which may be repeated.
    """
    return [_best_cuts(series.day[row], sums.sums[:, row], edge[k], price.change[row], price.slope[row])
            for k, row in enumerate(rows)]  # fmt: skip


@compiled
def _best_cuts(day: Floats, sums: Floats, edge: Ints, change: float, slope: float) -> Ints:
    """The edges of the best stretches of one row."""
    end = np.searchsorted(edge, edge[-1])
    total = np.full(end + 1, np.inf)
    total[0] = -change
    came_from = np.zeros(end + 1, dtype=np.int64)
    for j in range(1, end + 1):
        last = edge[j]
        for i in range(j):
            first = edge[i]
            w = sums[0, last] - sums[0, first]
            if last - first < LEAST or not w > 0:
                continue
            wt, wtt, wy = sums[1, last] - sums[1, first], sums[2, last] - sums[2, first], sums[3, last] - sums[3, first]
            wty, wyy = sums[4, last] - sums[4, first], sums[5, last] - sums[5, first]
            inverse = 1 / w
            own = wyy - wy * wy * inverse
            if last - first >= LEAST_DRIFTING and day[last - 1] - day[first] >= DRIFTING_DAYS:
                cross, spread = wty - wt * wy * inverse, wtt - wt * wt * inverse
                if spread != 0 and cross * cross / spread > slope:
                    own -= cross * cross / spread - slope
            if total[i] + own + change < total[j]:
                total[j], came_from[j] = total[i] + own + change, i
    cuts = [end]
    while cuts[-1] > 0:
        cuts.append(came_from[cuts[-1]])
    found: Ints = edge[np.array(cuts[::-1])]
    return found
