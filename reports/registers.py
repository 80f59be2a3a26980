"""What was found in registers, in words: for a run's report and for the explanation of one meter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from reports.wording import THIN, count, finite, number
from transforms.reasons import REGISTER_REASONS, sentence

#: feature codes that a page lists for each finding
MOST = 100


def findings(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The findings in the order of the vocabulary: how many meters have each, and which."""
    told = []
    for finding in REGISTER_REASONS:
        part = frame.filter(pl.col("finding") == finding)
        if part.is_empty():
            continue
        codes = part["feature_code"].unique().sort().to_list()
        told.append(
            {
                "code": finding,
                "sentence": sentence(finding),
                "n": count(len(codes), "meter"),
                "codes": codes[:MOST],
                "more": number(len(codes) - MOST) if len(codes) > MOST else "",
            }
        )
    return told


def of_one(row: Mapping[str, Any]) -> str:
    """One finding of one meter as a sentence without a full stop, its number counted in."""
    litres, many = finite(row["litres"]), int(row["many"])
    size = "" if litres is None else f"{number(litres)}{THIN}L"
    detail = {
        "register_coarse": f"steps of {size}",
        "register_width_unknown": f"likely {size}",
        "register_reset": f"{count(many, 'time')}, from {size}",
        "register_backwards": f"{count(many, 'time')}, {size} in all",
        "register_gap": f"{count(many, 'time')}, {size} in all",
        "register_jump": f"{count(many, 'time')}, by up to {size}",
        "register_rollover": count(many, "time"),
    }.get(row["finding"], "")
    return f"{sentence(row['finding'])}{f' ({detail})' if detail else ''}"
