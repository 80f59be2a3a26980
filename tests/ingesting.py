"""Helpers for tests that ingest: a small registry, and what is in the lake as plain rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from transforms.lake import Lake
from transforms.match.samples import LOOK_BACK, load_samples
from transforms.match.samples import REGISTERS as _REGISTERS
from transforms.registry import Registry
from transforms.sources import Source
from transforms.windows import Window
from transforms.workspace import Workspace

REGISTERS = list(_REGISTERS)


def registry(meters: int = 1, sources: Sequence[Source] = (), pairs: pl.DataFrame | None = None) -> Registry:
    """A registry of nothing but meters, sources and pairs."""
    codes = pl.DataFrame({"feature_code": [f"WM-{number}" for number in range(meters)]})
    return Registry(codes, {}, pairs, None, None, tuple(sources), "")


def frame(path: Path) -> pl.DataFrame:
    """A Parquet file, whatever the letters of its name."""
    return pl.read_parquet(path, glob=False, hive_partitioning=False)


def flows(
    workspace: Workspace, start: datetime, hours: int, known: dict[str, float | None]
) -> list[tuple[str, datetime, float]]:
    """The meters' mean flows from ``start`` on: feature_code, ts, flow [L/h]; ``known`` is of all their registers."""
    lake, window = Lake.open(workspace), Window(start, timedelta(hours=hours))
    meters = lake.devices().filter(pl.col("stream") == "meter")
    registers = meters.select("device_no", **{name: pl.lit(known.get(name), pl.Float64) for name in REGISTERS[1:]})
    with duckdb.connect() as con:
        files = lake.files_for("meter", window.start - LOOK_BACK, window.end)
        load_samples(
            con,
            "meter_samples",
            files,
            window,
            conflicts=lake.conflicts(),
            derived=True,
            instants=meters.select("device_no").clear(),
            settled=0.1,
            registers=registers,
        )
        found = con.sql("SELECT * FROM meter_samples").pl()
    named = found.join(meters, on="device_no").select("feature_code", pl.col("ts").dt.replace_time_zone("UTC"), "lph")
    return sorted(named.rows())


def readings(workspace: Workspace, *, conflicts: bool = True) -> list[tuple[Any, ...]]:
    """All readings of the lake, sorted: feature_code, flowmeter_id, ts, flow_lph, volume_l."""
    lake = Lake.open(workspace)
    files = [
        file.path
        for stream in ("meter", "flowmeter")
        for file in lake.files_for(stream, datetime(1999, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC))
    ]
    if not files:
        return []
    rows = pl.concat([frame(file) for file in files], how="diagonal")
    if not conflicts and (refused := lake.conflicts()):
        rows = rows.join(frame(refused), on=["device_no", "ts"], how="anti")
    named = rows.join(lake.devices(), on="device_no").select(
        "feature_code", "flowmeter_id", pl.col("ts").dt.replace_time_zone("UTC"), "flow_lph", "volume_l"
    )
    return sorted(named.rows(), key=lambda row: (row[0] or "", row[1] or "", *map(str, row[2:])))
