"""The few meters of a span whose stamps keep to no grid: matched by the joins of `match_bucket`, many windows at once.

`match_bucket` knows one window. So each meter becomes as many stand-ins as there are windows, every one with the readings
of its window and those before it that a register needs, moved to the time of the first window: a statement over a
thousand stand-ins takes hardly longer than one over ten meters. They live in a small lake of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from transforms.lake import Lake, LakeFile, readings_sql
from transforms.match.bucket import METERS, match_bucket
from transforms.match.parties import Parties
from transforms.match.samples import LOOK_BACK
from transforms.match.span import Chunk
from transforms.schemas import UTC_US
from transforms.sql import instant, quote
from transforms.workspace import STREAMS

if TYPE_CHECKING:
    import duckdb

#: so many stand-ins are matched at once, which bounds the memory
MOST = 10_000

#: pairs of some meters in some windows, flows [L/h]; ``us`` counts from the window's start
PAIRED: dict[str, pl.DataType | type[pl.DataType]] = {
    "feature_code": pl.String,
    "window": pl.Int32,
    "us": pl.Int64,
    "q": pl.Float64,
    "q_meter": pl.Float64,
}

_READ = "CREATE OR REPLACE TEMP TABLE few_{stream} AS {readings}"

_COPY = """
COPY (
    SELECT (place * {count} + k)::INTEGER AS device_no, ts - k * INTERVAL '{length_us} microseconds' AS ts, flow_lph, volume_l
    FROM few_{stream} JOIN few_devices USING (device_no), range({count}) AS windows(k)
    WHERE ts >= TIMESTAMP '{back}' + k * INTERVAL '{length_us} microseconds'
      AND ts < TIMESTAMP '{end}' + k * INTERVAL '{length_us} microseconds'
    ORDER BY ALL
) TO {target} (FORMAT parquet, COMPRESSION lz4_raw)
"""

_BORDERS = """
SELECT count(*), min(ts), max(ts), min(device_no), max(device_no), count(flow_lph) > 0, count(volume_l) > 0
FROM read_parquet({file})
"""

_PAIRS = """
SELECT w.meter_no, epoch_us(p.ts) - {start_us} AS us, p.q_lph AS q, p.q_meter_lph AS q_meter
FROM paired AS p JOIN watched AS w USING (meter_no)
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
    own = parties.only(codes)
    _read(con, lake, chunk, own)
    together = max(1, MOST // max(1, len(codes)))
    found = [
        _match_windows(con, lake, chunk, own, changed, range(first, min(first + together, chunk.windows)), scratch)
        for first in range(0, chunk.windows, together)
    ]
    return FewMatch(
        pl.concat([one.meters for one in found]).sort("window", "feature_code"),
        pl.concat([one.pairs for one in found]).sort("feature_code", "window", "us"),
    )


def _read(con: duckdb.DuckDBPyConnection, lake: Lake, chunk: Chunk, own: Parties) -> None:
    """Make the tables ``few_meter`` and ``few_flowmeter`` of all readings of the chunk that may be used."""
    start = chunk.start - LOOK_BACK
    for stream, devices in (("meter", own.devices), ("flowmeter", own.claims)):
        buckets = [chunk.bucket] if stream == "meter" else sorted({chunk.bucket, *own.claims["bucket"].to_list()})
        files = [file for bucket in buckets for file in lake.files_for(stream, start, chunk.end, bucket)]
        numbers = devices["device_no"].unique().sort().to_list()
        readings = "SELECT 0 AS device_no, TIMESTAMP 'epoch' AS ts, 0.0 AS flow_lph, 0.0 AS volume_l WHERE false"
        if files and numbers:
            readings = readings_sql(
                files,
                conflicts=lake.conflicts(),
                start=instant(start),
                end=instant(chunk.end),
                only=numbers,
            )
        con.execute(_READ.format(stream=stream, readings=readings))


def _match_windows(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    chunk: Chunk,
    own: Parties,
    changed: pl.DataFrame,
    windows: range,
    scratch: Path,
) -> FewMatch:
    """Match some windows as if they were one, by stand-ins."""
    stand_ins = _StandIns(own, chunk, windows)
    small = stand_ins.lake(con, lake, scratch)
    window = chunk.window(windows.start)
    matched = match_bucket(con, small, chunk.bucket, window, stand_ins.parties(own, changed))
    found: pl.DataFrame = con.sql(_PAIRS.format(start_us=int(window.start.timestamp()) * 1_000_000)).pl()
    names = matched.watched.select(pl.col("meter_no").cast(pl.Int32), "feature_code")
    named = found.with_columns(pl.col("meter_no").cast(pl.Int32)).join(names, on="meter_no")
    return FewMatch(
        stand_ins.originals(matched.meters).select(*METERS, "window"),
        stand_ins.originals(named).select(pl.col(name).cast(kind) for name, kind in PAIRED.items()),
    )


class _StandIns:
    """Some meters and their flowmeters, once for each of some windows, all in the time of the first of them."""

    def __init__(self, own: Parties, chunk: Chunk, windows: range) -> None:
        numbers = pl.concat([own.devices["device_no"], own.claims["device_no"]]).unique().sort()
        self._chunk = chunk
        self._windows = windows
        self._devices = pl.DataFrame({"device_no": numbers}).with_row_index("place").cast(pl.Int32)
        #: the windows' places among them
        self._places = pl.DataFrame({"k": pl.Series(range(len(windows)), dtype=pl.Int32)})
        self._names = (
            pl.DataFrame({"feature_code": pl.Series(own.codes, dtype=pl.String)})
            .with_row_index("place")
            .join(self._places, how="cross")
            .with_columns(stand_in=pl.format("{} {}", "place", "k"))
            .drop("place")
        )

    def parties(self, own: Parties, changed: pl.DataFrame) -> Parties:
        """The stand-ins as parties; what was stated of a time is moved with it."""
        since = changed.select("feature_code", "since", k=pl.col("window") - self._windows.start)
        return Parties(
            fleet=self._named(own.fleet).drop("k"),
            devices=self._numbered(self._named(own.devices)).drop("k"),
            claims=self._numbered(self._moved(self._named(own.claims), "valid_from", "valid_to"))
            .with_columns(bucket=pl.lit(self._chunk.bucket, pl.Int32))
            .drop("k"),
            instants=self._numbered(own.instants.select("device_no").join(self._places, how="cross")).drop("k"),
            settled=own.settled,
            changed=self._moved(self._named(since.cast({"k": pl.Int32}), "k"), "since").drop("k"),
        )

    def originals(self, found: pl.DataFrame) -> pl.DataFrame:
        """What was found of stand-ins, said of the meters they stand for, with ``window``."""
        named = found.rename({"feature_code": "stand_in"}).join(self._names, on="stand_in")
        return named.with_columns(window=pl.col("k") + self._windows.start).drop("stand_in", "k")

    def lake(self, con: duckdb.DuckDBPyConnection, lake: Lake, scratch: Path) -> Lake:
        """A lake of the stand-ins' readings alone, in the scratch folder."""
        first = self._chunk.window(self._windows.start)
        con.register("few_devices", self._devices.to_arrow())
        entries = []
        for stream in STREAMS:
            path = scratch / f"{stream}.parquet"
            con.execute(
                _COPY.format(
                    stream=stream,
                    count=len(self._windows),
                    length_us=self._chunk.window_us,
                    back=instant(first.start - LOOK_BACK),
                    end=instant(first.end),
                    target=quote(str(path)),
                )
            )
            borders = con.sql(_BORDERS.format(file=quote(str(path)))).pl()
            rows, min_ts, max_ts, *rest = borders.with_columns(pl.col(pl.Datetime).dt.replace_time_zone("UTC")).row(0)
            if rows:
                place = (stream, first.start.date(), self._chunk.bucket)
                entries.append(LakeFile(str(path), path, *place, rows, min_ts, max_ts, *rest).entry())
        con.unregister("few_devices")
        return replace(lake, root=scratch, files=entries, conflicts_file=None)

    def _named(self, frame: pl.DataFrame, *more: str) -> pl.DataFrame:
        """The rows of codes as those of their stand-ins: of all, or of those whose window the rows name."""
        named = frame.join(self._names, on=["feature_code", *more])
        return named.with_columns(feature_code="stand_in").drop("stand_in")

    def _numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The same with the stand-ins' device numbers, which keep the order of the devices."""
        number = (pl.col("place") * len(self._windows) + pl.col("k")).cast(pl.Int32)
        return frame.join(self._devices, on="device_no").with_columns(device_no=number).drop("place")

    def _moved(self, frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
        """The same with times as the stand-ins have them."""
        shift = pl.col("k").cast(pl.Int64) * pl.lit(timedelta(microseconds=self._chunk.window_us))
        return frame.with_columns((pl.col(name) - shift).cast(UTC_US) for name in columns)
