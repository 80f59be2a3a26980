"""Readings of Parquet files laid on a grid, against looking each of them up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms.lake import LakeFile
from transforms.match.grid import Grid, lay
from transforms.match.readings import read_file

START = datetime(2026, 1, 1, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
STEP_US = 900_000_000
DEVICES, SLOTS = 5, 24


def file_of(path: Path, table: pl.DataFrame, row_group: int, unit: str = "us") -> LakeFile:
    """A file of the lake with ``device_no``, ``slot`` and ``flow_lph``, as ingest would write it."""
    stamps = table["slot"].cast(pl.Int64) * STEP_US + START_US + 60_000_000
    columns = {
        "device_no": pa.array(table["device_no"].to_numpy(), pa.int32()),
        "ts": pa.array((stamps // (1 if unit == "us" else 1000)).to_numpy(), pa.int64()).cast(pa.timestamp(unit)),
        "flow_lph": pa.array(table["flow_lph"].to_numpy(), pa.float64()),
    }
    pq.write_table(pa.table(columns), path, row_group_size=row_group, compression="lz4")
    return LakeFile(
        name=path.name,
        path=path,
        stream="meter",
        date=START.date(),
        bucket=0,
        rows=table.height,
        min_ts=START,
        max_ts=START + timedelta(hours=6),
        min_device=0,
        max_device=DEVICES - 1,
        has_flow=True,
        has_volume=False,
    )


@pytest.mark.parametrize("seed", range(12))
def test_every_reading_finds_its_place(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    devices = rng.permutation(DEVICES)
    files, told = [], np.full((DEVICES, SLOTS), np.nan)
    # files that follow each other, come late, tell of the same time again or of time beyond the grid, whole or with gaps
    for number in range(4):
        first, last = np.sort(rng.integers(-4, SLOTS + 4, 2))
        device, slot = (part.ravel() for part in np.meshgrid(range(DEVICES), range(first, last + 1), indexing="ij"))
        kept = rng.random(len(device)) < rng.choice([0.6, 1.0])
        flow = np.where(rng.random(len(device)) < 0.1, np.nan, rng.integers(1, 100, len(device)))
        table = pl.DataFrame({"device_no": device[kept], "slot": slot[kept], "flow_lph": flow[kept]})
        if table.height:
            files.append(file_of(tmp_path / f"{number}.parquet", table, int(rng.choice([7, 1000]))))
        for no, at, value in table.iter_rows():
            if 0 <= at < SLOTS and not np.isnan(value):
                told[np.flatnonzero(devices == no)[0], at] = value
    laid = lay(files, np.append(devices, -1), Grid(START_US, STEP_US, SLOTS), None)
    assert laid.flow is not None
    np.testing.assert_array_equal(laid.flow[:-1], told)
    assert np.isnan(laid.flow[-1]).all()
    assert not np.isnan(laid.flow[laid.whole]).any()
    assert set(laid.phase[:-1].tolist()) <= {0, 60_000_000}
    assert not laid.odd.any()


def test_a_device_with_a_reading_at_every_instant_is_known_to_be_whole(tmp_path: Path) -> None:
    device, slot = np.repeat(np.arange(DEVICES), SLOTS), np.tile(np.arange(SLOTS), DEVICES)
    table = pl.DataFrame({"device_no": device, "slot": slot, "flow_lph": np.where(device == 2, np.nan, slot * 1.0)})
    halves = [table.filter(pl.col("slot") < SLOTS // 2), table.filter(pl.col("slot") >= SLOTS // 2)]
    files = [file_of(tmp_path / f"{number}.parquet", half, 1000) for number, half in enumerate(halves)]
    laid = lay(files, np.arange(DEVICES), Grid(START_US, STEP_US, SLOTS), None)
    assert laid.whole.tolist() == [True, True, False, True, True]


def test_stamps_of_equal_bytes_in_another_unit_are_other_stamps(tmp_path: Path) -> None:
    """What was decoded before is known by its bytes, and by how they are to be read."""
    table = pl.DataFrame({"device_no": [0, 0, 0], "slot": [0, 1, 2], "flow_lph": [1.0, 2.0, 3.0]})
    in_ms = file_of(tmp_path / "ms.parquet", table, 1000, "ms")
    stamps = pq.read_table(in_ms.path)["ts"].cast(pa.int64()).cast(pa.timestamp("us"))
    other = pq.read_table(in_ms.path).set_column(1, "ts", stamps)
    pq.write_table(other, tmp_path / "us.parquet", compression="lz4")
    (found,) = read_file(in_ms, STEP_US)
    assert found.us.first.tolist() == [START_US + 60_000_000]
    in_us = LakeFile(**{**vars(in_ms), "path": tmp_path / "us.parquet"})
    (found,) = read_file(in_us, STEP_US // 1000)
    assert found.us.first.tolist() == [(START_US + 60_000_000) // 1000]
    (found,) = read_file(in_us, STEP_US)
    assert found.us.begins.tolist() == [0, 1, 2, 3]
