"""Intake: each line of the photos' manifests, accounted for once, and the photos among them that nobody has read yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from transforms.canonical import digest_of
from transforms.digests import Digests, state_of
from transforms.errors import UsageError
from transforms.events import lines_of, parsed, refusal
from transforms.photos.places import IMAGES, LONGEST_LINE, digest_if_there, picture_path
from transforms.registry import Registry
from transforms.windows import EARLIEST, LATEST, iso, parse_time
from transforms.workspace import Workspace

_LONGEST_ID = 128
_ID_LENGTH = 18


@dataclass(frozen=True)
class Photo:
    """A photo or clip that counts: of which meter, when it was taken, where it lies and what its bytes are.

    ``file`` is relative to raw/images, ``command_id`` the command after which it was asked for, where the terminal says so.
    """

    feature_code: str
    captured_at: datetime
    file: str
    path: Path
    sha256: str
    command_id: str | None

    @property
    def reading_id(self) -> str:
        """The short name by which people and later runs speak of it: the same on every machine."""
        about = {"sha256": self.sha256, "feature_code": self.feature_code, "captured_at": iso(self.captured_at)}
        return digest_of(about, "p")[:_ID_LENGTH]


@dataclass(frozen=True)
class Intake:
    """What the manifests hold.

    Attributes
    ----------
    photos
        Those to be looked at, by the time they were taken.
    refused
        ``file, line, reason, detail, row`` of lines that cannot be used.
    account
        ``read`` = ``taken`` + ``known`` + ``duplicate`` + ``waiting`` + ``gone`` + ``refused``, and ``reasons`` of those
        refused. ``gone`` are copies that were deleted as the policy asks.
    """

    photos: list[Photo]
    refused: list[dict[str, Any]]
    account: dict[str, Any]


@dataclass(frozen=True)
class _Line:
    place: dict[str, Any]
    row: bytes
    said: dict[str, Any]
    captured_at: datetime


def take_in(
    workspace: Workspace,
    registry: Registry,
    record: pl.DataFrame,
    until: datetime,
    now: datetime,
    clock: timedelta,
    keep: timedelta = timedelta(0),
) -> Intake:
    """Read the manifests in raw/images.

    A photo counts if its terminal is the one that terminals.csv binds to that feature code. Lines that say the same twice,
    and pictures with equal digests of one meter, are one photo, the earliest. What is on record is not read again, also
    where its file is gone by now.

    Parameters
    ----------
    record : DataFrame
        `transforms.schemas.READINGS` on record that need no second look: those of earlier runs.
    until : datetime
        Photos taken from here on wait for a later window.
    now, clock
        Photos dated later than this, by more than clocks are off, are refused for now (``future``).
    keep
        How long originals are kept, zero for ever: after that, that a file is not there is no fault.
    """
    notes = Digests(workspace.cache / "photos")
    refused: list[dict[str, Any]] = []
    lines = _lines(workspace, refused)
    codes = {line.said["feature_code"] for line in lines}
    bound = _terminals(registry, codes)
    meters = registry.meters.filter(pl.col("feature_code").is_in(codes))
    models = dict(meters.select("feature_code", "model").iter_rows())
    shown = {name for name, model in registry.models.items() if model.screens}
    by_place = _on_record(record)
    known_codes = dict(record.select("sha256", "feature_code").iter_rows())
    counts: Counter[str] = Counter()
    found: list[tuple[_Line, Photo]] = []
    for line in lines:
        counts["read"] += 1
        code, file = line.said["feature_code"], line.said["file"]
        if (code, line.captured_at, file) in by_place:
            counts["known"] += 1
            continue
        if fault := _stranger(line, models, shown, bound):
            refused.append(refusal(line.place, fault, "", line.row))
            continue
        if line.captured_at > now + clock:
            refused.append(refusal(line.place, "future", f"it is dated {iso(line.captured_at)}", line.row))
            continue
        if line.captured_at >= until:
            counts["waiting"] += 1
            continue
        path, fault = picture_path(workspace, file)
        if fault == "missing_file" and keep and line.captured_at < now - keep:
            counts["gone"] += 1
            continue
        if path is None:
            refused.append(refusal(line.place, fault, "", line.row))
            continue
        sha256 = _digest(notes, file, path)
        if not sha256:
            refused.append(refusal(line.place, "unreadable", "", line.row))
            continue
        found.append((line, Photo(code, line.captured_at, file, path, sha256, line.said.get("command_id"))))
    notes.save()
    photos = _once(found, known_codes, counts, refused)
    refused.sort(key=lambda item: (item["file"], item["line"]))
    account = {
        "read": counts["read"] + sum(item["reason"] == "bad_manifest_line" for item in refused),
        **{key: counts[key] for key in ("taken", "known", "duplicate", "waiting", "gone")},
        "refused": len(refused),
        "reasons": dict(sorted(Counter(item["reason"] for item in refused).items())),
    }
    return Intake(photos, refused, account)


def _lines(workspace: Workspace, refused: list[dict[str, Any]]) -> list[_Line]:
    good = []
    for place, row in lines_of(workspace, IMAGES):
        said, fault = parsed(row, ("feature_code", "terminal_id", "captured_at", "file"), LONGEST_LINE)
        moment = None
        if not fault:
            fault, moment = _checked(said)
        if moment is None:
            refused.append(refusal(place, "bad_manifest_line", fault, row))
        else:
            good.append(_Line(place, row, said, moment))
    return good


def _checked(said: Mapping[str, Any]) -> tuple[str, datetime | None]:
    command = said.get("command_id")
    if command is not None and not isinstance(command, str):
        return "command_id is no text", None
    for key in ("feature_code", "terminal_id", "command_id"):
        text = said.get(key) or ""
        if len(text) > _LONGEST_ID or not text.isprintable():
            return f"{key} is longer than {_LONGEST_ID} characters or holds control characters", None
    try:
        moment = parse_time(said["captured_at"])
    except UsageError:
        return "captured_at is not a time in ISO 8601 with Z", None
    if not EARLIEST <= moment < LATEST:
        return f"captured_at lies outside {EARLIEST:%Y} to {LATEST:%Y}", None
    return "", moment


def _terminals(registry: Registry, codes: set[str]) -> set[tuple[str, str]]:
    """The terminals that terminals.csv binds to some meters."""
    if registry.terminals is None:
        return set()
    bound = registry.terminals.filter(pl.col("feature_code").is_in(codes))
    return set(bound.select("feature_code", "terminal_id").iter_rows())


def _stranger(line: _Line, models: Mapping[str, str], shown: set[str], bound: set[tuple[str, str]]) -> str:
    """Why a photo does not count, if so."""
    code = line.said["feature_code"]
    if code not in models:
        return "unregistered"
    if (code, line.said["terminal_id"]) not in bound:
        return "foreign_terminal"
    return "" if models[code] in shown else "no_screen"


def _on_record(record: pl.DataFrame) -> set[tuple[str, datetime, str]]:
    return set(record.select("feature_code", "captured_at", "file").iter_rows())


def _digest(notes: Digests, file: str, path: Path) -> str:
    """The digest of a photo, from the notes where it has not changed since; empty if it cannot be read."""
    try:
        noted = notes.known(file, path)
        state = state_of(path)
    except OSError:
        return ""
    if noted is not None:
        return noted
    sha256 = digest_if_there(path)
    if sha256:
        notes.remember(file, state, sha256)
    return sha256


def _once(
    found: list[tuple[_Line, Photo]],
    known_codes: Mapping[str, str],
    counts: Counter[str],
    refused: list[dict[str, Any]],
) -> list[Photo]:
    """Each picture once. One that is claimed for two meters shows at most one of them, and counts for none."""
    found.sort(key=lambda item: (item[1].captured_at, item[1].file, item[0].place["file"], item[0].place["line"]))
    claimed: dict[str, set[str]] = {}
    for _, photo in found:
        claimed.setdefault(photo.sha256, set()).add(photo.feature_code)
    kept: dict[str, Photo] = {}
    for line, photo in found:
        earlier = known_codes.get(photo.sha256)
        if len(claimed[photo.sha256] | ({earlier} if earlier else set())) > 1:
            refused.append(refusal(line.place, "claimed_twice", "", line.row))
        elif earlier:
            counts["known"] += 1
        elif photo.sha256 in kept:
            counts["duplicate"] += 1
            first = kept[photo.sha256]
            if first.command_id is None:
                kept[photo.sha256] = replace(first, command_id=photo.command_id)
        else:
            counts["taken"] += 1
            kept[photo.sha256] = photo
    return list(kept.values())
