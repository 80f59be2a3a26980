"""Layouts: the sources of a table in which each row is one reading, and the one of a table in which a row holds many."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from transforms.sources.guess.amounts import FLOWS, VOLUMES, Agreement, agree
from transforms.sources.guess.entries import Told, amount, as_entry, missing, span, timestamp, whose
from transforms.sources.guess.profile import Profile
from transforms.sources.guess.proposed import Proposal, Proposed
from transforms.sources.guess.roles import Roles, groups_of, volume_of_interval
from transforms.sources.guess.stamps import Stamps
from transforms.sources.guess.stated import unit_stated
from transforms.sources.guess.wholeness import no_numbers
from transforms.sources.guess.wide import WideLayout
from transforms.sources.guess.words import Unit
from transforms.units import FLOW_TO_LPH, VOLUME_TO_L

_STREAMS: Final = {"volume_l": "meter", "flow_lph": "flowmeter"}


def narrow_sources(
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
    """The key ``status`` of a source, where a column says which rows are good; what is unsure about it goes into ``doubts``."""
    if roles.status is None:
        return {}
    usual = roles.status.texts.drop_nulls().mode().sort()[0]
    if roles.status.distinct > 1:
        doubts["status"] = f"the commonest status {usual!r} is taken for the good one; list all that are"
    return {"status": {"name": roles.status.name, "good": [usual]}}


def wide_source(
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
