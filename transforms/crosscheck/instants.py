"""Instants: whether stamps lost their time of day, repeat, come from the future, too seldom or unevenly."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import polars as pl

from transforms.crosscheck.concern import Concern

#: share of rows that contradict each other, or are there twice, from which on that is no accident
_CONTRADICTING, _TWICE = 0.05, 0.3
#: share of gaps of about the usual length, below which stamps count as uneven
_EVEN: Final = 0.8
#: a judgement wants six pairs in a window
_PAIRS: Final = 6
_DAYS: Final = 3


def about_instants(steps: pl.DataFrame, counts: Mapping[str, Any], window: timedelta) -> list[Concern]:
    """Concerns about the stamps of readings."""
    found = _about_counts(counts)
    for rows in steps.partition_by("stream", maintain_order=True) if not steps.is_empty() else []:
        stream = rows["stream"][0]
        days, clocks = rows.select(
            days=pl.col("timestamp").dt.date().n_unique(), clocks=pl.col("timestamp").dt.time().n_unique()
        ).row(0)
        usual = rows["gap_s"].median()
        # twice a year a local clock's midnight is another one in UTC
        if clocks <= 2 and days >= _DAYS:
            at = rows["timestamp"].dt.strftime("%H:%M").mode().sort()[0]
            found.append(
                Concern(
                    "one_time_of_day",
                    f"{stream}: all stamps of {days:,} days stand at {at} UTC: if the export has a time of day, it is not read",
                    grave=True,
                )
            )
        elif isinstance(usual, float) and usual > window.total_seconds() / _PAIRS:
            found.append(
                Concern(
                    "seldom",
                    f"{stream}: a reading every {_lasting(usual)} is too seldom for windows of "
                    f"{_lasting(window.total_seconds())}, which want {_PAIRS} pairs at least",
                )
            )
        even = rows.filter(pl.col("gap_s").is_not_null()).select(
            (pl.col("gap_s") / pl.col("usual_s")).is_between(0.5, 1.5).mean()
        )[0, 0]
        if even is not None and even < _EVEN and isinstance(usual, float):
            found.append(
                Concern(
                    "uneven",
                    f"{stream}: only {even:.0%} of the gaps between readings are about as long as usual ({_lasting(usual)}); "
                    "the others make no flow of a register",
                )
            )
    return found


def _about_counts(counts: Mapping[str, Any]) -> list[Concern]:
    found, read = [], max(counts["read"], 1)
    reasons = counts["reasons"]
    contradicting, twice = reasons.get("conflicting", 0), counts["duplicate"]
    if contradicting > _CONTRADICTING * read:
        found.append(
            Concern(
                "contradicting",
                f"{contradicting:,} of {read:,} rows contradict another row of the same device and instant, and none of them "
                "is used: is a column that tells meters, times of day or versions apart left out?",
                grave=True,
            )
        )
    if twice > _TWICE * read:
        found.append(
            Concern(
                "twice",
                f"{twice:,} of {read:,} rows are there twice: exports that overlap, or stamps that lost their time of day",
            )
        )
    if reasons.get("future"):
        found.append(
            Concern(
                "future",
                f"{reasons['future']:,} rows are later than now: are day and month, or the time zone, the right ones?",
                grave=True,
            )
        )
    lost = {
        "bad_timestamp": "their stamps do not read by the format",
        "not_a_number": "their values are no numbers: look at decimal and thousands",
        "no_value": "they hold no value: is the column the right one?",
        "negative": "their values are below zero: is the column the right one?",
        "absurd": "their values are beyond anything: look at the unit",
        "unknown_unit": "their unit is not known: list it in units",
        "ambiguous_local_time": "their local times occur twice: look at ambiguous",
    }
    for reason, why in lost.items():
        if reasons.get(reason, 0) > _CONTRADICTING * read:
            found.append(Concern(reason, f"{reasons[reason]:,} of {read:,} rows are lost: {why}", grave=True))
    return found


def _lasting(seconds: float) -> str:
    """A length of time in the largest unit that it fills."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
