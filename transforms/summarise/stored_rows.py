"""What is kept of each row of a chunk's moments beside the sums of its cells: how many cells there are, extremes, and counts of
the band. Part of `transforms.summarise.stored`, whose version counts for these arrays, too."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled
from transforms.summarise.many import HIGHEST, LOWEST, Ints
from transforms.summarise.moments import BINS, REACHES, Moments

#: Of each row how many cells it has, which extremes there are (a bit each), which lowest and which highest ones need high words,
#: and the counts of the band; the low words of these extremes, the lowest and the highest: of the meter's flow by zone, and of
#: the reference's where it is still and where it flows; and the high words, one after the other
ROWS = ("told", "extremes", "tall")
_BAND = ("n_above", "n_below", "n_band_above", "n_band_below")
_LOW, _HIGH = ("y_min", "x_min"), ("y_max", "x_max")
#: so many pairs of extremes may be told of a row: first those of the meter, then those of its reference
_PAIRS = sum(len(begins) for begins in REACHES.values())
#: places that are never below zero, which a loop need not look after
_NONE, _ONE = np.uint64(0), np.uint64(1)

Array = npt.NDArray[np.integer[Any]]


def rows_to_arrays(moments: Moments) -> dict[str, Array]:
    """The arrays `ROWS`, in as few bytes as hold the numbers of nearly all chunks, or all in 64 bits."""
    first = moments.cells.first
    rows, band = len(first) - 1, [moments.total(name, slice(1, BINS)) for name in _BAND]
    extremes = [np.concatenate([moments.reach(name) for name in names]) for names in (_LOW, _HIGH)]
    *told, fits = _of_rows(first, *band, *extremes, *_room(rows, np.uint8, np.uint16, np.int16))
    if not fits:
        *told, _ = _of_rows(first, *band, *extremes, *_room(rows, np.int64, np.int64, np.int64))
    return dict(zip(ROWS, told, strict=True))


def rows_from_arrays(told: Array, extremes: Array, tall: Array) -> tuple[Ints, dict[str, Ints]]:
    """Where the cells of each row begin, and all that is told of rows themselves, as `Moments` have it."""
    values = {}
    for k, name in enumerate(_BAND):
        values[name] = np.zeros((1, 2, len(told)), dtype=np.int64)
        values[name][0, 1] = told[:, k - len(_BAND)]
    for names, found in zip((_LOW, _HIGH), _extremes(told, extremes, tall), strict=True):
        parts_of = np.split(found[None], [len(REACHES["y"])], axis=1)
        values |= dict(zip(names, parts_of, strict=True))
    return first_cells(told), values


def first_cells(told: Array) -> Ints:
    """Where the cells of each row begin, and where those of the last one end."""
    return np.concatenate([[0], np.cumsum(told[:, 0], dtype=np.int64)])


def _room(rows: int, of_count: Any, of_flow: Any, of_high: Any) -> list[Any]:
    extremes, tall = np.empty((rows * _PAIRS + 1, 2), of_flow), np.empty((2 * rows * _PAIRS + 1, 1), of_high)
    return [np.empty((rows, 4 + len(_BAND)), of_count), extremes, tall]


@compiled
def _of_rows(
    first: Ints,
    above: Ints,
    below: Ints,
    band_above: Ints,
    band_below: Ints,
    lowest: Ints,
    highest: Ints,
    told: Any,
    extremes: Any,
    tall: Any,
) -> tuple[Any, Any, Any, bool]:
    """Fill the arrays of all rows, in whatever types they are; returns them and whether all numbers fitted."""
    end, high, fits, reach = np.int64(0), np.int64(0), True, np.int64(0)
    for row in range(len(told)):
        some, tall_low, tall_high = np.int64(0), np.int64(0), np.int64(0)
        for what in range(_PAIRS):
            lower, upper = lowest[what, row], highest[what, row]
            there = np.int64(lower <= upper)
            extremes[end, 0], extremes[end, 1] = lower, upper
            reach |= ((lower ^ (lower >> 63)) | (upper ^ (upper >> 63))) & -there
            of_low, of_high = np.int64(lower >> 16 != 0) & there, np.int64(upper >> 16 != 0) & there
            tall[high, 0] = lower >> 16
            high += of_low
            tall[high, 0] = upper >> 16
            high += of_high
            some |= there << what
            tall_low |= of_low << what
            tall_high |= of_high << what
            end += there
        cells = first[row + 1] - first[row]
        told[row, 0], told[row, 1], told[row, 2], told[row, 3] = cells, some, tall_low, tall_high
        told[row, 4], told[row, 5], told[row, 6], told[row, 7] = (
            above[row],
            below[row],
            band_above[row],
            band_below[row],
        )
        fits &= (told[row, 0] == cells) & (told[row, 4] == above[row]) & (told[row, 5] == below[row])
        fits &= (told[row, 6] == band_above[row]) & (told[row, 7] == band_below[row])
    # what stands there at last is of no row
    tall[high] = 0
    return told, extremes[:end], tall[: high + 1], fits & (reach >> 31 == 0)


@compiled
def _extremes(told: Any, extremes: Any, tall: Any) -> tuple[Ints, Ints]:
    """The lowest and the highest of each row, (_PAIRS, rows), inverted where there are none."""
    lowest, highest = np.full((_PAIRS, len(told)), HIGHEST), np.full((_PAIRS, len(told)), LOWEST)
    end, high = _NONE, _NONE
    for row in range(len(told)):
        some, tall_low, tall_high = np.int64(told[row, 1]), np.int64(told[row, 2]), np.int64(told[row, 3])
        for what in range(_PAIRS):
            if (some >> what) & 1:
                of_low, of_high = (tall_low >> what) & 1, (tall_high >> what) & 1
                lowest[what, row] = np.int64(extremes[end, 0]) | ((np.int64(tall[high, 0]) * of_low) << 16)
                high += np.uint64(of_low)
                highest[what, row] = np.int64(extremes[end, 1]) | ((np.int64(tall[high, 0]) * of_high) << 16)
                high += np.uint64(of_high)
                end += _ONE
    return lowest, highest
