"""Wholeness: whether a proposal leaves out part of the stamps, or of what tells readings apart, and cells that do not read."""

from __future__ import annotations

from typing import Final

import numpy as np

from transforms.sources.guess.look import Looked
from transforms.sources.guess.profile import Profile
from transforms.sources.guess.roles import apart_by
from transforms.sources.guess.stamps import Stamps, clock_texts, hours
from transforms.sources.guess.words import says

#: share of rows that may have the device and the instant of another: files are put together with overlaps
_REPEATED: Final = 0.1


def unread_cells(columns: list[Profile], stamps: Stamps, looked: Looked) -> str | None:
    """A sentence about the stamps that do not read though something stands there, one of them named; None if all do."""
    parts = [column.texts for column in columns if column.name in stamps.names]
    filled = np.all([text.is_not_null().to_numpy() for text in parts], axis=0)
    bad = np.flatnonzero(filled & ~np.isfinite(stamps.instants))
    if not bad.size:
        return None
    text = " ".join(str(part[int(bad[0])]) for part in parts)
    # a line of units that was set aside stood above
    above = len(looked.lines) - len(filled)
    line = looked.lines[int(bad[0]) + above] if looked.lines else None
    where = f"row {int(bad[0]) + 1}" if line is None else f"line {line}"
    how = f"{bad.size:,} of {int(filled.sum()):,} stamps do not read" if bad.size > 1 else "1 stamp does not read"
    return f"{how} and will be set aside as bad_timestamp; the first is {text[:60]!r} in {where}"


def left_out_clocks(columns: list[Profile], stamps: Stamps) -> list[str]:
    """The columns that look like a time of day, or an hour, beside a date that is used without any."""
    if not (stamps.clockless or _always_midnight(stamps.instants)):
        return []
    others = [column for column in columns if column.name not in stamps.names and column.distinct > 1]
    return [column.name for column in others if clock_texts(column) or hours(column) or _fractions(column)]


def repeated(who: Profile | None, stamps: Stamps) -> float:
    """The share of rows that have their device and instant in common with another row, if more than overlaps make."""
    share = 1.0 - apart_by(who, stamps.instants)
    return share if share > _REPEATED else 0.0


def _always_midnight(instants: np.ndarray) -> bool:
    known = instants[np.isfinite(instants)]
    return bool(known.size > 1 and np.all(known % 86_400 == 0))


def _fractions(column: Profile) -> bool:
    """Fractions of a day, as spreadsheets keep times of day: under a name that says so."""
    known = column.numbers[np.isfinite(column.numbers)]
    inside = column.is_number and bool(np.all((known >= 0) & (known <= 1)))
    return inside and bool(says(column.label, "clock")) and column.distinct > 1
