"""Reviews: which readings wait for a person, and a person's word on one, written as an event into raw/reviews."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from flows.registered import screens_of
from transforms.errors import UsageError
from transforms.outbox import read_history
from transforms.photos import IMAGES, Review, fold_reviews, read_reviews
from transforms.photos.places import REVIEWS
from transforms.photos.reviews import fits
from transforms.registry import Registry
from transforms.screens import Screen
from transforms.windows import iso
from transforms.workspace import Workspace

#: ASCII only: other scripts' digits are refused, never guessed at
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?")
_ID = re.compile(r"p-[0-9a-f]{4,16}")


@dataclass(frozen=True)
class Waiting:
    """The readings that wait for a person, by the time they were taken, and what was said about which no run knows yet."""

    readings: list[dict[str, Any]]
    said: list[Review]


def waiting_readings(workspace: Workspace, registry: Registry, now: datetime) -> Waiting:
    """Read both from the outbox and raw/reviews; nothing of it is stored."""
    record = read_history(workspace).readings()
    rows = {row["reading_id"]: row for row in record.iter_rows(named=True)}
    said, _ = fold_reviews(read_reviews(workspace, now), rows, screens_of(registry))
    decided = {review.reading_id for review in said}
    waiting = record.filter((pl.col("status") == "review") & ~pl.col("reading_id").is_in(sorted(decided)))
    return Waiting(waiting.to_dicts(), said)


def photo_path(workspace: Workspace, reading: dict[str, Any]) -> Path:
    """Where the photo of a reading lies; it may have been deleted since."""
    return workspace.raw / IMAGES / str(reading["file"])


def decide_on(
    workspace: Workspace,
    registry: Registry,
    given_id: str,
    decision: str,
    by: str,
    at: datetime,
    value: str | None = None,
    screen_name: str | None = None,
) -> tuple[Review, Path]:
    """Write a person's word on a reading as an event, and return it with its file. The next run folds it.

    Raises
    ------
    UsageError
        If there is no such reading, it was decided already, or the value does not fit the display.
    """
    record = read_history(workspace).readings()
    reading = _meant(record, given_id)
    name = str(reading["reading_id"])
    if reading["status"] != "review":
        who = f" by {reading['decided_by']} at {iso(reading['decided_at'])}" if reading["decided_by"] else " by machine"
        raise UsageError(f"{name} was decided already{who}: it is {reading['status']}")
    screens = screens_of(registry).get(reading["feature_code"], ())
    said, _ = fold_reviews(read_reviews(workspace, at), {name: reading}, {reading["feature_code"]: screens})
    for earlier in said:
        raise UsageError(
            f"{name} was decided already by {earlier.by} at {iso(earlier.at)}: {earlier.decision}; the next run takes it in"
        )
    if decision == "rejected":
        review = Review(name, decision, by, at)
    else:
        screen = _screen(reading, screens, screen_name)
        review = Review(name, decision, by, at, screen.name, _value(value or "", screen))
    return review, _write(workspace, review)


def _meant(record: pl.DataFrame, given: str) -> dict[str, Any]:
    """The reading with an id, of which the beginning is enough where it is the only one."""
    if not _ID.fullmatch(given):
        raise UsageError(f"{given!r} is no id of a photo, such as p-0123456789abcdef; see: meterwright review list")
    found = record.filter(pl.col("reading_id").str.starts_with(given)).to_dicts()
    if not found:
        raise UsageError(f"there is no photo {given}; see: meterwright review list")
    if len(found) > 1:
        raise UsageError(f"{given} is the beginning of {len(found)} ids; give more of it")
    return found[0]


def _screen(reading: dict[str, Any], screens: Sequence[Screen], named: str | None) -> Screen:
    """The screen that a value is for: the one named, else the one that the machine saw, else the only one."""
    known = {screen.name: screen for screen in screens}
    if not known:
        raise UsageError(
            f"the model of {reading['feature_code']} has no display in models.toml; describe it there first"
        )
    if named is not None:
        if named not in known:
            raise UsageError(f"there is no screen {named!r}; the model has {', '.join(known)}")
        return known[named]
    if reading["screen"] in known:
        return known[str(reading["screen"])]
    if len(known) > 1:
        raise UsageError(f"the model has several screens; say with --screen which one it is: {', '.join(known)}")
    return next(iter(known.values()))


def _value(text: str, screen: Screen) -> float:
    shape = f"{screen.digits} digits, {screen.decimals} of them behind the point, in {screen.unit or 'no unit'}"
    if not _NUMBER.fullmatch(text):
        raise UsageError(f"--value {text!r} is no plain number; the screen {screen.name} has {shape}")
    if len(text.partition(".")[2]) > screen.decimals or not fits(float(text), screen):
        raise UsageError(f"--value {text} does not fit the screen {screen.name}, which has {shape}")
    return float(text)


def _write(workspace: Workspace, review: Review) -> Path:
    """One event, one file, which appears whole or not at all and is never overwritten."""
    folder = workspace.raw / REVIEWS
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{review.at:%Y%m%dT%H%M%S}{review.at.microsecond:06d}Z_{review.reading_id}.jsonl"
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    draft.write_text(json.dumps(review.to_json(), ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
    try:
        os.link(draft, target)
    except FileExistsError:
        raise UsageError(f"{review.reading_id} was decided already, at the same moment") from None
    finally:
        draft.unlink()
    return target
