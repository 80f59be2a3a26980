"""Segmentation: where a meter's error changes, and whether it stays or drifts in between.

Optimal partitioning (Jackson et al., IEEE Signal Processing Letters 12, 2005; with pruning known as PELT, Killick et al.,
JASA 107, 2012) of each row into stretches with a constant error or one that drifts in a straight line: exact for the sum
of what the stretches leave, plus a price for each change and each slope. So a slow drift is one stretch, not ten steps.
Long rows are partitioned over blocks of windows first, and each change is then put to the single window that leaves least.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.audit.costs import PrefixSums, prefix_sums
from transforms.audit.series import Bools, Floats, Ints, Series
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
#: rows at a time: their arrays stay in the processor's cache
_ROWS = 64


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


def segment(series: Series, variance: Floats, price: Prices) -> Stretches:
    """Partition each row.

    Parameters
    ----------
    series : Series
        Errors with outliers drawn in.
    variance : ndarray
        Variance of each window about its regime, shape (rows, windows).
    price : Prices
        What a change and a slope must save.
    """
    sums = prefix_sums(series, variance)
    rows = np.arange(len(series.n))
    maybe = np.flatnonzero(_might_change(series, sums, price))
    edges = {int(row): np.array([0, series.n[row]]) for row in maybe}
    for begin in range(0, len(maybe), _ROWS):
        some = maybe[begin : begin + _ROWS]
        coarse = partition(series, sums, price, some, grid(series.n[some]))
        finer = np.array([len(found) > 2 and series.n[row] > _COLUMNS for row, found in zip(some, coarse, strict=True)])
        if finer.any():
            again = some[finer]
            near = _nearby([coarse[k] for k in np.flatnonzero(finer)], series.n[again])
            for place, found in zip(np.flatnonzero(finer), partition(series, sums, price, again, near), strict=True):
                coarse[place] = found
        edges.update(zip(some.tolist(), coarse, strict=True))
    row_of = np.concatenate(
        [np.repeat(rows, 1)[~np.isin(rows, maybe)], *[[r] * (len(e) - 1) for r, e in edges.items()]]
    )
    first = np.concatenate([np.zeros(len(rows) - len(maybe)), *[e[:-1] for e in edges.values()]])
    last = np.concatenate([series.n[~np.isin(rows, maybe)], *[e[1:] for e in edges.values()]])
    order = np.lexsort((first, row_of))
    row, own_first, own_last = (values[order].astype(np.int64) for values in (row_of, first, last))
    return Stretches(row, own_first, own_last, drifting(series, sums, price, row, own_first, own_last))


def drifting(series: Series, sums: PrefixSums, price: Prices, row: Ints, first: Ints, last: Ints) -> Bools:
    """Whether a line leaves so much less than a level that the slope is worth its price."""
    cost = sums.between(first, last, row)
    long = series.day[row, np.maximum(last - 1, 0)] - series.day[row, first] >= DRIFTING_DAYS
    return np.asarray((cost.level - cost.line > price.slope[row]) & (last - first >= LEAST_DRIFTING) & long)


def _might_change(series: Series, sums: PrefixSums, price: Prices) -> Bools:
    """Whether a row can have a change at all: cheap, and passes every row that has one to speak of.

    The largest gain from setting one stretch of blocks apart from the rest of the row.
    """
    rows = np.arange(len(series.n))
    columns = 64
    edge = np.rint(np.linspace(0.0, 1.0, columns + 1)[None, :] * series.n[:, None]).astype(np.int64)
    running = sums.sums[:, rows[:, None], edge]
    w, y, whole = running[0], running[3], running[0][:, -1]
    best = np.zeros(len(rows))
    for size in range(1, columns):
        part, moved = w[:, size:] - w[:, :-size], y[:, size:] - y[:, :-size]
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = moved**2 * (whole[:, None] / (part * (whole[:, None] - part)))
        best = np.maximum(best, np.where(np.isfinite(gain), gain, 0.0).max(axis=1))
    return np.asarray((best > 0.6 * price.change) & (series.n >= 2 * LEAST))


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
    width = edge.shape[1] - 1
    opens = series.day[rows[:, None], np.minimum(edge, series.n[rows, None] - 1)]
    closes = series.day[rows[:, None], np.clip(edge - 1, 0, None)]
    running = np.ascontiguousarray(sums.sums[:, rows[:, None], edge])
    change, slope = price.change[rows, None], price.slope[rows, None]
    total = np.full((len(rows), width + 1), np.inf)
    total[:, 0] = -price.change[rows]
    came_from = np.zeros((len(rows), width + 1), dtype=np.int64)
    for j in range(1, width + 1):
        w, wt, wtt, wy, wty, wyy = running[:, :, j : j + 1] - running[:, :, :j]
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1 / w
            level = wyy - wy * wy * inverse
            cross = wty - wt * wy * inverse
            saved = cross * cross / (wtt - wt * wt * inverse)
        windows = edge[:, j : j + 1] - edge[:, :j]
        long = (windows >= LEAST_DRIFTING) & (closes[:, j : j + 1] - opens[:, :j] >= DRIFTING_DAYS)
        own = level - np.where(long & (saved > slope), saved - slope, 0.0)
        candidate = np.where((windows >= LEAST) & (w > 0), total[:, :j] + own + change, np.inf)
        came_from[:, j] = candidate.argmin(axis=1)
        total[:, j] = np.take_along_axis(candidate, came_from[:, j : j + 1], axis=1)[:, 0]
    found = []
    for place in range(len(rows)):
        j = int(np.searchsorted(edge[place], edge[place, -1]))
        cuts = [j]
        while j > 0:
            j = int(came_from[place, j])
            cuts.append(j)
        found.append(edge[place, cuts[::-1]])
    return found
