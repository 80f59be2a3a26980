"""One bucket's matching: its readings of a window, joined on feature code and instant into the view ``paired``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from transforms.lake import Lake, LakeFile
from transforms.match.pairing import Pairing, resolve
from transforms.match.parties import Parties
from transforms.match.samples import LOOK_BACK, load_samples
from transforms.schemas import UTC_US
from transforms.sql import statement
from transforms.windows import Window

if TYPE_CHECKING:
    import duckdb

#: so few devices are looked for by their numbers
FEW = 200

METERS: dict[str, pl.DataType | type[pl.DataType]] = {
    "feature_code": pl.String,
    "meter_no": pl.Int32,
    "flowmeter_id": pl.String,
    "conflict": pl.Boolean,
    "n_meter": pl.Int64,
    "n_reference": pl.Int64,
    "interval_us": pl.Int64,
    "from_register": pl.Boolean,
}


@dataclass(frozen=True)
class Matched:
    """Who was matched with whom; the pairs themselves are the view ``paired`` of the connection.

    Attributes
    ----------
    meters : DataFrame
        `METERS`: one row per feature code that reported, is watched or is contradicted.
    watched : DataFrame
        The meters with pairs to come: ``meter_no`` (dense from 0), ``feature_code``, the fleet table's columns.
    """

    meters: pl.DataFrame
    watched: pl.DataFrame


def match_bucket(con: duckdb.DuckDBPyConnection, lake: Lake, bucket: int, window: Window, parties: Parties) -> Matched:
    """Match the readings of one bucket's own parties (see `Parties.split`) in one window."""
    # Joins are carried out in the order they are written. By its own estimate DuckDB would sometimes join the streams on
    # the instant first and on the devices afterwards, which takes time quadratic in the number of meters.
    con.execute("SET disabled_optimizers = 'join_order'")
    registers = parties.registers
    meters = _load(
        con,
        lake,
        "meter",
        [bucket],
        window,
        parties.instants.clear(),
        parties.settled,
        registers,
        _if_few(parties.devices),
    )
    # A flowmeter that was re-paired may lie in another bucket than the meter it now watches.
    buckets = sorted({bucket, *parties.claims["bucket"].unique().to_list()})
    flowmeters = _load(
        con,
        lake,
        "flowmeter",
        buckets,
        window,
        parties.instants,
        parties.settled,
        registers.clear(),
        _if_few(parties.claims),
    )
    pairing = resolve(parties.claims, flowmeters, window)
    matched = Matched(*_watch(con, parties, meters, flowmeters, pairing))
    con.execute(statement("transforms.match", "paired.sql").format(validity=_validity(window, matched.watched)))
    return matched


def _load(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    stream: str,
    buckets: Sequence[int],
    window: Window,
    instants: pl.DataFrame,
    settled: float,
    registers: pl.DataFrame,
    only: list[int] | None,
) -> pl.DataFrame:
    def files(start: datetime) -> list[LakeFile]:
        return [file for b in buckets for file in lake.files_for(stream, start, window.end, b)]

    inside = files(window.start)
    derived = not instants.is_empty() or any(file.has_volume for file in inside)
    used = files(window.start - LOOK_BACK) if derived else inside
    return load_samples(
        con,
        f"{stream}_samples",
        used,
        window,
        conflicts=lake.conflicts(),
        derived=derived and bool(inside),
        instants=instants,
        settled=settled,
        registers=registers,
        only=only,
    )


def _if_few(devices: pl.DataFrame) -> list[int] | None:
    """The numbers of devices that are so few that the readings of all others are best left out at once."""
    numbers = devices["device_no"].unique().sort()
    return numbers.to_list() if len(numbers) <= FEW else None


