"""Samples: one stream of one bucket in one window, as mean flows, and what each device did in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from transforms.lake import LakeFile, readings_sql
from transforms.schemas import UTC_US
from transforms.sql import instant, statement
from transforms.windows import Window

if TYPE_CHECKING:
    import duckdb

#: how far back a register's previous reading is looked for
LOOK_BACK = timedelta(hours=6)

ACTIVITY: dict[str, pl.DataType | type[pl.DataType]] = {
    "device_no": pl.Int32,
    "n": pl.Int64,
    "first_ts": UTC_US,
    "last_ts": UTC_US,
    "fingerprint": pl.UInt64,
    "interval_us": pl.Int64,
    "from_register": pl.Boolean,
}

#: of a device's register: the largest flow that its model makes a step of [L/h], where the register begins again at zero
#: (null where that is not known) [L], and the step that says nothing any more as the flow of one interval [L/h]
REGISTERS: dict[str, pl.DataType | type[pl.DataType]] = {
    "device_no": pl.Int32,
    "limit_lph": pl.Float64,
    "rollover_l": pl.Float64,
    "coarse_lph": pl.Float64,
}
#: of devices whose flows are derived from other readings: the interval, and whether these are a register's
_DERIVED: dict[str, pl.DataType | type[pl.DataType]] = {
    "device_no": pl.Int32,
    "derived_us": pl.Int64,
    "from_register": pl.Boolean,
}
#: a register's step over one interval may be this share of Q3, or the model's stated resolution
COARSE_SHARE = 0.05


def registers_of(devices: pl.DataFrame, fleet: pl.DataFrame) -> pl.DataFrame:
    """`REGISTERS` of the meters among the lake's devices that the registry knows."""
    return (
        devices.filter(pl.col("stream") == "meter")
        .select("device_no", "feature_code")
        .join(fleet, on="feature_code")
        .select(
            "device_no",
            limit_lph=pl.col("top_u") / pl.col("per_lph"),
            rollover_l="rollover_l",
            coarse_lph=pl.max_horizontal("resolution_lph", COARSE_SHARE * pl.col("q3_lph")),
        )
        .cast(pl.Schema(REGISTERS))
    )


def register_rules(readings: str, registers: str, start: datetime) -> str:
    """SQL: the beginning of a statement whose table ``ruled`` has of each reading what the rules say of it.

    Parameters
    ----------
    readings : str
        SELECT of ``device_no, ts, is_instant, reading``.
    registers : str
        A table with the columns of `REGISTERS`.
    start : datetime
        What lies before this is there for the look-back only.
    """
    return statement("transforms.match", "register_rules.sql").format(
        readings=readings, registers=registers, start=instant(start)
    )


def load_samples(
    con: duckdb.DuckDBPyConnection,
    view: str,
    files: Sequence[LakeFile],
    window: Window,
    *,
    conflicts: Path | None,
    derived: bool,
    instants: pl.DataFrame,
    settled: float,
    registers: pl.DataFrame | None = None,
    only: Sequence[int] | None = None,
) -> pl.DataFrame:
    """Create the view ``view (device_no, ts, lph)`` and return the devices' activity.

    Parameters
    ----------
    con : DuckDBPyConnection
        Where the view is made.
    view : str
        ``meter_samples`` or ``flowmeter_samples``.
    files : sequence of LakeFile
        Lake files that may hold readings of the window or of `LOOK_BACK` before it.
    window : Window
        The span judged.
    conflicts : Path or None
        Parquet with the (device_no, ts) whose readings contradict each other; they are not used.
    derived : bool
        Whether any file holds cumulative registers, or ``instants`` is not empty.
    instants : DataFrame
        ``device_no`` of devices whose flow is an instantaneous signal instead of an interval's mean. An interval's
        mean is then taken from its two ends, and only where they differ by no more than ``settled``.
    settled : float
        The largest relative change within an interval at which an instantaneous signal still tells its mean.
    registers : DataFrame, optional
        `REGISTERS`: what is known of devices whose register is read.
    only : sequence of int, optional
        The numbers of the few devices that are asked about; all, unless given.

    Returns
    -------
    DataFrame
        `ACTIVITY`: number of samples, first and last stamp, fingerprint of the stamps, sampling interval, and whether flows are
        what a register advanced by.
    """
    if not files:
        con.execute(
            f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT 0::INT AS device_no, now()::TIMESTAMP AS ts, 0.0 AS lph WHERE false"
        )
        return pl.DataFrame(schema=ACTIVITY)
    start, end = instant(window.start), instant(window.end)
    lookback = instant(window.start - LOOK_BACK) if derived else start
    con.execute(
        statement("transforms.match", "samples.sql").format(
            view=view,
            readings=readings_sql(files, conflicts=conflicts, start=lookback, end=end, only=only),
        )
    )
    plain = f"SELECT device_no, ts, flow_lph AS lph FROM {view}_read WHERE flow_lph IS NOT NULL"
    intervals = pl.DataFrame(schema=_DERIVED)
    if derived:
        con.register(f"{view}_instant", instants.select("device_no").to_arrow())
        known = pl.DataFrame(schema=REGISTERS) if registers is None else registers.select(list(REGISTERS))
        con.register(f"{view}_registers", known.to_arrow())
        con.execute(
            statement("transforms.match", "samples_derived.sql").format(
                view=view,
                settled=settled,
                rules=register_rules(
                    statement("transforms.match", "derived_read.sql").format(view=view),
                    f"{view}_registers",
                    window.start,
                ),
            )
        )
        intervals = (
            con.sql(f"SELECT DISTINCT device_no, interval_us AS derived_us FROM {view}_derived")
            .pl()
            .with_columns(from_register=~pl.col("device_no").is_in(instants["device_no"].implode()))
            .cast(pl.Schema(_DERIVED))
        )
        plain += (
            f" AND ts >= TIMESTAMP '{start}' AND device_no NOT IN (SELECT device_no FROM {view}_instant)"
            f" UNION ALL SELECT device_no, ts, lph FROM {view}_derived"
        )
    con.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS {plain}")
    return _activity(con, view, window, intervals)


def _activity(con: duckdb.DuckDBPyConnection, view: str, window: Window, intervals: pl.DataFrame) -> pl.DataFrame:
    start_us = int(window.start.timestamp()) * 1_000_000
    found: pl.DataFrame = con.sql(
        statement("transforms.match", "activity.sql").format(view=view, start_us=start_us)
    ).pl()
    found = found.cast({"device_no": pl.Int32}).join(intervals, on="device_no", how="left")
    uneven = found.filter(pl.col("even_us").is_null() & pl.col("derived_us").is_null()).select("device_no")
    edges = pl.DataFrame(schema={"device_no": pl.Int32, "edge_us": pl.Int64})
    if not uneven.is_empty():
        con.register("uneven", uneven.to_arrow())
        edges = con.sql(statement("transforms.match", "edges.sql").format(view=view)).pl().cast(dict(edges.schema))
    return (
        found.join(edges, on="device_no", how="left")
        .select(
            "device_no",
            pl.col("n").cast(pl.Int64),
            pl.col("first_ts").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            pl.col("last_ts").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
            pl.col("fingerprint").cast(pl.UInt64),
            interval_us=pl.coalesce("derived_us", "even_us", "edge_us"),
            from_register=pl.col("from_register").fill_null(False),
        )
        .sort("device_no")
    )
