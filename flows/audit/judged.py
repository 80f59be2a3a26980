"""Judged chunks on disk: one line of bytes per row, group of meters after group, of which a reader takes just what it wants.

They are read, not mapped into memory: pages of mapped files would count as this process's own for as long as it holds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.compiled import compiled
from transforms.fit.lines import Ints
from transforms.fit.points import MOST_POINTS
from transforms.judge.columns import MISSING, series_of
from transforms.judge.words import NONE

Lines = npt.NDArray[np.void]

#: lines that are filled, or read, column by column before the next ones are: as many as a processor's cache holds
_AT_ONCE = 2048
#: what a missing value is told by; numbers in floating point by NaN
_MISSING = {"i1": NONE, "i4": NONE, "i8": MISSING}


class Layout:
    """How the columns of a frame stand in a line, and back. Words are told by their place in a vocabulary."""

    def __init__(self, columns: Mapping[str, Any], words: Mapping[str, Sequence[str]]) -> None:
        """
        Parameters
        ----------
        columns
            Names and types of the columns.
        words
            Every word that may stand in a column of strings.
        """
        self.columns = {name: _type_of(kind) for name, kind in columns.items()}
        self.words = {name: pl.Series(name, words[name], dtype=pl.String) for name in columns if name in words}
        self.kind = np.dtype([(name, _bytes_of(kind)) for name, kind in self.columns.items()])
        self._bytes = np.dtype((np.void, self.kind.itemsize))
        self._edges: dict[str, npt.NDArray[np.int64]] = {}

    def blank(self, rows: int) -> Lines:
        """Lines to be filled."""
        return np.empty(rows, self.kind)

    def lines(self, columns: Mapping[str, npt.NDArray[Any]], rows: int) -> Lines:
        """Lines of some columns (`transforms.judge.columns`); in those that are not given nothing is known."""
        lines = self.blank(rows)
        given = {name: columns.get(name, _nothing(kind)) for name, kind in self.columns.items()}
        for first in range(0, rows, _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            for name, values in given.items():
                lines[name][some] = values[some] if values.ndim else values
        return lines

    def write(self, lines: Lines, group: npt.NDArray[np.integer], groups: int, file: str) -> None:
        """Write lines that are in the order of their groups, ``group`` (rows,)."""
        with Path(file).open("wb") as sink:
            edges = np.searchsorted(group, np.arange(groups + 1))
            np.concatenate([[groups], edges]).astype(np.int64).tofile(sink)
            lines.tofile(sink)

    def read(self, file: str, group: int | None = None) -> Lines:
        """The lines of one group, or of all."""
        if file not in self._edges:
            (groups,) = np.fromfile(file, np.int64, 1)
            self._edges[file] = np.fromfile(file, np.int64, int(groups) + 1, offset=8)
        edges = self._edges[file]
        first, last = (edges[0], edges[-1]) if group is None else edges[group : group + 2]
        offset = 8 * (1 + len(edges)) + int(first) * self.kind.itemsize
        return np.fromfile(file, self._bytes, int(last - first), offset=offset).view(self.kind)

    def by_meter(self, parts: Sequence[Lines]) -> Lines:
        """Lines of parts that follow each other in time, each by meter and time, in order of meter and time."""
        # plain bytes are moved at once, columns one after the other
        whole = np.concatenate([lines.view(self._bytes) for lines in parts])
        return whole[np.argsort(whole.view(self.kind)["code"], kind="stable")].view(self.kind)

    def frame(self, lines: Lines) -> pl.DataFrame:
        """The columns of some lines."""
        told = {name: np.empty(lines[name].shape, lines[name].dtype) for name in self.columns}
        for first in range(0, len(lines), _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            for name, values in told.items():
                values[some] = lines[name][some]
        kinds = self.columns.items()
        return pl.DataFrame([series_of(name, kind, told[name], self.words.get(name, ())) for name, kind in kinds])


@compiled
def fill_binned(
    lines: Any,
    code: npt.NDArray[np.int32],
    window: npt.NDArray[np.int32],
    interval_us: Ints,
    first: int,
    n: Ints,
    sx: Ints,
    sy: Ints,
    sxx: Ints,
    sxy: Ints,
    syy: Ints,
) -> None:
    """Fill lines of moments, row after row, from sums of shape (bins, rows); ``first`` is added to the windows."""
    at = 0
    for row in range(len(code)):
        for of_bin in range(len(n)):
            if n[of_bin, row]:
                line = lines[at]
                line.code, line.window, line.bin = code[row], first + window[row], of_bin
                line.n, line.sx, line.sy = n[of_bin, row], sx[of_bin, row], sy[of_bin, row]
                line.sxx, line.sxy, line.syy = sxx[of_bin, row], sxy[of_bin, row], syy[of_bin, row]
                line.interval_s = interval_us[row] / 1e6
                at += 1


def _type_of(kind: Any) -> Any:
    return kind() if isinstance(kind, type) else kind


def _nothing(kind: Any) -> npt.NDArray[Any]:
    """What stands for a value that is not known."""
    of = _bytes_of(kind)
    return np.array(_MISSING.get(of, np.nan) if isinstance(of, str) else np.nan)


def _bytes_of(kind: Any) -> Any:
    if kind == pl.List(pl.Float64):
        return "f8", (MOST_POINTS,)
    if kind in (pl.Boolean, pl.Int8):
        return "i1"
    if kind in (pl.String, pl.Int32):
        return "i4"
    return "f8" if kind == pl.Float64 else "i8"
