"""Sums by flow bin of a group of meters, read from the sums of chunks as the store lends them, and added up over the parts of a
window: each chunk's sums are on disk once, for this audit and for all that share its days."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from flows.audit.arrays import Head, fill, heads_of
from flows.audit.judged import Room
from flows.audit.store import MOMENTS
from transforms.fit.lines import Ints
from transforms.summarise.stored import SUMS, Arrays, add_up, begins, bins_of

#: where the groups of a chunk begin in each of its arrays
EDGES = "edges.npy"


class Summed:
    """Reads the sums of chunks that are lent to an audit, in some folders."""

    def __init__(self) -> None:
        self._edges: dict[str, Ints] = {}
        self._heads: dict[str, dict[str, Head]] = {}
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
            sums = self._lines(folder, {name: lines for name, lines in own.items() if name != "cells"})
            add_up(counts[some], place[some], {"cells": cells[cell:end], **sums}, seen, first, which, found)
            cell = end
        return first, which, found

    def _cells(self, folders: Sequence[str], edges: Ints) -> npt.NDArray[Any]:
        """The numbers and counts of the cells of all chunks."""
        found = [
            self._lines(folder, {"cells": of_chunk})["cells"][:-1]
            for folder, of_chunk in zip(folders, edges.tolist(), strict=True)
        ]
        return np.concatenate(found)

    def _lines(self, folder: str, wanted: Mapping[str, Sequence[int]]) -> dict[str, npt.NDArray[Any]]:
        """Some lines of some arrays, each from one to another, and an empty one, so that a loop need not ask whether there are
        more."""
        file, heads, found, places = f"{folder}/{MOMENTS}", self._heads_of(folder), {}, []
        for name, (first, last) in wanted.items():
            head = heads[name]
            found[name] = np.empty((last - first + 1, head.width), head.kind)
            places.append((head.offset + first * head.width * head.kind.itemsize, found[name][:-1]))
            found[name][-1] = 0
        fill(file, places)
        return found

    def _edges_of(self, folder: str) -> Ints:
        if folder not in self._edges:
            self._edges[folder] = np.load(f"{folder}/{EDGES}")
        return self._edges[folder]

    def _heads_of(self, folder: str) -> dict[str, Head]:
        if folder not in self._heads:
            self._heads[folder] = dict(zip(SUMS, heads_of(f"{folder}/{MOMENTS}", len(SUMS)), strict=True))
        return self._heads[folder]
