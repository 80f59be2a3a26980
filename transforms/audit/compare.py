"""Compare two policies on the same windows: which verdicts and commands differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

_KEYS = ("feature_code", "window_start")
_TOLD = ("verdict", "form", "reason")
#: columns of the windows that a comparison asks for
COMPARED = (*_KEYS, *_TOLD)


@dataclass(frozen=True)
class Comparison:
    """What differs between policies a and b.

    Attributes
    ----------
    pairs
        ``verdict_a, reason_a, verdict_b, reason_b, n``: how many windows got which.
    meters
        ``feature_code, n_windows, n_differ, n_steady_a, n_steady_b, commanded_a, commanded_b``: per meter whether any of
        its windows would have sent a command.
    windows
        Windows whose verdict, form, reason or command differ: ``feature_code, window_start`` and both policies' words.
    """

    pairs: pl.DataFrame
    meters: pl.DataFrame
    windows: pl.DataFrame


def compare(windows_a: pl.DataFrame, windows_b: pl.DataFrame) -> Comparison:
    """Compare the verdicts of some meters under two policies.

    A window sends a command where ``commanded`` is true; without that column where its verdict is steady: the first thing a
    command needs, and what guards and history may still refuse.

    Parameters
    ----------
    windows_a, windows_b : DataFrame
        `AUDIT_WINDOWS` of the same meters and windows.
    """
    a, b = (_told(windows, side) for windows, side in ((windows_a, "a"), (windows_b, "b")))
    both = a.join(b, on=list(_KEYS), how="inner", validate="1:1").sort(_KEYS)
    differ = pl.any_horizontal(pl.col(f"{name}_a").ne_missing(pl.col(f"{name}_b")) for name in (*_TOLD, "commanded"))
    both = both.with_columns(differ=differ)
    pairs = both.group_by("verdict_a", "reason_a", "verdict_b", "reason_b").agg(n=pl.len().cast(pl.Int64))
    meters = both.group_by("feature_code", maintain_order=True).agg(
        n_windows=pl.len().cast(pl.Int64),
        n_differ=pl.col("differ").sum().cast(pl.Int64),
        n_steady_a=(pl.col("verdict_a") == "steady").sum().cast(pl.Int64),
        n_steady_b=(pl.col("verdict_b") == "steady").sum().cast(pl.Int64),
        commanded_a=pl.col("commanded_a").any(),
        commanded_b=pl.col("commanded_b").any(),
    )
    return Comparison(_ordered(pairs), meters, both.filter("differ").drop("differ"))


def joined(parts: Sequence[Comparison]) -> Comparison:
    """Comparisons of several groups of meters as one."""
    pairs = pl.concat([part.pairs for part in parts])
    return Comparison(
        _ordered(pairs.group_by("verdict_a", "reason_a", "verdict_b", "reason_b").agg(pl.col("n").sum())),
        pl.concat([part.meters for part in parts]).sort("feature_code"),
        pl.concat([part.windows for part in parts]).sort(_KEYS),
    )


def comparison_summary(found: Comparison) -> dict[str, Any]:
    """What differs, in numbers, as JSON can hold them."""
    only_a = found.meters.filter(pl.col("commanded_a") & ~pl.col("commanded_b"))
    only_b = found.meters.filter(~pl.col("commanded_a") & pl.col("commanded_b"))
    return {
        "windows": int(found.meters["n_windows"].sum()),
        "windows_that_differ": int(found.meters["n_differ"].sum()),
        "meters": found.meters.height,
        "meters_that_differ": int((found.meters["n_differ"] > 0).sum()),
        "commanded": {
            "a": int(found.meters["commanded_a"].sum()),
            "b": int(found.meters["commanded_b"].sum()),
            "only_a": only_a["feature_code"].to_list(),
            "only_b": only_b["feature_code"].to_list(),
        },
        "verdicts": found.pairs.to_dicts(),
    }


def _told(windows: pl.DataFrame, side: str) -> pl.DataFrame:
    commanded = (
        pl.col("commanded") if "commanded" in windows.columns else pl.col("verdict").eq_missing(pl.lit("steady"))
    )
    return windows.with_columns(commanded=commanded.fill_null(False)).select(
        *_KEYS, *(pl.col(name).alias(f"{name}_{side}") for name in (*_TOLD, "commanded"))
    )


def _ordered(pairs: pl.DataFrame) -> pl.DataFrame:
    return pairs.sort("n", "verdict_a", "reason_a", "verdict_b", "reason_b", descending=[True, *[False] * 4])
