"""Widths: where registers begin again at zero, as their falls tell, beside what the registry says."""

from __future__ import annotations

import numpy as np
import polars as pl

from transforms.crosscheck.concern import Concern
from transforms.rollover import LEAST_L, likely_width
from transforms.units import VOLUME_TO_L


def about_widths(steps: pl.DataFrame) -> list[Concern]:
    """Concerns about registers that begin again at zero where the registry says nothing, or something else."""
    meters = steps.filter((pl.col("stream") == "meter") & pl.col("volume_l").is_not_null())
    falls = meters.filter((pl.col("volume_l") < pl.col("before_l") / 2) & (pl.col("before_l") > LEAST_L))
    found = []
    told = falls.with_columns(width_l=_widths(falls)).filter(pl.col("width_l").is_not_nan())
    fresh = told.filter(
        pl.col("rollover_l").is_null() | ((pl.col("rollover_l") / pl.col("width_l")).log().abs() > 1e-3)
    )
    for (width,), rows in fresh.sort("width_l", "code", "timestamp").group_by("width_l", maintain_order=True):
        row = rows.row(0, named=True)
        others = f" and of {rows['code'].n_unique() - 1:,} others" if rows["code"].n_unique() > 1 else ""
        says = "" if row["rollover_l"] is None else f", while the registry says {row['rollover_l']:.12g}"
        found.append(
            Concern(
                "likely_rollover",
                f"the register of {row['code'][:60]!r}{others} falls from {row['before_l']:,.12g} to "
                f"{row['volume_l']:,.12g} L: it likely begins again at zero; rollover_l = {float(width):.12g} in meters.csv "
                f"or for the model{says}",
            )
        )
    above = meters.filter(pl.col("volume_l") > pl.col("rollover_l")).sort("code", "timestamp")
    if not above.is_empty():
        row = above.row(0, named=True)
        found.append(
            Concern(
                "beyond_rollover",
                f"the register of {row['code'][:60]!r} stands at {row['volume_l']:,.12g} L, beyond rollover_l = "
                f"{row['rollover_l']:.12g}",
            )
        )
    return found


def _widths(falls: pl.DataFrame) -> pl.Series:
    """The power of ten, in litres, gallons or cubic feet, that each fall looks as if it had gone round [L]; NaN for none."""
    before, after = (falls[name].to_numpy() for name in ("before_l", "volume_l"))
    found = np.full(falls.height, np.nan)
    for litres in (1.0, VOLUME_TO_L["gal"], VOLUME_TO_L["ft3"]):
        found = np.where(np.isnan(found), likely_width(before / litres, after / litres) * litres, found)
    return pl.Series(found, dtype=pl.Float64)
