"""Judged chunks on disk: their columns as 64-bit words, group of meters after group, of which a reader takes just what it wants.

Files are read, not mapped into memory: pages of mapped files would count as this process's own for as long as it holds them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.compiled import compiled
from transforms.fit.lines import Ints
from transforms.fit.points import MOST_POINTS
from transforms.judge.columns import nothing
from transforms.summarise.moments import BINS, Cells

#: one row of words per column, more for curves, and one column per row of the table
Block = Ints


class Room:
    """Memory for block after block: fresh memory for each costs as much time as to read what goes into it."""

    def __init__(self) -> None:
        self._words = np.empty(0, dtype=np.int64)

    def words(self, count: int) -> Ints:
        """So many words, which hold anything."""
        if len(self._words) < count:
            self._words = np.empty(count, dtype=np.int64)
        return self._words[:count]

    def clear(self) -> None:
        """Let go of the memory; blocks that stand in it keep theirs."""
        self._words = np.empty(0, dtype=np.int64)


class Layout:
    """How the columns of a table stand in blocks, and back. Strings are told by their place in a vocabulary."""

    def __init__(self, columns: Mapping[str, Any], words: Mapping[str, Sequence[str]]) -> None:
        """
        Parameters
        ----------
        columns
            Names and types of the columns, ``code`` among them.
        words
            Every word that may stand in a column of strings.
        """
        self.columns = {name: kind() if isinstance(kind, type) else kind for name, kind in columns.items()}
        self.words = {name: pl.Series(name, words[name], dtype=pl.String) for name in columns if name in words}
        self._rows: dict[str, slice] = {}
        #: words of a row of the table
        self.height = 0
        for name, kind in self.columns.items():
            begin = self.height
            self.height += MOST_POINTS if kind == pl.List(pl.Float64) else 1
            self._rows[name] = slice(begin, self.height)
        self._edges: dict[str, list[int]] = {}

    def block(self, columns: Mapping[str, npt.NDArray[Any]], rows: int) -> Block:
        """Columns (`transforms.judge.columns`) as a block; in those that are not given nothing is known."""
        block = np.empty((self.height, rows), dtype=np.int64)
        for name, place in self._rows.items():
            values = columns.get(name, nothing(self.columns[name]))
            floating = np.issubdtype(values.dtype, np.floating)
            target = block[place].view(np.float64) if floating else block[place]
            target[:] = values.T if values.ndim == 2 else values
        return block

    def write(self, block: Block, groups: int, size: int, file: str) -> None:
        """Write a block that is in the order of the meters' codes, in groups of so many meters."""
        edges = np.searchsorted(self.of(block, "code"), np.arange(groups + 1) * size)
        with Path(file).open("wb", buffering=0) as sink:
            sink.write(np.concatenate([[groups], edges]).astype(np.int64).data)
            for first, last in pairwise(edges.tolist()):
                # column after column from where they stand: to copy them together first would take as long as to write them
                if last > first and os.writev(sink.fileno(), list(block[:, first:last])) != 8 * len(block) * (
                    last - first
                ):
                    raise OSError(f"{file}: the disk took only a part of what was written")

    def read(self, file: str) -> Block:
        """The block of a whole file."""
        edges = self._edges_of(file)
        return np.concatenate(
            [
                self._part(file, *edge, np.empty(self.height * (edge[1] - edge[0]), np.int64))
                for edge in pairwise(edges)
            ],
            axis=1,
        )

    def together(self, files: Sequence[str], group: int, room: Room) -> Block:
        """One group of files that follow each other in time, each by meter and time, in the order of meter and time.

        It stands in ``room``, until that is used for another.
        """
        edges = [self._edges_of(file)[group : group + 2] for file in files]
        rows = np.array([last - first for first, last in edges], dtype=np.int64)
        code = np.empty(int(rows.sum()), dtype=np.int64)
        row_of_code, end = self._rows["code"].start, 0
        for file, (first, last) in zip(files, edges, strict=True):
            begin, end = end, end + last - first
            self._fill(file, self.height * first + row_of_code * (last - first), code[begin:end])
        place, begin = _places(code), 0
        found = room.words(self.height * len(code)).reshape(self.height, -1)
        # a part is small enough for a processor's cache: it is read there, and put where it belongs
        read = np.empty(self.height * int(rows.max(initial=0)), dtype=np.int64)
        for file, (first, last) in zip(files, edges, strict=True):
            part = self._part(file, first, last, read[: self.height * (last - first)])
            _put(part, place[begin : begin + last - first], found)
            begin += last - first
        return found

    def _edges_of(self, file: str) -> list[int]:
        """The rows with which the groups of a file begin, and one more."""
        if file not in self._edges:
            (groups,) = np.fromfile(file, np.int64, 1)
            self._edges[file] = np.fromfile(file, np.int64, int(groups) + 1, offset=8).tolist()
        return self._edges[file]

    def _part(self, file: str, first: int, last: int, room: Ints) -> Block:
        """The rows [first, last) of a file, read into some room that has their size."""
        self._fill(file, self.height * first, room)
        return room.reshape(self.height, last - first)

    def _fill(self, file: str, begin: int, room: Ints) -> None:
        """Read words of a file from the given one on, those before the first row not counted."""
        source = os.open(file, os.O_RDONLY)
        try:
            if os.preadv(source, [room.data], 8 * (1 + len(self._edges_of(file)) + begin)) != room.nbytes:
                raise OSError(f"{file} ends early: remove {Path(file).parent}, which is made anew")
        finally:
            os.close(source)

    def of(self, block: Block, name: str) -> npt.NDArray[Any]:
        """A column of a block; a curve's is of shape (rows, points)."""
        kind, place = self.columns[name], self._rows[name]
        values = block[place].view(np.float64) if kind in (pl.Float64, pl.List(pl.Float64)) else block[place]
        return values.T if kind == pl.List(pl.Float64) else values[0]

    def rows(self, block: Block, names: Sequence[str]) -> Block:
        """Columns of whole numbers that stand below each other in a block."""
        return block[self._rows[names[0]].start : self._rows[names[-1]].stop]


