"""Wide layouts: one column a meter, or one column an hour of the day."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from transforms.sources.guess.profile import Profile
from transforms.sources.guess.roles import Roles
from transforms.sources.guess.stated import unit_stated
from transforms.sources.guess.words import Unit, says
from transforms.units import FLOW_TO_LPH, VOLUME_TO_L

_CLOCK: Final = re.compile(r"([01]?\d|2[0-4]):[0-5]\d")
_NUMBERED: Final = re.compile(r"(?:h|hour|int|interval|t)?[ _]?0*(\d{1,2})", re.IGNORECASE)
_QUANTITIES: Final = ("register", "flow", "consumption", "reverse", "other")
_FEWEST_TIMES, _FEWEST_METERS = 12, 3


@dataclass(frozen=True)
class WideLayout:
    """How readings stand side by side.

    Attributes
    ----------
    names
        ``time`` or ``feature_code``.
    columns
        The wide columns' names.
    value
        ``flow_lph`` or ``volume_l``.
    unit
        What their names say, or None.
    first, step
        With numbered times: where the first column stands, and how far they are apart; else empty.
    apart_s
        How far the columns of a day are apart; None where they are no times [s].
    by_begin
        Whether the columns of a day go from midnight to before midnight, as the beginnings of intervals do.
    """

    names: str
    columns: tuple[str, ...]
    value: str
    unit: Unit | None
    first: str = ""
    step: str = ""
    apart_s: int | None = None
    by_begin: bool = False
    reasons: list[str] = field(default_factory=list)


def wide_layout(
    columns: list[Profile], stamps: tuple[str, ...], roles: Roles, *, named: bool = True
) -> WideLayout | None:
    """The wide layout of a table, or None where each row holds one reading; one that is not ``named`` has no header."""
    if not named:
        return None
    numbers = [
        column for column in columns if column.is_number and column.name not in stamps and column is not roles.code
    ]
    clocks = [column for column in numbers if _CLOCK.fullmatch(column.name.strip())]
    if len(clocks) >= _FEWEST_TIMES:
        times = [60 * int(hour) + int(minute) for hour, minute in (column.name.strip().split(":") for column in clocks)]
        apart = int(np.median(np.diff(times))) * 60
        begins = times[0] == 0 and times[-1] < 1440
        reason = f"{len(clocks)} columns are named by times of day"
        value = _value(clocks, across=True)
        return WideLayout("time", _listed(clocks), value, None, "", "", apart, begins, [reason])
    hours = [column for column in numbers if _NUMBERED.fullmatch(column.name.strip())]
    places = [int(found[1]) for column in hours if (found := _NUMBERED.fullmatch(column.name.strip()))]
    if len(hours) in (24, 48, 96) and places == list(range(places[0], places[0] + len(hours))):
        minutes = 1440 // len(hours)
        begin = 0 if places[0] == 0 else minutes
        reason = f"{len(hours)} columns are numbered from {places[0]}: one for every {minutes} minutes of the day"
        step = f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"
        first = f"{begin // 60:02d}:{begin % 60:02d}"
        value = _value(hours, across=True)
        return WideLayout("time", _listed(hours), value, None, first, step, minutes * 60, begin == 0, [reason])
    alike = _alike(numbers)
    reason = (
        f"{len(alike)} columns have names of one make, such as {alike[0].name!r}: one column a meter" if alike else ""
    )
    if len(alike) < _FEWEST_METERS:
        alike = _nameless(roles)
        reason = (
            f"{len(alike)} columns move alike, and their names say no quantity: one column a meter, called by its name"
        )
    if roles.who is None and len(alike) >= _FEWEST_METERS:
        value = _value(alike, across=False)
        known = VOLUME_TO_L if value == "volume_l" else FLOW_TO_LPH
        stated = {unit_stated(column, known) for column in alike}
        unit = stated.pop() if len(stated) == 1 else None
        if value == "flow_lph" and unit is None:  # volumes of intervals
            volumes = {unit_stated(column, VOLUME_TO_L) for column in alike}
            unit = volumes.pop() if len(volumes) == 1 else None
        return WideLayout("feature_code", _listed(alike), value, unit, reasons=[reason])
    return None


def _listed(columns: list[Profile]) -> tuple[str, ...]:
    return tuple(column.name for column in columns)


def _alike(columns: list[Profile]) -> list[Profile]:
    """The columns whose names differ in their digits only, or are numbers of one length."""
    shapes: dict[str, list[Profile]] = {}
    for column in columns:
        if re.search(r"\d", column.name):
            shapes.setdefault(re.sub(r"\d", "0", column.name), []).append(column)
    return max(shapes.values(), key=len, default=[])


def _nameless(roles: Roles) -> list[Profile]:
    """Columns that are all registers or all flows, of which no name says what it is: then they are names of meters."""
    for columns, others in ((roles.registers, roles.flows), (roles.flows, roles.registers)):
        if len(columns) >= _FEWEST_METERS and not others:
            plain = [column for column in columns if not any(says(column.label, role) for role in _QUANTITIES)]
            if len(plain) == len(columns):
                return sorted(columns, key=lambda column: column.name)
    return []


def _value(columns: list[Profile], *, across: bool) -> str:
    """Whether the cells are registers: they never fall, along the rows or down the columns."""
    table = np.column_stack([column.numbers for column in columns])
    steps = np.diff(table, axis=1 if across else 0)
    known = steps[np.isfinite(steps)]
    return "volume_l" if known.size and np.mean(known >= 0) > 0.995 and np.any(known > 0) else "flow_lph"
