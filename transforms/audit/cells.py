"""Cells: the moments of windows by flow bin as arrays, each with its window, and what is summed over them.

Sums of flows are exact integers. Where windows are weighed against each other, standard errors are those of clustered data
(Liang and Zeger, Biometrika 73, 1986), the clusters being windows or blocks of windows that follow each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.audit.series import Floats, Ints
from transforms.compiled import compiled
from transforms.summarise.moments import BINS

#: sums of a cell, in the order of `Cells.sums`
SUMS = ("n", "sx", "sy", "sxx", "sxy", "syy")
_MANY = len(SUMS)
#: terms of a score, in the order of `Scores.terms`
TERMS = SUMS[:-1]


@dataclass(frozen=True)
class Cells:
    """Moments in the order of window and flow bin, one entry per cell.

    The cells of window w are those from ``first[w]`` up to ``first[w + 1]``. ``bin`` is the flow bin, ``sums`` holds `SUMS` in
    millionths of Q3, shape (6, cells); ``interval_s`` is the time between the readings of each window.
    """

    first: Ints
    bin: npt.NDArray[np.uint8]
    sums: Ints
    interval_s: Floats


@dataclass(frozen=True)
class Sums:
    """Cells of groups of windows added up: ``sums`` (6, bins, groups), ``volume`` sum of sx times seconds (bins, groups),
    ``windows`` of each group that have cells."""

    sums: Ints
    volume: Floats
    windows: Ints


@dataclass(frozen=True)
class Scores:
    """Sums over each window of ``weight`` times a linear combination of its cells' sums (`TERMS`).

    ``terms`` is of shape (groups, bins, scores, 5), ``weight`` of (groups, bins, scores).
    """

    terms: Floats
    weight: Floats


def random_variance(cells: Cells, meter: Ints, meters: pl.DataFrame, repeatability: float) -> Floats:
    """Variance [L^2] of what passed in each window by the scatter of the reference's single readings.

    Parameters
    ----------
    meter : ndarray
        Number of each window's meter in ``meters``, which has ``per_lph``.
    repeatability : float
        Relative scatter of a reading of the reference.
    """
    per_lph = meters["per_lph"].fill_null(np.nan).to_numpy()
    return _random(cells.first, cells.sums, cells.interval_s, meter, per_lph, repeatability)


@compiled
def _random(first: Ints, sums: Ints, interval_s: Floats, meter: Ints, per_lph: Floats, repeatability: float) -> Floats:
    found = np.zeros(len(meter))
    for window in range(len(meter)):
        scatter = repeatability * interval_s[window] / 3600 / per_lph[meter[window]]
        for cell in range(first[window], first[window + 1]):
            variance = scatter**2 * sums[3, cell]
            if np.isfinite(variance):
                found[window] += variance
    return found


def added_up(cells: Cells, group_of: Ints, groups: int) -> Sums:
    """Add up the cells of groups of windows; ``group_of`` each window, -1 for none."""
    sums, volume, windows = _added_up(cells.first, cells.bin, cells.sums, cells.interval_s, group_of, groups)
    return Sums(np.ascontiguousarray(sums.T), volume, windows)


@compiled
def _added_up(
    first: Ints, of_bin: npt.NDArray[np.uint8], sums: Ints, interval_s: Floats, group_of: Ints, groups: int
) -> tuple[Ints, Floats, Ints]:
    found = np.zeros((groups, BINS, _MANY), dtype=np.int64)
    volume = np.zeros((BINS, groups))
    windows = np.zeros(groups, dtype=np.int64)
    for window in range(len(group_of)):
        group, begin, end = group_of[window], first[window], first[window + 1]
        if group < 0 or begin == end:
            continue
        windows[group] += 1
        for cell in range(begin, end):
            b = of_bin[cell]
            for k in range(_MANY):
                found[group, b, k] += sums[k, cell]
            volume[b, group] += sums[1, cell] * interval_s[window]
    return found, volume, windows


def clustered(cells: Cells, group_of: Ints, size: Ints, scores: Scores) -> tuple[Floats, Floats]:
    """Variances of sums of scores over each group, by windows and by blocks of windows as clusters.

    Parameters
    ----------
    group_of : ndarray
        Group of each window, rising but for -1, which leaves it out.
    size : ndarray
        Windows of a block, by group.
    scores : Scores
        Their sum over a group is zero at the estimate.

    Returns
    -------
    alone, together : ndarray
        Shape (scores + 1, groups); the last row is the covariance of the first two scores.
    """
    found = _clustered(cells.first, cells.bin, cells.sums, group_of, size, scores.terms, scores.weight)
    alone, together, windows, blocks = found
    return tuple(  # type: ignore[return-value]
        np.ascontiguousarray(products.T) * count / np.maximum(count - 1, 1)
        for products, count in ((alone, windows), (together, blocks))
    )


@compiled
def _clustered(
    first: Ints,
    of_bin: npt.NDArray[np.uint8],
    sums: Ints,
    group_of: Ints,
    size: Ints,
    terms: Floats,
    weight: Floats,
) -> tuple[Floats, Floats, Ints, Ints]:
    groups, many = len(size), weight.shape[2]
    alone, together = np.zeros((groups, many + 1)), np.zeros((groups, many + 1))
    windows, blocks = np.zeros(groups, dtype=np.int64), np.zeros(groups, dtype=np.int64)
    score, of_block = np.zeros(many), np.zeros(many)
    group, inside = -1, 0
    for window in range(len(group_of)):
        own, begin, end = group_of[window], first[window], first[window + 1]
        if own < 0 or begin == end:
            continue
        # a block ends when it is full, or with its group
        if inside > 0 and (own != group or inside == size[group]):
            _add_square(together, group, of_block)
            blocks[group] += 1
            of_block[:], inside = 0.0, 0
        group = own
        score[:] = 0.0
        for cell in range(begin, end):
            b = of_bin[cell]
            n, sx, sy, sxx, sxy = sums[0, cell], sums[1, cell], sums[2, cell], sums[3, cell], sums[4, cell]
            for k in range(many):
                if weight[own, b, k] != 0:
                    value = terms[own, b, k, 4] * sxy + terms[own, b, k, 3] * sxx
                    value += terms[own, b, k, 2] * sy + terms[own, b, k, 1] * sx + terms[own, b, k, 0] * n
                    score[k] += weight[own, b, k] * value
        _add_square(alone, group, score)
        windows[group] += 1
        of_block += score
        inside += 1
    if inside > 0:
        _add_square(together, group, of_block)
        blocks[group] += 1
    return alone, together, windows, blocks


@compiled
def _add_square(products: Floats, group: int, score: Floats) -> None:
    for k in range(len(score)):
        products[group, k] += score[k] ** 2
    if len(score) > 1:
        products[group, len(score)] += score[0] * score[1]


__all__ = ["SUMS", "TERMS", "Cells", "Scores", "Sums", "added_up", "clustered", "random_variance"]
