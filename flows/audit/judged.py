"""Judged chunks on disk: their columns as 64-bit words, group of meters after group, of which a reader takes just what it wants.

Bytes cost more time to write than to work out: of a group's column stand only those words that tell something, or all of them
in fewer bytes. Files are read, not mapped into memory: pages of mapped files would count as this process's own for as long as
it holds them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flows.audit.arrays import fill
from flows.audit.packed import WAYS, pack, places_of, runs_of, unpack
from transforms.fit.lines import Ints
from transforms.fit.points import MOST_POINTS
from transforms.judge.columns import nothing

#: one row of words per column, more for curves, and one column per row of the table
Block = Ints


class Room:
    """Memory for block after block: fresh memory for each costs as much time as to read what goes into it."""

    def __init__(self) -> None:
        self._words = np.empty(0, dtype=np.int64)

    def words(self, count: int) -> Ints:
        """So many words, which hold anything. There is room for some more: groups are about as large as each other, and what is
        not used takes no memory."""
        if len(self._words) < count:
            self._words = np.empty(count + count // 8, dtype=np.int64)
        return self._words[:count]

    def clear(self) -> None:
        """Let go of the memory; blocks that stand in it keep theirs."""
        self._words = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class _Head:
    """What a file begins with: the rows with which groups begin, and one more; of each group and column how it is packed
    (``kind``) and in how many words (``size``), of shape (groups, height). ``begins`` are the words with which groups begin."""

    edges: list[int]
    kind: Ints
    size: Ints
    begins: Ints


class Layout:
    """How the columns of a table stand in blocks, and back. Strings are told by their place in a vocabulary."""

    def __init__(self, columns: Mapping[str, Any], words: Mapping[str, Sequence[str] | pl.Series]) -> None:
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
        nothings = []
        for name, kind in self.columns.items():
            begin = self.height
            self.height += MOST_POINTS if kind == pl.List(pl.Float64) else 1
            self._rows[name] = slice(begin, self.height)
            nothings += [nothing(kind, 1).ravel().view(np.int64)[0]] * (self.height - begin)
        self._nothing = np.array(nothings, dtype=np.int64)
        self._heads: dict[str, _Head] = {}
        #: the rows of a file's columns that are rows of a block
        self._stands, self._file_height = np.arange(self.height), self.height

    def only(self, names: Collection[str]) -> Layout:
        """How some of the columns are read from the same files."""
        found = Layout({name: kind for name, kind in self.columns.items() if name in names}, self.words)
        found._stands = np.concatenate([self._stands[self._rows[name]] for name in found.columns])
        found._file_height, found._heads = self._file_height, self._heads
        return found

    def block(self, columns: Mapping[str, npt.NDArray[Any]], rows: int) -> Block:
        """Columns (`transforms.judge.columns`) as a block; in those that are not given nothing is known."""
        block = np.empty((self.height, rows), dtype=np.int64)
        for name, place in self._rows.items():
            block[place] = self._words(columns, name, rows)
        return block

    def _words(self, columns: Mapping[str, npt.NDArray[Any]], name: str, rows: int) -> Block:
        values = columns[name] if name in columns else nothing(self.columns[name], rows)
        words = np.atleast_2d(values.T)
        return words.astype(np.float64, copy=False).view(np.int64) if values.dtype.kind == "f" else words

    def write(self, columns: Mapping[str, npt.NDArray[Any]], rows: int, groups: int, size: int, file: str) -> None:
        """Write columns as for `block`, in the order of the meters' codes, in groups of so many meters."""
        edges = np.searchsorted(columns["code"], np.arange(groups + 1) * size).astype(np.int64)
        room, ends = np.empty((self.height, rows + groups + 1), np.int64), np.zeros((self.height, groups + 1), np.int64)
        kind = np.zeros((self.height, groups), np.int64)
        for name, place in self._rows.items():
            for k, words in zip(range(place.start, place.stop), self._words(columns, name, rows), strict=True):
                plain = np.require(words, np.int64, ["C", "W"])
                pack(plain, edges, self._nothing[k], room[k], ends[k], kind[k])
        head = np.concatenate([[groups], edges, (np.diff(ends) * WAYS + kind).T.ravel()])
        with Path(file).open("wb", buffering=0) as sink:
            sink.write(head.data)
            for begins, stops in pairwise(ends.T.tolist()):
                # column after column from where they stand: to copy them together first would take as long as to write them
                parts = [room[k, first:last].data for k, (first, last) in enumerate(zip(begins, stops, strict=True))]
                size_of_group = 8 * (sum(stops) - sum(begins))
                if size_of_group and os.writev(sink.fileno(), parts) != size_of_group:
                    raise OSError(f"{file}: the disk took only a part of what was written")

    def read(self, file: str) -> Block:
        """The block of a whole file."""
        groups = len(self._head_of(file).edges) - 1
        return np.concatenate([self.together([file], group, Room())[0] for group in range(groups)], axis=1)

    def together(self, files: Sequence[str], group: int, room: Room) -> tuple[Block, Ints]:
        """One group of files that follow each other in time, each by meter and time, in the order of meter and time; and the
        place there of each row of the files, one after the other.

        The block stands in ``room``, until that is used for another.
        """
        heads = [self._head_of(file) for file in files]
        rows = np.array(self.rows(files, group), dtype=np.int64)
        shape, first, last = (len(files), self._file_height), self._stands[0], self._stands[-1]
        kind = np.array([head.kind[group] for head in heads], dtype=np.int64).reshape(shape)[:, self._stands]
        # of a file only the words from the first column asked for to the last
        size = np.array([head.size[group] for head in heads], dtype=np.int64).reshape(shape)[:, : last + 1]
        size[:, :first], before = 0, size[:, :first].sum(axis=1)
        begins = (np.cumsum(size).reshape(size.shape) - size)[:, self._stands]
        # one more than there are, so that a loop need not ask
        packed, end = np.empty(int(size.sum()) + 1, dtype=np.int64), 0
        for file, head, skipped, words in zip(files, heads, before.tolist(), size.sum(axis=1).tolist(), strict=True):
            fill(file, [(8 * (int(head.begins[group]) + skipped), packed[end : end + words])])
            end += words
        many, k = int(rows.sum()), self._rows["code"].start
        found = room.words(self.height * many).reshape(self.height, many)
        kind, begins = np.ascontiguousarray(kind.T), np.ascontiguousarray(begins.T)
        as_they_are = np.stack([np.cumsum(rows) - rows, rows], axis=1)
        unpack(
            packed, begins[k : k + 1], kind[k : k + 1], self._nothing[k : k + 1], rows, as_they_are, found[k : k + 1]
        )
        place = places_of(found[k])
        unpack(packed, begins, kind, self._nothing, rows, runs_of(place, rows), found)
        return found, place

    def rows(self, files: Sequence[str], group: int) -> list[int]:
        """How many rows of a group there are in each file."""
        return [head.edges[group + 1] - head.edges[group] for head in map(self._head_of, files)]

    def _head_of(self, file: str) -> _Head:
        if file not in self._heads:
            groups = int(np.fromfile(file, np.int64, 1)[0])
            head = np.fromfile(file, np.int64, (groups + 1) + groups * self._file_height, offset=8)
            kind, size = head[groups + 1 :] % WAYS, head[groups + 1 :] // WAYS
            size = size.reshape(groups, self._file_height)
            begins = 1 + len(head) + np.concatenate([[0], np.cumsum(size.sum(axis=1))])
            self._heads[file] = _Head(head[: groups + 1].tolist(), kind.reshape(size.shape), size, begins)
        return self._heads[file]

    def of(self, block: Block, name: str) -> npt.NDArray[Any]:
        """A column of a block; a curve's is of shape (rows, points)."""
        kind, place = self.columns[name], self._rows[name]
        values = block[place].view(np.float64) if kind in (pl.Float64, pl.List(pl.Float64)) else block[place]
        return values.T if kind == pl.List(pl.Float64) else values[0]
