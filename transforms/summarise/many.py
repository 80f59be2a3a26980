"""Moments of many meters in many windows at once, from pairs that lie on a grid of time or in a list.

The same sums as ``moments.sql`` takes of one window, in one pass over the pairs. Most pairs of a household are still
water, which counts and needs no arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled
from transforms.summarise.moments import BINS, REACHES, SUMMED, Cells, Moments, add_all

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_COUNTED = ("n_above", "n_below", "n_band_above", "n_band_below")
#: the bins with which extremes begin that are told of each bin by itself
_EACH = dict.fromkeys(REACHES, range(BINS))

HIGHEST, LOWEST = np.iinfo(np.int64).max, np.iinfo(np.int64).min
#: the sums of a part's bins stand so far apart; those of its last place are of pairs that are none
_WIDE = BINS + 1
#: so many pairs at once are looked at: what a processor takes in one go, and a power of two
_AT_ONCE = 8
#: so many cells of a row there is room for at first: more than those of most windows
_CELLS = 12
#: added and taken away again it leaves the nearest whole number, half to even, of any flow that a meter could show
_ROUND = 1.5 * 2.0**52


@dataclass(frozen=True)
class Kinds:
    """Numbers of the model of each device [millionths of Q3], ``per_lph`` [1/(L/h)], arrays of shape (devices,), NaN where
    the meter is not registered and so has no pairs."""

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


def moments_of(
    grid: OnGrid, few: Listed, place: Ints, kinds: Kinds, parts: int, part_us: int, *, by_bin: bool = True
) -> Moments:
    """Sum the pairs of each row, be they on the grid or in the list; a row is a device in a window.

    What does not flow is judged by the window only, so that all of bin 0 stands in the first part. So do the extremes, and
    the counts of differences, which are told in the first bin that flows.

    Parameters
    ----------
    place
        Where the moments of each row stand, rising, -1 for rows that have none, (rows,).
    kinds
        Of all devices.
    part_us
        Length of a part of a window [us].
    by_bin
        Whether extremes are told of each bin, or by `REACHES`.
    """
    rows = int(place.max(initial=-1)) + 1
    begins = np.searchsorted(few.row, np.arange(len(place) + 1))
    first, totals = np.zeros(rows + 1, dtype=np.int64), np.empty((2, len(SUMMED), rows), dtype=np.int64)
    counts = np.zeros((len(_COUNTED), 1, 2, rows), dtype=np.int64)
    reaches = (_EACH if by_bin else REACHES).values()
    # of pairs that are none there is a place as well
    span_of_x, span_of_y = (np.searchsorted([*begins, BINS], np.arange(_WIDE), side="right") - 1 for begins in reaches)
    of_x, of_y = (np.empty((2, len(begins), rows), dtype=np.int64) for begins in reaches)
    of_kind = np.stack([getattr(kinds, name) for name in Kinds.__dataclass_fields__], axis=1)
    on_grid = (grid.q, grid.q_meter, grid.watched, grid.us, grid.phase)
    on_list = (few.q, few.q_meter, few.us, begins)
    found = first, totals, counts, span_of_x, span_of_y, of_x, of_y
    size = rows * _CELLS + parts * _WIDE
    cell, sums, row, total = np.empty(size, np.int64), np.empty((size, len(SUMMED)), np.int64), 0, 0
    while row < len(place):
        row, total = _sum(*on_grid, *on_list, part_us, parts, place, of_kind, *found, row, total, cell, sums)
        if row < len(place):
            cell, sums = _larger(cell, total), _larger(sums, total)
    cell, sums = cell[:total], sums[:total]
    extremes = {"x_min": of_x[:1], "x_max": of_x[1:], "y_min": of_y[:1], "y_max": of_y[1:]}
    values = dict(zip(_COUNTED, counts, strict=True)) | extremes
    return Moments(values, Cells(first, cell, sums, totals), parts)


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
    totals: Ints,
    counts: Ints,
    span_of_x: Ints,
    span_of_y: Ints,
    extremes_of_x: Ints,
    extremes_of_y: Ints,
    begin: int,
    total: int,
    cells: Ints,
    sums: Ints,
) -> tuple[int, int]:
    """Fill the arrays given from row ``begin`` on, and append the cells that hold pairs, and their sums, to the ``total`` there
    are, while there is room; returns the row that is next, and how many cells there are then."""
    windows, slots = watched.shape[1], q.shape[2]
    longest = max(slots, np.max(begins[1:] - begins[:-1])) if len(place) else 0
    room = longest + _AT_ONCE
    of_x, of_y, of_part, of_slot = np.zeros(room), np.zeros(room), np.zeros(room, np.int64), np.zeros(slots, np.int64)
    ix, iy, of_cell = np.zeros(room, np.int64), np.zeros(room, np.int64), np.zeros(room, np.int64)
    own, reach = np.zeros((parts * _WIDE, 6), np.int64), np.zeros((_WIDE, 4), np.int64)
    filled, known, of_all = np.zeros(parts * _WIDE + 1, np.int64), np.int64(-1), np.empty((2, 6), np.int64)
    for row in range(begin, len(place)):
        at = place[row]
        if at < 0:
            continue
        # more room is made elsewhere: an array that were another one from here on would be counted as in use at each row
        if total + len(own) > len(cells):
            return row, total
        device, window, still = row // windows, row % windows, 0
        if watched[device, window]:
            if phase[device] != known:
                known = phase[device]
                for slot in range(slots):
                    of_slot[slot] = min((us[slot] + known) // part_us, parts - 1)
            n = _moving(q, q_meter, of_slot, device, window, of_x, of_y, of_part)
            still = 0 if np.isnan(kinds[device, 0]) else slots - n
        else:
            n = begins[row + 1] - begins[row]
            for k in range(n):
                at_k = begins[row] + k
                of_x[k], of_y[k], of_part[k] = (
                    listed_q[at_k],
                    listed_q_meter[at_k],
                    min(listed_us[at_k] // part_us, parts - 1),
                )
        of_x[n : n + _AT_ONCE] = np.nan
        above, below, in_above, in_below = _tell(n, of_x, of_y, of_part, kinds, device, ix, iy, of_cell)
        for span in range(_WIDE):
            reach[span, 0], reach[span, 1], reach[span, 2], reach[span, 3] = HIGHEST, HIGHEST, LOWEST, LOWEST
        for k in range(n):
            _add(own, reach, span_of_x, span_of_y, np.uint64(of_cell[k]), ix[k], iy[k])
        _add_still(own, reach, still)
        before, total = total, _append(own, filled, total, cells, sums)
        first[at + 1] = total
        add_all(cells, sums, before, total, of_all, totals, at)
        counts[0, 0, 1, at], counts[1, 0, 1, at] = above, below
        counts[2, 0, 1, at], counts[3, 0, 1, at] = in_above, in_below
        for span in range(extremes_of_x.shape[1]):
            extremes_of_x[0, span, at], extremes_of_x[1, span, at] = reach[span, 0], reach[span, 2]
        for span in range(extremes_of_y.shape[1]):
            extremes_of_y[0, span, at], extremes_of_y[1, span, at] = reach[span, 1], reach[span, 3]
    return len(place), total


@compiled
def _moving(
    q: Floats, q_meter: Floats, of_slot: Ints, device: int, window: int, of_x: Floats, of_y: Floats, of_part: Ints
) -> int:
    """Fetch the pairs of a row of the grid that are not still; returns how many there are."""
    n, x, y = 0, q[device, window], q_meter[device, window]
    for slot in range(len(x)):
        a, b = x[slot], y[slot]
        # what is still is written, too, and then overwritten
        of_x[n], of_y[n], of_part[n] = a, b, of_slot[slot]
        n += not ((a == 0.0) & (b == 0.0))
    return n


@compiled
def _tell(
    n: int, of_x: Floats, of_y: Floats, of_part: Ints, kinds: Floats, device: int, ix: Ints, iy: Ints, of_cell: Ints
) -> tuple[int, int, int, int]:
    """Tell pairs in units of the moments, and their cells, a few at once and so without branches; returns how many of those
    that flow are above and below their reference, at all and within the band."""
    scale, q1, q2, q3 = kinds[device, 0], kinds[device, 1], kinds[device, 2], kinds[device, 3]
    top, low, high = kinds[device, 4], kinds[device, 5], kinds[device, 6]
    above, below, in_above, in_below = 0, 0, 0, 0
    for k in range((n + _AT_ONCE - 1) // _AT_ONCE * _AT_ONCE):
        x, y = (of_x[k] * scale + _ROUND) - _ROUND, (of_y[k] * scale + _ROUND) - _ROUND
        # comparisons with NaN are false, as a pair without one of its readings is none
        is_pair = (abs(x) <= top) & (abs(y) <= top)
        x, y = x if is_pair else 0.0, y if is_pair else 0.0
        ix[k], iy[k] = np.int64(x), np.int64(y)
        flows = is_pair & (x >= q1)
        # between Q2 and Q3 in half decades
        above_q2 = np.int64(x >= 31_623) + np.int64(x >= 100_000) + np.int64(x >= 316_228) + np.int64(x >= q3)
        flowing = of_part[k] * _WIDE + 1 + (x >= q2) * (1 + above_q2)
        of_cell[k] = (flowing if flows else 0) if is_pair else BINS
        more, less = y - x, x - y
        above += flows & (more > 0)
        below += flows & (less > 0)
        in_above += flows & (low <= more) & (more <= high)
        in_below += flows & (low <= less) & (less <= high)
    return above, below, in_above, in_below


@compiled
def _add(own: Ints, reach: Ints, span_of_x: Ints, span_of_y: Ints, cell: np.uint64, ix: np.int64, iy: np.int64) -> None:
    """Add a pair to its cell, and to the reaches of its bin."""
    own[cell, 0] += 1
    own[cell, 1] += ix
    own[cell, 2] += iy
    own[cell, 3] += ix * ix
    own[cell, 4] += ix * iy
    own[cell, 5] += iy * iy
    of_bin = cell % np.uint64(_WIDE)
    a, b = np.uint64(span_of_x[of_bin]), np.uint64(span_of_y[of_bin])
    reach[a, 0], reach[b, 1] = min(reach[a, 0], ix), min(reach[b, 1], iy)
    reach[a, 2], reach[b, 3] = max(reach[a, 2], ix), max(reach[b, 3], iy)


@compiled
def _add_still(own: Ints, reach: Ints, still: int) -> None:
    """Count so many pairs of nothing."""
    if still > 0:
        own[0, 0] += still
        reach[0, 0], reach[0, 1] = min(reach[0, 0], 0), min(reach[0, 1], 0)
        reach[0, 2], reach[0, 3] = max(reach[0, 2], 0), max(reach[0, 3], 0)


def _larger(array: Ints, total: int) -> Ints:
    """Twice as much room, with what there is."""
    more = np.empty((2 * len(array), *array.shape[1:]), np.int64)
    more[:total] = array[:total]
    return more


@compiled
def _append(own: Ints, filled: Ints, total: int, cells: Ints, sums: Ints) -> int:
    """Append the cells of a row that hold pairs, and begin anew; returns how many there are then."""
    own[BINS, :] = 0
    n = 0
    for cell in range(len(own)):
        # written first and counted then: a branch would be taken at random
        filled[n] = cell
        n += own[cell, 0] > 0
    for k in range(n):
        some, at = np.uint64(filled[k]), np.uint64(total + k)
        cells[at] = filled[k] // _WIDE * BINS + filled[k] % _WIDE
        for what in range(6):
            sums[at, what] = own[some, what]
            own[some, what] = 0
    return total + n
