"""Readings laid on a grid of time: one row per device, one column per instant, for many windows at once.

Devices report at set intervals, so a span of days is an array, and what belongs to one instant stands in one column:
no join, no sort. A device whose stamps keep to no grid (`Laid.odd`) is left to the joins of `transforms.match.bucket`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from math import gcd
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.arrow import to_numpy
from transforms.compiled import compiled
from transforms.lake import LakeFile, apart

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: a gap between readings counts towards the grid if it is so large a share of all gaps
_USUAL = 0.01
#: shortest step of a grid [us]: below it the arrays would mostly be empty
_SHORTEST = 1_000_000
#: a grid of more cells than this, with so few readings per cell, is not worth while
_LARGE, _THIN = 10_000_000, 8
#: readings of a file from which the usual gaps are told
_SAMPLE = 50_000


@dataclass(frozen=True)
class Grid:
    """Instants ``start_us + phase + k * step_us``, k from 0 to ``slots`` - 1; each device has its own phase [us]."""

    start_us: int
    step_us: int
    slots: int


@dataclass(frozen=True)
class Laid:
    """One stream of some devices on a grid.

    Attributes
    ----------
    grid : Grid
    flow, register : ndarray or None
        Readings [L/h], [L], shape (devices, slots), NaN where there is none. None where no device has such readings.
    phase : ndarray
        Of each device [us], 0 for those without readings, (devices,).
    odd : ndarray of bool
        Devices with readings off the grid, or of both kinds; their rows say nothing, (devices,).
    """

    grid: Grid
    flow: Floats | None
    register: Floats | None
    phase: Ints
    odd: Bools


@dataclass(frozen=True)
class Readings:
    """Columns of some readings of the lake; ``flow`` [L/h] and ``register`` [L] are NaN where there is none."""

    device: npt.NDArray[np.int32]
    us: Ints
    flow: Floats | None
    register: Floats | None


def read_file(file: LakeFile) -> Iterator[Readings]:
    """One file's readings, in the order of device and time, a row group at a time: what a processor's cache holds."""
    columns = ["device_no", "ts"] + ["flow_lph"] * file.has_flow + ["volume_l"] * file.has_volume
    with pq.ParquetFile(file.path) as source:
        for number in range(source.num_row_groups):
            table = source.read_row_group(number, columns=columns, use_threads=False)
            found = {name: to_numpy(_whole(table[name])) for name in columns}
            # stamps in other units, as other writers may have made of them, are brought to microseconds
            us = found["ts"] if table.schema.field("ts").type.unit == "us" else to_numpy(_in_us(table["ts"]))
            yield Readings(found["device_no"], us, found.get("flow_lph"), found.get("volume_l"))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array; of a row group it is one already."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _in_us(stamps: pa.ChunkedArray) -> pa.Array:
    return _whole(stamps.cast(pa.timestamp("us", stamps.type.tz)))


def read_newest(files: Sequence[LakeFile], conflicts: Path | None) -> Readings:
    """The readings of files of which some hold corrected ones, as `transforms.lake.readings_sql` takes them: the highest of
    each, and not where it contradicts another one."""
    key = ["device_no", "ts"]
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
        device=whole["device_no"].to_numpy(),
        us=whole["ts"].to_physical().to_numpy(),
        flow=whole["flow_lph"].cast(pl.Float64).to_numpy() if flow else None,
        register=whole["volume_l"].cast(pl.Float64).to_numpy() if register else None,
    )


def step_of(files: Sequence[LakeFile]) -> int:
    """The step that the usual gaps between a device's readings have in common [us]; 0 where there is none.

    Told from the largest file, so that it is the same for any order of reading.
    """
    if not files:
        return 0
    largest = max(files, key=lambda one: (one.rows, one.name))
    table = pl.read_parquet(largest.path, columns=["device_no", "ts"], n_rows=_SAMPLE, glob=False)
    device, us = table["device_no"].to_numpy(), table["ts"].to_physical().to_numpy()
    gap = np.diff(us)[np.diff(device) == 0]
    values, counts = np.unique(gap[gap > 0], return_counts=True)
    return reduce(gcd, values[counts >= _USUAL * counts.sum()].tolist(), 0)


def lay(
    files: Sequence[LakeFile],
    device_no: Ints,
    grid: Grid,
    conflicts: Path | None,
) -> Laid:
    """Lay the readings of some devices on a grid.

    Parameters
    ----------
    files
        Files of the lake that hold them.
    device_no
        Numbers of the devices, one per row, -1 for a row that stays empty, (devices,).
    conflicts
        Parquet with the (device_no, ts) whose readings contradict each other; they are not used.
    """
    devices, slots = len(device_no), grid.slots
    row_of = np.full(max([int(device_no.max(initial=-1)), *(file.max_device for file in files)]) + 2, -1, np.int64)
    known = device_no >= 0
    row_of[device_no[known]] = np.flatnonzero(known)
    phase, odd = np.full(devices, -1, dtype=np.int64), np.zeros(devices, dtype=bool)
    flow = np.full((devices, slots), np.nan) if any(file.has_flow for file in files) else None
    register = np.full((devices, slots), np.nan) if any(file.has_volume for file in files) else None
    plain, corrected = apart(files)

    def put(found: Iterable[Readings]) -> None:
        for some in found:
            for values, target in ((some.flow, flow), (some.register, register)):
                if values is not None and target is not None:
                    _put(some.device, some.us, values, row_of, grid.start_us, grid.step_us, target, phase, odd)

    put(chain.from_iterable(map(read_file, plain)))
    if conflicts is not None:
        _leave_out(conflicts, row_of, grid, flow, register)
    if corrected:
        # after that: which of these a contradiction leaves out, their versions tell
        put([read_newest(corrected, conflicts)])
    if flow is not None and register is not None:
        odd |= ~np.isnan(flow).all(axis=1) & ~np.isnan(register).all(axis=1)
    return Laid(grid, flow, register, np.maximum(phase, 0), odd)


@compiled
def _put(
    device: npt.NDArray[np.int32],
    us: Ints,
    values: Floats,
    row_of: Ints,
    start_us: int,
    step_us: int,
    target: Floats,
    phase: Ints,
    odd: Bools,
) -> None:
    """Put readings, in the order of device and time, into their places; note each device's phase, and as odd the devices that
    have several."""
    slots, unknown = target.shape[1], len(row_of) - 1
    begin, length = 0, 1
    while begin < len(us):
        # readings of one device one step after the other, most often as many as of the device before
        end = begin + 1
        if begin + length <= len(us) and device[begin + length - 1] == device[begin]:
            off = np.int64(0)
            for k in range(length):
                off |= us[begin + k] - us[begin] - k * step_us
            end = begin + length if off == 0 else end
        while end < len(us) and device[end] == device[begin] and us[end] - us[end - 1] == step_us:
            end += 1
        length = end - begin
        row = row_of[device[begin]] if device[begin] < unknown else -1
        slot = (us[begin] - start_us) // step_us
        first, last = max(begin, begin - slot), min(end, begin + slots - slot)
        if row >= 0 and first < last:
            rest = us[begin] - start_us - slot * step_us
            if phase[row] < 0:
                phase[row] = rest
            elif phase[row] != rest:
                odd[row] = True
            for k in range(first, last):
                if not np.isnan(values[k]):
                    target[row, slot - begin + k] = values[k]
        begin = end


def _leave_out(conflicts: Path, row_of: Ints, grid: Grid, *targets: Floats | None) -> None:
    table = pl.read_parquet(conflicts, columns=["device_no", "ts"], glob=False)
    device, us = table["device_no"].to_numpy(), table["ts"].to_physical().to_numpy() - grid.start_us
    inside = (device < len(row_of)) & (us >= 0) & (us < grid.slots * grid.step_us)
    row, slot = row_of[device[inside]], us[inside] // grid.step_us
    for target in targets:
        if target is not None:
            target[row[row >= 0], slot[row >= 0]] = np.nan


def grid_for(
    streams: Sequence[Sequence[LakeFile]], start_us: int, end_us: int, window_us: int, back_us: int, devices: int
) -> Grid | None:
    """The grid on which the readings of a span lie; None where they lie on none that fits the windows.

    Parameters
    ----------
    streams
        The files of each stream.
    start_us, end_us
        The span, since 1970 [us].
    window_us
        Length of a window; windows begin at ``start_us``.
    back_us
        How far before the span the grid begins, 0 where no reading needs the one before it.
    devices
        How many there are in each stream.
    """
    step = reduce(gcd, [step_of(files) for files in streams], 0)
    if step < _SHORTEST or step % 1000 or window_us % step or back_us % step:
        return None
    slots = (end_us - start_us + back_us) // step
    readings = max([1, *(sum(file.rows for file in files) for files in streams)])
    if devices * slots > max(_LARGE, _THIN * readings):
        return None
    return Grid(start_us - back_us, step, slots)
