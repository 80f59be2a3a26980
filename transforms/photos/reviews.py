"""Reviews: what a person said about photos that no machine could read safely. Events in raw/reviews, folded by the next run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from transforms.errors import UsageError
from transforms.events import lines_of, parsed, refusal
from transforms.photos.places import LONGEST_LINE, REVIEWS
from transforms.screens import Screen
from transforms.windows import iso, parse_time
from transforms.workspace import Workspace

DECISIONS = ("accepted", "rejected")
#: no display has so many digits
_MOST = 1e15


@dataclass(frozen=True)
class Review:
    """A person's word on one reading: accepted with a value on a screen, or rejected."""

    reading_id: str
    decision: str
    by: str
    at: datetime
    screen: str | None = None
    value: float | None = None

    def to_json(self) -> dict[str, Any]:
        said = {"reading_id": self.reading_id, "decision": self.decision, "by": self.by, "at": iso(self.at)}
        return said if self.value is None else {**said, "screen": self.screen, "value": self.value}


@dataclass(frozen=True)
class Reviews:
    """The events that can be read, oldest first, each with its place and line, and those refused."""

    events: list[tuple[Review, dict[str, Any], bytes]]
    refused: list[dict[str, Any]]


def read_reviews(workspace: Workspace, now: datetime) -> Reviews:
    """Read every line of ``raw/reviews/*.jsonl``; an event dated after ``now`` has not come yet."""
    events, refused = [], []
    for place, row in lines_of(workspace, REVIEWS):
        said, fault = parsed(row, ("reading_id", "decision", "by", "at"), LONGEST_LINE)
        review = None
        if not fault:
            fault, review = _review(said)
        if review is None:
            refused.append(refusal(place, "bad_review", fault, row))
        elif review.at <= now:
            events.append((review, place, row))
    events.sort(key=lambda item: (item[0].at, item[1]["file"], item[1]["line"]))
    return Reviews(events, refused)


def _review(said: Mapping[str, Any]) -> tuple[str, Review | None]:
    if said["decision"] not in DECISIONS:
        return f"decision is none of {', '.join(DECISIONS)}", None
    try:
        at = parse_time(said["at"])
    except UsageError:
        return "at is not a time in ISO 8601 with Z", None
    if not said["by"].isprintable() or len(said["by"]) > 100:
        return "by is not a name of at most 100 printable characters", None
    about = (said["reading_id"], said["decision"], said["by"], at)
    if said["decision"] == "rejected":
        return "", Review(*about)
    value, screen = said.get("value"), said.get("screen")
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MOST:
        return "value is missing or no number that a display can show", None
    if not isinstance(screen, str):
        return "screen is missing or no text", None
    return "", Review(*about, screen, float(value))


def fold_reviews(
    found: Reviews, record: Mapping[str, Mapping[str, Any]], screens: Mapping[str, Sequence[Screen]]
) -> tuple[list[Review], list[dict[str, Any]]]:
    """The reviews that decide something now, and all that cannot.

    The first word on a reading counts; saying it again does no harm, another one later is refused.

    Parameters
    ----------
    record : mapping
        Reading id -> its newest row on record.
    screens : mapping
        Feature code -> the screens of its display.
    """
    new: dict[str, Review] = {}
    refused = list(found.refused)
    for review, place, row in found.events:
        reading = record.get(review.reading_id)
        first = new.get(review.reading_id)
        fault = "reading_id is that of no photo on record"
        if reading is not None:
            fault = _fault(review, reading, screens.get(reading["feature_code"], ()))
        if reading is not None and reading["decided_at"] == review.at and reading["decided_by"] == review.by:
            continue
        if not fault and first is not None and first != review:
            fault = "the photo was decided already"
        if fault:
            refused.append(refusal(place, "bad_review", fault, row))
        else:
            new[review.reading_id] = review
    return list(new.values()), sorted(refused, key=lambda item: (item["file"], item["line"]))


def _fault(review: Review, reading: Mapping[str, Any], screens: Sequence[Screen]) -> str:
    if reading["status"] != "review":
        return "the photo was decided already"
    if review.value is None:
        return ""
    screen = next((one for one in screens if one.name == review.screen), None)
    if screen is None:
        return "screen is none of the model's"
    return "" if fits(review.value, screen) else "value does not fit the screen's digits and decimals"


def fits(value: float, screen: Screen) -> bool:
    """Whether a screen can show a value: not too many digits before the point, nor behind it.

    Only parameters may be below zero.
    """
    if not abs(value) < _MOST:
        return False
    places = value * 10**screen.decimals
    whole = abs(places - round(places)) <= max(1e-6, abs(places) * 1e-15)
    signed = screen.quantity in ("a2", "offset")
    return whole and round(abs(places)) < 10**screen.digits and (value >= 0 or signed)
