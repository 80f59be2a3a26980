"""Roles: which columns name the meter, show a register, a flow, a unit or a status; by what stands in them, then by name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from transforms.sources.guess.profile import Profile
from transforms.units import FLOW_TO_LPH, VOLUME_TO_L

_METER_WORDS: Final = frozenset({
    "feature", "code", "meter", "serial", "device", "deveui", "eui", "id", "address", "number", "nr", "no",
    "compteur", "zähler", "zaehler", "zählernummer", "contador", "matricola", "endpoint", "mtr", "sn", "name",
})  # fmt: skip
#: of several columns that name things, one with such a word
_IDENTIFIERS: Final = frozenset(
    {"feature", "id", "serial", "deveui", "eui", "number", "nr", "no", "zählernummer", "sn", "address"}
)
_FLOWMETER_WORDS: Final = frozenset(["flowmeter", "reference", "ref", "clamp", "master"])
_REGISTER_WORDS: Final = frozenset({
    "volume", "vol", "register", "reg", "index", "total", "totaliser", "totalizer", "counter", "count", "reading",
    "cum", "cumulative", "cumeters", "consumption", "zählerstand", "stand", "indice", "lectura", "lettura",
})  # fmt: skip
_FLOW_WORDS: Final = frozenset(["flow", "rate", "q", "debit", "débit", "durchfluss", "caudal", "portata", "flowrate"])
_STATUS_WORDS: Final = frozenset(
    ["status", "state", "quality", "flag", "estimated", "valid", "validity", "qc", "statut"]
)
_NOT_WATER: Final = frozenset({
    "level", "temp", "temperature", "pressure", "battery", "rssi", "snr", "signal", "voltage", "lat", "lon",
    "latitude", "longitude", "height", "fcnt", "port",
})  # fmt: skip
#: how units are written, in lower case without spaces
_SPELLED: Final[dict[str, str]] = {
    **{unit.lower(): unit for unit in (*FLOW_TO_LPH, *VOLUME_TO_L)},
    "m³/h": "m3/h", "m3h": "m3/h", "cmh": "m3/h", "m³": "m3", "cbm": "m3", "cubicmeters": "m3", "cubicmetres": "m3",
    "lph": "L/h", "lpm": "L/min", "lps": "L/s", "ls": "L/s", "lmin": "L/min", "lh": "L/h", "l/m": "L/min", "litre": "L",
    "liter": "L", "litres": "L", "liters": "L", "gpm": "gal/min", "gallons": "gal", "gals": "gal", "cf": "ft3", "ft³": "ft3",
    "cubicfeet": "ft3", "cfh": "ft3/h", "ft³/h": "ft3/h",
}  # fmt: skip
#: a register may go back so seldom, by a restart say
_FORWARD: Final = 0.995


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


def find_roles(columns: list[Profile], instants: np.ndarray, stamps: tuple[str, ...]) -> Roles:
    """Give the columns their roles, those of the time stamps aside."""
    roles = Roles()
    left = [column for column in columns if column.name not in stamps and column.distinct]
    for column in left:
        words = set(column.words)
        if not column.is_number and _is_unit(column):
            roles.unit = roles.unit or column
        elif words & _STATUS_WORDS and 2 <= column.distinct <= 20:
            roles.status = roles.status or column
    left = [column for column in left if column not in (roles.unit, roles.status)]
    codes = [column for column in left if _names_things(column, len(instants))]
    roles.flowmeter = next((column for column in codes if set(column.words) & _FLOWMETER_WORDS), None)
    others = [column for column in codes if column is not roles.flowmeter]
    roles.code = max(others, key=_rank, default=None)
    if roles.code is not None:
        roles.reasons.append(
            f"{roles.code.name!r} names the meters: {roles.code.distinct} different texts, repeated over time"
        )
    who = roles.code or roles.flowmeter
    groups = (
        np.unique(who.texts.fill_null("").to_numpy(), return_inverse=True)[1] if who else np.zeros(len(instants), int)
    )
    order = np.lexsort((np.nan_to_num(instants), groups))
    for column in left:
        if column in (roles.code, roles.flowmeter) or not column.is_number or column in codes:
            continue
        words = set(column.words)
        if column.distinct < 2 or words & _NOT_WATER:
            roles.rest.append(column)
        elif _is_register(column, order, groups):
            roles.registers.append(column)
        else:
            roles.flows.append(column)
    roles.registers.sort(key=lambda column: not set(column.words) & _REGISTER_WORDS)
    roles.flows.sort(key=lambda column: not set(column.words) & _FLOW_WORDS)
    for column in roles.registers[:1]:
        roles.reasons.append(f"{column.name!r} never falls over time: a cumulative register")
    for column in roles.flows[:1]:
        roles.reasons.append(f"{column.name!r} rises and falls: a flow")
        if not set(column.words) & _FLOW_WORDS:
            roles.doubts.append(f"{column.name!r} is taken for the flow because it varies; its name does not say so")
    return roles


def _rank(column: Profile) -> tuple[int, int, int]:
    """How likely a column that names things names the meters."""
    words = set(column.words)
    return (len(words & _IDENTIFIERS), len(words & _METER_WORDS), column.distinct)


def _names_things(column: Profile, rows: int) -> bool:
    """Identifiers repeat over time, and are texts, or whole numbers under a name that says so."""
    repeats = column.distinct <= max(rows // 2, 1)
    named = bool(set(column.words) & (_METER_WORDS | _FLOWMETER_WORDS))
    if not repeats or column.filled < 0.5:
        return False
    if column.is_number:
        return named and column.whole and not set(column.words) & (_REGISTER_WORDS | _FLOW_WORDS | _NOT_WATER)
    known = column.texts.drop_nulls()
    return bool((known.str.len_chars() <= 64).all()) and (named or column.distinct > 1)


def _is_register(column: Profile, order: np.ndarray, groups: np.ndarray) -> bool:
    values, who = column.numbers[order], groups[order]
    known = np.isfinite(values)
    values, who = values[known], who[known]
    steps = np.diff(values)[np.diff(who) == 0]
    if steps.size < 3 or not np.any(steps > 0):
        return False
    forward = np.count_nonzero(steps >= 0) / steps.size
    return bool(forward >= _FORWARD and np.min(values) >= 0 and (steps.sum() > 0))


def _is_unit(column: Profile) -> bool:
    known = column.texts.drop_nulls().unique().to_list()
    return 0 < len(known) <= 10 and all(unit_of(text) for text in known)


def unit_of(text: str) -> str | None:
    """Our name of a unit as exports write it, or None."""
    return _SPELLED.get(re.sub(r"[\s_.]+", "", text.lower()).replace("perh", "/h"))


def units_under_names(table: pl.DataFrame) -> dict[str, str]:
    """The units in the first row of a table, by column, if it is a line of units and no reading; else nothing."""
    if table.height < 2:
        return {}
    texts = {name: str(text).strip("[]() ") for name, text in table.row(0, named=True).items() if text is not None}
    units = {name: unit for name, text in texts.items() if (unit := unit_of(text)) is not None}
    others = [text for name, text in texts.items() if name not in units]
    return {} if any(letter.isdigit() for text in others for letter in text) else units


def unit_stated(column: Profile, known: dict[str, float]) -> str | None:
    """The unit of one kind that a column's name holds, or the line under the names; None where neither does."""
    return unit_in_name(column.name, known) or (column.unit if column.unit in known else None)


def unit_in_name(name: str, known: dict[str, float]) -> str | None:
    """The unit of one kind that a column's name holds, in brackets or at its end, or None."""
    bracketed = re.findall(r"[\[(]([^\])]+)[\])]", name)
    ends = [part for k in (1, 2) if (part := "_".join(re.split(r"[ _]+", name)[-k:])) != name]
    for text in (*bracketed, *ends):
        found = unit_of(text) or unit_of(text.replace("_per_", "/").replace("_", "/"))
        if found in known:
            return found
    return None
