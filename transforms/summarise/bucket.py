"""One bucket's sums: the matched pairs of a window reduced to moments, or listed for the few that need a closer look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.lake import Lake
from transforms.match import Parties, match_bucket
from transforms.schemas import PAIRS
from transforms.sql import statement
from transforms.summarise.moments import FRAME
from transforms.summarise.pairs import Pairs
from transforms.windows import Window

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class BucketSummary:
    """The meters seen in a bucket and their moments.

    Attributes
    ----------
    meters : DataFrame
        `transforms.match.METERS`: one row per feature code that reported, is watched or is contradicted.
    moments : DataFrame
        Long form, `transforms.summarise.moments.FRAME`.
    """

    meters: pl.DataFrame
    moments: pl.DataFrame


def summarise_bucket(
    con: duckdb.DuckDBPyConnection, lake: Lake, bucket: int, window: Window, parties: Parties, *, parts: int
) -> BucketSummary:
    """Match and sum one bucket's readings of one window, cut into ``parts`` equal sub-windows."""
    matched = match_bucket(con, lake, bucket, window, parties)
    if matched.watched.is_empty():
        return BucketSummary(matched.meters, pl.DataFrame(schema=FRAME))
    return BucketSummary(matched.meters, _moments(con, window, parts))


def list_pairs(
    con: duckdb.DuckDBPyConnection, lake: Lake, bucket: int, window: Window, parties: Parties, codes: Sequence[str]
) -> pl.DataFrame:
    """The single pairs (`PAIRS`) of a few meters of a bucket, sorted by code and time."""
    few = replace(
        parties,
        **{
            name: getattr(parties, name).filter(pl.col("feature_code").is_in(list(codes)))
            for name in ("fleet", "devices", "claims")
        },
    )
    matched = match_bucket(con, lake, bucket, window, few)
    if matched.watched.is_empty():
        return pl.DataFrame(schema=PAIRS)
    con.register("codes", matched.watched.select("meter_no", "feature_code").to_arrow())
    found: pl.DataFrame = con.sql(statement("transforms.summarise", "pairs.sql")).pl()
    return found.with_columns(pl.col("timestamp").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")).select(
        pl.col(name).cast(kind) for name, kind in PAIRS.items()
    )


def look_closer(con: duckdb.DuckDBPyConnection, window: Window, meters: npt.NDArray[np.int64]) -> Pairs:
    """The pairs of some meters of the bucket that `summarise_bucket` has just summed on the same connection.

    Parameters
    ----------
    meters : ndarray
        Their ``meter_no``.
    """
    con.register("looked_at", pl.DataFrame({"meter_no": pl.Series(meters, dtype=pl.Int32)}).to_arrow())
    text = statement("transforms.summarise", "looked.sql").format(start_us=int(window.start.timestamp()) * 1_000_000)
    return Pairs.from_frame(con.sql(text).pl())


def _moments(con: duckdb.DuckDBPyConnection, window: Window, parts: int) -> pl.DataFrame:
    text = statement("transforms.summarise", "moments.sql").format(
        start_us=int(window.start.timestamp()) * 1_000_000,
        part_us=int(window.length.total_seconds() * 1_000_000) // parts,
    )
    found: pl.DataFrame = con.sql(text).pl()
    return found.select(pl.col(name).cast(kind) for name, kind in FRAME.items())
