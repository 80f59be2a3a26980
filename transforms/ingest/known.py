"""Known meters: what the registry says about single meters that bears on their readings: how much flow their model can
measure, and by how much their clock is ahead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import polars as pl

from transforms.registry import Registry

# Only a reading above the smallest of all limits needs to be looked up.
_BEYOND = """
SELECT DISTINCT dump
FROM (SELECT dump, device_no, feature_code, flow FROM staged WHERE dump >= 0 AND flow > {lowest!r}) AS high
LEFT JOIN devices USING (device_no)
JOIN known_meters ON known_meters.feature_code = coalesce(high.feature_code, devices.feature_code)
WHERE high.flow > known_meters.absurd_lph
"""

# A reading in `staged` carries either its device's number or its feature code.
_RIGHT = """
UPDATE staged SET ts = ts - to_microseconds(late.clock_us)
FROM (SELECT * FROM known_meters WHERE clock_us <> 0) AS late
WHERE staged.feature_code = late.feature_code;
UPDATE staged SET ts = ts - to_microseconds(late.clock_us)
FROM (
    SELECT device_no, clock_us
    FROM known_meters JOIN (SELECT * FROM devices WHERE stream = 'meter') AS numbered USING (feature_code)
    WHERE clock_us <> 0
) AS late
WHERE staged.device_no = late.device_no
"""


@dataclass(frozen=True)
class Known:
    """What the table ``known_meters (feature_code, absurd_lph, clock_us)`` holds.

    Attributes
    ----------
    lowest_lph : float or None
        The smallest flow that is absurd for some meter [L/h]; None where the limit of the fleet is that of all.
    clocks : bool
        Whether some meter's clock is off.
    """

    lowest_lph: float | None = None
    clocks: bool = False

    def beyond(self, con: duckdb.DuckDBPyConnection) -> set[int]:
        """The dumps in ``staged`` with a reading that is absurd for its meter."""
        if self.lowest_lph is None:
            return set()
        return {number for (number,) in con.sql(_BEYOND.format(lowest=self.lowest_lph)).fetchall()}

    def judged(self, readings: str, number: Mapping[str, int]) -> str:
        """SQL of readings of meters, those that are absurd for their meter marked so."""
        if self.lowest_lph is None:
            return readings
        return (
            f"(SELECT r.* REPLACE (CASE WHEN r.reason = 0 AND r.flow > known_meters.absurd_lph THEN {number['absurd']} "
            f"ELSE r.reason END::UTINYINT AS reason) FROM {readings} AS r LEFT JOIN known_meters USING (feature_code))"
        )

    def set_clocks_right(self, con: duckdb.DuckDBPyConnection, stream: str) -> None:
        """Take off of the stamps in ``staged`` by how much a meter's clock is ahead."""
        if self.clocks and stream == "meter":
            con.execute(_RIGHT)


def load_known(con: duckdb.DuckDBPyConnection, registry: Registry, absurd_by_model: Mapping[str, float]) -> Known:
    """Make the table ``known_meters`` of those of which more is known than of the fleet."""
    meters = registry.meters
    limits = pl.DataFrame(
        {"model": list(absurd_by_model), "absurd_lph": list(absurd_by_model.values())},
        schema={"model": pl.String, "absurd_lph": pl.Float64},
    )
    highest = limits["absurd_lph"].max()
    table = (
        meters.select(
            "feature_code",
            model=pl.col("model") if "model" in meters.columns else pl.lit(None, pl.String),
            clock_us=(pl.col("clock_offset_s") * 1e6).round().cast(pl.Int64).fill_null(0)
            if "clock_offset_s" in meters.columns
            else pl.lit(0, pl.Int64),
        )
        .join(limits, on="model", how="left")
        .select(
            "feature_code",
            pl.when(pl.col("absurd_lph") < pl.lit(highest, pl.Float64)).then("absurd_lph").alias("absurd_lph"),
            "clock_us",
        )
        .filter(pl.col("absurd_lph").is_not_null() | (pl.col("clock_us") != 0))
    )
    con.register("listed_meters", table.to_arrow())
    con.execute("CREATE OR REPLACE TEMP TABLE known_meters AS SELECT * FROM listed_meters")
    con.unregister("listed_meters")
    lowest = table["absurd_lph"].min()
    return Known(float(lowest) if isinstance(lowest, float) else None, bool((table["clock_us"] != 0).any()))


def clock_of(readings: str) -> str:
    """SQL of readings with the stamps that ``staged`` has, see `Known.set_clocks_right`."""
    return (
        f"(SELECT r.* REPLACE (r.ts - to_microseconds(coalesce(known_meters.clock_us, 0)) AS ts) FROM {readings} AS r "
        "LEFT JOIN known_meters USING (feature_code))"
    )
