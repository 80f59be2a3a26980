"""What a run keeps of its sums: each meter's moments at flowing pairs, so that later windows can add to them.

Sums of exact integers add up over windows to the very numbers that one long window would have given, without reading a
sample twice.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from transforms.schemas import MOMENTS
from transforms.summarise.moments import BINS, TOLD, Moments

#: what of the fleet table says in which units, and between which borders of the bins, the sums were taken
BORDERS = ("q1_lph", "q2_lph", "q3_lph")


def recorded(meters: pl.DataFrame, moments: Moments, fleet: pl.DataFrame) -> pl.DataFrame:
    """The sums of a bucket as its run keeps them: parts added up, bins below Q1 left out, meters by their code.

    Parameters
    ----------
    meters : DataFrame
        `transforms.match.METERS`.
    moments : Moments
        Of the meters with a ``meter_no``, in that order.
    fleet : DataFrame
        The fleet table.

    Returns
    -------
    DataFrame
        `MOMENTS`, sorted by feature code and bin.
    """
    known = (
        meters.filter(pl.col("meter_no").is_not_null())
        .sort("meter_no")
        .select("feature_code", "from_register")
        .join(fleet.select("feature_code", *BORDERS), on="feature_code", how="left", maintain_order="left")
    )
    flowing = slice(1, BINS)
    row, at = np.nonzero(moments.by_bin("n", flowing).T)
    columns = {name: pl.Series(moments.by_bin(name, flowing)[at, row]) for name in MOMENTS if name in TOLD}
    told = known[row].with_columns(pl.Series("bin", at + 1), **columns)
    return told.select(pl.col(name).cast(kind) for name, kind in MOMENTS.items()).sort("feature_code", "bin")
