"""Moments of many meters as arrays: exact integers that add up over parts, bins, windows and machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.compiled import compiled

Ints = npt.NDArray[np.int64]

#: flow bins of the reference: 0 below Q1, 1 the zone Q1 to Q2, 2 to 5 the zone Q2 to Q3 in half decades, 6 from Q3 up
BINS = 7

#: sums of pairs, of their flows, and of squares and products
SUMMED = ("n", "sx", "sy", "sxx", "sxy", "syy")
#: all that simply adds
SUMS = (*SUMMED, "n_above", "n_below", "n_band_above", "n_band_below")
_LOWEST = ("x_min", "y_min")
_HIGHEST = ("x_max", "y_max")
#: bins whose extremes may be told together, by where they begin: of the reference still water and what flows, of the meter still
#: water and the flow zones. No judgement asks for more
REACHES = {"x": (0, 1), "y": (0, 1, 2, 6)}
#: bins that are added up most often: all, and those that flow
_SPANS = ((None, None), (1, BINS))

#: all that is told of a cell
TOLD = (*SUMS, *_LOWEST, *_HIGHEST)

FRAME: dict[str, pl.DataType | type[pl.DataType]] = {
    "meter_no": pl.Int32,
    "part": pl.Int8,
    "bin": pl.Int8,
    **dict.fromkeys(TOLD, pl.Int64),
}


@dataclass(frozen=True)
class Cells:
    """Sums by part and bin of those cells that hold pairs, row after row: a row's begin at ``first``, (rows + 1,).

    ``cell`` is part times `BINS` plus bin, rising within a row, (cells,); ``sums`` has the columns of `SUMMED`,
    (cells, 6). ``totals`` are those of each row over all bins, and over those that flow, (2, 6, rows), if they are known.
    """

    first: Ints
    cell: Ints
    sums: Ints
    totals: Ints | None = None


class Moments:
    """Arrays in units of Q3/1,000,000, keyed by the names of `SUMS` and the extremes.

    Meters are the last axis everywhere. Sums by part are kept either as arrays of all cells, or, of many rows, as `Cells`:
    few cells of a household's window hold any pairs.
    """

    def __init__(self, values: dict[str, Ints], cells: Cells | None = None, parts: int = 0) -> None:
        """
        Parameters
        ----------
        values
            Arrays of shape (parts, bins, meters); extremes and counts of differences may have a single part that stands for
            all, and the latter only the first bins. Extremes may be told by `REACHES` in place of each bin.
        cells
            The sums of `SUMMED`, if they are not among the values, in so many ``parts``.
        """
        self._values = values
        self._cells = cells
        self.parts = parts if cells is not None else len(values["n"])
        self._by_bin: dict[str, Ints] = {}
        self._totals: dict[tuple[str, int | None, int | None], Ints] = {}

    @property
    def values(self) -> dict[str, Ints]:
        """All arrays, shape (parts, bins, meters)."""
        if "n" not in self._values:
            cells = self.cells
            dense = _dense(cells.first, cells.cell, cells.sums, self.parts * BINS)
            names = zip(SUMMED, dense.reshape(len(SUMMED), self.parts, BINS, -1), strict=True)
            self._values = {**dict(names), **self._values}
        return self._values

    @property
    def cells(self) -> Cells:
        """The sums by part and bin, of the cells that hold pairs."""
        if self._cells is None:
            dense = np.stack([self._values[name] for name in SUMMED]).reshape(len(SUMMED), self.parts * BINS, -1)
            self._cells = Cells(*_filled(dense.astype(np.int64, copy=False)))
        return self._cells

    @staticmethod
    def from_frame(frame: pl.DataFrame, meters: int, parts: int) -> Moments:
        """From a long frame (`FRAME`), one line per meter, part and bin; extremes without pairs are inverted."""
        part, of_bin, meter = (frame[name].to_numpy().astype(np.int64) for name in ("part", "bin", "meter_no"))
        cell = part * BINS + of_bin
        sums = np.stack([frame[name].to_numpy().astype(np.int64) for name in SUMMED], axis=1)
        limit = np.iinfo(np.int64)
        start = {
            **dict.fromkeys(SUMS[len(SUMMED) :], 0),
            **dict.fromkeys(_LOWEST, int(limit.max)),
            **dict.fromkeys(_HIGHEST, int(limit.min)),
        }
        values: dict[str, Ints] = {}
        for name, empty in start.items():
            array = np.full(parts * BINS * meters, empty, dtype=np.int64)
            array[cell * meters + meter] = frame[name].to_numpy()
            values[name] = array.reshape(parts, BINS, meters)
        return Moments(values, Cells(*_in_order(meter, cell, sums, meters)), parts)

    def pick(self, rows: Ints) -> Moments:
        """The moments of some of the meters."""
        if self._cells is None:
            return Moments({name: array[..., rows] for name, array in self._values.items()})
        others = {name: array[..., rows] for name, array in self._values.items() if name not in SUMMED}
        some = Cells(*_some(self._cells.first, self._cells.cell, self._cells.sums, rows))
        return Moments(others, some, self.parts)

    def by_bin(self, name: str, bins: slice = slice(None)) -> Ints:
        """One quantity over the whole window, shape (bins, meters)."""
        if name not in self._by_bin:
            if name in SUMMED and self._cells is not None:
                whole = _over_parts(self._cells.first, self._cells.cell, self._cells.sums)
                self._by_bin |= dict(zip(SUMMED, whole, strict=True))
            else:
                array = self._values[name]
                self._by_bin[name] = array[0] if len(array) == 1 else _reduced(name, array, 0)
        return self._by_bin[name][bins]

    def reach(self, name: str) -> Ints:
        """An extreme over the whole window by `REACHES`, shape (reaches, meters)."""
        begins, found = REACHES[name[0]], self.by_bin(name)
        if len(found) == len(begins):
            return found
        return np.asarray((np.minimum if name in _LOWEST else np.maximum).reduceat(found, begins, axis=0))

    def by_part(self, name: str, bins: slice = slice(None)) -> Ints:
        """One quantity over some bins, shape (parts, meters)."""
        return _reduced(name, self.values[name][:, bins], 1)

    def total(self, name: str, bins: slice = slice(None)) -> Ints:
        """One quantity over some bins and the whole window, shape (meters,); the same array at each call."""
        key = name, bins.start, bins.stop
        if key not in self._totals:
            if name in SUMMED and self._cells is not None and key[1:] in _SPANS:
                found = self._cells.totals
                if found is None:
                    found = _totals(self._cells.first, self._cells.cell, self._cells.sums)
                for some, of_span in zip(_SPANS, found, strict=True):
                    self._totals |= {(one, *some): row for one, row in zip(SUMMED, of_span, strict=True)}
            else:
                self._totals[key] = _reduced(name, self.by_bin(name, bins), 0)
        return self._totals[key]


def _reduced(name: str, array: Ints, axis: int) -> Ints:
    if name in _LOWEST:
        return np.asarray(array.min(axis=axis))
    if name in _HIGHEST:
        return np.asarray(array.max(axis=axis))
    return np.asarray(array.sum(axis=axis))


@compiled
def _dense(first: Ints, cell: Ints, sums: Ints, cells: int) -> Ints:
    rows, many = len(first) - 1, sums.shape[1]
    dense = np.zeros((many, cells, rows), np.int64)
    for row in range(rows):
        for at in range(first[row], first[row + 1]):
            for k in range(many):
                dense[k, cell[at], row] = sums[at, k]
    return dense


@compiled
def _in_order(meter: Ints, cell: Ints, sums: Ints, meters: int) -> tuple[Ints, Ints, Ints]:
    """Cells by meter, and rising within each, of which there are few, from cells in any order."""
    first, filled = np.zeros(meters + 1, np.int64), np.zeros(meters, np.int64)
    for k in range(len(meter)):
        first[meter[k] + 1] += 1
    for row in range(meters):
        first[row + 1] += first[row]
    order = np.zeros(len(meter), np.int64)
    for k in range(len(meter)):
        row = meter[k]
        at = first[row] + filled[row]
        while at > first[row] and cell[order[at - 1]] > cell[k]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = k
        filled[row] += 1
    return first, cell[order], sums[order]


@compiled
def _filled(dense: Ints) -> tuple[Ints, Ints, Ints]:
    """The cells that hold pairs, of arrays of all cells, (6, cells, meters)."""
    many, cells, meters = dense.shape
    first = np.zeros(meters + 1, np.int64)
    for k in range(cells):
        for row in range(meters):
            first[row + 1] += dense[0, k, row] != 0
    for row in range(meters):
        first[row + 1] += first[row]
    at = first[:-1].copy()
    cell, sums = np.empty(first[-1], np.int64), np.empty((first[-1], many), np.int64)
    for k in range(cells):
        for row in range(meters):
            if dense[0, k, row] != 0:
                cell[at[row]] = k
                for what in range(many):
                    sums[at[row], what] = dense[what, k, row]
                at[row] += 1
    return first, cell, sums


@compiled
def bin_of(cell: Any) -> np.uint64:
    """The flow bin of a cell, as a place that is never below zero, which a loop need not look after."""
    return np.uint64(cell) % np.uint64(BINS)


@compiled
def add_parts(first: Ints, cell: Ints, sums: Ints, row: int, own: Ints) -> None:
    """The sums of one row over all parts, into an array of shape (BINS, 6)."""
    own[:] = 0
    for at in range(first[row], first[row + 1]):
        of_bin = bin_of(cell[at])
        for what in range(6):
            own[of_bin, what] += sums[at, what]


@compiled
def _totals(first: Ints, cell: Ints, sums: Ints) -> Ints:
    """`Cells.totals`."""
    found, room = np.empty((2, 6, len(first) - 1), np.int64), np.empty((2, 6), np.int64)
    for row in range(len(first) - 1):
        add_all(cell, sums, first[row], first[row + 1], room, found, row)
    return found


@compiled
def add_all(cell: Ints, sums: Ints, begin: int, end: int, room: Ints, found: Ints, row: int) -> None:
    """The sums of some cells over all bins, and over those that flow, into a row of ``found``, (2, 6, rows); ``room`` to work
    them out in is of shape (2, 6)."""
    room[:] = 0
    for at in range(begin, end):
        still = np.uint64(bin_of(cell[at]) == 0)
        for what in range(6):
            room[still, what] += sums[at, what]
    for what in range(6):
        found[0, what, row], found[1, what, row] = room[0, what] + room[1, what], room[0, what]


@compiled
def _some(first: Ints, cell: Ints, sums: Ints, rows: Ints) -> tuple[Ints, Ints, Ints]:
    begins = np.zeros(len(rows) + 1, np.int64)
    for k in range(len(rows)):
        begins[k + 1] = begins[k] + first[rows[k] + 1] - first[rows[k]]
    some, of_some = np.zeros(begins[-1], np.int64), np.zeros((begins[-1], sums.shape[1]), np.int64)
    for k in range(len(rows)):
        for at in range(begins[k + 1] - begins[k]):
            some[begins[k] + at] = cell[first[rows[k]] + at]
            of_some[begins[k] + at] = sums[first[rows[k]] + at]
    return begins, some, of_some


@compiled
def _over_parts(first: Ints, cell: Ints, sums: Ints) -> Ints:
    rows, many = len(first) - 1, sums.shape[1]
    whole = np.zeros((many, BINS, rows), np.int64)
    for row in range(rows):
        for at in range(first[row], first[row + 1]):
            for k in range(many):
                whole[k, cell[at] % BINS, row] += sums[at, k]
    return whole
