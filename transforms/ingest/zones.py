"""Zones: local stamps of a named time zone as instants, across both changes of the clock.

A local time that occurs twice has two instants, and the source says which is meant. One that does not occur has none,
unless the source says that its clock is put forward late.
"""

from __future__ import annotations

from typing import Final

import duckdb
import polars as pl

from transforms.ingest.fields import Fields
from transforms.ingest.rules import raw_columns
from transforms.ingest.stamps import FOLD_ORDER, local_stamp
from transforms.sources import EPOCHS

# A doubled local time that stands in two rows of one device means its first instant in the first and its second in the
# second. Where it stands in one row, in three, or twice in one line, order tells nothing.
_ORDER = f"""
CREATE OR REPLACE TEMP TABLE {FOLD_ORDER} AS
SELECT line, feature_code, flowmeter_id, local,
    row_number() OVER (PARTITION BY feature_code, flowmeter_id, local ORDER BY line) AS nth
FROM (SELECT *, count(*) AS times FROM fold_rows GROUP BY ALL)
QUALIFY sum(times) OVER (PARTITION BY feature_code, flowmeter_id, local) = 2
    AND count(*) OVER (PARTITION BY feature_code, flowmeter_id, local) = 2
"""

_NO_ORDER: Final = f"""
CREATE OR REPLACE TEMP TABLE fold_rows (line BIGINT, feature_code VARCHAR, flowmeter_id VARCHAR, local TIMESTAMP);
CREATE OR REPLACE TEMP TABLE {FOLD_ORDER} AS SELECT *, 0 AS nth FROM fold_rows
"""


def zone_table(con: duckdb.DuckDBPyConnection, relation: str, fields: Fields) -> str | None:
    """Make the table ``zoned (local, utc, first, second, twice)`` of all local stamps in a relation, if they need one.

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
    raw = f"(SELECT {raw_columns(fields)} FROM {relation})"
    stamps = con.sql(f"SELECT DISTINCT {local_stamp(fields)} AS local FROM {raw}").pl()
    con.register("zoned_stamps", localised(stamps["local"], fields).to_arrow())
    con.execute("CREATE OR REPLACE TEMP TABLE zoned AS SELECT * FROM zoned_stamps")
    con.unregister("zoned_stamps")
    if fields.ambiguous == "by_order":
        con.execute(
            "INSERT INTO fold_rows SELECT line, feature_code_text, flowmeter_id_text, local "
            f"FROM (SELECT line, {raw_columns(fields)} FROM {relation}) JOIN zoned ON local = {local_stamp(fields)} "
            f"WHERE twice{' AND theirs IS NOT TRUE' if fields.theirs else ''}"
        )
    return "zoned"


def localised(stamps: pl.Series, fields: Fields) -> pl.DataFrame:
    """Local times of a named zone with what they mean: ``local``, ``utc`` as the source has it (null where that cannot be
    told), the ``first`` and the ``second`` instant, and whether there are ``twice``."""
    zone = str(fields.timezone)
    local = pl.DataFrame({"local": stamps.cast(pl.Datetime("us"))}).drop_nulls()

    def utc(one: pl.Expr, which: str) -> pl.Expr:
        zoned = one.dt.replace_time_zone(zone, ambiguous=which, non_existent="null")  # type: ignore[arg-type]
        return zoned.dt.convert_time_zone("UTC").dt.replace_time_zone(None)

    first, second = utc(pl.col("local"), "earliest"), utc(pl.col("local"), "latest")
    found = local.with_columns(first=first, second=second).with_columns(
        twice=(pl.col("first") != pl.col("second")).fill_null(False)
    )
    meant = {
        "first": pl.col("first"),
        "second": pl.col("second"),
        # a register shows what it showed at the end of both hours; a mean over both is the mean of neither
        "folded": pl.when(~pl.col("twice") | pl.lit(fields.flow is None)).then(pl.col("second")),
    }.get(fields.ambiguous, pl.when(~pl.col("twice")).then(pl.col("first")))
    if fields.skipped == "forward":
        # a clock that is not put forward goes on as it did the day before
        day = pl.duration(days=1)
        meant = pl.coalesce(meant, pl.when(pl.col("first").is_null()).then(utc(pl.col("local") - day, "latest") + day))
    return found.with_columns(utc=meant).select("local", "utc", "first", "second", "twice")


def forget_order(con: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of doubled local times empty."""
    con.execute(_NO_ORDER)


def settle_order(con: duckdb.DuckDBPyConnection) -> None:
    """Say which row of a doubled local time is the first, from all rows that `zone_table` has seen since `forget_order`."""
    con.execute(_ORDER)