def _watch(
    con: duckdb.DuckDBPyConnection,
    parties: Parties,
    meters: pl.DataFrame,
    flowmeters: pl.DataFrame,
    pairing: Pairing,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Register the table ``watched`` of meters with a flowmeter, find stragglers' partners, and list all meters."""
    reported = parties.devices.select("feature_code", meter_device="device_no").join(
        meters.rename({"device_no": "meter_device", "n": "n_meter", "fingerprint": "meter_print"}).drop(
            "first_ts", "last_ts"
        ),
        on="meter_device",
    )
    references = pairing.pairs.rename({"device_no": "flowmeter_device"}).join(
        flowmeters.select("n", "fingerprint", "interval_us", flowmeter_device="device_no").rename(
            {"n": "n_reference", "fingerprint": "flowmeter_print", "interval_us": "reference_us"}
        ),
        on="flowmeter_device",
    )
    listed = (
        reported.join(references, on="feature_code", how="full", coalesce=True)
        .join(
            pairing.conflicts.select("feature_code", conflict_id="flowmeter_id", conflict=pl.lit(True)),
            on="feature_code",
            how="full",
            coalesce=True,
        )
        .with_columns(
            pl.col("conflict").fill_null(False), pl.coalesce("flowmeter_id", "conflict_id").alias("flowmeter_id")
        )
        .sort("feature_code")
    )
    watched = (
        listed.filter(pl.col("meter_device").is_not_null() & pl.col("flowmeter_device").is_not_null())
        .join(parties.fleet, on="feature_code")
        .sort("feature_code")
        .with_row_index("meter_no")
        .with_columns(pl.col("meter_no").cast(pl.Int32))
    )
    if not parties.changed.is_empty():
        watched = _since(watched, parties.changed)
    columns = [
        "meter_no",
        "meter_device",
        "flowmeter_device",
        "valid_from",
        "valid_to",
        "per_lph",
        "q1_u",
        "q2_u",
        "q3_u",
        "top_u",
        "band_low_u",
        "band_high_u",
    ]
    naive = [pl.col("valid_from", "valid_to").dt.replace_time_zone(None)]
    con.register("watched", watched.with_columns(naive).select(columns).to_arrow())
    ragged = (
        watched.filter(
            (pl.col("n_meter") != pl.col("n_reference")) | (pl.col("meter_print") != pl.col("flowmeter_print"))
        )
        .with_columns(naive)
        .select(
            "meter_no",
            "meter_device",
            "flowmeter_device",
            "valid_from",
            "valid_to",
            half_us=pl.coalesce("interval_us", "reference_us").fill_null(0) // 2,
        )
    )
    con.register("ragged", ragged.to_arrow())
    if ragged.is_empty():
        con.execute(
            "CREATE OR REPLACE TEMP TABLE nearest_pairs (meter_no INT, ts TIMESTAMP, q_lph DOUBLE, q_meter_lph DOUBLE)"
        )
    else:
        con.execute(statement("transforms.match", "nearest.sql"))
    everyone = (
        listed.join(watched.select("feature_code", "meter_no"), on="feature_code", how="left")
        .with_columns(pl.col("n_meter", "n_reference").fill_null(0), pl.col("from_register").fill_null(False))
        .select(pl.col(name).cast(kind) for name, kind in METERS.items())
    )
    return everyone, watched


def _since(watched: pl.DataFrame, changed: pl.DataFrame) -> pl.DataFrame:
    """The same, valid only from when a meter was changed on: the first interval counts that began after that."""
    interval = pl.coalesce("interval_us", "reference_us").fill_null(0).cast(pl.Duration("us"))
    return (
        watched.join(changed, on="feature_code", how="left")
        .with_columns(valid_from=pl.max_horizontal("valid_from", pl.col("since") + interval))
        .drop("since")
        .sort("meter_no")
    )


def _validity(window: Window, watched: pl.DataFrame) -> str:
    """The validity of pairs is tested per row only where it begins or ends inside the window."""
    partial = watched.filter(
        (pl.col("valid_from") > pl.lit(window.start).cast(UTC_US))
        | (pl.col("valid_to") < pl.lit(window.end).cast(UTC_US))
    )
    return "true" if partial.is_empty() else "m.ts >= w.valid_from AND m.ts < w.valid_to"
