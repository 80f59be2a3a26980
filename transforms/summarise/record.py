"""What a run keeps of its sums: each meter's moments at flowing pairs, so that later windows can add to them.

Sums of exact integers add up over windows to the very numbers that one long window would have given, without reading a
sample twice.
"""

from __future__ import annotations

import polars as pl

from transforms.schemas import MOMENTS

#: what of the fleet table says in which units, and between which borders of the bins, the sums were taken
BORDERS = ("q1_lph", "q2_lph", "q3_lph")


def recorded(meters: pl.DataFrame, moments: pl.DataFrame, fleet: pl.DataFrame) -> pl.DataFrame:
    """The sums of a bucket as its run keeps them: parts added up, bins below Q1 left out, meters by their code.

    Parameters
    ----------
    meters : DataFrame
        `transforms.match.METERS`.
    moments : DataFrame
        `transforms.summarise.moments.FRAME`.
    fleet : DataFrame
        The fleet table.

    Returns
    -------
    DataFrame
        `MOMENTS`, sorted by feature code and bin.
    """
    known = meters.filter(pl.col("meter_no").is_not_null()).select("feature_code", "meter_no")
    return (
        moments.filter(pl.col("bin") > 0)
        .group_by("meter_no", "bin")
        .agg(
            pl.col("n", "sx", "sy", "sxx", "sxy", "syy").sum(),
            pl.col("x_min", "y_min").min(),
            pl.col("x_max", "y_max").max(),
        )
        .join(known, on="meter_no")
        .join(fleet.select("feature_code", *BORDERS), on="feature_code")
        .select(pl.col(name).cast(kind) for name, kind in MOMENTS.items())
        .sort("feature_code", "bin")
    )
