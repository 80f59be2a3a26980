"""One bucket's sums of one window, in whichever way suits its readings.

Devices that report at set intervals are an array, as in audits (`transforms.summarise.span`), which costs a fifth of joining
and grouping by instant. Readings on no common grid, and more of them than an array should hold, are left to the joins
(`transforms.summarise.bucket`). Both give the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.lake import Lake
from transforms.match import Parties
from transforms.match.grid import Ints, grid_for
from transforms.match.span import Chunk
from transforms.summarise.bucket import look_closer, summarise_bucket
from transforms.summarise.moments import Moments
from transforms.summarise.pairs import Pairs
from transforms.summarise.span import summarise_chunk
from transforms.windows import Window

if TYPE_CHECKING:
    import duckdb

#: readings of one stream and bucket that are laid on a grid at once, which bounds the memory
MOST: Final = 6_000_000


@dataclass(frozen=True)
class WindowSums:
    """The meters seen in a bucket in one window, and their sums.

    Attributes
    ----------
    meters : DataFrame
        `transforms.match.METERS`: one row per feature code that reported, is watched or is contradicted.
    moments : Moments
        Of the meters with a ``meter_no``, in that order.
    look : callable
        Gives the single pairs of some meters by their ``meter_no``, as `look_closer` does; only as long as the
        connection is used for nothing else.
    """

    meters: pl.DataFrame
    moments: Moments
    look: Callable[[Ints], Pairs]


def summarise_window(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    bucket: int,
    window: Window,
    parties: Parties,
    scratch: Path,
    *,
    parts: int,
) -> WindowSums:
    """Match and sum one bucket's readings of one window, cut into ``parts`` equal sub-windows.

    Parameters
    ----------
    parties : Parties
        The bucket's own (see `Parties.split`).
    scratch : Path
        An existing folder for what does not stay.
    """
    chunk = Chunk(bucket, window.start, window.length, windows=1)
    if _suits_arrays(lake, chunk, parties):
        changed = parties.changed.with_columns(window=pl.lit(0, pl.Int32))
        found = summarise_chunk(lake, chunk, parties, changed, scratch, parts=parts, by_bin=True)
        return WindowSums(found.named.drop("window"), found.moments, found.samples.look)
    summary = summarise_bucket(con, lake, bucket, window, parties, parts=parts)
    paired = summary.meters["meter_no"].count()
    moments = Moments.from_frame(summary.moments, paired, parts)
    return WindowSums(summary.meters, moments, lambda meters: look_closer(con, window, meters))


def _suits_arrays(lake: Lake, chunk: Chunk, parties: Parties) -> bool:
    """Whether a window's readings lie on a grid that is no larger than it should be."""
    buckets = sorted({chunk.bucket, *parties.claims["bucket"].unique().to_list()})
    streams = [
        [file for bucket in of for file in lake.files_for(stream, chunk.start, chunk.end, bucket)]
        for stream, of in (("meter", [chunk.bucket]), ("flowmeter", buckets))
    ]
    if any(sum(file.rows for file in files) > MOST for files in streams):
        return False
    start_us = chunk.start_us
    devices = max(parties.devices.height, parties.claims.height)
    return grid_for(streams, start_us, start_us + chunk.window_us, chunk.window_us, 0, devices) is not None
