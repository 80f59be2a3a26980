"""Moments of many meters in many windows at once, from pairs that lie on a grid of time or in a list.

The same sums as ``moments.sql`` takes of one window, in one pass over the pairs. Most pairs of a household are still
water, which counts and needs no arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled
from transforms.summarise.moments import BINS, SUMMED, Cells, Moments

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_COUNTED = ("n_above", "n_below", "n_band_above", "n_band_below")
_EXTREMES = ("x_min", "y_min", "x_max", "y_max")

HIGHEST, LOWEST = np.iinfo(np.int64).max, np.iinfo(np.int64).min
#: added and taken away again it leaves the nearest whole number, half to even, of any flow that a meter could show
_ROUND = 1.5 * 2.0**52


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


@dataclass(frozen=True)
class OnGrid:
    """Pairs on a grid: flows of reference and meter [L/h], (devices, windows, slots), NaN where there is none.

    ``watched`` (devices, windows) says where they are somebody's, ``us`` (slots,) when they are, since the window's start,
    to which ``phase`` (devices,) is added [us].
    """

    q: Floats
    q_meter: Floats
    watched: Bools
    us: Ints
    phase: Ints


@dataclass(frozen=True)
class Listed:
    """Pairs in a list, in order of the ``row`` whose they are, and of time: flows [L/h], and when [us] since the window's
    start."""

    row: Ints
    us: Ints
    q: Floats
    q_meter: Floats

    @staticmethod
    def none() -> Listed:
        """No pairs."""
        nothing = np.zeros(0, dtype=np.int64)
        return Listed(nothing, nothing, nothing.astype(np.float64), nothing.astype(np.float64))


def moments_of(grid: OnGrid, few: Listed, place: Ints, kinds: Kinds, parts: int, part_us: int) -> Moments:
    """Sum the pairs of each row, be they on the grid or in the list; a row is a device in a window.

    What does not flow is judged by the window only, so that all of bin 0 stands in the first part. So do the extremes, and
    the counts of differences, which are told in the first bin that flows.

    Parameters
    ----------
    place
        Where the moments of each row stand, rising, -1 for rows that have none, (rows,).
    kinds
        Of all rows.
    part_us
        Length of a part of a window [us].
    """
    rows = int(place.max(initial=-1)) + 1
    begins = np.searchsorted(few.row, np.arange(len(place) + 1))
    # as many as there could be; memory that is not written to is none
    most = rows * (min(parts * BINS, grid.q.shape[2]) + 1) + min(rows * parts * BINS, len(few.row))
    cell, sums = np.empty(most, dtype=np.int64), np.empty((most, len(SUMMED)), dtype=np.int64)
    first = np.zeros(rows + 1, dtype=np.int64)
    counts = np.zeros((len(_COUNTED), 1, 2, rows), dtype=np.int64)
    extremes = np.empty((len(_EXTREMES), 1, BINS, rows), dtype=np.int64)
    of_kind = np.stack([getattr(kinds, name) for name in Kinds.__dataclass_fields__], axis=1)
    on_grid = (grid.q, grid.q_meter, grid.watched, grid.us, grid.phase)
    on_list = (few.q, few.q_meter, few.us, begins)
    total = _sum(*on_grid, *on_list, part_us, parts, place, of_kind, first, cell, sums, counts, extremes)
    values = dict(zip(_COUNTED, counts, strict=True)) | dict(zip(_EXTREMES, extremes, strict=True))
    return Moments(values, Cells(first, cell[:total], sums[:total]), parts)


@compiled
def _sum(
    q: Floats,
    q_meter: Floats,
    watched: Bools,
    us: Ints,
    phase: Ints,
    listed_q: Floats,
    listed_q_meter: Floats,
    listed_us: Ints,
    begins: Ints,
    part_us: int,
    parts: int,
    place: Ints,
    kinds: Floats,
    first: Ints,
    cells: Ints,
    sums: Ints,
    counts: Ints,
    extremes: Ints,
) -> int:
    """Fill the arrays given; returns the number of cells that hold pairs.

    One large loop: a function of this size that is called for each row would double the time.
    """
    windows = watched.shape[1]
    longest = max(q.shape[2], np.max(begins[1:] - begins[:-1])) if len(place) else 0
    # one more than a row may have: what is still is written, too, and then overwritten
    of_x, of_y, of_us = np.zeros(longest + 1), np.zeros(longest + 1), np.zeros(longest + 1, np.int64)
    own, reach = np.zeros((BINS, 6), np.int64), np.zeros((BINS, 4), np.int64)
    total = 0
    for row in range(len(place)):
        at = place[row]
        if at < 0:
            continue
        scale, q1, q2, q3 = kinds[row, 0], kinds[row, 1], kinds[row, 2], kinds[row, 3]
        top, low, high = kinds[row, 4], kinds[row, 5], kinds[row, 6]
        still, late = 0, np.int64(0)
        device, window = row // windows, row % windows
        if watched[device, window]:
            n = _moving(q, q_meter, us, device, window, of_x, of_y, of_us)
            still, late = 0 if np.isnan(scale) else q.shape[2] - n, phase[device]
        else:
            n = _copied(listed_q, listed_q_meter, listed_us, begins[row], begins[row + 1], of_x, of_y, of_us)
        _forget(reach)
        above, below, in_above, in_below = 0, 0, 0, 0
        # the first cell is that of all that does not flow, which is known at the end
        head, part, edge = total, 0, part_us - late
        total += 1
        for k in range(n):
            x, y = (of_x[k] * scale + _ROUND) - _ROUND, (of_y[k] * scale + _ROUND) - _ROUND
            # comparisons with NaN are false, as a pair without one of its readings is none
            if not ((abs(x) <= top) & (abs(y) <= top)):
                continue
            if of_us[k] >= edge:
                total = _append(own, part * BINS, total, cells, sums)
                while of_us[k] >= edge and part < parts - 1:
                    part += 1
                    edge += part_us
            ix, iy = np.int64(x), np.int64(y)
            flows = np.uint8(x >= q1)
            # between Q2 and Q3 in half decades; no branches, of which a processor would guess many wrong
            above_q2 = np.uint8(ix >= 31_623) + np.uint8(ix >= 100_000) + np.uint8(ix >= 316_228) + np.uint8(x >= q3)
            of_bin = flows * (np.uint8(1) + np.uint8(x >= q2) * (np.uint8(1) + above_q2))
            more, less = y - x, x - y
            above += flows & (more > 0)
            below += flows & (less > 0)
            in_above += flows & (low <= more) & (more <= high)
            in_below += flows & (low <= less) & (less <= high)
            _add(own, reach, of_bin, ix, iy)
        total = _append(own, part * BINS, total, cells, sums)
        _add_still(own, reach, still)
        total = _put_first(own, head, total, cells, sums)
        first[at + 1] = total
        counts[0, 0, 1, at], counts[1, 0, 1, at] = above, below
        counts[2, 0, 1, at], counts[3, 0, 1, at] = in_above, in_below
        for what in range(4):
            for k in range(BINS):
                extremes[what, 0, k, at] = reach[k, what]
    return total


@compiled
def _moving(
    q: Floats, q_meter: Floats, us: Ints, device: int, window: int, of_x: Floats, of_y: Floats, of_us: Ints
) -> int:
    """Fetch the pairs of a row of the grid that are not still; returns how many there are."""
    n = 0
    for slot in range(q.shape[2]):
        a, b = q[device, window, slot], q_meter[device, window, slot]
        of_x[n], of_y[n], of_us[n] = a, b, us[slot]
        n += not ((a == 0.0) & (b == 0.0))
    return n


@compiled
def _copied(q: Floats, q_meter: Floats, us: Ints, begin: int, end: int, of_x: Floats, of_y: Floats, of_us: Ints) -> int:
    """Fetch pairs of the list; returns how many there are."""
    for k in range(end - begin):
        of_x[k], of_y[k], of_us[k] = q[begin + k], q_meter[begin + k], us[begin + k]
    return end - begin


@compiled
def _forget(reach: Ints) -> None:
    for of_bin in range(BINS):
        reach[of_bin, 0], reach[of_bin, 1], reach[of_bin, 2], reach[of_bin, 3] = HIGHEST, HIGHEST, LOWEST, LOWEST


@compiled
def _add(own: Ints, reach: Ints, of_bin: np.uint8, ix: np.int64, iy: np.int64) -> None:
    """Add a pair to its bin."""
    own[of_bin, 0] += 1
    own[of_bin, 1] += ix
    own[of_bin, 2] += iy
    own[of_bin, 3] += ix * ix
    own[of_bin, 4] += ix * iy
    own[of_bin, 5] += iy * iy
    reach[of_bin, 0], reach[of_bin, 1] = min(reach[of_bin, 0], ix), min(reach[of_bin, 1], iy)
    reach[of_bin, 2], reach[of_bin, 3] = max(reach[of_bin, 2], ix), max(reach[of_bin, 3], iy)


@compiled
def _add_still(own: Ints, reach: Ints, still: int) -> None:
    """Count so many pairs of nothing."""
    if still > 0:
        own[0, 0] += still
        reach[0, 0], reach[0, 1] = min(reach[0, 0], 0), min(reach[0, 1], 0)
        reach[0, 2], reach[0, 3] = max(reach[0, 2], 0), max(reach[0, 3], 0)


@compiled
def _append(own: Ints, base: int, total: int, cells: Ints, sums: Ints) -> int:
    """Append the cells of a part in which something flows, and begin anew; returns how many there are then."""
    for of_bin in range(1, BINS):
        if own[of_bin, 0]:
            cells[total] = base + of_bin
            for what in range(6):
                sums[total, what] = own[of_bin, what]
                own[of_bin, what] = 0
            total += 1
    return total


@compiled
def _put_first(own: Ints, head: int, total: int, cells: Ints, sums: Ints) -> int:
    """Put what does not flow into the cell kept free for it, or close up the others; returns how many there are then."""
    if own[0, 0]:
        cells[head] = 0
        for what in range(6):
            sums[head, what] = own[0, what]
            own[0, what] = 0
        return total
    for k in range(head, total - 1):
        cells[k] = cells[k + 1]
        for what in range(6):
            sums[k, what] = sums[k + 1, what]
    return total - 1
