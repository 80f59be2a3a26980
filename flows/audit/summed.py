"""Sums by flow bin of a group of meters, read from the sums of chunks as the store lends them, and added up over the parts of a
window: each chunk's sums are on disk once, for this audit and for all that share its days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from flows.audit.judged import Room, fill
from transforms.fit.lines import Ints
from transforms.summarise.stored import SUMS, Arrays, add_up, begins, bins_of

#: where the groups of a chunk begin in each of its arrays
EDGES = "edges.npy"


@dataclass(frozen=True)
class _Head:
    """The type of an array on disk, how many numbers make a line, and with which byte they begin."""

    kind: np.dtype[Any]
    width: int
    offset: int


class Summed:
    """Reads the sums of chunks that are lent to an audit, in some folders."""

    def __init__(self) -> None:
        self._edges: dict[str, Ints] = {}
        self._heads: dict[str, _Head] = {}
        #: where the sums of a group stand
        self.room = Room()

    @staticmethod
    def write_edges(code: Ints, arrays: Arrays, groups: int, size: int, folder: str) -> None:
        """Write down where groups of so many meters begin; ``code`` is the number of the meter of each row that has sums."""
        rows = np.searchsorted(code, np.arange(groups + 1) * size)
        np.save(f"{folder}/{EDGES}", begins(arrays, rows))

    def together(
        self, folders: Sequence[str], group: int, rows: Sequence[int], counts: Ints, place: Ints
    ) -> tuple[Ints, npt.NDArray[np.uint8], Ints]:
        """One group's sums by flow bin over the parts of windows, of those bins that hold pairs, until another's are read.

        Each chunk's sums are added up as soon as they are read, while they are near the processor.

        Parameters
        ----------
        rows
            How many rows of the group each chunk has.
        counts
            How many cells each row has, in the order of the chunks, rows without any among them.
        place
            Where each row is to stand.

        Returns
        -------
        first, bin, sums
            Where the bins of each row begin, (rows + 1,); which they are, (bins,); and their sums, (6, bins).
        """
        edges = np.array([self._edges_of(folder)[:, group : group + 2] for folder in folders], dtype=np.int64)
        edges = edges.reshape(len(folders), len(SUMS), 2)
        cells = self._cells(folders, edges[:, SUMS.index("cells")])
        seen, first = bins_of(counts, place, cells)
        which = np.empty(int(first[-1]), dtype=np.uint8)
        found = self.room.words(6 * len(which)).reshape(6, -1)
        row, cell = 0, 0
        for folder, of_chunk, many in zip(folders, edges.tolist(), rows, strict=True):
            some, own = slice(row, row + many), dict(zip(SUMS, of_chunk, strict=True))
            row, end = row + many, cell + own["cells"][1] - own["cells"][0]
            sums = {name: self._lines(f"{folder}/{name}.npy", *own[name]) for name in SUMS if name != "cells"}
            add_up(counts[some], place[some], {"cells": cells[cell:end], **sums}, seen, first, which, found)
            cell = end
        return first, which, found

    def _cells(self, folders: Sequence[str], edges: Ints) -> npt.NDArray[Any]:
        """The numbers and counts of the cells of all chunks."""
        found = [
            self._lines(f"{folder}/cells.npy", *of_chunk)[:-1]
            for folder, of_chunk in zip(folders, edges.tolist(), strict=True)
        ]
        return np.concatenate(found)

    def _lines(self, file: str, first: int, last: int) -> npt.NDArray[Any]:
        """Some lines of an array on disk, and an empty one, so that a loop need not ask whether there are more."""
        head = self._head_of(file)
        found = np.empty((last - first + 1, head.width), head.kind)
        fill(file, head.offset + first * head.width * head.kind.itemsize, found[:-1])
        found[-1] = 0
        return found

    def _edges_of(self, folder: str) -> Ints:
        if folder not in self._edges:
            self._edges[folder] = np.load(f"{folder}/{EDGES}")
        return self._edges[folder]

    def _head_of(self, file: str) -> _Head:
        if file not in self._heads:
            with Path(file).open("rb") as source:
                np.lib.format.read_magic(source)
                (_, width), _, kind = np.lib.format.read_array_header_1_0(source)
                self._heads[file] = _Head(kind, width, source.tell())
        return self._heads[file]
