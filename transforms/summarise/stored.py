"""A chunk's moments as narrow arrays, to be kept, and back: exact, and no larger than what they stand for.

In a window of half a day most cells (part and flow bin) of a household hold a pair or two. As sums are of whole numbers, those
of flows tell a single pair, what is between two pairs tells them both, and their squares follow; other cells hold theirs.
Extremes and the counts of the band are told by the window (`transforms.summarise.stored_rows`), as the judgement asks for them.
What is written costs more time than what is worked out: so numbers stand in as few bytes as hold those of nearly all chunks,
and all in 64 bits in a chunk where they do not fit, but for counts and numbers of cells, which may take two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from transforms.compiled import compiled
from transforms.summarise.many import Ints
from transforms.summarise.moments import BINS, Cells, Moments
from transforms.summarise.stored_rows import ROWS, Array, first_cells, rows_from_arrays, rows_to_arrays

#: a change of these arrays, or of what the numbers in them mean, is another version
VERSION = 8

#: Of each cell eight times its number, with a bit each where its flow has a high word, its difference is far, and its squares are
#: wide, and its count; the low word of the reference's sum of flows, and of some the high word; by how much the meter's differs
#: from it, and where this is far the difference itself; of two pairs half of what is between them, in references and in
#: differences; of more pairs the squares' low words, and of wide ones the high words as well. Two pairs that lie too far apart
#: are told as more are, and wide
SUMS = ("cells", "flows", "upper", "near", "far", "twos", "squares", "high")
ARRAYS = (*SUMS, *ROWS)
#: numbers in each entry of `SUMS`, and their types: those that nearly all chunks fit into, those for windows of many parts or
#: readings, and those that all fit into
_WIDTHS = (2, 1, 1, 1, 1, 2, 3, 3)
_FEW: tuple[Any, ...] = (np.uint8, np.uint16, np.int16, np.int16, np.int32, np.uint16, np.uint32, np.int16)
_MANY, _ANY = (np.uint16, *_FEW[1:]), (np.int64,) * len(SUMS)
#: what fits into the first ones: numbers of cells with their bits, counts, sums of flows and differences, squares
_REACH = np.array([2**8 - 1, 2**8 - 1, 2**31 - 1, 2**47 - 1])
#: and what into the second ones
_REACH_OF_MANY = np.array([2**16 - 1, 2**16 - 1, 2**31 - 1, 2**47 - 1])

#: the largest difference that is not far; and what is added to half of one between two pairs, which may be below zero
_NEAR, _MIDDLE = 2**15 - 1, 2**15
#: squares of what is between two pairs, in references and in differences, from which on they lie too far apart
_APART, _APART_OFF = 2**34, 2**32
#: places that are never below zero, which a loop need not look after
_NONE, _ONE = np.uint64(0), np.uint64(1)

Arrays = Mapping[str, Array]


def to_arrays(moments: Moments) -> dict[str, Array]:
    """The arrays `SUMS` and `ROWS`."""
    cells = moments.cells
    *sums, reach, pairs = _packed(cells.cell, cells.sums, 2, *_room(len(cells.cell), _FEW))
    if not pairs or (reach > _REACH_OF_MANY).any():
        *sums, _, _ = _packed(cells.cell, cells.sums, -1, *_room(len(cells.cell), _ANY))
    elif (reach > _REACH).any():
        *sums, _, _ = _packed(cells.cell, cells.sums, 2, *_room(len(cells.cell), _MANY))
    return dict(zip(SUMS, sums, strict=True)) | rows_to_arrays(moments)


def from_arrays(arrays: Arrays, parts: int) -> Moments:
    """The moments that `to_arrays` told, in all that the judgement asks of them."""
    cell, sums = _whole(*(arrays[name] for name in SUMS))
    first, values = rows_from_arrays(*(arrays[name] for name in ROWS))
    return Moments(values, Cells(first, cell, sums), parts)


def begins(arrays: Arrays, rows: Ints) -> Ints:
    """Where the entries of some rows, rising, begin in each of `SUMS`, of shape (arrays, rows)."""
    return _begins(arrays["cells"], first_cells(arrays["told"])[rows])


def bins_of(counts: Ints, place: Ints, cells: Any) -> tuple[Ints, Ints]:
    """Which flow bins hold pairs in each row over its parts, a bit each, and where these bins begin among those of all rows, and
    one more.

    Parameters
    ----------
    counts
        Cells of each row, in the order of ``cells``, one of the `SUMS`.
    place
        Where each row stands in what is returned.
    """
    return _bins(counts, place, cells)


def add_up(counts: Ints, place: Ints, sums: Arrays, seen: Ints, first: Ints, which: Any, found: Ints) -> None:
    """Add up sums over the parts of windows: fill in the bins of some rows, and their sums.

    Parameters
    ----------
    counts, place
        As for `bins_of`, of the rows of ``sums``.
    sums
        The arrays `SUMS`, those that not all cells have an entry in with one more than there are.
    seen, first
        What `bins_of` returned for all rows.
    which, found
        The bins of all rows, (bins,), and their sums, (6, bins).
    """
    cells, flows, upper, near, far, twos, squares, high = (sums[name] for name in SUMS)
    _add_up(counts, place, cells, flows, upper, near, far, twos, squares, high, seen, first, which, found)


def _room(cells: int, kinds: Iterable[Any]) -> list[Any]:
    # one more than there are: what is not told is written, too, and then overwritten
    return [np.empty((cells + 1, width), kind) for width, kind in zip(_WIDTHS, kinds, strict=True)]


@compiled
def _packed(
    cell: Ints,
    sums: Ints,
    couple: int,
    number: Any,
    flows: Any,
    upper: Any,
    near: Any,
    far: Any,
    twos: Any,
    squares: Any,
    high: Any,
) -> tuple[Any, Any, Any, Any, Any, Any, Any, Any, Ints, bool]:
    """Fill the arrays of all cells, in whatever types they are; returns them, what bits there are in the numbers of cells,
    counts, sums of flows with differences, and squares, and whether what was told as two pairs is. ``couple`` is how many pairs
    are told so: 2, or a number that no cell has."""
    beyond, remote, couples, several, wide = 0, 0, 0, 0, 0
    of_cell, of_count, of_flow, of_square = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    between = np.empty((len(sums) + 1, 3), np.int64)
    for k in range(len(sums)):
        n, x, y, xx, xy, yy = sums[k, 0], sums[k, 1], sums[k, 2], sums[k, 3], sums[k, 4], sums[k, 5]
        apart = y - x
        # of two pairs the square of what is between their references, between their differences, and the product of both
        of_x, of_off, of_both = 2 * xx - x * x, 2 * (xx - 2 * xy + yy) - apart * apart, 2 * (xy - xx) - x * apart
        two = (n == couple) & (of_x < _APART) & (of_off < _APART_OFF)
        many = (n > 1) & ~two
        large = many & ((n == 2) | (((xx >> 32) | (xy >> 32) | (yy >> 32)) != 0))
        # a number below zero takes as many bits as what is left of it when all of them are turned round
        over, off = (x >> 16) != 0, (apart ^ (apart >> 63)) > _NEAR
        whole = 8 * cell[k] + 4 * over + 2 * off + large
        number[k, 0], number[k, 1], near[k, 0], far[remote, 0] = whole, n, apart, apart
        flows[k, 0], upper[beyond, 0] = x, x >> 16
        between[couples, 0], between[couples, 1], between[couples, 2] = of_x, of_off, of_both
        squares[several, 0], squares[several, 1], squares[several, 2] = xx, xy, yy
        high[wide, 0], high[wide, 1], high[wide, 2] = xx >> 32, xy >> 32, yy >> 32
        of_cell, of_count = of_cell | whole, of_count | n
        of_flow |= (x ^ (x >> 63)) | (apart ^ (apart >> 63))
        of_square |= (xx ^ (xx >> 63)) | (xy ^ (xy >> 63)) | (yy ^ (yy >> 63))
        beyond += over
        remote += off
        couples += two
        several += many
        wide += large
    # what stands there at last is of no cell
    upper[beyond], far[remote], twos[couples], squares[several], high[wide] = 0, 0, 0, 0, 0
    reach, pairs = np.array([of_cell, of_count, of_flow, of_square]), _halved(between[:couples], twos)
    upper, far, twos = upper[: beyond + 1], far[: remote + 1], twos[: couples + 1]
    squares, high = squares[: several + 1], high[: wide + 1]
    return number[:-1], flows[:-1], upper, near[:-1], far, twos, squares, high, reach, pairs


@compiled
def _halved(between: Ints, twos: Any) -> bool:
    """Tell half of what is between two pairs: whether one is left over the sums of flows tell. False where there are no such
    pairs."""
    pairs = True
    for k in range(len(between)):
        # exact: squares of whole numbers, below 2**53
        of_x = np.int64(np.sqrt(np.float64(max(between[k, 0], 0))))
        of_off = np.int64(np.sqrt(np.float64(max(between[k, 1], 0))))
        of_off = of_off if between[k, 2] >= 0 else -of_off
        pairs &= (of_x * of_x == between[k, 0]) & (of_off * of_off == between[k, 1]) & (of_x * of_off == between[k, 2])
        twos[k, 0], twos[k, 1] = of_x >> 1, (of_off >> 1) + _MIDDLE
    return pairs


@compiled
def _of_few(x: Any, apart: Any, half: Any, half_off: Any, two: Any) -> tuple[Any, Any, Any]:
    """The squares of two pairs, or of a single one, which counts as that one and nothing: to go two ways takes longer."""
    lower_x = ((x >> 1) - half) & -two
    lower_y = (lower_x + (apart >> 1) - half_off) & -two
    upper_x, upper_y = x - lower_x, x + apart - lower_y
    xx, yy = upper_x * upper_x + lower_x * lower_x, upper_y * upper_y + lower_y * lower_y
    return xx, upper_x * upper_y + lower_x * lower_y, yy


@compiled
def _whole(
    number: Any, flows: Any, upper: Any, near: Any, far: Any, twos: Any, squares: Any, high: Any
) -> tuple[Ints, Ints]:
    """The numbers and all sums of cells."""
    cell, sums = np.empty(len(number), np.int64), np.empty((len(number), 6), np.int64)
    beyond, remote, couples, several, wide = _NONE, _NONE, _NONE, _NONE, _NONE
    for k in range(len(number)):
        over, off, two, many, large = _kind(number[k, 0], number[k, 1])
        x = _joined(flows[k, 0], upper[beyond, 0], over, 16)
        apart = np.int64(far[remote, 0]) if off else np.int64(near[k, 0])
        half, half_off = np.int64(twos[couples, 0]), np.int64(twos[couples, 1]) - _MIDDLE
        xx, xy, yy = _of_few(x, apart, half, half_off, two)
        if many:
            xx = _joined(squares[several, 0], high[wide, 0], large, 32)
            xy = _joined(squares[several, 1], high[wide, 1], large, 32)
            yy = _joined(squares[several, 2], high[wide, 2], large, 32)
        cell[k] = number[k, 0] >> 3
        sums[k, 0], sums[k, 1], sums[k, 2] = number[k, 1], x, x + apart
        sums[k, 3], sums[k, 4], sums[k, 5] = xx, xy, yy
        beyond += np.uint64(over)
        remote += np.uint64(off)
        couples += np.uint64(two)
        several += np.uint64(many)
        wide += np.uint64(large)
    return cell, sums


@compiled
def _kind(number: Any, count: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Whether the flow of a cell has a high word, its difference is far, its squares are those of two pairs, or told, or told
    with high words: 0 or 1."""
    bits = np.int64(number)
    large = bits & 1
    two, many = np.int64(count == 2) & (large ^ 1), np.int64(count > 2) | large
    return (bits >> 2) & 1, (bits >> 1) & 1, two, many, large


