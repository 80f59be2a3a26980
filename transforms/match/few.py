"""The few meters of a span whose stamps keep to no grid: matched by the joins of `match_bucket`, window by window.

Their readings are copied into a small lake of their own first, so that not every window reads those of all the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import polars as pl

from transforms.lake import Lake
from transforms.match.bucket import METERS, Parties, match_bucket
from transforms.match.samples import LOOK_BACK
from transforms.match.span import Chunk

#: pairs of some meters in some windows, flows [L/h]; ``us`` counts from the window's start
PAIRED: dict[str, pl.DataType | type[pl.DataType]] = {
    "feature_code": pl.String,
    "window": pl.Int32,
    "us": pl.Int64,
    "q": pl.Float64,
    "q_meter": pl.Float64,
}

_PAIRS = """
SELECT w.meter_no, epoch_us(p.ts) - {start_us} AS us, p.q_lph AS q, p.q_meter_lph AS q_meter
FROM paired AS p JOIN watched AS w USING (meter_no)
ORDER BY w.meter_no, p.ts
"""


@dataclass(frozen=True)
class FewMatch:
    """What was found: ``meters`` (`transforms.match.METERS` and ``window``) and ``pairs`` (`PAIRED`), both sorted."""

    meters: pl.DataFrame
    pairs: pl.DataFrame


def match_few(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    chunk: Chunk,
    parties: Parties,
    changed: pl.DataFrame,
    codes: Sequence[str],
    scratch: Path,
) -> FewMatch:
    """Match some meters of a bucket in all windows of a chunk.

    Parameters
    ----------
    changed : DataFrame
        ``feature_code``, ``window``, ``since``, as for `transforms.match.span.match_span`.
    scratch : Path
        An existing folder for the small lake.
    """
    mine = pl.col("feature_code").is_in(list(codes))
    own = replace(parties, **{name: getattr(parties, name).filter(mine) for name in ("fleet", "devices", "claims")})
    small = _small_lake(con, lake, chunk, own, scratch)
    meters, pairs = [], []
    for number in range(chunk.windows):
        window = chunk.window(number)
        since = changed.filter(pl.col("window") == number).select("feature_code", "since")
        matched = match_bucket(con, small, chunk.bucket, window, replace(own, changed=since))
        place = pl.lit(number, pl.Int32).alias("window")
        meters.append(matched.meters.with_columns(place))
        if matched.watched.is_empty():
            continue
        start_us = int(window.start.timestamp()) * 1_000_000
        found: pl.DataFrame = con.sql(_PAIRS.format(start_us=start_us)).pl()
        names = matched.watched.select(pl.col("meter_no").cast(pl.Int32), "feature_code")
        named = found.with_columns(pl.col("meter_no").cast(pl.Int32)).join(names, on="meter_no", maintain_order="left")
        pairs.append(named.with_columns(place).select(pl.col(name).cast(kind) for name, kind in PAIRED.items()))
    empty = pl.DataFrame(schema=PAIRED)
    return FewMatch(
        pl.concat([pl.DataFrame(schema={**METERS, "window": pl.Int32}), *meters]),
        pl.concat([empty, *pairs]).sort("feature_code", "window", "us"),
    )


def _small_lake(con: duckdb.DuckDBPyConnection, lake: Lake, chunk: Chunk, own: Parties, scratch: Path) -> Lake:
    """The lake with the readings of a few devices only, in the scratch folder."""
    devices = {
        "meter": own.devices["device_no"].unique().to_list(),
        "flowmeter": own.claims["device_no"].unique().to_list(),
    }
    buckets = {"meter": [chunk.bucket], "flowmeter": sorted({chunk.bucket, *own.claims["bucket"].to_list()})}
    entries = []
    for stream, numbers in devices.items():
        for bucket in buckets[stream]:
            for file in lake.files_for(stream, chunk.start - LOOK_BACK, chunk.end, bucket):
                wanted = [n for n in numbers if file.min_device <= n <= file.max_device]
                if not wanted:
                    continue
                table = pl.read_parquet(file.path, glob=False, hive_partitioning=False)
                table = table.filter(pl.col("device_no").is_in(wanted))
                if table.is_empty():
                    continue
                path = scratch / file.name
                path.parent.mkdir(parents=True, exist_ok=True)
                table.write_parquet(path, compression="lz4")
                entries.append({**file.entry(), "path": str(path)})
    conflicts = lake.conflicts()
    return replace(lake, root=scratch, files=entries, conflicts_file=str(conflicts) if conflicts else None)
