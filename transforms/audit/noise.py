"""Noise: how much a meter's error differs from window to window although nothing has happened to it.

The random part of a window's error (``error_se``) is that of its pairs. Windows differ by more: the mix of flows, the
temperature and the way of use change from day to night and from week to week. Both a variance between windows and its
persistence are estimated from differences of neighbours, of which a change of regime touches but few, by medians, which
those few do not move (Rousseeuw and Croux 1993; for correlated noise with changes Chakar et al., Bernoulli 23, 2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.audit.series import Bools, Floats, Ints, Series

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
    between = _between(series)
    variance = series.variance + between[:, None]
    persistence = np.ones(len(series.n))
    for size in _BLOCKS:
        persistence = np.maximum(persistence, _persistence(series, variance, size))
    # a median of absolute differences is worth about 0.37 of as many squares, neighbours share half
    dof = np.maximum(0.3 * (series.n - 1), 1.0)
    return Noise(between, np.minimum(persistence, _MOST_PERSISTENT), dof)


def _between(series: Series) -> Floats:
    """The variance between windows at which half of the differences of neighbours are below their median."""
    there = series.present[:, 1:]
    difference = np.where(there, np.abs(np.diff(series.error, axis=1)), np.inf)
    own = np.where(there, series.variance[:, 1:] + series.variance[:, :-1], 1.0)
    count = there.sum(axis=1)
    low = np.zeros(len(series.n))
    square = np.where(there, difference**2, 0.0)
    high = np.maximum(4 * _middle(np.where(there, square, np.inf), count), 1e-12)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        ratio = _middle(difference / np.sqrt(own + 2 * middle[:, None]), count)
        above = ratio > _MEDIAN
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    at_zero = _middle(difference / np.sqrt(own), count) <= _MEDIAN
    return np.where(at_zero | (count < 2), 0.0, (low + high) / 2)


def _persistence(series: Series, variance: Floats, size: int) -> Floats:
    """Variance of the differences of neighbouring blocks' means over what independent windows would give."""
    rows, width = series.error.shape
    blocks = width // size
    if blocks < _LEAST_BLOCKS:
        return np.ones(rows)
    used = slice(0, blocks * size)
    whole = (np.arange(blocks)[None, :] + 1) * size <= series.n[:, None]
    weight = np.where(series.present, 1 / variance, 0.0)[:, used].reshape(rows, blocks, size)
    total = weight.sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (weight * series.error[:, used].reshape(rows, blocks, size)).sum(axis=2) / total
        step = np.diff(mean, axis=1) / np.sqrt(1 / total[:, 1:] + 1 / total[:, :-1])
    there = whole[:, 1:]
    count = there.sum(axis=1)
    # a steady drift is no noise: differences are taken about their own median
    centre = _middle(np.where(there, step, np.inf), count)
    size_of = _middle(
        np.where(there, np.abs(step - np.where(np.isfinite(centre), centre, 0.0)[:, None]), np.inf), count
    )
    return np.where(count >= _LEAST_BLOCKS - 1, (size_of / _MEDIAN) ** 2, 1.0)


def _middle(values: Floats, count: Ints) -> Floats:
    """Medians along the rows of the first ``count`` smallest values, infinite ones standing for none."""
    if not values.shape[1]:
        return np.zeros(len(values))
    ordered = np.sort(values, axis=1)
    rows = np.arange(len(values))
    upper = ordered[rows, np.minimum(count // 2, values.shape[1] - 1)]
    lower = ordered[rows, np.maximum((count - 1) // 2, 0)]
    return np.where(count > 0, (upper + lower) / 2, 0.0)


def running_median(series: Series) -> Floats:
    """The median of each window's nine neighbours, itself among them; at the ends that of the last full nine."""
    width = series.error.shape[1]
    half = _NEIGHBOURS // 2
    if width < _NEIGHBOURS:
        return np.broadcast_to(
            _middle(np.where(series.present, series.error, np.inf), series.n)[:, None], series.error.shape
        )
    seen = np.lib.stride_tricks.sliding_window_view(series.error, _NEIGHBOURS, axis=1)
    medians = np.partition(seen, half, axis=2)[:, :, half]
    last = np.maximum(series.n - _NEIGHBOURS, 0)
    place = np.minimum(np.maximum(np.arange(width) - half, 0)[None, :], last[:, None])
    found = np.take_along_axis(medians, place, axis=1)
    short = series.n < _NEIGHBOURS
    if short.any():
        few = series.take(short)
        found[short] = _middle(np.where(few.present, few.error, np.inf), few.n)[:, None]
    return np.asarray(found)


def outliers(series: Series, noise: Noise) -> Bools:
    """Windows too far from the running median of their neighbours to be of the same regime as most of them."""
    spread = np.sqrt(series.variance + noise.between[:, None])
    return np.asarray(series.present & (np.abs(series.error - running_median(series)) > OUTLYING * spread))


def drawn_in(series: Series, noise: Noise) -> Series:
    """The same series with outlying windows drawn in to three standard deviations from their neighbours' median."""
    median = running_median(series)
    reach = OUTLYING * np.sqrt(np.where(series.present, series.variance, 0.0) + noise.between[:, None])
    error = np.clip(series.error, median - reach, median + reach)
    return Series(
        **{name: getattr(series, name) for name in series.__dataclass_fields__ if name != "error"},
        error=np.where(series.present, error, 0.0),
    )
