"""The clock that reports are read by: UTC, or the local time that the policy names.

Only what people read is told by it. Files for programs, names of windows and of runs stay in UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo

from transforms.timezones import zone_of

_ZONE: ContextVar[tuple[str, tzinfo]] = ContextVar("zone", default=("UTC", UTC))


@contextmanager
def shown_in(name: str) -> Iterator[None]:
    """Tell times by the clock of a zone for the time of the block."""
    before = _ZONE.set((name, zone_of(name)))
    try:
        yield
    finally:
        _ZONE.reset(before)


def zone_name() -> str:
    """The zone that times are told in, as the policy names it; an offset as ``UTC+12:00``."""
    name = _ZONE.get()[0]
    return f"UTC{name}" if name[0] in "+-" else name


def local(when: datetime) -> datetime:
    """An instant by the clock of that zone."""
    return when.astimezone(_ZONE.get()[1])


def zone_at(when: datetime) -> str:
    """What the clock is called at an instant: ``UTC``, ``CET`` or ``CEST``, ``UTC+08`` where there is no short name."""
    name = local(when).tzname() or ""
    return f"UTC{name}" if name[:1] in ("+", "-") else name
