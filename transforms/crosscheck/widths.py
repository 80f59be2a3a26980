"""Widths: where registers begin again at zero, as their falls tell, beside what the registry says."""

from __future__ import annotations

from typing import Final

import polars as pl

from transforms.crosscheck.concern import Concern
from transforms.registry import Registry
from transforms.units import VOLUME_TO_L

#: a fall from this share of a power of ten to this share of it is likely a register that began again
_FULL, _EMPTY = 0.9, 0.1
#: below this a fall says little about the width [L]
_LEAST: Final = 1_000.0


def about_widths(steps: pl.DataFrame, registry: Registry) -> list[Concern]:
    """Concerns about registers that begin again at zero where the registry says nothing, or something else."""
    meters = steps.filter((pl.col("stream") == "meter") & pl.col("volume_l").is_not_null())
    falls = meters.filter((pl.col("volume_l") < pl.col("before_l") / 2) & (pl.col("before_l") > _LEAST))
    found = []
    told = falls.with_columns(width_l=_width()).filter(pl.col("width_l").is_not_null())
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


def _width() -> pl.Expr:
    """The power of ten, in litres, gallons or cubic feet, that a fall looks as if it had gone round [L]; null for none."""
    widths = []
    for litres in dict.fromkeys([1.0, *(VOLUME_TO_L[unit] for unit in ("gal", "ft3"))]):
        before, after = pl.col("before_l") / litres, pl.col("volume_l") / litres
        width = (10.0 ** (before.log10() - 1e-12).ceil()).round(0)
        widths.append(pl.when((before >= _FULL * width) & (after <= _EMPTY * width)).then(width * litres))
    return pl.coalesce(widths)