@compiled
def _places(code: Ints) -> Ints:
    """The place of each row once rows stand in the order of their codes, which are small numbers; equals keep their order."""
    lowest, highest = 0, -1
    if len(code):
        lowest, highest = code.min(), code.max()
    free = np.zeros(highest - lowest + 2, np.int64)
    for row in range(len(code)):
        free[code[row] - lowest + 1] += 1
    for k in range(1, len(free)):
        free[k] += free[k - 1]
    place = np.empty(len(code), np.int64)
    for row in range(len(code)):
        place[row] = free[code[row] - lowest]
        free[code[row] - lowest] += 1
    return place


@compiled
def _put(part: Block, place: Ints, found: Block) -> None:
    """Put a part's rows of the table where they belong."""
    for k in range(len(part)):
        for row in range(len(place)):
            found[k, place[row]] = part[k, row]


def binned(code: Ints, window: Ints, interval_us: Ints, cells: Cells) -> Block:
    """Moments by flow bin as a block, row after row, of those bins that hold pairs: the numbers of meter, window and bin, the
    sums of the rows' ``cells`` over the parts of the window, and the interval [s]."""
    block = _binned(code, window, interval_us, cells.first, cells.cell, cells.sums)
    block[-1:].view(np.float64)[0] = block[-1] / 1e6
    return block


@compiled
def _binned(code: Ints, window: Ints, interval_us: Ints, first: Ints, cell: Ints, sums: Ints) -> Ints:
    at_of_bin, most = np.full(BINS, -1, np.int64), 0
    for row in range(len(code)):
        seen = 0
        for at in range(first[row], first[row + 1]):
            seen |= 1 << (cell[at] % BINS)
        for of_bin in range(BINS):
            most += (seen >> of_bin) & 1
    found = np.zeros((10, most), np.int64)
    end = 0
    for row in range(len(code)):
        seen = 0
        for at in range(first[row], first[row + 1]):
            seen |= 1 << (cell[at] % BINS)
        for of_bin in range(BINS):
            if (seen >> of_bin) & 1:
                at_of_bin[of_bin] = end
                found[0, end], found[1, end], found[2, end] = code[row], window[row], of_bin
                found[9, end] = interval_us[row]
                end += 1
        for at in range(first[row], first[row + 1]):
            place = at_of_bin[cell[at] % BINS]
            for what in range(6):
                found[3 + what, place] += sums[at, what]
    return found
