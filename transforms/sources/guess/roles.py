"""Roles: which columns name the meter, show a register, a flow, a unit or a status; by what stands in them, then by name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from transforms.rollover import FULL, likely_width
from transforms.sources.guess.profile import Profile
from transforms.sources.guess.stamps import epoch
from transforms.sources.guess.stated import holds_units, unit_stated
from transforms.sources.guess.words import says
from transforms.units import FLOW_TO_LPH, VOLUME_TO_L

#: of the steps of a register that moves, so many may go back
_BACK: Final = 0.05
#: share of rows that a meter's name and the stamp must tell apart
_APART: Final = 0.98


@dataclass
class Roles:
    """Which columns play which part; empty where none does."""

    code: Profile | None = None
    flowmeter: Profile | None = None
    registers: list[Profile] = field(default_factory=list)
    flows: list[Profile] = field(default_factory=list)
    unit: Profile | None = None
    status: Profile | None = None
    rest: list[Profile] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    code_doubt: str = ""

    @property
    def who(self) -> Profile | None:
        """The column that tells the devices apart."""
        return self.code or self.flowmeter


def find_roles(
    columns: list[Profile], instants: np.ndarray, stamps: tuple[str, ...], registered: Collection[str] = ()
) -> Roles:
    """Give the columns their roles, those of the time stamps aside; ``registered`` are the feature codes of meters.csv."""
    roles = Roles()
    left = [column for column in columns if column.name not in stamps and column.distinct]
    for column in left:
        if not column.is_number and holds_units(column):
            roles.unit = roles.unit or column
        elif says(column.label, "status") and column.distinct <= 20 and not column.is_number:
            roles.status = roles.status or column
    left = [column for column in left if column not in (roles.unit, roles.status)]
    codes = [column for column in left if _names_things(column, instants)]
    roles.flowmeter = next((column for column in codes if says(column.label, "flowmeter")), None)
    _choose_code(roles, [column for column in codes if column is not roles.flowmeter], instants, frozenset(registered))
    groups = groups_of(roles.who, len(instants))
    order = np.lexsort((np.nan_to_num(instants), groups))
    for column in left:
        if column in (roles.code, roles.flowmeter) or not column.is_number or column in codes:
            continue
        if column.distinct < 2 or _tells_nothing(column):
            roles.rest.append(column)
        elif _is_register(column, order, groups) and not unit_stated(column, FLOW_TO_LPH):
            roles.registers.append(column)
        else:
            roles.flows.append(column)
    roles.registers.sort(key=lambda one: (says(one.label, "reverse") > 0, not says(one.label, "register")))
    roles.flows.sort(
        key=lambda one: (says(one.label, "reverse") > 0, not unit_stated(one, FLOW_TO_LPH), not says(one.label, "flow"))
    )
    _explain(roles)
    return roles


def groups_of(who: Profile | None, rows: int) -> np.ndarray:
    """A number for each row, alike for rows of one device."""
    if who is None:
        return np.zeros(rows, int)
    return who.texts.fill_null("").rank("dense").to_numpy().astype(int)


def _explain(roles: Roles) -> None:
    for column in roles.registers[:1]:
        roles.reasons.append(f"{column.shown} never falls over time, or hardly: a cumulative register")
    for column in roles.flows[:1]:
        if volume_of_interval(column):
            roles.reasons.append(f"{column.shown} rises and falls and is a volume: what went through in each interval")
        else:
            roles.reasons.append(f"{column.shown} rises and falls: a flow")
        if not (says(column.label, "flow") or says(column.label, "consumption") or unit_stated(column)):
            roles.doubts.append(f"{column.shown} is taken for the flow because it varies; its name does not say so")
    for column in (*roles.registers[:1], *roles.flows[:1]):
        if says(column.label, "reverse"):
            roles.doubts.append(f"{column.shown} is called as if it counted what ran backwards, and there is no other")


def volume_of_interval(column: Profile) -> bool:
    """Whether a column that rises and falls is the volume of each interval, by its unit, or its name if that has none."""
    if unit_stated(column, FLOW_TO_LPH):
        return False
    return bool(
        unit_stated(column, VOLUME_TO_L) or (says(column.label, "consumption") and not says(column.label, "flow"))
    )


def _choose_code(roles: Roles, codes: list[Profile], instants: np.ndarray, registered: frozenset[str]) -> None:
    """Of the columns that name things, the one whose texts are registered, that tells rows of one instant apart, and that
    is called so."""
    if not codes:
        return
    known = {column.name: _share_in(column, registered) for column in codes}
    apart = {column.name: round(apart_by(column, instants), 2) for column in codes}

    def rank(column: Profile) -> tuple[float, bool, int, int, int]:
        calls = (says(column.label, "identifier"), says(column.label, "meter"))
        return (known[column.name], apart[column.name] >= _APART, *calls, column.distinct)

    roles.code = max(codes, key=rank)
    chosen = roles.code
    how = f"{chosen.distinct} different texts, repeated over time"
    if known[chosen.name]:
        how += f", {known[chosen.name]:.0%} of them in meters.csv"
    roles.reasons.append(f"{chosen.shown} names the meters: {how}")
    others = [one for one in codes if one is not chosen and apart[one.name] >= _APART and one.distinct > 1]
    if others and not known[chosen.name] and apart[chosen.name] >= _APART:
        named = " or ".join(one.shown for one in others[:3])
        roles.code_doubt = f"{named} could name the meters as well: take the column that meters.csv calls them by"


def apart_by(column: Profile | None, instants: np.ndarray) -> float:
    """The share of rows with a stamp that the column and the stamp tell from all others."""
    known = np.isfinite(instants)
    if not known.any():
        return 1.0
    pairs = np.stack([groups_of(column, len(instants))[known].astype(float), instants[known]])
    _, counts = np.unique(pairs, axis=1, return_counts=True)
    return float(np.sum(counts == 1) / np.sum(known))


def _share_in(column: Profile, registered: frozenset[str]) -> float:
    known = column.texts.drop_nulls().unique().to_list()
    return sum(text in registered for text in known) / max(len(known), 1)


def _names_things(column: Profile, instants: np.ndarray) -> bool:
    """Identifiers repeat over time, and are texts, or whole numbers: under a name that says so, or where they tell apart
    what shares its stamp and each occurs about as often."""
    rows = len(instants)
    if column.distinct > max(rows // 2, 1) or column.filled < 0.5:
        return False
    named = bool(says(column.label, "identifier") or says(column.label, "meter") or says(column.label, "flowmeter"))
    if column.is_number:
        if not column.whole or unit_stated(column) or says(column.label, "flow") or says(column.label, "other"):
            return False
        named = named and not says(column.label, "register")
        return named or (not says(column.label, "register") and _tells_apart(column, instants))
    known = column.texts.drop_nulls()
    return bool((known.str.len_chars() <= 64).all()) and (named or column.distinct > 1)


def _tells_apart(column: Profile, instants: np.ndarray) -> bool:
    if column.distinct < 2 or apart_by(None, instants) > 0.5 or apart_by(column, instants) < _APART:
        return False
    counts = column.texts.drop_nulls().value_counts()["count"].to_numpy()
    return bool(np.median(counts) >= 3 and np.max(counts) <= 20 * np.median(counts))


def _tells_nothing(column: Profile) -> bool:
    """Numbers that are no water: of another quantity, of the rows, or stamps of their own."""
    if says(column.label, "other") and not (says(column.label, "flow") or says(column.label, "register")):
        return True
    if says(column.label, "register") or unit_stated(column):
        return False
    steps = np.diff(column.numbers[np.isfinite(column.numbers)])
    return bool(epoch(column) or (column.whole and steps.size > 3 and np.mean(steps == 1) > _APART))


def _is_register(column: Profile, order: np.ndarray, groups: np.ndarray) -> bool:
    """Never falls, or seldom; where the register begins again at zero does not count."""
    values, who = column.numbers[order], groups[order]
    known = np.isfinite(values)
    values, who = values[known], who[known]
    same = np.diff(who) == 0
    before, after = values[:-1][same], values[1:][same]
    again = (
        (after < before / 2) & np.isfinite(likely_width(before, after)) & (before >= FULL * np.max(values, initial=0.0))
    )
    if np.count_nonzero(again) > max(1, _BACK * np.count_nonzero(after > before)):
        again[:] = False  # a flow that comes to nothing again and again
    steps = (after - before)[~again]
    rises, falls = np.count_nonzero(steps > 0), np.count_nonzero(steps < 0)
    if steps.size < 3 or not rises or np.min(values) < 0:
        return False
    return bool(falls <= _BACK * (rises + falls))
