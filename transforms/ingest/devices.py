"""Devices: the dictionary from identifiers to small numbers, and the bucket in which a device's readings lie."""

from __future__ import annotations

from typing import Final

import duckdb
import polars as pl

from transforms.lake import Lake
from transforms.registry import Registry
from transforms.sql import quote

#: registered meters per bucket, about
METERS_PER_BUCKET: Final = 25_000
MOST_BUCKETS: Final = 256

_LOAD = """
CREATE OR REPLACE TEMP TABLE devices AS
SELECT device_no, stream, coalesce(feature_code, '') AS feature_code, coalesce(flowmeter_id, '') AS flowmeter_id, bucket
FROM lake_devices
"""

# The feature code decides; a flowmeter without one lies where pairs.csv puts it at this moment, else by its own id.
# MD5 and not hash(): it is the same in every version of DuckDB and on every machine.
_NUMBER = """
INSERT INTO devices
SELECT (row_number() OVER (ORDER BY feature_code, flowmeter_id) + {last})::INTEGER, {stream}, feature_code, flowmeter_id,
    (md5_number_lower(CASE WHEN feature_code <> '' THEN feature_code ELSE coalesce(paired, flowmeter_id) END)
        % {n_buckets})::INTEGER
FROM named
ANTI JOIN (SELECT * FROM devices WHERE stream = {stream}) AS known USING (feature_code, flowmeter_id)
LEFT JOIN pairs_now ON named.feature_code = '' AND pairs_now.paired_id = named.flowmeter_id
"""


def bucket_count(meters: int) -> int:
    """Buckets for a fleet: a power of two, about one per `METERS_PER_BUCKET` registered meters."""
    wanted = max(1, round(meters / METERS_PER_BUCKET))
    return int(min(MOST_BUCKETS, 1 << (wanted - 1).bit_length()))


def load_devices(con: duckdb.DuckDBPyConnection, lake: Lake, pairs: pl.DataFrame | None) -> None:
    """Make the tables ``devices`` (identifiers empty, not null, where unknown) and ``pairs_now``."""
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
    con.register("registry_pairs", paired.to_arrow())
    con.execute("CREATE OR REPLACE TEMP TABLE pairs_now AS SELECT * FROM registry_pairs")
    con.unregister("registry_pairs")


def number_registered(con: duckdb.DuckDBPyConnection, registry: Registry, n_buckets: int) -> None:
    """Number the devices that the registry knows of, so that the first dumps of a new lake find them numbered."""
    expected = {"meter": registry.meters.select("feature_code", flowmeter_id=pl.lit(""))}
    if registry.pairs is not None:
        expected["flowmeter"] = registry.pairs.select("feature_code", "flowmeter_id").unique()
    for stream, devices in expected.items():
        con.register("expected_devices", devices.to_arrow())
        con.execute("CREATE OR REPLACE TEMP TABLE named AS SELECT * FROM expected_devices")
        con.unregister("expected_devices")
        number_new(con, stream, n_buckets)


def number_new(con: duckdb.DuckDBPyConnection, stream: str, n_buckets: int) -> int:
    """Add the devices of the table ``named`` that are not in the dictionary yet; return how many there were."""
    last, before = con.sql("SELECT coalesce(max(device_no), -1), count(*) FROM devices").fetchall()[0]
    con.execute(_NUMBER.format(last=last, stream=quote(stream), n_buckets=n_buckets))
    return int(con.sql("SELECT count(*) FROM devices").fetchall()[0][0]) - int(before)
