"""Photos in a run: taken in, looked at once, reviewed, and held against what the meters sent around that time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import duckdb
import polars as pl

from flows.registered import in_place, models_of, screens_of
from flows.situation import Known
from transforms.display import EngineMissing, Sight
from transforms.events import set_aside_lines
from transforms.lake import Lake
from transforms.match import Parties
from transforms.outbox import read_history
from transforms.photos import (
    Intake,
    Photo,
    Span,
    Wire,
    bounds_of,
    fold_reviews,
    read_reviews,
    reading_of,
    reviewed,
    take_in,
    wires,
    with_wire,
)
from transforms.photos.plausible import Anchor, factor
from transforms.photos.retention import delete_originals
from transforms.policy import Policy
from transforms.reasons import photo_sentence
from transforms.registry import Registry
from transforms.schemas import READINGS
from transforms.screens import Screen
from transforms.sql import session
from transforms.windows import Window, span_text
from transforms.workspace import Workspace

#: how far around a photo the wire is read
AROUND = timedelta(hours=24)
#: how old a register shown may be to be compared with
MEMORY = timedelta(days=31)


class Reader(Protocol):
    """Reads pictures. `flows.eyes.Eyes` is one."""

    def read(self, path: Path, screens: Sequence[Screen]) -> Sight:
        """What a photo or clip shows, given all that the display may show."""
        ...


#: opens a reader; None where there is none
Eyes = Callable[[], AbstractContextManager[Reader]]


@dataclass(frozen=True)
class Looked:
    """What a run knows of photos.

    Attributes
    ----------
    fresh
        Rows of readings.parquet that this run adds: read or reviewed now.
    record
        The newest row of every photo that earlier runs looked at.
    wires
        What the meters of the fresh rows sent around that time, and since the photo that they are compared with.
    account
        The manifest's ``photos``: how many lines came and what became of them.
    refused
        Lines that cannot be used, and pictures that are none, in words.
    kept
        For a revision of a window: the rows that its run has already, which stay as they are.
    """

    fresh: list[dict[str, Any]] = field(default_factory=list)
    record: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=READINGS))
    wires: Mapping[str, Wire] = field(default_factory=dict)
    account: Mapping[str, Any] | None = None
    refused: list[str] = field(default_factory=list)
    kept: pl.DataFrame | None = None


def look_at_photos(
    workspace: Workspace,
    registry: Registry,
    policy: Policy,
    lake: Lake,
    parties: Parties,
    known: Known,
    database: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
    eyes: Eyes | None,
    window: Window,
    now: datetime,
    say: Callable[[str], None],
) -> Looked:
    """Take in the photos that were taken before the window's end and that no run has looked at, and fold the reviews.

    A window older than one that was judged looks at none: what there is belongs to the newest window.

    Parameters
    ----------
    database
        Opens a DuckDB.
    eyes
        Opens what reads pictures; without it photos go to review as ``no_engine``, and are read once there is one.
    """
    record = known.history.readings()
    if known.history.later:
        return Looked(record=record)
    blind = (pl.col("reason") == "no_engine") & (pl.col("status") == "review")
    settled = record.filter(~blind) if eyes is not None else record
    intake = take_in(workspace, registry, settled, window.end, now, policy.photos.clock, policy.photos.keep)
    by_id = {row["reading_id"]: row for row in settled.iter_rows(named=True)}
    screens = screens_of(registry, {photo.feature_code for photo in intake.photos} | set(record["feature_code"]))
    said, refused_reviews = fold_reviews(
        read_reviews(workspace, now), {row["reading_id"]: row for row in record.iter_rows(named=True)}, screens
    )
    set_aside_lines(workspace, "images.jsonl", intake.refused)
    set_aside_lines(workspace, "reviews.jsonl", refused_reviews)
    decided = {review.reading_id for review in said}
    photos = [photo for photo in intake.photos if photo.reading_id not in by_id.keys() | decided]
    rows = [
        *_read(intake, {photo.reading_id for photo in photos}, screens, eyes, say),
        *_reviewed(record, said, screens),
    ]
    again = _unchecked(record, {row["reading_id"] for row in rows}, screens, window.end - MEMORY)
    rows += again
    rows.sort(key=lambda row: (row["captured_at"], row["reading_id"]))
    found = _wires(registry, lake, parties, record, rows, database)
    still = {row["reading_id"] for row in again}
    rows = [
        row
        for row in _held_against(registry, policy, record, rows, found)
        if row["reason"] != "unchecked" or row["reading_id"] not in still
    ]
    account = {**intake.account, "reviews": len(said), "reviews_refused": len(refused_reviews)}
    lines = [_line(item) for item in (*intake.refused, *refused_reviews)]
    pictures = [
        f"raw/images/{row['file']}: {photo_sentence(row['reason'])}"
        for row in rows
        if row["status"] == "rejected" and row["reason"] != "reviewed"
    ]
    return Looked(rows, record, found, account, lines + pictures)


def delete_old_photos(workspace: Workspace, policy: Policy, now: datetime, say: Callable[[str], None]) -> None:
    """Delete the originals that the policy no longer keeps; with the default, none."""
    keep = policy.photos.keep
    if not keep:
        return
    deleted = delete_originals(workspace, read_history(workspace).readings(), now - keep)
    if deleted:
        say(f"{len(deleted):,} photos older than {span_text(keep)} were deleted from raw/images; their readings stay")


def _line(refused: Mapping[str, Any]) -> str:
    """What is wrong with a line, with its place; nothing of what stands in it, which may be a phone number."""
    detail = f" ({refused['detail']})" if refused["detail"] else ""
    return f"{refused['file']} line {refused['line']}: {photo_sentence(refused['reason'])}{detail}"


def _read(
    intake: Intake,
    wanted: set[str],
    screens: Mapping[str, Sequence[Screen]],
    eyes: Eyes | None,
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    photos = [photo for photo in intake.photos if photo.reading_id in wanted]
    if not photos:
        return []
    say(f"reading {len(photos):,} photos" if eyes is not None else f"{len(photos):,} photos came")
    sights = _sights(photos, screens, eyes)
    if any(sight.reason == "no_engine" for sight in sights):
        say("photos cannot be read here and go to review; to have them read: pip install 'meterwright[photos]'")
    return [reading_of(photo, sight, screens[photo.feature_code]) for photo, sight in zip(photos, sights, strict=True)]


def _sights(photos: Sequence[Photo], screens: Mapping[str, Sequence[Screen]], eyes: Eyes | None) -> list[Sight]:
    """What each photo shows; ``no_engine`` for all of them where nothing here can read."""
    blind = [Sight("refused", "no_engine") for _ in photos]
    if eyes is None:
        return blind
    try:
        with eyes() as reader:
            return [reader.read(photo.path, screens[photo.feature_code]) for photo in photos]
    except EngineMissing:
        return blind


def _reviewed(
    record: pl.DataFrame, said: Sequence[Any], screens: Mapping[str, Sequence[Screen]]
) -> list[dict[str, Any]]:
    by_id = {row["reading_id"]: row for row in record.iter_rows(named=True)}
    return [
        reviewed(by_id[review.reading_id], review, screens[by_id[review.reading_id]["feature_code"]]) for review in said
    ]


def _unchecked(
    record: pl.DataFrame, decided: set[str], screens: Mapping[str, Sequence[Screen]], since: datetime
) -> list[dict[str, Any]]:
    """Readings that nothing could be held against when they were taken in: what they wait for may have come by now."""
    waits = (pl.col("status") == "review") & (pl.col("reason") == "unchecked") & (pl.col("captured_at") >= since)
    rows = record.filter(waits & ~pl.col("reading_id").is_in(sorted(decided))).to_dicts()
    return [{**row, "status": "accepted", "reason": "read"} for row in rows if row["feature_code"] in screens]


def comparable(registry: Registry, record: pl.DataFrame) -> dict[tuple[str, str], list[Anchor]]:
    """Registers shown and accepted, by meter and screen, oldest first; those of a meter that was exchanged since left out."""
    shown = record.filter((pl.col("status") == "accepted") & (pl.col("quantity") == "volume"))
    since = in_place(registry, set(shown["feature_code"]))
    found: dict[tuple[str, str], list[Anchor]] = {}
    for row in shown.iter_rows(named=True):
        if row["captured_at"] >= since.get(row["feature_code"], row["captured_at"]):
            unit = factor(Screen(row["screen"], "volume", row["unit"], 1, 0))
            anchor = Anchor(row["captured_at"], row["value"] * unit)
            found.setdefault((row["feature_code"], row["screen"]), []).append(anchor)
    return found


def _wires(
    registry: Registry,
    lake: Lake,
    parties: Parties,
    record: pl.DataFrame,
    rows: Sequence[Mapping[str, Any]],
    database: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
) -> dict[str, Wire]:
    """What the meters sent around the readings that have a value, back to the oldest register shown that still counts."""
    since: dict[str, list[datetime]] = {}
    for (code, _), several in comparable(registry, record).items():
        since.setdefault(code, []).extend(anchor.at for anchor in several)
    asked: dict[str, Span] = {}
    for row in rows:
        if row["value"] is None:
            continue
        code, at = row["feature_code"], row["captured_at"]
        earlier = [moment for moment in since.get(code, ()) if moment >= at - MEMORY]
        begin, end = min([at, *earlier]) - AROUND, at + AROUND
        before = asked.get(code, Span(begin, end))
        asked[code] = Span(min(begin, before.begin), max(end, before.end))
    if not asked:
        return {}
    with database() as opened, session(opened) as con:
        return wires(con, lake, parties, asked)


def _held_against(
    registry: Registry,
    policy: Policy,
    record: pl.DataFrame,
    rows: Sequence[Mapping[str, Any]],
    found: Mapping[str, Wire],
) -> list[dict[str, Any]]:
    """The rows held against the wire, in the order of time, so that an earlier photo can vouch for a later one."""
    models = models_of(registry, {row["feature_code"] for row in rows})
    screens = {code: registry.models[model].screens for code, model in models.items()}
    anchors = comparable(registry, record)
    held = []
    for row in rows:
        code = row["feature_code"]
        bounds = None
        screen = next((one for one in screens[code] if one.name == row["screen"]), None)
        if screen is not None and row["value"] is not None:
            earlier = [
                anchor
                for anchor in anchors.get((code, screen.name), [])
                if row["captured_at"] - MEMORY <= anchor.at < row["captured_at"]
            ]
            bounds = bounds_of(
                screen,
                row["captured_at"],
                registry.models[models[code]],
                found.get(code),
                max(earlier, key=lambda anchor: anchor.at, default=None),
                policy.photos.clock,
                policy.photos.plausible,
                policy.reference.settled,
            )
        held.append(with_wire(row, bounds))
        if screen is not None and held[-1]["status"] == "accepted" and screen.quantity == "volume":
            anchor = Anchor(row["captured_at"], row["value"] * factor(screen))
            anchors.setdefault((code, screen.name), []).append(anchor)
    return held
