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
from transforms.summarise.stored import SUMS, Arrays, begins, binned

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
        self, folders: Sequence[str], group: int, counts: Ints, place: Ints
    ) -> tuple[Ints, npt.NDArray[np.uint8], Ints]:
        """One group's sums in all its chunks, as `transforms.summarise.stored.binned` returns them, until another's are read.

        Parameters
        ----------
        counts
            How many cells each row has, in the order of the chunks, rows without any among them.
        place
            Where each row is to stand.
        """
        arrays = {}
        for k, name in enumerate(SUMS):
            files = [f"{folder}/{name}.npy" for folder in folders]
            edges = np.array([self._edges_of(folder)[k, group : group + 2] for folder in folders])
            heads = [self._head_of(file) for file in files]
            # a chunk whose numbers take more bytes than usual makes all of them take as many
            whole = np.zeros(
                (int(np.diff(edges).sum()) + 1, heads[0].width), np.result_type(*(head.kind for head in heads))
            )
            end = 0
            for file, head, (first, last) in zip(files, heads, edges.tolist(), strict=True):
                lines, end = whole[end : end + last - first], end + last - first
                some = lines if head.kind == whole.dtype else np.empty(lines.shape, head.kind)
                fill(file, head.offset + first * head.width * head.kind.itemsize, some)
                if some is not lines:
                    lines[:] = some
            arrays[name] = whole
        return binned(counts, place, arrays, self.room.words)

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
