"""Moments of many meters in many windows at once, from pairs that lie on a grid of time or in a list.

The same sums as ``moments.sql`` takes of one window, in one pass over the pairs. Most pairs of a household are still
water, which counts and needs no arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled
from transforms.summarise.moments import BINS, Moments

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: sums by part and bin, in the order in which they are kept
_SUMMED = ("n", "sx", "sy", "sxx", "sxy", "syy")
#: counts of differences, and extremes
_COUNTED = ("n_above", "n_below", "n_band_above", "n_band_below")
_EXTREMES = ("x_min", "y_min", "x_max", "y_max")

HIGHEST, LOWEST = np.iinfo(np.int64).max, np.iinfo(np.int64).min


@dataclass(frozen=True)
class Kinds:
    """Numbers of the model of each row [millionths of Q3], ``per_lph`` [1/(L/h)], arrays of shape (rows,), NaN where the
    meter is not registered and so has no pairs."""

    per_lph: Floats
    q1: Floats
    q2: Floats
    q3: Floats
    top: Floats
    band_low: Floats
    band_high: Floats

    def as_array(self) -> Floats:
        """The columns, one row's numbers side by side, (rows, 7)."""
        return np.stack([getattr(self, name) for name in self.__dataclass_fields__], axis=1)


class Sums:
    """Moments in the making; pairs are added to them.

    What does not flow is judged by the window only, so that all of bin 0 stands in one part. So do the extremes, and the
    counts of differences, which are told in the first bin that flows.
    """

    def __init__(self, place: Ints, parts: int, kinds: Kinds, part_us: int) -> None:
        """
        Parameters
        ----------
        place
            Where each row's moments stand, -1 for rows that have none, (rows,).
        part_us
            Length of a part of a window [us].
        """
        kept = int(place.max(initial=-1)) + 1
        self.place, self.kinds, self.part_us = place, kinds.as_array(), part_us
        self.sums = np.zeros((len(_SUMMED), parts, BINS, kept), dtype=np.int64)
        self.counts = np.zeros((len(_COUNTED), 1, 2, kept), dtype=np.int64)
        self.extremes = np.full((len(_EXTREMES), 1, BINS, kept), HIGHEST, dtype=np.int64)
        self.extremes[2:] = LOWEST

    def add_grid(self, q: Floats, q_meter: Floats, us: Ints, phase: Ints, watched: Bools) -> None:
        """Add the pairs of a grid.

        Parameters
        ----------
        q, q_meter
            Flows of reference and meter [L/h], (devices, windows, slots), a row for each device and window; NaN where there
            is none.
        us
            Instants since the window's start [us], (slots,), to which ``phase`` (devices,) is added.
        watched
            Where the pairs are somebody's, (devices, windows).
        """
        place = np.where(watched.reshape(-1), self.place, -1)
        _add_grid(q, q_meter, us, phase, self.part_us, place, self.kinds, self.sums, self.counts, self.extremes)

    def add_list(self, row: Ints, us: Ints, q: Floats, q_meter: Floats) -> None:
        """Add the pairs of a list, flows in L/h; ``row`` says whose they are."""
        _add_list(row, us, q, q_meter, self.part_us, self.place, self.kinds, self.sums, self.counts, self.extremes)

    def moments(self) -> Moments:
        """What was added so far."""
        values = dict(zip(_SUMMED, self.sums, strict=True)) | dict(zip(_COUNTED, self.counts, strict=True))
        return Moments(values | dict(zip(_EXTREMES, self.extremes, strict=True)))


@compiled
def _add(
    q: float, q_meter: float, part: int, at: int, kind: Floats, sums: Ints, counts: Ints, extremes: Ints
) -> None:
    x, y = np.rint(q * kind[0]), np.rint(q_meter * kind[0])
    # comparisons with NaN are false, as a pair without one of its readings is none
    if not (abs(x) <= kind[4] and abs(y) <= kind[4]):
        return
    ix, iy = np.int64(x), np.int64(y)
    if x < kind[1]:
        of_bin, part = 0, 0
    else:
        # between Q2 and Q3 in half decades
        of_bin = 1 if x < kind[2] else 2 + (ix >= 31_623) + (ix >= 100_000) + (ix >= 316_228) + (x >= kind[3])
        more, less = y - x, x - y
        counts[0, 0, 1, at] += more > 0
        counts[1, 0, 1, at] += less > 0
        counts[2, 0, 1, at] += kind[5] <= more <= kind[6]
        counts[3, 0, 1, at] += kind[5] <= less <= kind[6]
    sums[0, part, of_bin, at] += 1
    sums[1, part, of_bin, at] += ix
    sums[2, part, of_bin, at] += iy
    sums[3, part, of_bin, at] += ix * ix
    sums[4, part, of_bin, at] += ix * iy
    sums[5, part, of_bin, at] += iy * iy
    extremes[0, 0, of_bin, at] = min(extremes[0, 0, of_bin, at], ix)
    extremes[1, 0, of_bin, at] = min(extremes[1, 0, of_bin, at], iy)
    extremes[2, 0, of_bin, at] = max(extremes[2, 0, of_bin, at], ix)
    extremes[3, 0, of_bin, at] = max(extremes[3, 0, of_bin, at], iy)


@compiled
def _add_grid(
    q: Floats,
    q_meter: Floats,
    us: Ints,
    phase: Ints,
    part_us: int,
    place: Ints,
    kinds: Floats,
    sums: Ints,
    counts: Ints,
    extremes: Ints,
) -> None:
    devices, windows, slots = q.shape
    part = np.zeros(slots, np.int64)
    for device in range(devices):
        for slot in range(slots):
            part[slot] = (us[slot] + phase[device]) // part_us
        for window in range(windows):
            row = device * windows + window
            at = place[row]
            if at < 0 or np.isnan(kinds[row, 0]):
                continue
            kind, still = kinds[row], 0
            for slot in range(slots):
                reference, meter = q[device, window, slot], q_meter[device, window, slot]
                if reference == 0.0 and meter == 0.0:
                    still += 1
                else:
                    _add(reference, meter, part[slot], at, kind, sums, counts, extremes)
            if still:
                sums[0, 0, 0, at] += still
                for k in range(2):
                    extremes[k, 0, 0, at] = min(extremes[k, 0, 0, at], 0)
                    extremes[2 + k, 0, 0, at] = max(extremes[2 + k, 0, 0, at], 0)


@compiled
def _add_list(
    row: Ints,
    us: Ints,
    q: Floats,
    q_meter: Floats,
    part_us: int,
    place: Ints,
    kinds: Floats,
    sums: Ints,
    counts: Ints,
    extremes: Ints,
) -> None:
    for k in range(len(row)):
        at = place[row[k]]
        if at >= 0:
            _add(q[k], q_meter[k], us[k] // part_us, at, kinds[row[k]], sums, counts, extremes)
