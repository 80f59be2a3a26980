"""Noise: how much a meter's error differs from window to window although nothing has happened to it.

The random part of a window's error (``error_se``) is that of its pairs. Windows differ by more: the mix of flows, the
temperature and the way of use change from day to night and from week to week. Both a variance between windows and its
persistence are estimated from differences of neighbours, of which a change of regime touches but few, by medians, which
those few do not move (Rousseeuw and Croux 1993; for correlated noise with changes Chakar et al., Bernoulli 23, 2017).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from transforms.audit.series import Bools, Floats, Ints, Series
from transforms.compiled import compiled

#: median of the absolute value of a standard normal variable
_MEDIAN = 0.6744897501960817
_STEPS = 14
#: windows whose running median an outlier is told from
_NEIGHBOURS = 9
#: standard deviations from that median at which a window is an outlier, and to which it is drawn in
OUTLYING = 3.0
#: sizes of the blocks whose means tell how persistent the noise is [windows]
_BLOCKS = (4, 14)
_LEAST_BLOCKS = 12
#: a bound, for rows with hardly more blocks than changes
_MOST_PERSISTENT = 50.0


@dataclass(frozen=True)
class Noise:
    """What windows of one and the same regime differ by, one entry per row.

    ``between`` is the variance between windows beyond that of their pairs, ``persistence`` the factor (1 or more) by which
    the variance of a mean over many windows exceeds that of independent ones, ``dof`` what both are worth in degrees of
    freedom.
    """

    between: Floats
    persistence: Floats
    dof: Floats

    def total(self, series: Series, rows: Ints | slice = slice(None)) -> Floats:
        """Variance of each window's error about its regime, as it enters tests of means."""
        return np.asarray((series.variance + self.between[rows, None]) * self.persistence[rows, None])


def estimate_noise(series: Series) -> Noise:
    """Estimate the noise of each row."""
    between, persistence = _noise(series.error, series.variance, series.n)
    # a median of absolute differences is worth about 0.37 of as many squares, neighbours share half
    dof = np.maximum(0.3 * (series.n - 1), 1.0)
    return Noise(between, np.minimum(persistence, _MOST_PERSISTENT), dof)


@compiled
def _noise(error: Floats, variance: Floats, n: Ints) -> tuple[Floats, Floats]:
    """The variance between windows and their persistence, row by row."""
    rows, width = error.shape
    between, persistence = np.zeros(rows), np.ones(rows)
    square, own, total = np.empty(width), np.empty(width), np.empty(width)
    for row in range(rows):
        count = max(n[row] - 1, 0)
        for k in range(count):
            square[k] = (error[row, k + 1] - error[row, k]) ** 2
            own[k] = variance[row, k + 1] + variance[row, k]
        between[row] = _between(square[:count], own[:count])
        for k in range(n[row]):
            total[k] = variance[row, k] + between[row]
        for size in _BLOCKS:
            found = _persistence(error[row, : n[row]], total[: n[row]], size)
            persistence[row] = max(persistence[row], found)
    return between, persistence


@compiled
def _between(square: Floats, own: Floats) -> float:
    """The variance between windows at which half of the squared differences of neighbours are below their median."""
    if len(square) < 2 or not _is_above(square, own, 0.0):
        return 0.0
    low, high = 0.0, max(4 * median(square), 1e-12)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _is_above(square, own, middle):
            low = middle
        else:
            high = middle
    return (low + high) / 2


@compiled
def _is_above(square: Floats, own: Floats, between: float) -> bool:
    """Whether the median of the standardised differences is above that of a normal variable; no sorting is needed."""
    count, below = len(square), 0
    for k in range(count):
        below += square[k] <= _MEDIAN**2 * (own[k] + 2 * between)
    if count % 2 or below != count // 2:
        return below <= (count - 1) // 2
    # the two in the middle lie on both sides
    largest, smallest = 0.0, np.inf
    for k in range(count):
        ratio = np.sqrt(square[k] / (own[k] + 2 * between))
        if square[k] <= _MEDIAN**2 * (own[k] + 2 * between):
            largest = max(largest, ratio)
        else:
            smallest = min(smallest, ratio)
    return (smallest + largest) / 2 > _MEDIAN


@compiled
def _persistence(error: Floats, variance: Floats, size: int) -> float:
    """Variance of the differences of neighbouring blocks' means over what independent windows would give."""
    blocks = len(error) // size
    if blocks < _LEAST_BLOCKS:
        return 1.0
    mean, weight = np.zeros(blocks), np.zeros(blocks)
    for block in range(blocks):
        for k in range(block * size, (block + 1) * size):
            weight[block] += 1 / variance[k]
            mean[block] += error[k] / variance[k]
        mean[block] /= weight[block]
    step = (mean[1:] - mean[:-1]) / np.sqrt(1 / weight[1:] + 1 / weight[:-1])
    # a steady drift is no noise: differences are taken about their own median
    scatter: float = median(np.abs(step - median(step))) / _MEDIAN
    return scatter**2


