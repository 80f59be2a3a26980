"""Proposals: the sources that a file wants, each key with what it rests on, and what a person must look at."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np

from transforms.sources.guess.amounts import Agreement, agree
from transforms.sources.guess.look import Looked
from transforms.sources.guess.profile import Profile, profiles
from transforms.sources.guess.roles import Roles, find_roles, unit_of, unit_stated, units_under_names
from transforms.sources.guess.stamps import Stamps, find_stamps
from transforms.sources.guess.wide import wide_layout
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
    """What is proposed for a file: sources, reasons in sentences, and doubts that belong to no single key."""

    sources: list[Proposed]
    reasons: list[str]
    doubts: list[str]


def propose(
    looked: Looked,
    file: str,
    *,
    name: str | None = None,
    stream: str | None = None,
    timezone: str | None = None,
    code: str | None = None,
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
        flowmeter's, and a flow alone the meter's.
    timezone, code : str, optional
        The zone of stamps without an offset, and the feature code, where the user knows them.
    """
    base = (
        name or re.sub(r"[^A-Za-z0-9_.-]+", "-", PurePosixPath(file).name.split(".")[0]).strip("-._")[:40] or "export"
    )
    if looked.format == "rle":
        keys = {"stream": stream or "meter", "glob": file, "format": "rle"}
        unsure = {} if stream else {"stream": "run-length frames look alike in both streams; say which one this is"}
        return Proposal([Proposed(base, keys, unsure)], ["each line is a run-length frame"], [])
    under = units_under_names(looked.table) if looked.format == "csv" else {}
    columns = profiles(looked.table.slice(1) if under else looked.table, looked.dialect)
    columns = [replace(column, unit=under.get(column.name)) for column in columns]
    reasons, doubts = list(looked.reasons), list(looked.dialect.doubts if looked.dialect else [])
    if under:
        reasons.append("the line under the names states units; being no reading, it is set aside")
    stamps = find_stamps(columns)
    if stamps is None:
        return Proposal([], reasons, [*doubts, "no column holds time stamps in any form that is known"])
    reasons += stamps.reasons
    common = _common(looked, file)
    if version_of_name(file) is not None:
        reasons.append("the file's name tells the newer of two dumps: where readings were corrected, that one is used")
    if stamps.doubts and timezone is None:
        common["timezone"] = "UTC"
    elif timezone is not None and not stamps.zoned:
        common["timezone"] = timezone
    roles = find_roles(columns, stamps.instants, stamps.names)
    wide = wide_layout(columns, stamps.names, roles)
    if wide is not None:
        return _wide(base, common, wide, stamps, roles, file, stream, timezone, code, [*reasons, *wide.reasons], doubts)
    reasons += roles.reasons
    doubts += roles.doubts
    register, flow = next(iter(roles.registers), None), next(iter(roles.flows), None)
    if register is None and flow is None:
        return Proposal([], reasons, [*doubts, "no column looks like a flow or a register"])
    both = _agreement(register, flow, roles, stamps)
    if both is not None and register is not None and flow is not None:
        reasons.append(
            f"{flow.name!r} in {both.flow_unit} over time comes to {both.ratio:.3g} times what {register.name!r} in "
            f"{both.volume_unit} went on by"
        )
        if not both.good:
            doubts.append(
                f"no units make {flow.name!r} and {register.name!r} tell of the same volume; {both.flow_unit} and "
                f"{both.volume_unit} come nearest, at a ratio of {both.ratio:.3g}"
            )
    left_out = [*roles.registers[1:], *roles.flows[1:], *roles.rest]
    if left_out:
        doubts.append("left out: " + ", ".join(repr(column.name) for column in left_out))
    wanted = [("volume_l", register), ("flow_lph", flow)]
    found = [
        _source(
            base,
            canonical,
            column,
            both,
            common,
            stamps,
            roles,
            file,
            stream,
            timezone,
            code,
            pair=bool(register and flow),
        )
        for canonical, column in wanted
        if column is not None
    ]
    if stream and register and flow:
        found = [source for source in found if source.keys["stream"] == stream] or found[:1]
    return Proposal(found, reasons, doubts)


def _common(looked: Looked, file: str) -> dict[str, Any]:
    keys: dict[str, Any] = {"glob": file, "format": looked.format}
    if looked.encoding != "utf-8":
        keys["encoding"] = looked.encoding
    dialect = looked.dialect
    if dialect:
        keys |= {"delimiter": dialect.delimiter} if dialect.delimiter != "," else {}
        keys |= {"skip_rows": dialect.skip_rows} if dialect.skip_rows else {}
        keys |= {} if dialect.names else {"header": False}
        keys |= {"decimal": ","} if dialect.decimal == "," else {}
        keys |= {"thousands": dialect.thousands} if dialect.thousands else {}
    return keys


def _agreement(register: Profile | None, flow: Profile | None, roles: Roles, stamps: Stamps) -> Agreement | None:
    """What units make flow and register agree; names that state a unit are believed."""
    if register is None or flow is None or roles.unit is not None:
        return None
    who = roles.code or roles.flowmeter
    groups = (
        np.unique(who.texts.fill_null("").to_numpy(), return_inverse=True)[1]
        if who
        else np.zeros(len(stamps.instants), int)
    )
    known_flow, known_volume = unit_stated(flow, FLOW_TO_LPH), unit_stated(register, VOLUME_TO_L)
    given = {}
    if known_flow:
        given["flow_units"] = (known_flow,)
    if known_volume:
        given["volume_units"] = (known_volume,)
    return agree(flow, register, stamps.instants, groups, **given)


