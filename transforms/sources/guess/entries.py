"""Entries: what a proposed source says of its stamps, of whose readings these are, and of the quantity and its unit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np
import polars as pl

from transforms.sources.guess.amounts import Agreement, cubic_metres
from transforms.sources.guess.profile import Profile
from transforms.sources.guess.roles import Roles, groups_of, volume_of_interval
from transforms.sources.guess.stamps import Stamps
from transforms.sources.guess.stated import unit_in, unit_stated
from transforms.sources.guess.words import Unit, unit_of
from transforms.units import FLOW_TO_LPH, VOLUME_TO_L

#: of the names in a file, so many must be made of registered codes in one way
_ENOUGH: Final = 0.5
#: different texts in place of a missing number, and how long they are at most
_FEW, _SHORT = 3, 8


@dataclass(frozen=True)
class Told:
    """What the user says, and what the registry knows, of a file.

    Attributes
    ----------
    file
        Its path below raw/, or its mere name.
    stream, timezone, code
        Whose readings these are, the clock of stamps without an offset, and the feature code; None where not known.
    registered
        The feature codes of meters.csv.
    """

    file: str
    stream: str | None = None
    timezone: str | None = None
    code: str | None = None
    registered: Collection[str] = field(default_factory=frozenset)

    @property
    def stem(self) -> str:
        return PurePosixPath(self.file).name.split(".")[0]


def timestamp(stamps: Stamps) -> Any:
    """The entry of the stamps."""
    column: Any = stamps.names[0] if len(stamps.names) == 1 else list(stamps.names)
    if stamps.format is None:
        return column
    months = {"months": list(stamps.months)} if stamps.months and "b" in stamps.format.lower() else {}
    return {"name": column, "format": stamps.format, **months}


def whose(of: str, roles: Roles, told: Told, doubts: dict[str, str]) -> dict[str, Any]:
    """Whose readings these are: a column, what the user says, or the file's name."""
    found: dict[str, Any] = {}
    if roles.code is not None and told.code is None:
        found["feature_code"] = _as_registered(roles.code, told.registered, doubts)
        if roles.code_doubt:
            doubts.setdefault("columns.feature_code", roles.code_doubt)
    elif of == "meter" or roles.flowmeter is None:
        found["feature_code"] = {"value": told.code or told.stem}
        if told.code is None:
            doubts["columns.feature_code"] = (
                "no column names the meter, so the file's name is taken for its feature code"
            )
    if of == "flowmeter":
        found["flowmeter_id"] = roles.flowmeter.name if roles.flowmeter else {"value": f"{told.code or told.stem}-flow"}
        if roles.flowmeter is None and roles.code is not None:
            del found["flowmeter_id"]
    return found


def _as_registered(column: Profile, registered: Collection[str], doubts: dict[str, str]) -> Any:
    """The column, with what makes of its texts the feature codes of meters.csv: zeros on the left, and letters before."""
    texts = column.texts.drop_nulls().unique().sort().to_list()
    codes = frozenset(registered)
    if not codes or not texts or sum(text in codes for text in texts) >= _ENOUGH * len(texts):
        return column.name
    ends: dict[str, list[tuple[str, int]]] = {}
    for code in codes:
        parts = re.fullmatch(r"(.*?)(\d+)", code)
        if parts:
            ends.setdefault(parts[2].lstrip("0") or "0", []).append((parts[1], len(parts[2])))
    ways: Counter[tuple[str, int]] = Counter()
    for text in texts:
        if text.isdecimal():
            ways.update(set(ends.get(text.lstrip("0") or "0", [])))
    if ways and (most := ways.most_common(1)[0])[1] >= _ENOUGH * len(texts):
        (prefix, width), count = most
        entry: dict[str, Any] = {"name": column.name}
        entry |= {"pad": width} if any(len(text) < width for text in texts) else {}
        entry |= {"prefix": prefix} if prefix else {}
        doubts["columns.feature_code"] = f"so {count:,} of {len(texts):,} names become feature codes of meters.csv"
        return entry
    doubts["columns.feature_code"] = (
        f"of {len(texts):,} names in {column.name!r}, such as {texts[0][:40]!r}, {sum(text in codes for text in texts):,} are "
        "feature codes of meters.csv: those of others are judged as unregistered"
    )
    return column.name