@compiled
def median(values: Floats) -> float:
    """The median of some values, 0 of none."""
    count = len(values)
    if count == 0:
        return 0.0
    kept, middle = values.copy(), count // 2
    _put_in_place(kept, middle)
    below = kept[middle]
    if count % 2 == 0:
        below = kept[0]
        for k in range(1, middle):
            below = max(below, kept[k])
    found: float = (kept[middle] + below) / 2
    return found


@compiled
def _put_in_place(values: Floats, place: int) -> None:
    """Swap values until the one that belongs to a place in rising order is there, none larger before it, none smaller behind.

    Half of the values are sorted out at each turn (Hoare, Comm. ACM 4, 1961); to sort all of them takes several times as long.
    """
    low, high = 0, len(values) - 1
    while low < high:
        pivot = values[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while values[left] < pivot:
                left += 1
            while values[right] > pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if place <= right:
            high = right
        elif place >= left:
            low = left
        else:
            return


def running_median(series: Series) -> Floats:
    """The median of each window's nine neighbours, itself among them; at the ends that of the last full nine."""
    return _running(series.error, series.n)


@compiled
def _running(error: Floats, n: Ints) -> Floats:
    found = np.zeros(error.shape)
    half = _NEIGHBOURS // 2
    ordered = np.empty(_NEIGHBOURS)
    for row in range(len(n)):
        count = n[row]
        if count < _NEIGHBOURS:
            found[row, :count] = median(error[row, :count])
            continue
        ordered[:] = np.sort(error[row, :_NEIGHBOURS])
        found[row, : half + 1] = ordered[half]
        for k in range(half + 1, count - half):
            # the one that leaves makes room for the one that comes
            leaves, comes = error[row, k - half - 1], error[row, k + half]
            at = 0
            while ordered[at] != leaves:
                at += 1
            while at + 1 < _NEIGHBOURS and ordered[at + 1] < comes:
                ordered[at] = ordered[at + 1]
                at += 1
            while at > 0 and ordered[at - 1] > comes:
                ordered[at] = ordered[at - 1]
                at -= 1
            ordered[at] = comes
            found[row, k] = ordered[half]
        found[row, count - half : count] = ordered[half]
    return found


def outliers(series: Series, noise: Noise) -> Bools:
    """Windows too far from the running median of their neighbours to be of the same regime as most of them."""
    spread = np.sqrt(series.variance + noise.between[:, None])
    return np.asarray(series.present & (np.abs(series.error - running_median(series)) > OUTLYING * spread))


@dataclass(frozen=True)
class Calm:
    """A series, its noise, and the same series with outliers drawn in."""

    series: Series
    noise: Noise
    drawn_in: Series


def calm(series: Series, before: Calm | None = None) -> Calm:
    """Estimate a series' noise and draw its outliers in; rows that hold the same windows as one of ``before`` are taken from
    there: most meters never change, and are looked at twice."""
    if before is None:
        noise = estimate_noise(series)
        return Calm(series, noise, drawn_in(series, noise))
    same = _same_rows(series.place, series.n, before.series.place, before.series.n)
    between, persistence, dof = (np.where(same >= 0, values[same], 0.0) for values in _arrays(before.noise))
    error = _taken(same, before.drawn_in.error, series.error.shape[1])
    fresh = np.flatnonzero(same < 0)
    if len(fresh):
        anew = calm(series.take(fresh))
        between[fresh], persistence[fresh], dof[fresh] = _arrays(anew.noise)
        error[fresh] = anew.drawn_in.error
    return Calm(series, Noise(between, persistence, dof), replace(series, error=error))


def _arrays(noise: Noise) -> tuple[Floats, Floats, Floats]:
    return noise.between, noise.persistence, noise.dof


@compiled
def _same_rows(place: Ints, n: Ints, other_place: Ints, other_n: Ints) -> Ints:
    """The row of others that holds the same windows as each row, -1 where none does; the first windows of both are rising."""
    same, other = np.full(len(n), -1), 0
    for row in range(len(n)):
        while other < len(other_n) and other_place[other, 0] < place[row, 0]:
            other += 1
        if other == len(other_n) or other_n[other] != n[row]:
            continue
        alike = True
        for k in range(n[row]):
            alike &= other_place[other, k] == place[row, k]
        if alike:
            same[row] = other
    return same


@compiled
def _taken(same: Ints, error: Floats, width: int) -> Floats:
    """Rows of errors that are known, 0 elsewhere."""
    found = np.zeros((len(same), width))
    for row in range(len(same)):
        if same[row] >= 0:
            for k in range(min(width, error.shape[1])):
                found[row, k] = error[same[row], k]
    return found


def drawn_in(series: Series, noise: Noise) -> Series:
    """The same series with outlying windows drawn in to three standard deviations from their neighbours' median."""
    return replace(
        series, error=_drawn_in(series.error, series.variance, running_median(series), noise.between, series.n)
    )


@compiled
def _drawn_in(error: Floats, variance: Floats, medians: Floats, between: Floats, n: Ints) -> Floats:
    found = np.zeros(error.shape)
    for row in range(len(n)):
        for k in range(n[row]):
            reach = OUTLYING * np.sqrt(variance[row, k] + between[row])
            found[row, k] = min(max(error[row, k], medians[row, k] - reach), medians[row, k] + reach)
    return found
