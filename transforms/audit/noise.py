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
    square, own, total, weight, weighted = (
        np.empty(width), np.empty(width), np.empty(width), np.empty(width), np.empty(width)
    )  # fmt: skip
    for row in range(rows):
        count = max(n[row] - 1, 0)
        for k in range(count):
            square[k] = (error[row, k + 1] - error[row, k]) ** 2
            own[k] = variance[row, k + 1] + variance[row, k]
        between[row] = _between(square[:count], own[:count])
        for k in range(n[row]):
            total[k] = variance[row, k] + between[row]
        for k in range(n[row]):
            weight[k], weighted[k] = 1 / total[k], error[row, k] / total[k]
        for size in _BLOCKS:
            found = _persistence(weighted[: n[row]], weight[: n[row]], size)
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
def _persistence(weighted: Floats, weight: Floats, size: int) -> float:
    """Variance of the differences of neighbouring blocks' means over what independent windows would give, of errors times their
    weights, and these."""
    blocks = len(weight) // size
    if blocks < _LEAST_BLOCKS:
        return 1.0
    mean, total = np.zeros(blocks), np.zeros(blocks)
    for block in range(blocks):
        for k in range(block * size, (block + 1) * size):
            total[block] += weight[k]
            mean[block] += weighted[k]
        mean[block] /= total[block]
    step = (mean[1:] - mean[:-1]) / np.sqrt(1 / total[1:] + 1 / total[:-1])
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
    low, high = 0, len(values)
    while high - low > 1:
        pivot = values[(low + high) // 2]
        # every value is swapped, smaller or not: to ask which to swap takes longer, as nobody can guess the answer
        middle = low
        for k in range(low, high):
            value = values[k]
            values[k], values[middle] = values[middle], value
            middle += value < pivot
        if place < middle:
            high = middle
            continue
        # and what is no number is as large as any, so that there is an end
        end = middle
        for k in range(middle, high):
            value = values[k]
            values[k], values[end] = values[end], value
            end += not value > pivot
        if place < end:
            return
        low = end


def running_median(series: Series) -> Floats:
    """The median of each window's nine neighbours, itself among them; at the ends that of the last full nine.

    Of nine it is the median of three: of the largest of the lowest of three threes, the median of their medians, and the smallest
    of the highest (Devillard, Fast median search, 1998).
    """
    return _running(series.error, series.n)


@compiled
def _running(error: Floats, n: Ints) -> Floats:
    found, half = np.zeros(error.shape), _NEIGHBOURS // 2
    low, middle, high = np.empty(error.shape[1]), np.empty(error.shape[1]), np.empty(error.shape[1])
    for row in range(len(n)):
        count = n[row]
        if count < _NEIGHBOURS:
            found[row, :count] = median(error[row, :count])
            continue
        # three windows are put in order once for all nines that they are a third of
        for k in range(count - 2):
            one, two, three = error[row, k], error[row, k + 1], error[row, k + 2]
            low[k], high[k] = min(one, two, three), max(one, two, three)
            middle[k] = _middle(one, two, three)
        for k in range(count - 2 * half):
            lowest, highest = max(low[k], low[k + 3], low[k + 6]), min(high[k], high[k + 3], high[k + 6])
            found[row, k + half] = _middle(lowest, _middle(middle[k], middle[k + 3], middle[k + 6]), highest)
        found[row, :half], found[row, count - half : count] = found[row, half], found[row, count - half - 1]
    return found


@compiled
def _middle(one: float, two: float, three: float) -> float:
    """The median of three."""
    return max(min(one, two), min(max(one, two), three))


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
