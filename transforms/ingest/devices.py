"""Devices: the dictionary from identifiers to small numbers, and the bucket in which a device's readings lie."""

from __future__ import annotations

from typing import Final

import duckdb
import polars as pl
import pyarrow as pa

from transforms.lake import Lake
from transforms.registry import Registry
from transforms.sql import quote

#: registered meters per bucket, about
METERS_PER_BUCKET: Final = 25_000
MOST_BUCKETS: Final = 256
#: codes that are worked on at once
_PIECE: Final = 1 << 13

_LOAD = """
CREATE OR REPLACE TEMP TABLE devices AS
SELECT device_no, stream, coalesce(feature_code, '') AS feature_code, coalesce(flowmeter_id, '') AS flowmeter_id, bucket
FROM lake_devices
"""

# MD5 and not hash(): it is the same in every version of DuckDB and on every machine.
_BUCKET = "(md5_number_lower({code}) % {n_buckets})::INTEGER AS bucket"

# The feature code decides; a flowmeter without one lies where pairs.csv puts it at this moment, else by its own id.
_PLACED_BY = "CASE WHEN feature_code <> '' THEN feature_code ELSE coalesce(paired, flowmeter_id) END"

_NUMBER = """
INSERT INTO devices
SELECT (row_number() OVER (ORDER BY feature_code, flowmeter_id) + {last})::INTEGER, {stream}, feature_code, flowmeter_id, {bucket}
FROM named
ANTI JOIN (SELECT * FROM devices WHERE stream = {stream}) AS known USING (feature_code, flowmeter_id)
LEFT JOIN pairs_now ON named.feature_code = '' AND pairs_now.paired_id = named.flowmeter_id
"""


def bucket_count(meters: int) -> int:
    """Buckets for a fleet: a power of two, about one per `METERS_PER_BUCKET` registered meters."""
    wanted = max(1, round(meters / METERS_PER_BUCKET))
    return int(min(MOST_BUCKETS, 1 << (wanted - 1).bit_length()))


def load_devices(con: duckdb.DuckDBPyConnection, lake: Lake, pairs: pl.DataFrame | None) -> None:
    """Make the table ``devices`` (identifiers empty, not null, where unknown) and the view ``pairs_now``."""
    con.register("lake_devices", lake.devices().to_arrow())
    con.execute(_LOAD)
    con.unregister("lake_devices")
    if pairs is None:
        paired = pl.DataFrame(schema={"paired_id": pl.String, "paired": pl.String})
    else:
        paired = (
            pairs.sort("flowmeter_id", "valid_from", "feature_code", nulls_last=False)
            .unique("flowmeter_id", keep="last", maintain_order=True)
            .select(paired_id="flowmeter_id", paired="feature_code")
        )
    con.register("pairs_now", paired.to_arrow())


def number_registered(con: duckdb.DuckDBPyConnection, registry: Registry, n_buckets: int) -> None:
    """Number the devices that the registry knows of in the table ``devices``, which is empty, so that the first dumps of a
    new lake find them numbered."""
    listed = [registry.meters.select(pl.lit("meter").alias("stream"), "feature_code", flowmeter_id=pl.lit(""))]
    if registry.pairs is not None:
        paired = registry.pairs.select(pl.lit("flowmeter").alias("stream"), "feature_code", "flowmeter_id")
        listed.append(paired.unique())
    devices = pl.concat([one.sort("feature_code", "flowmeter_id") for one in listed])
    # a code stands in both streams, and its digest takes most of the time
    con.register("codes_listed", _in_pieces(devices.select("feature_code").unique()))
    places = con.sql(
        f"SELECT feature_code, {_BUCKET.format(code='feature_code', n_buckets=n_buckets)} FROM codes_listed"
    )
    numbered = devices.with_row_index("device_no").join(
        pl.DataFrame(places.to_arrow_table()), on="feature_code", how="left", maintain_order="left"
    )
    con.unregister("codes_listed")
    con.register("devices_listed", numbered.to_arrow())
    con.execute("INSERT INTO devices BY NAME SELECT * FROM devices_listed")
    con.unregister("devices_listed")


def _in_pieces(table: pl.DataFrame) -> pa.Table:
    """For DuckDB, which has each of its threads work on other pieces."""
    whole = table.to_arrow()
    return pa.Table.from_batches(whole.to_batches(max_chunksize=_PIECE), whole.schema)


def number_new(con: duckdb.DuckDBPyConnection, stream: str, n_buckets: int) -> int:
    """Add the devices of the table ``named`` that are not in the dictionary yet; return how many there were."""
    (count,) = con.sql("SELECT count(*) FROM named").fetchall()[0]
    if not count:
        return 0
    last, before = con.sql("SELECT coalesce(max(device_no), -1), count(*) FROM devices").fetchall()[0]
    bucket = _BUCKET.format(code=_PLACED_BY, n_buckets=n_buckets)
    con.execute(_NUMBER.format(last=last, stream=quote(stream), bucket=bucket))
    return int(con.sql("SELECT count(*) FROM devices").fetchall()[0][0]) - int(before)
