"""Cells: the moments of windows by flow bin as arrays, each with its window, and what is summed over them.

Sums of flows are exact integers. Where windows are weighed against each other, standard errors are those of clustered data
(Liang and Zeger, Biometrika 73, 1986), the clusters being windows or blocks of windows that follow each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.audit.series import Bools, Floats, Ints
from transforms.compiled import compiled
from transforms.summarise.moments import BINS

#: sums of a cell, in the order of `Cells.sums`
SUMS = ("n", "sx", "sy", "sxx", "sxy", "syy")
_MANY = len(SUMS)
#: terms of a score, in the order of `Scores.terms`
TERMS = SUMS[:-1]
#: windows whose scores are worked out at once: what they take lies near the processor. A power of two would have it lie in few of
#: the places that there are
_STRIP = 376


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
    windows, blocks, most = np.zeros(groups, dtype=np.int64), np.zeros(groups, dtype=np.int64), 0
    for window in range(len(group_of)):
        if group_of[window] >= 0 and first[window] != first[window + 1]:
            windows[group_of[window]] += 1
            most = max(most, windows[group_of[window]])
    # some windows at a time, each bin's sums side by side: what is worked out of many at once takes a fraction of the time
    strip, holds, score = np.zeros((BINS, len(TERMS), _STRIP)), np.zeros(BINS, dtype=np.bool_), np.empty((many, most))
    begin, count = 0, 0
    for window in range(len(group_of)):
        group = group_of[window]
        if group < 0 or first[window] == first[window + 1]:
            continue
        for cell in range(first[window], first[window + 1]):
            b = of_bin[cell]
            holds[b] = True
            for term in range(len(TERMS)):
                strip[b, term, count] = sums[term, cell]
        count += 1
        if count == _STRIP or begin + count == windows[group]:
            _score(strip, holds, terms[group], weight[group], score, begin, begin + count)
            begin, count = begin + count, 0
            if begin == windows[group]:
                blocks[group] = _squares(score, begin, size[group], alone[group], together[group])
                begin = 0
    return alone, together, windows, blocks


@compiled
def _score(strip: Floats, holds: Bools, terms: Floats, weight: Floats, score: Floats, begin: int, end: int) -> None:
    """Scores of the windows [begin, end) of a group, whose sums are in the strip, which is then empty."""
    for k in range(len(score)):
        row = score[k]
        own = row[begin:end]
        own[:] = 0.0
        for b in range(BINS):
            if holds[b] and weight[b, k] != 0:
                _add(own, strip[b], terms[b, k], weight[b, k])
    for b in range(BINS):
        if holds[b]:
            strip[b], holds[b] = 0.0, False


@compiled
def _add(score: Floats, sums: Floats, terms: Floats, weight: float) -> None:
    n, sx, sy, sxx, sxy = terms[0], terms[1], terms[2], terms[3], terms[4]
    for k in range(len(score)):
        value = sxy * sums[4, k] + sxx * sums[3, k]
        value += sy * sums[2, k] + sx * sums[1, k] + n * sums[0, k]
        score[k] += weight * value


@compiled
def _squares(score: Floats, count: int, size: int, alone: Floats, together: Floats) -> int:
    """Add up the squares of a group's scores, and the products of the first two, by windows and by blocks; how many blocks."""
    many, blocks = len(score), 0
    of_block = np.zeros(many)
    for begin in range(0, count, size):
        end = min(begin + size, count)
        for k in range(many):
            total, squares = 0.0, alone[k]
            for window in range(begin, end):
                total += score[k, window]
                squares += score[k, window] ** 2
            alone[k], of_block[k] = squares, total
            together[k] += total**2
        if many > 1:
            for window in range(begin, end):
                alone[many] += score[0, window] * score[1, window]
            together[many] += of_block[0] * of_block[1]
        blocks += 1
    return blocks


__all__ = ["SUMS", "TERMS", "Cells", "Scores", "Sums", "added_up", "clustered", "random_variance"]
