"""Judged chunks on disk: their columns as 64-bit words, group of meters after group, of which a reader takes just what it wants.

Files are read, not mapped into memory: pages of mapped files would count as this process's own for as long as it holds them.
"""

from __future__ import annotations

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

#: one row of words per column, more for curves, and one column per row of the table
Block = Ints


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
        for name, kind in self.columns.items():
            begin = self.height
            self._rows[name] = slice(begin, begin + (MOST_POINTS if kind == pl.List(pl.Float64) else 1))
        self._edges: dict[str, Ints] = {}

    @property
    def height(self) -> int:
        """Words of a row of the table."""
        return max((some.stop for some in self._rows.values()), default=0)

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
        with Path(file).open("wb") as sink:
            sink.write(np.concatenate([[groups], edges]).astype(np.int64).data)
            for first, last in pairwise(edges.tolist()):
                sink.write(np.ascontiguousarray(block[:, first:last]).data)

    def read(self, file: str, group: int | None = None) -> Block:
        """The block of one group, or of all."""
        if file not in self._edges:
            (groups,) = np.fromfile(file, np.int64, 1)
            self._edges[file] = np.fromfile(file, np.int64, int(groups) + 1, offset=8)
        edges = self._edges[file]
        if group is None:
            return np.concatenate([self.read(file, number) for number in range(len(edges) - 1)], axis=1)
        first, last = (int(edge) for edge in edges[group : group + 2])
        offset = 8 * (1 + len(edges) + first * self.height)
        return np.fromfile(file, np.int64, (last - first) * self.height, offset=offset).reshape(self.height, -1)

    def by_meter(self, parts: Sequence[Block]) -> Block:
        """Blocks that follow each other in time, each by meter and time, as one in the order of meter and time."""
        code = np.concatenate([self.of(part, "code") for part in parts])
        place, begin = np.empty(len(code), dtype=np.int64), 0
        place[np.argsort(code, kind="stable")] = np.arange(len(code))
        found = np.empty((self.height, len(code)), dtype=np.int64)
        # a part is small enough for a processor's cache: it is read once, and put where it belongs
        for part in parts:
            _put(part, place[begin : begin + part.shape[1]], found)
            begin += part.shape[1]
        return found

    def of(self, block: Block, name: str) -> npt.NDArray[Any]:
        """A column of a block; a curve's is of shape (rows, points)."""
        kind, place = self.columns[name], self._rows[name]
        values = block[place].view(np.float64) if kind in (pl.Float64, pl.List(pl.Float64)) else block[place]
        return values.T if kind == pl.List(pl.Float64) else values[0]


@compiled
def _put(part: Block, place: Ints, found: Block) -> None:
    """Put a part's rows of the table where they belong."""
    for k in range(len(part)):
        for row in range(len(place)):
            found[k, place[row]] = part[k, row]


def binned(code: Ints, window: Ints, interval_us: Ints, sums: Sequence[Ints]) -> Block:
    """Moments by flow bin as a block, row after row, of those bins that hold pairs: the numbers of meter, window and bin, the
    six ``sums``, given in shape (bins, rows), and the interval [s]."""
    block = _binned(code, window, interval_us, *(np.ascontiguousarray(one) for one in sums))
    block[-1:].view(np.float64)[0] = block[-1] / 1e6
    return block


@compiled
def _binned(
    code: Ints, window: Ints, interval_us: Ints, n: Ints, sx: Ints, sy: Ints, sxx: Ints, sxy: Ints, syy: Ints
) -> Ints:
    most = 0
    for row in range(len(code)):
        for of_bin in range(len(n)):
            most += n[of_bin, row] > 0
    found = np.empty((10, most), np.int64)
    at = 0
    for row in range(len(code)):
        for of_bin in range(len(n)):
            if n[of_bin, row]:
                found[0, at], found[1, at], found[2, at] = code[row], window[row], of_bin
                found[3, at], found[4, at], found[5, at] = n[of_bin, row], sx[of_bin, row], sy[of_bin, row]
                found[6, at], found[7, at], found[8, at] = sxx[of_bin, row], sxy[of_bin, row], syy[of_bin, row]
                found[9, at] = interval_us[row]
                at += 1
    return found
