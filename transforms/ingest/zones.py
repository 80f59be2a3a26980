"""Zones: local stamps of a named time zone as instants; a stamp that does not exist or exists twice has none."""

from __future__ import annotations

import duckdb
import polars as pl

from transforms.ingest.fields import Fields
from transforms.ingest.rules import local_stamp
from transforms.sources import EPOCHS


def zone_table(con: duckdb.DuckDBPyConnection, relation: str, fields: Fields) -> str | None:
    """Make the table ``zoned (local, utc)`` of all local stamps in a relation, if they need one.

    The stamps are localised by Polars, because DuckDB accepts local times that do not exist.

    Returns
    -------
    str or None
        The table's name; None where the stamps need no named zone.
    """
    if fields.timezone is None or fields.timezone[0] in "+-" or fields.typed_stamp or fields.pattern in EPOCHS:
        return None
    if fields.pattern and ("%z" in fields.pattern or "%Z" in fields.pattern):
        return None
    stamps = con.sql(
        f"SELECT DISTINCT {local_stamp(fields)} AS local FROM (SELECT {fields.stamp} AS stamp FROM {relation})"
    ).pl()
    local = stamps.select(pl.col("local").cast(pl.Datetime("us"))).drop_nulls()
    zoned = local.with_columns(
        utc=pl.col("local")
        .dt.replace_time_zone(fields.timezone, ambiguous="null", non_existent="null")
        .dt.convert_time_zone("UTC")
        .dt.replace_time_zone(None)
    )
    con.register("zoned_stamps", zoned.to_arrow())
    con.execute("CREATE OR REPLACE TEMP TABLE zoned AS SELECT local, utc FROM zoned_stamps")
    con.unregister("zoned_stamps")
    return "zoned"
