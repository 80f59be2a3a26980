"""Sums by flow bin of a group of meters, read from the sums of chunks as the store lends them, and added up over the parts of a
window: each chunk's sums are on disk once, for this audit and for all that share its days."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.fit.lines import Ints
from transforms.summarise.stored import SUMS, Arrays, begins, binned

#: where the groups of a chunk begin in each of its arrays
EDGES = "edges.npy"


class Summed:
    """Reads the sums of chunks that are lent to an audit, in some folders."""

    def __init__(self) -> None:
        self._edges: dict[str, Ints] = {}
        self._heads: dict[str, tuple[np.dtype[Any], int, int]] = {}

    @staticmethod
    def write_edges(code: Ints, arrays: Arrays, groups: int, size: int, folder: str) -> None:
        """Write down where groups of so many meters begin; ``code`` is the number of the meter of each row that has sums."""
        rows = np.searchsorted(code, np.arange(groups + 1) * size)
        np.save(f"{folder}/{EDGES}", begins(arrays, rows))

    def together(self, folders: Sequence[str], group: int, counts: Ints, place: Ints) -> tuple[Ints, Ints, Ints]:
        """One group's sums in all its chunks, as `transforms.summarise.stored.binned` returns them.

        Parameters
        ----------
        counts
            How many cells each row has, in the order of the chunks, rows without any among them.
        place
            Where each row is to stand.
        """
        arrays: dict[str, npt.NDArray[np.integer[Any]]] = {}
        for k, name in enumerate(SUMS):
            parts = [self._some(f"{folder}/{name}.npy", *self._edges_of(folder)[k, group : group + 2]) for folder in folders]
            # chunks whose numbers took more bytes than usual make all of them take as many
            arrays[name] = np.concatenate([*parts, np.zeros_like(parts[0], shape=(1, parts[0].shape[1]))])
        return binned(counts, place, arrays)

    def _edges_of(self, folder: str) -> Ints:
        if folder not in self._edges:
            self._edges[folder] = np.load(f"{folder}/{EDGES}")
        return self._edges[folder]

    def _some(self, file: str, first: int, last: int) -> npt.NDArray[np.integer[Any]]:
        """Some lines of an array on disk."""
        if file not in self._heads:
            with open(file, "rb") as source:
                np.lib.format.read_magic(source)
                (_, width), _, kind = np.lib.format.read_array_header_1_0(source)
                self._heads[file] = kind, width, source.tell()
        kind, width, offset = self._heads[file]
        begin = offset + int(first) * width * kind.itemsize
        return np.fromfile(file, kind, int(last - first) * width, offset=begin).reshape(-1, width)
