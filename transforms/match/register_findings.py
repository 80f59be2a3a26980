"""What a person should know of registers that tell no flow, or one to look at twice: too coarse, frozen, set back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from transforms.lake import Lake, readings_sql
from transforms.match.parties import Parties
from transforms.match.samples import LOOK_BACK, register_rules, registers_of
from transforms.rollover import EMPTY, FULL, LEAST_L
from transforms.sql import instant, statement
from transforms.windows import Window

if TYPE_CHECKING:
    import duckdb

#: ``finding`` is one of `transforms.reasons.REGISTER_REASONS`, ``many`` how many readings or steps show it, ``litres`` the
#: number that goes with it [L], null where there is none
FINDINGS: dict[str, pl.DataType | type[pl.DataType]] = {
    "feature_code": pl.String,
    "finding": pl.String,
    "many": pl.Int64,
    "litres": pl.Float64,
}
_REGISTER = "flow_lph IS NULL AND volume_l IS NOT NULL"


def has_registers(lake: Lake, window: Window) -> bool:
    """Whether any meter sent a register in a window or its look-back."""
    return any(
        file.has_volume
        for bucket in range(lake.n_buckets)
        for file in lake.files_for("meter", window.start - LOOK_BACK, window.end, bucket)
    )


def register_findings(
    con: duckdb.DuckDBPyConnection, lake: Lake, bucket: int, window: Window, parties: Parties, codes: Sequence[str]
) -> pl.DataFrame:
    """`FINDINGS` of some meters of a bucket in a window, sorted by code and finding.

    A lake without registers there costs nothing.
    """
    files = lake.files_for("meter", window.start - LOOK_BACK, window.end, bucket)
    devices = parties.devices.filter((pl.col("stream") == "meter") & pl.col("feature_code").is_in(list(codes)))
    if devices.is_empty() or not any(file.has_volume for file in files):
        return pl.DataFrame(schema=FINDINGS)
    con.register("finding_registers", registers_of(devices, parties.fleet).to_arrow())
    readings = readings_sql(
        files,
        conflicts=lake.conflicts(),
        start=instant(window.start - LOOK_BACK),
        end=instant(window.end),
        only=devices["device_no"].to_list(),
    )
    registers = f"SELECT device_no, ts, false AS is_instant, volume_l AS reading FROM ({readings}) WHERE {_REGISTER}"
    text = statement("transforms.match", "register_findings.sql").format(
        rules=register_rules(registers, "finding_registers", window.start), full=FULL, empty=EMPTY, least=LEAST_L
    )
    found: pl.DataFrame = con.sql(text.rstrip().rstrip(";")).pl()
    con.unregister("finding_registers")
    return (
        found.cast({"device_no": pl.Int32})
        .join(devices.select("device_no", "feature_code"), on="device_no")
        .select(pl.col(name).cast(kind) for name, kind in FINDINGS.items())
        .sort("feature_code", "finding")
    )
