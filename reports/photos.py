"""Photos in words: what was seen on each, how sure that is, and what follows, for a run's report and the contact sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from reports.wording import NOTHING, THIN, count, finite, moment, number, visible
from transforms.reasons import sentence

#: what may follow from a reading, the most urgent first
CONSEQUENCES = {
    "display_differs": "the display shows another value than the meter sent: a visit, and no correction",
    "said_again": "the display shows other parameters than those sent: the command is said again",
    "in_flight": "the display shows other parameters than those sent, but a command is on its way already",
    "revised": "joined the fit: a superseding command goes out",
    "withheld": "joined the fit: a superseding command would follow, but a guard keeps it back",
    "beyond_limits": "joined the fit: no parameters within the model's limits would do; a visit",
    "joined": "joined the fit: the parameters in force stand",
    "confirmed": "the parameters are those that were sent",
    "agrees": "agrees with what the meter sent",
    "noted": "on record; nothing follows from it",
}
STATUS_WORDS = {"accepted": "accepted", "review": "waits for a person", "rejected": "rejected"}


def order(readings: pl.DataFrame) -> list[dict[str, Any]]:
    """The readings in the order in which somebody should look at them."""
    rank = {name: place for place, name in enumerate(CONSEQUENCES)}

    def urgency(row: Mapping[str, Any]) -> tuple[Any, ...]:
        waits = 4.5 if row["status"] == "review" else len(rank) + (row["status"] == "rejected")
        return rank.get(row["consequence"], waits), row["feature_code"], row["captured_at"], row["reading_id"]

    return sorted(readings.to_dicts(), key=urgency)


def section(readings: pl.DataFrame, pictures: Mapping[str, str], most: int) -> dict[str, Any] | None:
    """The part of a run's report about photos; None where the run looked at none.

    Parameters
    ----------
    readings
        `transforms.schemas.READINGS` of the run.
    pictures
        Reading id -> address that holds a small copy.
    most
        How many are shown; the others are only counted.
    """
    if readings.is_empty():
        return None
    rows = order(readings)
    many = {name: sum(row["status"] == name for row in rows) for name in STATUS_WORDS}
    told = [f"{number(many[name])} {words}" for name, words in STATUS_WORDS.items() if many[name]]
    return {
        "sentence": f"{count(len(rows), 'photo or clip', 'photos and clips')}: {', '.join(told)}.",
        "n": number(len(rows)),
        "waiting": many["review"],
        "rows": [photo(row, pictures) for row in rows[:most]],
        "more": number(len(rows) - most) if len(rows) > most else "",
    }


def photo(row: Mapping[str, Any], pictures: Mapping[str, str]) -> dict[str, Any]:
    """One photo in words."""
    confidence = finite(row["confidence"])
    person = f", by {visible(row['decided_by'])} at {moment(row['decided_at'])}" if row["decided_by"] else ""
    return {
        "reading_id": row["reading_id"],
        "code": row["feature_code"],
        "taken": moment(row["captured_at"]),
        "file": row["file"],
        "sha256": row["sha256"],
        "picture": pictures.get(row["reading_id"], ""),
        "reading": _value(row, row["value"]),
        "screen": row["screen"] or "",
        "confidence": NOTHING if confidence is None else f"{confidence * 100:.1f}{THIN}%",
        "wire": _wire(row),
        "status": row["status"],
        "status_words": STATUS_WORDS.get(row["status"], row["status"]),
        "why": f"{sentence(row['reason'])}{person}",
        "consequence": CONSEQUENCES.get(row["consequence"] or "", row["consequence"] or NOTHING),
        "candidates": candidates(row["candidates"] or ()),
    }


def account(manifest: Mapping[str, Any], most: int) -> dict[str, Any] | None:
    """What became of the lines about photos, and what about some could not be used; None where there were none."""
    told = manifest.get("photos") or {}
    if not told.get("read") and not told.get("reviews") and not told.get("faults"):
        return None
    kinds = ("taken", "known", "duplicate", "waiting", "gone", "refused")
    parts = " + ".join(f"{number(told[kind])} {kind}" for kind in kinds if told[kind] or kind != "gone")
    faults = [str(fault) for fault in told.get("faults") or []]
    return {
        "sentence": f"Lines about photos: {number(told['read'])} read = {parts}; {count(told['reviews'], 'review')} taken in.",
        "n": number(len(faults)),
        "shown": faults[:most],
        "more": number(len(faults) - most) if len(faults) > most else "",
    }


def candidates(given: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The ways to read a picture, best first."""
    return [
        {"text": one["text"], "screen": one["screen"], "confidence": f"{one['confidence'] * 100:.0f}{THIN}%"}
        for one in given
    ]


def _value(row: Mapping[str, Any], value: object) -> str:
    given = finite(value)
    if given is None:
        return NOTHING
    unit = f"{THIN}{row['unit']}" if row["unit"] else ""
    return f"{given:.12g}{unit}"


def _wire(row: Mapping[str, Any]) -> str:
    """What the meter itself sent allows, as a span."""
    if row["wire_low"] is None:
        return NOTHING
    if row["wire_high"] is None:
        return f"from {_value(row, row['wire_low'])}"
    return f"{_value({**row, 'unit': ''}, row['wire_low'])} to {_value(row, row['wire_high'])}"
