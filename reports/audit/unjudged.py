"""What an audit could not judge, and why: windows by reason, and the meters without any verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from reports.audit.view import AuditView
from reports.audit.words import moment_or_day, volume
from reports.registers import of_one as of_register
from reports.wording import NOTHING, count, number, share, visible
from transforms.audit import chief_reasons
from transforms.reasons import sentence

#: meters without any verdict that are named; not_judged.parquet and the workbook hold all
MOST_METERS = 200


def unjudged(view: AuditView) -> dict[str, Any]:
    """How many windows have no verdict for which reason, and which meters have none at all: finished words."""
    windows = int(view.meters["n_windows"].sum())
    without = int(view.not_judged["n_windows"].sum())
    never = chief_reasons(view.not_judged, view.meters)
    named = never.head(MOST_METERS).join(
        view.meters.select("feature_code", "model", "site"), on="feature_code", how="left", maintain_order="left"
    )
    return {
        "said": (
            f"{number(without)} of {count(windows, 'window')} ({share(without, windows)}) have no verdict, which is not "
            "the same as good."
            if without
            else "Every window has a verdict."
        ),
        "reasons": [_reason(row, without) for row in _by_reason(view.not_judged).iter_rows(named=True)],
        "meters": [_meter(row) for row in named.iter_rows(named=True)],
        "registers": [_register(row) for row in _of_others(view).iter_rows(named=True)],
        "n": count(never.height, "meter"),
        "verb": "has" if never.height == 1 else "have",
        "more": number(never.height - named.height) if never.height > named.height else "",
    }


def _of_others(view: AuditView) -> pl.DataFrame:
    """What stands in registers of meters that have no page of their own, where a finding is told; the most litres first."""
    flagged = view.meters.filter("flagged")["feature_code"]
    others = view.registers.filter(~pl.col("feature_code").is_in(flagged.implode()))
    return others.sort(["litres", "feature_code", "finding"], descending=[True, False, False], nulls_last=True).head(
        MOST_METERS
    )


def _register(row: Mapping[str, Any]) -> dict[str, str]:
    said = of_register(row)
    return {"code": row["feature_code"], "said": f"{said[:1].upper()}{said[1:]}."}


def _by_reason(table: pl.DataFrame) -> pl.DataFrame:
    """Each reason over all meters, that of most windows first."""
    return (
        table.group_by("reason")
        .agg(pl.col("n_windows").sum(), pl.len().alias("meters"), pl.col("volume_l").sort().sum())
        .sort(["n_windows", "reason"], descending=[True, False])
    )


def _reason(row: Mapping[str, Any], without: int) -> dict[str, str]:
    return {
        "reason": visible(row["reason"]),
        "words": visible(sentence(row["reason"])),
        "windows": number(row["n_windows"]),
        "share": share(row["n_windows"], without),
        "meters": number(row["meters"]),
        "volume": volume(row["volume_l"]),
    }


def _meter(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "code": row["feature_code"],
        "about": " · ".join(visible(row[name]) for name in ("model", "site") if row[name]) or NOTHING,
        "why": visible(sentence(row["reason"])),
        "windows": number(row["n_windows"]),
    }


def of_one(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why windows of one meter have no verdict, one sentence for each reason, that of most windows first."""
    ordered = sorted(rows, key=lambda row: (-row["n_windows"], row["reason"]))
    return [
        f"{count(row['n_windows'], 'window')} not judged, between {moment_or_day(row['first'])} and "
        f"{moment_or_day(row['last'])}: {visible(sentence(row['reason']))}."
        for row in ordered
    ]
