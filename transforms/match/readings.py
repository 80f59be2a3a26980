"""Readings of the lake's files, a row group at a time, with devices and stamps as runs.

Files are in the order of device and time, and devices report at set intervals: a few runs tell what columns of numbers and
stamps say. Most often they say what a group before has said, other devices at the same instants, or the same devices on another
day; then they are not even decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.arrow import to_numpy
from transforms.compiled import compiled
from transforms.lake import LakeFile

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_KEY = ("device_no", "ts")
#: so many columns' runs are remembered, each by the bytes that were decoded: more than one bucket has in some days
_REMEMBERED = 64
#: longer ones are not: they repeat nothing
_LONGEST = 8_000


@dataclass(frozen=True)
class Runs:
    """Numbers that go up by the same step from one reading to the next, run after run.

    Attributes
    ----------
    begins
        Where each run begins, and where the last one ends, (runs + 1,).
    first
        The number it begins with, (runs,).
    """

    begins: Ints
    first: Ints

    @staticmethod
    def of(numbers: npt.NDArray[Any], step: int) -> Runs:
        """The runs of a column of numbers."""
        return Runs(*_runs(numbers, step))


@dataclass(frozen=True)
class Readings:
    """Some readings of the lake, in the order of device and time.

    Attributes
    ----------
    device
        Runs of one device each.
    us
        Runs of stamps that are one step of the grid apart [us since 1970].
    flow, register
        [L/h], [L], NaN where there is none.
    """

    device: Runs
    us: Runs
    flow: Floats | None
    register: Floats | None


def read_file(file: LakeFile, step_us: int) -> Iterator[Readings]:
    """One file's readings, a row group at a time: what a processor's cache holds."""
    values = ["flow_lph"] * file.has_flow + ["volume_l"] * file.has_volume
    # to have columns fetched ahead, which are small and wanted at once, takes longer
    with pa.OSFile(str(file.path)) as raw, pq.ParquetFile(raw, pre_buffer=False) as source:
        places = [source.schema.names.index(name) for name in _KEY]
        kinds = [(repr(source.schema.column(place)), step_us) for place in places]
        for number in range(source.num_row_groups):
            group = source.metadata.row_group(number)
            said = [(_bytes_of(raw, group.column(place)), *how) for place, how in zip(places, kinds, strict=True)]
            known = [_MEMORY.find(one) for one in said]
            unknown = [name for name, runs in zip(_KEY, known, strict=True) if runs is None]
            table = source.read_row_group(number, columns=unknown + values, use_threads=False)
            device, us = (
                runs or _MEMORY.keep(one, make(table, step_us))
                for one, runs, make in zip(said, known, (_devices, _stamps), strict=True)
            )
            found = {name: to_numpy(_whole(table[name])) for name in values}
            yield Readings(device, us, found.get("flow_lph"), found.get("volume_l"))


def first_stamps(file: LakeFile, most: int) -> tuple[npt.NDArray[np.int32], Ints]:
    """Devices and stamps [us since 1970] of a file's first readings, so many at most."""
    device, us, rows = [np.empty(0, np.int32)], [np.empty(0, np.int64)], 0
    with pa.OSFile(str(file.path)) as raw, pq.ParquetFile(raw, pre_buffer=False) as source:
        for number in range(source.num_row_groups):
            table = source.read_row_group(number, columns=list(_KEY), use_threads=False)
            device.append(to_numpy(_whole(table["device_no"])))
            us.append(_in_us(_whole(table["ts"])))
            rows += len(table)
            if rows >= most:
                break
    return np.concatenate(device)[:most], np.concatenate(us)[:most]


def read_newest(files: Sequence[LakeFile], conflicts: Path | None, step_us: int) -> Readings:
    """The readings of files of which some hold corrected ones, as `transforms.lake.readings_sql` takes them: the highest of
    each, and not where it contradicts another one."""
    key = list(_KEY)
    tables = [pl.read_parquet(file.path, glob=False, hive_partitioning=False) for file in files]
    version = pl.lit(None, pl.Int64).alias("version")
    tables = [table if "version" in table.columns else table.with_columns(version) for table in tables]
    whole = pl.concat(tables, how="diagonal_relaxed").sort(*key, "version", nulls_last=False)
    whole = whole.unique(key, keep="last", maintain_order=True)
    if conflicts is not None:
        against = pl.read_parquet(conflicts, glob=False)
        against = against if "version" in against.columns else against.with_columns(version)
        whole = whole.join(
            against.select(*key, pl.col("version").cast(whole.schema["version"])),
            on=[*key, "version"],
            how="anti",
            nulls_equal=True,
            maintain_order="left",
        )
    flow, register = (any(getattr(file, name) for file in files) for name in ("has_flow", "has_volume"))
    return Readings(
        device=Runs.of(whole["device_no"].to_numpy(), 0),
        us=Runs.of(whole["ts"].to_physical().to_numpy(), step_us),
        flow=whole["flow_lph"].cast(pl.Float64).to_numpy() if flow else None,
        register=whole["volume_l"].cast(pl.Float64).to_numpy() if register else None,
    )


def _devices(table: pa.Table, _: int) -> Runs:
    return Runs.of(to_numpy(_whole(table["device_no"])), 0)


def _stamps(table: pa.Table, step_us: int) -> Runs:
    return Runs.of(_in_us(_whole(table["ts"])), step_us)


def _in_us(stamps: pa.Array) -> Ints:
    """Stamps in other units, as other writers may have made of them, are brought to microseconds."""
    in_us = stamps if stamps.type.unit == "us" else stamps.cast(pa.timestamp("us", stamps.type.tz))
    found: Ints = to_numpy(in_us)
    return found


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array; of a row group it is one already."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


@compiled
def _runs(numbers: npt.NDArray[Any], step: int) -> tuple[Ints, Ints]:
    """``begins`` and ``first`` of `Runs`."""
    count = np.int64(len(numbers) > 0)
    for k in range(1, len(numbers)):
        count += numbers[k] - numbers[k - 1] != step
    begins, first, n = np.empty(count + 1, np.int64), np.empty(count, np.int64), 0
    for k in range(len(numbers)):
        if k == 0 or numbers[k] - numbers[k - 1] != step:
            begins[n], first[n] = k, numbers[k]
            n += 1
    begins[n] = len(numbers)
    return begins, first


def _bytes_of(raw: pa.NativeFile, column: pq.ColumnChunkMetaData) -> tuple[bytes, str, int]:
    """A column of a row group as it stands in its file, how it is compressed, and how many values it has."""
    raw.seek(column.dictionary_page_offset or column.data_page_offset)
    return raw.read(column.total_compressed_size), column.compression, column.num_values


class _Memory:
    """The runs of columns that were decoded last, by all that they follow from: the column's bytes, type and count, the step."""

    def __init__(self) -> None:
        self._runs: dict[tuple[object, ...], Runs] = {}
        self._lock = Lock()

    def find(self, said: tuple[object, ...]) -> Runs | None:
        with self._lock:
            return self._runs.get(said)

    def keep(self, said: tuple[object, ...], runs: Runs) -> Runs:
        """Remember some runs, if they are few, and forget the eldest."""
        if len(runs.first) <= _LONGEST:
            with self._lock:
                self._runs[said] = runs
                while len(self._runs) > _REMEMBERED:
                    del self._runs[next(iter(self._runs))]
        return runs


_MEMORY = _Memory()