@compiled
def _joined(low: Any, high: Any, there: Any, bits: int) -> Any:
    """A number of its low word, of so many bits, and its high one where there is one. In 64 bits the low one is all of it."""
    return np.int64(low) | ((np.int64(high) * there) << bits)


@compiled
def _begins(number: Any, first: Ints) -> Ints:
    found, at = np.zeros((8, len(first)), np.int64), 0
    beyond, remote, couples, several, wide = 0, 0, 0, 0, 0
    for k in range(len(first)):
        some, at = number[at : first[k]], first[k]
        for cell in range(len(some)):
            over, off, two, many, large = _kind(some[cell, 0], some[cell, 1])
            beyond += over
            remote += off
            couples += two
            several += many
            wide += large
        found[0, k], found[1, k], found[2, k], found[3, k] = at, at, beyond, at
        found[4, k], found[5, k], found[6, k], found[7, k] = remote, couples, several, wide
    return found


@compiled
def _bins(counts: Ints, place: Ints, number: Any) -> tuple[Ints, Ints]:
    rows, k = len(counts), _NONE
    seen, first = np.empty(rows, np.int64), np.zeros(rows + 1, np.int64)
    for row in range(rows):
        some = 0
        for _ in range(counts[row]):
            some |= 1 << _bin_of(number[k, 0])
            k += _ONE
        seen[place[row]] = some
    for row in range(rows):
        first[row + 1] = first[row]
        for of_bin in range(BINS):
            first[row + 1] += (seen[row] >> of_bin) & 1
    return seen, first


