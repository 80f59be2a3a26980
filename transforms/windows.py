"""Windows: the preset periods, tumbling and aligned to 00:00 UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from transforms.errors import UsageError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_SPAN = re.compile(r"([0-9]{1,18})\s*(s|m|min|h|d)")
_LONGEST_DAYS = 366
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def parse_span(text: str) -> timedelta:
    """Read a length of time such as ``15m``, ``12h`` or ``2d``.

    Raises
    ------
    UsageError
        If the text is not a positive whole number followed by s, m, min, h or d, or is more than 366 days.
    """
    found = _SPAN.fullmatch(str(text).strip())
    if not found or int(found[1]) == 0:
        raise UsageError(f"{text!r} is not a length of time; write for example 15m, 12h or 2d")
    seconds = int(found[1]) * _SECONDS[found[2]]
    if seconds > _LONGEST_DAYS * _SECONDS["d"]:
        raise UsageError(f"{text!r} is too long; give at most {_LONGEST_DAYS} days")
    return timedelta(seconds=seconds)


def span_text(span: timedelta) -> str:
    """Write a length of time as `parse_span` reads it, in the largest unit up to hours that keeps it whole."""
    seconds = round(span.total_seconds())
    unit, size = next((unit, size) for unit, size in (("h", 3600), ("m", 60), ("s", 1)) if seconds % size == 0)
    return f"{seconds // size}{unit}"


@lru_cache(maxsize=4096)
def parse_time(text: str) -> datetime:
    """Read an instant in ISO 8601 with ``Z`` or an offset, as UTC.

    Raises
    ------
    UsageError
        If the text is no such instant, or has no offset.
    """
    try:
        instant = datetime.fromisoformat(text.strip())
        if instant.tzinfo is None:
            raise UsageError(f"{text!r} has no offset; add Z for UTC, for example 2026-01-01T12:00:00Z")
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is not a time; write for example 2026-01-01T12:00:00Z") from None


@lru_cache(maxsize=1024)
def iso(instant: datetime) -> str:
    """Write an instant as every file of the outbox does: ISO 8601 in UTC with ``Z``, microseconds only if there are any."""
    text = instant.astimezone(UTC).isoformat(timespec="auto")
    return text.replace("+00:00", "Z")


@dataclass(frozen=True, order=True)
class Window:
    """The half-open span ``[start, end)`` that one run judges."""

    start: datetime
    length: timedelta

    @property
    def end(self) -> datetime:
        return self.start + self.length

    @property
    def name(self) -> str:
        """The window's part of a run id, e.g. ``20260101T120000Z_12h``."""
        return f"{self.start:%Y%m%dT%H%M%SZ}_{span_text(self.length)}"

    def run_id(self, revision: int) -> str:
        return f"{self.name}_r{revision}"


def check_length(length: timedelta) -> timedelta:
    """Return a window length that divides the day, so that windows tile from 00:00 UTC."""
    if length > _DAY or _DAY % length:
        raise UsageError(f"a window of {span_text(length)} does not divide the day; use for example 6h, 8h, 12h or 24h")
    return length


def newest_complete(until: datetime, length: timedelta) -> Window:
    """The last window that ends at or before an instant."""
    check_length(length)
    whole = (until.astimezone(UTC) - _EPOCH) // length
    return Window(_EPOCH + (whole - 1) * length, length)


def windows_between(begin: datetime, until: datetime, length: timedelta) -> list[Window]:
    """All complete windows that lie in ``[begin, until]``, oldest first."""
    last = newest_complete(until, length)
    first = -((_EPOCH - begin.astimezone(UTC)) // length)
    start = _EPOCH + first * length
    count = max(0, (last.start - start) // length + 1)
    return [Window(start + k * length, length) for k in range(count)]
