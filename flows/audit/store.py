"""Where summaries are kept: ``.cache/audit/`` of the workspace, one folder per chunk, which appears by one rename.

Everything in it follows from the lake and may be deleted at any time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from flows.audit.arrays import read_arrays, write_arrays
from transforms.judge.kept import from_table, to_table
from transforms.judge.second_look import SecondLook
from transforms.summarise.moments import Moments
from transforms.summarise.span import NAMES, ROWS
from transforms.summarise.stored import ARRAYS, SUMS, Arrays, from_arrays, to_arrays

#: files of a chunk's folder: the arrays `ARRAYS`, those first that an audit is lent; and its rows and the runs of its names
MOMENTS, _ROWS = "moments.npy", "rows.arrow"

#: runs of the same name, one after the other, by column: ``value`` and ``len``
Runs = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Kept:
    """A chunk as it is kept: ``rows`` (`transforms.summarise.span.ROWS` without names), the runs of the same name in
    ``feature_code`` and ``flowmeter_id``, their moments, also as ``arrays`` (`transforms.summarise.stored`), and what the second
    look found."""

    rows: pl.DataFrame
    runs: Runs
    moments: Moments
    arrays: Arrays
    second: SecondLook


@dataclass(frozen=True)
class Store:
    """The folder of all summaries."""

    root: Path

    def find(self, summary: str, look: str, parts: int) -> Kept | None:
        """The chunk of these keys, if it is kept with its second look. One that cannot be read is taken away, to be made anew."""
        folder = self._folder(summary)
        looked = folder / f"looked-{look}.arrow"
        if not looked.is_file():
            return None
        try:
            rows, *named = _read(folder / _ROWS, 1 + len(NAMES))
            arrays = dict(zip(ARRAYS, read_arrays(folder / MOMENTS, len(ARRAYS)), strict=True))
            (found,) = _read(looked, 1)
            second = from_table(found, len(arrays["told"]))
        except (OSError, ValueError, EOFError, KeyError, pa.ArrowException):
            shutil.rmtree(folder)
            return None
        return Kept(_numbered(rows), dict(zip(NAMES, named, strict=True)), from_arrays(arrays, parts), arrays, second)

    def put(
        self, summary: str, look: str, rows: pl.DataFrame, runs: Runs, moments: Moments, second: SecondLook
    ) -> Kept:
        """Keep a chunk. What another process has put there meanwhile is the same and stays."""
        folder, arrays = self._folder(summary), to_arrays(moments)
        if not folder.is_dir():
            draft = self.root / f".{summary}.{os.getpid()}.part"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
            paired = rows.with_columns(meter_no=pl.col("meter_no").is_not_null())
            _write([paired, *(runs[name] for name in NAMES)], draft / _ROWS)
            write_arrays((arrays[name] for name in ARRAYS), draft / MOMENTS)
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                draft.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
                shutil.rmtree(draft)
        part = folder / f".looked-{look}.{os.getpid()}.part"
        _write([to_table(second)], part)
        part.replace(folder / f"looked-{look}.arrow")
        return Kept(rows, runs, moments, arrays, second)

    def lend(self, summary: str, arrays: Arrays, folder: Path) -> None:
        """Have the sums of a kept chunk stand in another folder as well, whatever becomes of the store."""
        try:
            (folder / MOMENTS).hardlink_to(self._folder(summary) / MOMENTS)
        except OSError:  # a file system that has no links, or the store was just removed
            write_arrays((arrays[name] for name in SUMS), folder / MOMENTS)

    def _folder(self, summary: str) -> Path:
        return self.root / summary[:2] / summary


def _numbered(paired: pl.DataFrame) -> pl.DataFrame:
    """Rows with the numbers of those that have moments, of which only that is kept: to count again takes less than to read."""
    number = pl.col("meter_no").cum_sum().cast(ROWS["meter_no"]) - 1
    return paired.with_columns(meter_no=pl.when("meter_no").then(number))


def _write(tables: Sequence[pl.DataFrame], path: Path) -> None:
    """Write tables into one file, one after the other."""
    options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
    with pa.OSFile(str(path), "wb") as sink:
        for table in tables:
            arrow = table.to_arrow(compat_level=pl.CompatLevel.oldest())
            with pa.ipc.new_stream(sink, arrow.schema, options=options) as out:
                out.write_table(arrow)


def _read(path: Path, count: int) -> list[pl.DataFrame]:
    """The tables of a file, which are so many."""
    with pa.OSFile(str(path), "rb") as source:
        return [pl.DataFrame(pa.ipc.open_stream(source).read_all()) for _ in range(count)]
