"""Readings: what was seen on a photo, held against the display's format and the wire, as one row of readings.parquet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transforms.canonical import rounded
from transforms.display.sight import Candidate, Sight
from transforms.photos.intake import Photo
from transforms.photos.plausible import Bounds
from transforms.photos.reviews import Review, fits
from transforms.schemas import READINGS
from transforms.screens import Screen
from transforms.units import BY_QUANTITY

#: refusals that tell of the reader and not of the picture: a person may see what it could not
READER_REASONS = ("no_engine", "reader_failed")


def reading_of(photo: Photo, sight: Sight, screens: Sequence[Screen]) -> dict[str, Any]:
    """The row of a photo as its picture alone tells: ``accepted`` still has to be held against the wire."""
    best = sight.candidates[0] if sight.candidates else None
    status, reason = _status(sight, best, screens)
    row: dict[str, Any] = dict.fromkeys(READINGS)
    row |= {
        "feature_code": photo.feature_code,
        "captured_at": photo.captured_at,
        "file": photo.file,
        "sha256": photo.sha256,
        "reading_id": photo.reading_id,
        "command_id": photo.command_id,
        "frames": sight.frames,
        "status": status,
        "reason": reason,
        "candidates": [
            {
                "screen": one.screen.name,
                "text": one.text,
                "value": rounded(one.value, 12),
                "confidence": rounded(one.confidence, 4),
            }
            for one in sight.candidates
        ],
    }
    if best is not None:
        row |= {
            "screen": best.screen.name,
            "quantity": best.screen.quantity,
            "unit": best.screen.unit,
            "value": rounded(best.value, 12),
            "confidence": rounded(best.confidence, 4),
        }
    return row


def _status(sight: Sight, best: Candidate | None, screens: Sequence[Screen]) -> tuple[str, str]:
    if sight.status == "refused":
        return ("review" if sight.reason in READER_REASONS else "rejected"), sight.reason
    if best is None:
        return "review", sight.reason or "nothing_read"
    if best.screen not in screens or not fits(best.value, best.screen):
        return "review", "bad_format"
    if sight.status == "unsure":
        return "review", sight.reason or "unsure"
    return "accepted", "read"


def with_wire(row: Mapping[str, Any], bounds: Bounds | None) -> dict[str, Any]:
    """The same held against what the meter sent: kept only if it is plausible, else a person looks.

    A person's own word stands; the bounds are noted all the same.
    """
    held = dict(row)
    if row["value"] is None:
        return held
    if bounds is not None and row["quantity"] in BY_QUANTITY:
        held |= {"wire_low": rounded(bounds.low), "wire_high": _finite(bounds.high)}
    if row["status"] != "accepted" or row["reason"] == "reviewed":
        return held
    if bounds is None:
        return {**held, "status": "review", "reason": "unchecked"}
    if not bounds.plausible(row["value"]):
        return {**held, "status": "review", "reason": "implausible"}
    return held


def _finite(value: float) -> float | None:
    return None if value == float("inf") else rounded(value)


def reviewed(row: Mapping[str, Any], review: Review, screens: Sequence[Screen]) -> dict[str, Any]:
    """The row of a reading after a person's word on it."""
    decided = {
        **row,
        "status": review.decision,
        "reason": "reviewed",
        "decided_by": review.by,
        "decided_at": review.at,
        "consequence": None,
        "wire_low": None,
        "wire_high": None,
    }
    if review.value is None:
        return decided
    screen = next(one for one in screens if one.name == review.screen)
    return {
        **decided,
        "screen": screen.name,
        "quantity": screen.quantity,
        "unit": screen.unit,
        "value": rounded(review.value, 12),
        "confidence": 1.0,
    }