@compiled
def _bin_of(number: Any) -> Any:
    return np.uint64((np.uint32(number) >> np.uint32(3)) % np.uint32(BINS))


@compiled
def _add_up(
    counts: Ints,
    place: Ints,
    number: Any,
    flows: Any,
    upper: Any,
    near: Any,
    far: Any,
    twos: Any,
    squares: Any,
    high: Any,
    seen: Ints,
    first: Ints,
    which: Any,
    found: Ints,
) -> None:
    of_bins, k = np.zeros((BINS, 6), np.int64), _NONE
    beyond, remote, couples, several, wide = _NONE, _NONE, _NONE, _NONE, _NONE
    for row in range(len(counts)):
        for _ in range(counts[row]):
            over, off, two, many, large = _kind(number[k, 0], number[k, 1])
            # read in any case: to go two ways takes longer
            x = _joined(flows[k, 0], upper[beyond, 0], over, 16)
            at_hand, afar = np.int64(near[k, 0]), np.int64(far[remote, 0])
            half, half_off = np.int64(twos[couples, 0]), np.int64(twos[couples, 1]) - _MIDDLE
            xx = _joined(squares[several, 0], high[wide, 0], large, 32)
            xy = _joined(squares[several, 1], high[wide, 1], large, 32)
            yy = _joined(squares[several, 2], high[wide, 2], large, 32)
            apart = afar if off else at_hand
            of_x, of_xy, of_y = _of_few(x, apart, half, half_off, two)
            of_bin = _bin_of(number[k, 0])
            of_bins[of_bin, 0] += np.int64(number[k, 1])
            of_bins[of_bin, 1] += x
            of_bins[of_bin, 2] += x + apart
            of_bins[of_bin, 3] += xx if many else of_x
            of_bins[of_bin, 4] += xy if many else of_xy
            of_bins[of_bin, 5] += yy if many else of_y
            k += _ONE
            beyond += np.uint64(over)
            remote += np.uint64(off)
            couples += np.uint64(two)
            several += np.uint64(many)
            wide += np.uint64(large)
        at, some = np.uint64(first[place[row]]), seen[place[row]]
        for b in range(BINS):
            if (some >> b) & 1:
                which[at] = b
                for what in range(6):
                    found[what, at] = of_bins[b, what]
                    of_bins[b, what] = 0
                at += _ONE
