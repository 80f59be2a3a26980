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
    """Pairs in a list, in order of the ``row`` whose they are: flows [L/h], and when [us] since the window's start."""

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
    most = rows * min(parts * BINS, grid.q.shape[2]) + min(rows * parts * BINS, len(few.row))
    cell, sums = np.empty(most, dtype=np.int64), np.empty((most, len(SUMMED)), dtype=np.int64)
    first = np.zeros(rows + 1, dtype=np.int64)
    counts = np.zeros((len(_COUNTED), 1, 2, rows), dtype=np.int64)
    extremes = np.empty((len(_EXTREMES), 1, BINS, rows), dtype=np.int64)
    of_kind = np.stack([getattr(kinds, name) for name in Kinds.__dataclass_fields__], axis=1)
    part = (grid.us + grid.phase[:, None]) // part_us
    on_list = (few.q, few.q_meter, few.us // part_us, begins)
    total = _sum(
        grid.q, grid.q_meter, grid.watched, part, *on_list, place, of_kind, parts, first, cell, sums, counts, extremes
    )
    values = dict(zip(_COUNTED, counts, strict=True)) | dict(zip(_EXTREMES, extremes, strict=True))
    return Moments(values, Cells(first, cell[:total], sums[:total]), parts)


@compiled
def _sum(
    q: Floats,
    q_meter: Floats,
    watched: Bools,
    part: Ints,
    listed_q: Floats,
    listed_q_meter: Floats,
    listed_part: Ints,
    begins: Ints,
    place: Ints,
    kinds: Floats,
    parts: int,
    first: Ints,
    cells: Ints,
    sums: Ints,
    counts: Ints,
    extremes: Ints,
) -> int:
    """Fill the arrays given; returns the number of cells that hold pairs."""
    windows, slots = watched.shape[1], q.shape[2]
    longest = slots
    for row in range(len(place)):
        longest = max(longest, begins[row + 1] - begins[row])
    of_x, of_y, of_part = np.zeros(longest), np.zeros(longest), np.zeros(longest, np.int64)
    own, reach, told = np.zeros((parts * BINS, 6), np.int64), np.zeros((BINS, 4), np.int64), np.zeros(4, np.int64)
    total = 0
    for row in range(len(place)):
        at, kind = place[row], kinds[row]
        if at < 0:
            continue
        n, still = 0, 0
        device, window = row // windows, row % windows
        if watched[device, window]:
            for slot in range(slots):
                a, b = q[device, window, slot], q_meter[device, window, slot]
                if a == 0.0 and b == 0.0:
                    still += 1
                else:
                    of_x[n], of_y[n], of_part[n] = a, b, part[device, slot]
                    n += 1
        else:
            listed = slice(begins[row], begins[row + 1])
            n = begins[row + 1] - begins[row]
            of_x[:n], of_y[:n], of_part[:n] = listed_q[listed], listed_q_meter[listed], listed_part[listed]
        _add_up(of_x, of_y, of_part, n, 0 if np.isnan(kind[0]) else still, kind, own, reach, told)
        total = _keep(own, total, cells, sums)
        first[at + 1] = total
        for what in range(4):
            counts[what, 0, 1, at] = told[what]
            for k in range(BINS):
                extremes[what, 0, k, at] = reach[k, what]
    return total


@compiled
def _keep(own: Ints, total: int, cells: Ints, sums: Ints) -> int:
    """Append the cells that hold pairs; returns how many there are then."""
    for cell in range(len(own)):
        if own[cell, 0]:
            cells[total] = cell
            for what in range(6):
                sums[total, what] = own[cell, what]
            total += 1
    return total


@compiled
def _add_up(
    of_x: Floats, of_y: Floats, part: Ints, n: int, still: int, kind: Floats, own: Ints, reach: Ints, told: Ints
) -> None:
    """Sums by cell, extremes by bin and counts of differences of one row's pairs, of which ``still`` more are still."""
    scale, q1, q2, q3, top, low, high = kind
    own[:], told[:] = 0, 0
    reach[:, :2], reach[:, 2:] = HIGHEST, LOWEST
    for k in range(n):
        x, y = np.rint(of_x[k] * scale), np.rint(of_y[k] * scale)
        # comparisons with NaN are false, as a pair without one of its readings is none
        if not (abs(x) <= top and abs(y) <= top):
            continue
        ix, iy = np.int64(x), np.int64(y)
        of_bin, cell = 0, 0
        if x >= q1:
            # between Q2 and Q3 in half decades
            of_bin = 2 + (ix >= 31_623) + (ix >= 100_000) + (ix >= 316_228) + (x >= q3) if x >= q2 else 1
            more, less = y - x, x - y
            told[0] += more > 0
            told[1] += less > 0
            told[2] += (low <= more) & (more <= high)
            told[3] += (low <= less) & (less <= high)
            cell = part[k] * BINS + of_bin
        own[cell, 0] += 1
        own[cell, 1] += ix
        own[cell, 2] += iy
        own[cell, 3] += ix * ix
        own[cell, 4] += ix * iy
        own[cell, 5] += iy * iy
        reach[of_bin, 0], reach[of_bin, 1] = min(reach[of_bin, 0], ix), min(reach[of_bin, 1], iy)
        reach[of_bin, 2], reach[of_bin, 3] = max(reach[of_bin, 2], ix), max(reach[of_bin, 3], iy)
    if still > 0:
        own[0, 0] += still
        reach[0, 0], reach[0, 1] = min(reach[0, 0], 0), min(reach[0, 1], 0)
        reach[0, 2], reach[0, 3] = max(reach[0, 2], 0), max(reach[0, 3], 0)