def _source(
    base: str,
    canonical: str,
    column: Profile,
    both: Agreement | None,
    common: dict[str, Any],
    stamps: Stamps,
    roles: Roles,
    file: str,
    stream: str | None,
    timezone: str | None,
    code: str | None,
    *,
    pair: bool,
) -> Proposed:
    """One source: a register or a flow with its stamps and whose it is."""
    of = _STREAMS[canonical] if pair else stream or ("flowmeter" if roles.flowmeter else "meter")
    doubts: dict[str, str] = {}
    if not pair and stream is None and not roles.flowmeter:
        doubts["stream"] = "nothing in the file says whether this is the meter or its reference"
    if pair and stream is None:
        doubts["stream"] = "the register is taken for the meter, and the flow signal for its reference"
    columns: dict[str, Any] = {"timestamp": _timestamp(stamps)}
    if "timezone" in common and timezone is None:
        doubts["timezone"] = stamps.doubts[0]
    for doubt in stamps.doubts[1:]:
        doubts["columns.timestamp"] = doubt
    columns |= _who(of, roles, file, code, doubts)
    columns[canonical] = _amount(canonical, column, both, roles, doubts)
    keys: dict[str, Any] = {"stream": of, **common}
    if roles.status is not None:
        usual = roles.status.texts.drop_nulls().value_counts(sort=True)[roles.status.name][0]
        keys["status"] = {"name": roles.status.name, "good": [usual]}
        doubts["status"] = f"the commonest status {usual!r} is taken for the good one; list all that are"
    keys["columns"] = columns
    return Proposed(f"{base}-{of}" if pair else base, keys, doubts)


def _timestamp(stamps: Stamps) -> Any:
    column = stamps.names[0] if len(stamps.names) == 1 else list(stamps.names)
    if stamps.format is None:
        return column
    months = {"months": list(stamps.months)} if stamps.months and "b" in stamps.format.lower() else {}
    return {"name": column, "format": stamps.format, **months}


def _who(of: str, roles: Roles, file: str, code: str | None, doubts: dict[str, str]) -> dict[str, Any]:
    """Whose readings these are: a column, what the user says, or the file's name."""
    stem = PurePosixPath(file).name.split(".")[0]
    found: dict[str, Any] = {}
    if roles.code is not None and code is None:
        found["feature_code"] = roles.code.name
    elif of == "meter" or roles.flowmeter is None:
        found["feature_code"] = {"value": code or stem}
        if code is None:
            doubts["columns.feature_code"] = (
                "no column names the meter, so the file's name is taken for its feature code"
            )
    if of == "flowmeter":
        found["flowmeter_id"] = roles.flowmeter.name if roles.flowmeter else {"value": f"{code or stem}-flow"}
        if roles.flowmeter is None and roles.code is not None:
            del found["flowmeter_id"]
    return found


def _amount(canonical: str, column: Profile, both: Agreement | None, roles: Roles, doubts: dict[str, str]) -> Any:
    """A flow or a register with its unit: from a unit column, the column's name, or from what agrees with the other."""
    known = FLOW_TO_LPH if canonical == "flow_lph" else VOLUME_TO_L
    key = f"columns.{canonical}"
    if roles.unit is not None:
        texts = sorted(roles.unit.texts.drop_nulls().unique().to_list())
        foreign = {text: unit for text in texts if (unit := unit_of(text)) is not None and text not in known}
        return {"name": column.name, "unit_column": roles.unit.name, **({"units": foreign} if foreign else {})}
    unit = unit_stated(column, known)
    if unit is None and both is not None:
        unit = both.flow_unit if canonical == "flow_lph" else both.volume_unit
        if not both.good or both.rivals:
            others = f"; as near: {', '.join(both.rivals)}" if both.rivals else ""
            doubts[key] = f"the unit follows from comparing flow and register{others}"
    elif unit is None:
        unit = "m3" if canonical == "volume_l" and column.whole else "L" if canonical == "volume_l" else "L/h"
        doubts[key] = f"nothing says the unit; {unit} is a guess"
    return {"name": column.name, "unit": unit}


def _wide(
    base: str,
    common: dict[str, Any],
    wide: Any,
    stamps: Stamps,
    roles: Roles,
    file: str,
    stream: str | None,
    timezone: str | None,
    code: str | None,
    reasons: list[str],
    doubts: list[str],
) -> Proposal:
    """A source in which one row holds many readings."""
    of = stream or "meter"
    own: dict[str, str] = {}
    if stream is None:
        own["stream"] = "nothing in the file says whether these are meters or their references"
    if "timezone" in common and timezone is None:
        own["timezone"] = stamps.doubts[0]
    columns: dict[str, Any] = {"timestamp": _timestamp(stamps)}
    if wide.names == "time":
        columns |= _who(of, roles, file, code, own)
    unit = wide.unit or ("m3" if wide.value == "volume_l" else "L/h")
    if wide.unit is None:
        own[f"columns.{wide.value}"] = f"nothing says the unit; {unit} is a guess"
    columns[wide.value] = {"unit": unit}
    layout: dict[str, Any] = {"names": wide.names, "columns": list(wide.columns), "value": wide.value}
    if wide.step:
        layout |= {"first": wide.first, "step": wide.step}
    return Proposal(
        [Proposed(base, {"stream": of, **common, "wide": layout, "columns": columns}, own)], reasons, doubts
    )
