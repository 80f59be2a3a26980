"""Proposals: the sources that a file wants, each key with what it rests on, and what a person must look at."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from transforms.sources.guess.amounts import FLOWS, VOLUMES, Agreement, agree
from transforms.sources.guess.entries import (
    Told,
    amount,
    as_entry,
    by_position,
    missing,
    span,
    timestamp,
    unit_above,
    whose,
)
from transforms.sources.guess.look import Looked
from transforms.sources.guess.profile import Profile, of_rows, profiles
from transforms.sources.guess.roles import Roles, find_roles, groups_of, volume_of_interval
from transforms.sources.guess.stamps import Stamps, find_stamps
from transforms.sources.guess.stated import unit_stated, units_under_names
from transforms.sources.guess.wholeness import left_out_clocks, no_numbers, no_stamps, repeated, unread_cells
from transforms.sources.guess.wide import WideLayout, wide_layout
from transforms.sources.guess.words import Unit, likely_zone
from transforms.sources.newest import version_of_name
from transforms.units import FLOW_TO_LPH, VOLUME_TO_L

_STREAMS: Final = {"volume_l": "meter", "flow_lph": "flowmeter"}


@dataclass
class Proposed:
    """One source: its name, its keys in the order of writing, and by dotted key what is unsure about it."""

    name: str
    keys: dict[str, Any]
    doubts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Proposal:
    """What is proposed for a file.

    Attributes
    ----------
    sources
        The sources.
    reasons
        What they rest on, in sentences.
    doubts
        What is unsure and belongs to no single key.
    faults
        Why readings would be wrong if they went in like this.
    """

    sources: list[Proposed]
    reasons: list[str]
    doubts: list[str]
    faults: list[str] = field(default_factory=list)


def propose(
    looked: Looked,
    file: str,
    *,
    name: str | None = None,
    stream: str | None = None,
    timezone: str | None = None,
    code: str | None = None,
    registered: Collection[str] = (),
) -> Proposal:
    """Propose how a file is read.

    Parameters
    ----------
    looked : Looked
        What the file looks like.
    file : str
        Its path below raw/, or its mere name.
    name : str, optional
        What the sources are to be called.
    stream : str, optional
        ``meter`` or ``flowmeter``, where the user knows; else a register is the meter's and a flow beside it the
        flowmeter's unless both tell the very same, and a flow alone the meter's.
    timezone, code : str, optional
        The zone of stamps without an offset, and the feature code, where the user knows them.
    registered : collection of str
        The feature codes of meters.csv.
    """
    proposal = _proposed(looked, Told(file, stream, timezone, code, frozenset(registered)), name)
    if looked.dialect is not None and not looked.dialect.names:
        for source in proposal.sources:
            source.keys = by_position(source.keys)
    return proposal


def _proposed(looked: Looked, told: Told, name: str | None) -> Proposal:
    base = name or re.sub(r"[^A-Za-z0-9_.-]+", "-", told.stem)[:40].strip("-._") or "export"
    if looked.format == "rle":
        keys = {"stream": told.stream or "meter", "glob": told.file, "format": "rle"}
        unsure = (
            {} if told.stream else {"stream": "run-length frames look alike in both streams; say which one this is"}
        )
        return Proposal([Proposed(base, keys, unsure)], ["each line is a run-length frame"], [])
    under = units_under_names(looked.table) if looked.format == "csv" else {}
    columns = profiles(looked.table.slice(1) if under else looked.table, looked.dialect)
    columns = [replace(column, unit=under.get(column.name)) for column in columns]
    reasons, doubts = list(looked.reasons), list(looked.dialect.doubts if looked.dialect else [])
    if under:
        reasons.append("the line under the names states units; being no reading, it is set aside")
    if looked.dialect is not None and looked.dialect.delimiter == looked.dialect.decimal:
        doubts.append(
            f"{looked.dialect.decimal!r} separates fields and decimals alike, which no mapping reads: export with semicolons"
        )
        return Proposal([], reasons, doubts)
    stamps = find_stamps(columns)
    if stamps is None:
        return Proposal([], reasons, [*doubts, no_stamps(columns)])
    reasons += stamps.reasons
    if (unread := unread_cells(columns, stamps, looked)) is not None:
        doubts.append(unread)
    # titles, totals and what else has no stamp tells nothing of the columns
    dated = np.isfinite(stamps.instants)
    columns, stamps = of_rows(columns, dated), replace(stamps, instants=stamps.instants[dated])
    clocks = left_out_clocks(columns, stamps)
    roles = find_roles(
        [one for one in columns if one.name not in clocks], stamps.instants, stamps.names, told.registered
    )
    keys = _common(looked, told, stamps)
    if version_of_name(told.file) is not None:
        reasons.append("the file's name tells the newer of two dumps: where readings were corrected, that one is used")
    zone = {} if told.timezone is not None or not stamps.doubts else {"timezone": _zone_doubt(stamps, columns)}
    faults = []
    wide = wide_layout(columns, stamps.names, roles, named=looked.dialect is None or bool(looked.dialect.names))
    if wide is None or wide.names != "time":
        faults = _faults(clocks, stamps, roles)
    if wide is not None:
        above = looked.dialect.above if looked.dialect else []
        source = _wide(base, keys, wide, stamps, roles, told, zone, unit_above(above))
        return Proposal([source], [*reasons, *wide.reasons], doubts, faults)
    return _narrow(base, keys, columns, stamps, roles, told, zone, reasons, doubts, faults)


def _narrow(
    base: str, keys: dict[str, Any], columns: list[Profile], stamps: Stamps, roles: Roles, told: Told,
    zone: dict[str, str], reasons: list[str], doubts: list[str], faults: list[str],
) -> Proposal:  # fmt: skip
    """The sources of a table in which each row is one reading."""
    reasons, doubts = [*reasons, *roles.reasons], [*doubts, *roles.doubts]
    register, flow = next(iter(roles.registers), None), next(iter(roles.flows), None)
    if register is None and flow is None:
        return Proposal([], reasons, [*doubts, no_numbers(columns)])
    both = _agreement(register, flow, roles, stamps)
    left_out = [*roles.registers[1:], *roles.flows[1:], *roles.rest]
    if both is not None and register is not None and flow is not None:
        reasons.append(
            f"{flow.shown} in {both.flow_unit} over time comes to {both.ratio:.3g} times what {register.shown} in "
            f"{both.volume_unit} went on by"
        )
        if not both.good:
            (faults if both.absurd else doubts).append(
                f"{flow.shown} and {register.shown} tell of different volumes, at a ratio of {both.ratio:.3g}, even in the units "
                f"that come nearest or that their names state, {both.flow_unit} and {both.volume_unit}"
            )
        elif both.same and told.stream is None:
            doubts.append(
                f"{flow.shown} tells to the last digit what {register.shown} does, so one device sent both, and no device is "
                "a reference of itself: only its register is taken; --stream says otherwise"
            )
            flow = None
    if left_out:
        doubts.append("left out: " + ", ".join(column.shown for column in left_out))
    pair = bool(register and flow)
    found = []
    for canonical, column in (("volume_l", register), ("flow_lph", flow)):
        if column is None:
            continue
        of = _STREAMS[canonical] if pair else told.stream or ("flowmeter" if roles.flowmeter else "meter")
        own = dict(zone)
        if told.stream is None and pair:
            own["stream"] = "the register is taken for the meter, and the flow signal for its reference"
        elif told.stream is None and not roles.flowmeter:
            own["stream"] = "nothing in the file says whether this is the meter or its reference"
        for doubt in stamps.doubts[1:]:
            own["columns.timestamp"] = doubt
        entries = {"timestamp": timestamp(stamps), **whose(of, roles, told, own)}
        entries[canonical] = amount(canonical, column, both, roles, stamps, own)
        rows = {**missing([column], own), **_status(roles, own)}
        found.append(
            Proposed(f"{base}-{of}" if pair else base, {"stream": of, **keys, **rows, "columns": entries}, own)
        )
    if told.stream and pair:
        found = [source for source in found if source.keys["stream"] == told.stream] or found[:1]
    return Proposal(found, reasons, doubts, faults)


def _faults(clocks: list[str], stamps: Stamps, roles: Roles) -> list[str]:
    """What would make the instants of readings wrong."""
    faults = []
    read = " and ".join(map(repr, stamps.names))
    for left in clocks:
        faults.append(
            f"{left!r} looks like the time of day, and only {read} is read: every reading would stand at midnight; no "
            "format here reads the two together"
        )
    if (share := repeated(roles.who, stamps)) > 0:
        who = f"{roles.who.shown} and {read} have" if roles.who else f"{read} has"
        faults.append(
            f"{share:.0%} of the rows share what {who} with another row: of readings of one meter at one instant none "
            "is used where they differ; look for the column that tells them apart"
        )
    return faults


def _common(looked: Looked, told: Told, stamps: Stamps) -> dict[str, Any]:
    keys: dict[str, Any] = {"glob": told.file, "format": looked.format}
    if looked.encoding != "utf-8":
        keys["encoding"] = looked.encoding
    if looked.records:
        keys["records"] = looked.records
    dialect = looked.dialect
    if dialect:
        keys |= {"delimiter": dialect.delimiter} if dialect.delimiter != "," else {}
        keys |= {"skip_rows": dialect.skip_rows} if dialect.skip_rows else {}
        keys |= {} if dialect.names else {"header": False}
        keys |= {"decimal": ","} if dialect.decimal == "," else {}
        keys |= {"thousands": dialect.thousands} if dialect.thousands else {}
    if told.timezone is not None and not stamps.zoned:
        keys["timezone"] = told.timezone
    elif stamps.doubts:
        keys["timezone"] = "UTC"
    return keys


def _zone_doubt(stamps: Stamps, columns: list[Profile]) -> str:
    zone = likely_zone(column.label for column in columns)
    return stamps.doubts[0] + (f"; by its language perhaps {zone}" if zone else "")


def _agreement(register: Profile | None, flow: Profile | None, roles: Roles, stamps: Stamps) -> Agreement | None:
    """What units make flow and register agree; names that state a unit are believed."""
    if register is None or flow is None or roles.unit is not None:
        return None
    of_interval = volume_of_interval(flow)
    known = VOLUME_TO_L if of_interval else FLOW_TO_LPH
    return agree(
        flow, register, stamps.instants, groups_of(roles.who, len(stamps.instants)),
        _candidates(unit_stated(flow, known), known, VOLUMES if of_interval else FLOWS),
        _candidates(unit_stated(register, VOLUME_TO_L), VOLUME_TO_L, VOLUMES), of_interval=of_interval,
    )  # fmt: skip


def _candidates(stated: Unit | None, known: dict[str, float], otherwise: dict[str, float]) -> dict[str, float]:
    return otherwise if stated is None else {stated.name: known[stated.name] * stated.factor}


def _status(roles: Roles, doubts: dict[str, str]) -> dict[str, Any]:
    if roles.status is None:
        return {}
    usual = roles.status.texts.drop_nulls().mode().sort()[0]
    if roles.status.distinct > 1:
        doubts["status"] = f"the commonest status {usual!r} is taken for the good one; list all that are"
    return {"status": {"name": roles.status.name, "good": [usual]}}


def _wide(
    base: str, keys: dict[str, Any], wide: WideLayout, stamps: Stamps, roles: Roles, told: Told, zone: dict[str, str],
    above: Unit | None,
) -> Proposed:  # fmt: skip
    """A source in which one row holds many readings."""
    of = told.stream or "meter"
    own = dict(zone)
    if told.stream is None:
        own["stream"] = "nothing in the file says whether these are meters or their references"
    for doubt in stamps.doubts[1:]:
        own["columns.timestamp"] = doubt
    columns: dict[str, Any] = {"timestamp": timestamp(stamps)}
    if wide.names == "time":
        columns |= whose(of, roles, told, own)
    unit, key = wide.unit or above, f"columns.{wide.value}"
    if unit is None or (wide.value == "volume_l" and unit.name not in VOLUME_TO_L):
        unit = Unit("m3" if wide.value == "volume_l" else "L/h")
        own[key] = f"nothing says the unit; {unit.name} is a guess"
    entry = as_entry(unit)
    if wide.value == "flow_lph" and unit.name in VOLUME_TO_L:
        entry["per"] = span(wide.apart_s or _row_step(stamps))
        own[key] = f"cells rise and fall and are in {unit.name}: taken for the volume of each interval"
    columns[wide.value] = entry
    layout: dict[str, Any] = {"names": wide.names, "columns": list(wide.columns), "value": wide.value}
    if wide.step:
        layout |= {"first": wide.first, "step": wide.step}
    label = {}
    if wide.by_begin and wide.value == "flow_lph" and wide.apart_s:
        label = {"label": "start", "interval": span(wide.apart_s)}
        own["label"] = (
            "columns from midnight to before midnight are taken for the beginnings of intervals, not their ends"
        )
    return Proposed(
        base, {"stream": of, **keys, **label, "wide": layout, **_status(roles, own), "columns": columns}, own
    )


def _row_step(stamps: Stamps) -> int:
    steps = np.diff(np.unique(stamps.instants))
    return int(np.median(steps)) if steps.size else 3600