def amount(
    canonical: str, column: Profile, both: Agreement | None, roles: Roles, stamps: Stamps, doubts: dict[str, str]
) -> Any:
    """A flow or a register with its unit: from a unit column, the column's name, or from what agrees with the other."""
    known = FLOW_TO_LPH if canonical == "flow_lph" else VOLUME_TO_L
    key = f"columns.{canonical}"
    per: dict[str, Any] = {}
    if canonical == "flow_lph" and (volume_of_interval(column) or _volumes_in(roles.unit)):
        known, per = VOLUME_TO_L, {"per": span(usual_interval(stamps, roles))}
        doubts[key] = f"taken for the volume of each interval; {per['per']} is how far stamps are usually apart"
    if roles.unit is not None:
        texts = sorted(roles.unit.texts.drop_nulls().unique().to_list())
        units = {text: unit for text in texts if (unit := unit_of(text)) is not None}
        many = [text for text, unit in units.items() if unit.factor != 1.0]
        if many:
            doubts[key] = (
                f"the unit {many[0]!r} is {units[many[0]].factor:g} {units[many[0]].name}, which units cannot say"
            )
        foreign = {text: unit.name for text, unit in units.items() if text not in known and unit.factor == 1.0}
        return {"name": column.name, "unit_column": roles.unit.name, **({"units": foreign} if foreign else {}), **per}
    stated = unit_stated(column, known)
    if stated is not None:
        if both is not None and not both.good:
            doubts[key] = f"its name says {stated.name}, but flow and register disagree by a factor of {both.ratio:.3g}"
        return {"name": column.name, **as_entry(stated), **per}
    if both is not None:
        name = both.flow_unit if canonical == "flow_lph" else both.volume_unit
        if not both.good or both.rivals:
            others = f"; as near: {', '.join(both.rivals)}" if both.rivals else ""
            doubts[key] = f"the unit follows from comparing flow and register{others}"
    else:
        name = "L" if per else "L/h" if canonical == "flow_lph" else "m3" if cubic_metres(column) else "L"
        doubts[key] = f"nothing says the unit; {name} is a guess"
    return {"name": column.name, "unit": name, **per}


def as_entry(unit: Unit) -> dict[str, Any]:
    """A unit, and how many of it are meant, as keys of a column."""
    return {"unit": unit.name, **({"factor": unit.factor} if unit.factor != 1.0 else {})}


def unit_above(lines: list[str]) -> Unit | None:
    """The one unit that the lines above a table state in brackets; None where there are several, or none."""
    both = (*FLOW_TO_LPH, *VOLUME_TO_L)
    found = {unit for line in lines for text in re.findall(r"[\[(][^\])]+[\])]", line) if (unit := unit_in(text, both))}
    return found.pop() if len(found) == 1 else None


def usual_interval(stamps: Stamps, roles: Roles) -> int:
    """How far the stamps of a device are usually apart [s]; an hour where that cannot be told."""
    groups = groups_of(roles.who, len(stamps.instants))
    order = np.lexsort((stamps.instants, groups))
    steps = np.diff(stamps.instants[order])[np.diff(groups[order]) == 0]
    steps = steps[np.isfinite(steps) & (steps > 0)]
    return int(np.median(steps)) if steps.size else 3600


def by_position(keys: dict[str, Any]) -> dict[str, Any]:
    """The keys of a source without a header: where a column stands is a number there."""
    placed = dict(keys)
    for key in ("status", "where"):
        if key in placed:
            placed[key] = {**placed[key], "name": int(placed[key]["name"])}
    placed["columns"] = {ours: _placed(entry) for ours, entry in keys.get("columns", {}).items()}
    return placed


def _placed(entry: Any) -> Any:
    if isinstance(entry, str):
        return int(entry)
    if isinstance(entry, list):
        return {"name": [int(name) for name in entry]}
    placed = dict(entry)
    for key in ("name", "unit_column"):
        if key in placed:
            value = placed[key]
            placed[key] = [int(name) for name in value] if isinstance(value, list) else int(value)
    return placed


def missing(columns: Collection[Profile], doubts: dict[str, str]) -> dict[str, Any]:
    """The texts that stand in place of a number now and then, such as a dash."""
    texts: Counter[str] = Counter()
    for column in columns:
        no_number = column.texts.filter(pl.Series(np.isnan(column.numbers))).drop_nulls()
        found = Counter(no_number.to_list())
        if len(found) <= _FEW and all(len(text) <= _SHORT and not any(map(str.isdigit, text)) for text in found):
            texts += found
    if not texts:
        return {}
    times = sum(texts.values())
    doubts["missing"] = f"this stands {times:,} time{'s' * (times > 1)} in place of a number; such rows are no_value"
    return {"missing": sorted(texts)}


def span(seconds: int) -> str:
    """A length of time as sources.toml has it."""
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _volumes_in(column: Profile | None) -> bool:
    """Whether a column of units names volumes only."""
    if column is None:
        return False
    units = [unit_of(text) for text in column.texts.drop_nulls().unique()]
    return bool(units) and all(unit is not None and unit.name in VOLUME_TO_L for unit in units)
