"""Wholeness: whether a proposal leaves out part of the stamps, or of what tells readings apart, and cells that do not read."""

from __future__ import annotations

from typing import Final

import numpy as np

from transforms.sources.guess.look import Looked
from transforms.sources.guess.profile import Profile
from transforms.sources.guess.roles import apart_by
from transforms.sources.guess.stamps import Stamps, clock_texts, hours
from transforms.sources.guess.words import says, unit_of

#: share of rows that may have the device and the instant of another: files are put together with overlaps
_REPEATED: Final = 0.1
_MOST: Final = 0.9


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


def no_stamps(columns: list[Profile]) -> str:
    """A sentence for a table without time stamps, naming what looks like halves of some."""
    days = [one for one in columns if one.is_number and one.whole and _inside(one, 36_526, 73_050)]
    parts = [one for one in columns if one.is_number and not one.whole and _inside(one, 0, 1)]
    if days and parts:
        return (
            f"{days[0].shown} looks like the days of a spreadsheet and {parts[0].shown} like its times of day, which no format "
            "reads together: export both as one column"
        )
    return "no column holds time stamps in any form that is known"


def no_numbers(columns: list[Profile]) -> str:
    """A sentence for a table without a flow or a register, naming numbers that something stands behind."""
    for column in columns:
        some = column.texts.drop_nulls().head(200)
        found = some.str.extract(r"^[+-]?[0-9][0-9.,' ]*[ \x{00a0}]?([^0-9.,:/ ]{1,8}[23³]?)$")
        if (
            not column.is_number
            and some.len()
            and found.drop_nulls().len() > _MOST * some.len()
            and unit_of(found.drop_nulls().mode().sort()[0])
        ):
            return (
                f"the cells of {column.shown} hold a unit behind each number, such as {some[0][:40]!r}, which no mapping reads: "
                "export numbers alone"
            )
    return "no column looks like a flow or a register"


def _inside(column: Profile, low: float, high: float) -> bool:
    known = column.numbers[np.isfinite(column.numbers)]
    return bool(known.size and np.all((known >= low) & (known <= high)))


def _always_midnight(instants: np.ndarray) -> bool:
    known = instants[np.isfinite(instants)]
    return bool(known.size > 1 and np.all(known % 86_400 == 0))


def _fractions(column: Profile) -> bool:
    """Fractions of a day, as spreadsheets keep times of day: under a name that says so."""
    return column.is_number and _inside(column, 0, 1) and bool(says(column.label, "clock")) and column.distinct > 1
