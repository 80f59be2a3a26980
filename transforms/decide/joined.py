"""Joined: what photos of displays add to the fit of a meter's relation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from transforms.decide.surroundings import Row, Surroundings, decimals_of
from transforms.metrology import MPE
from transforms.photos.observations import Line, Observation, Shown, flow_observed, volume_observed
from transforms.photos.plausible import factor, step
from transforms.photos.wire import Wire
from transforms.policy import Policy
from transforms.registry import Model
from transforms.screens import Screen
from transforms.state import UNTOUCHED, MeterState

#: verdicts that only lack evidence: photos may bring what is missing
LACKING = ("too_few_pairs", "no_flow", "undecided", "parameters_changed", "meter_missing")
#: above this share of its span, what a photo tells came by wire as well, and is in the fit already
_TOLD = 0.5


def observations_of(code: str, rows: Sequence[Row], around: Surroundings, policy: Policy) -> list[Observation]:
    """What the accepted photos since the parameters in force were applied say: the widest volume, and each flow."""
    wire, state = around.wires.get(code), around.states.get(code, UNTOUCHED)
    model, clock = around.models[code], policy.photos.clock
    if wire is None or state.changed_at is None or state.in_force_by not in around.commands:
        return []
    since = state.changed_at + clock
    shown = [(row["screen"], row["quantity"], _amount(row, around)) for row in rows if row["captured_at"] >= since]
    found: list[Observation | None] = []
    repeatability = policy.reference.repeatability
    for name in sorted({screen for screen, quantity, _ in shown if quantity == "volume"}):
        registers = sorted((one for screen, _, one in shown if screen == name), key=lambda one: one.at)
        found.append(volume_observed(registers[0], registers[-1], wire, clock, repeatability))
    for _, quantity, one in shown:
        if quantity == "flow":
            found.append(flow_observed(one, wire, clock, repeatability, policy.reference.settled, model.q1))
    return [one for one in found if one is not None]


def _amount(row: Row, around: Surroundings) -> Shown:
    screen = Screen(row["screen"], row["quantity"], row["unit"] or "", 0, decimals_of(row, around))
    unit = factor(screen)
    return Shown(row["reading_id"], row["captured_at"], row["value"] * unit, step(screen) * unit)


def fitted(code: str, observations: list[Observation], around: Surroundings, policy: Policy) -> dict[str, Any] | None:
    """The parameters with the observations in them, as columns of a verdict; None where those in force stand.

    They stand where what is left to correct is no larger than its expanded uncertainty, or than the permissible error: a
    meter that is right need not be moved.
    """
    row, wire, model = around.judged[code], around.wires[code], around.models[code]
    reference = _reference(wire, around, policy)
    prior = _prior(row, around.states[code], model, around, policy)
    if prior is None or reference is None:
        return None
    uncertainty, calibrated_on = reference
    if row["verdict"] == "steady":
        observations = [one for one in observations if one.covered < _TOLD]
        if not observations:
            return None
    line = prior.joined(observations)
    # The reference's own error is common to all that was compared with it, and no smaller for being seen twice.
    common = (uncertainty / 2 * line.a1) ** 2
    line = Line(line.a1, line.a2, max(line.v11, common), line.v12, line.v22)
    flow = sum(one.x for one in observations) / sum(one.t for one in observations)
    limit = MPE[model.accuracy_class][1] * policy.tolerance
    expanded = policy.judge.coverage_factor * line.standard(flow)
    error = line.error(flow)
    steady = row["verdict"] == "steady"
    if not steady and abs(error) <= max(expanded, limit):
        return None
    return {
        "form": row["form"] if steady else "linear",
        "a1": line.a1,
        "a1_se": line.v11**0.5,
        "a2": line.a2,
        "a2_se": line.v22**0.5,
        "volume_error": row["volume_error"] if steady else error,
        "q_min_lph": row["q_min_lph"] if steady else min(one.low_lph for one in observations),
        "q_max_lph": row["q_max_lph"] if steady else max(one.high_lph for one in observations),
        "imprecise": row["imprecise"] if steady else expanded > limit,
        "marginal": row["marginal"] if steady else False,
        "unproven": row["unproven"] if steady else False,
        "flowmeter_id": wire.flowmeter_id,
        "calibrated_on": calibrated_on,
        "photos": sorted({name for one in observations for name in one.photos}),
    }


def _reference(wire: Wire, around: Surroundings, policy: Policy) -> tuple[float, date | None] | None:
    """Relative expanded uncertainty and calibration of a meter's reference; None where that does not count as true."""
    if around.references is None:
        return policy.reference.uncertainty, None
    return around.references.get(wire.flowmeter_id or "")


def _prior(row: Row, state: MeterState, model: Model, around: Surroundings, policy: Policy) -> Line | None:
    """What was known of the relation before the photos.

    Of a steady meter the window's own fit. Of one that the window cannot judge, what the command in force left: no error,
    as surely as its parameters were known, and to that half as much again as the permissible error allows, because a
    command is a hypothesis and meters move on.
    """
    if row["verdict"] == "steady" and row["form"] in ("offset", "linear"):
        a1_se, a2_se = row["a1_se"] or 0.0, row["a2_se"] or 0.0
        return Line(row["a1"], row["a2"], a1_se**2, (row["correlation"] or 0.0) * a1_se * a2_se, a2_se**2)
    if row["verdict"] != "inconclusive" or row["reason"] not in LACKING:
        return None
    command = around.commands[state.in_force_by or ""]
    a1 = command["a1"] or 1.0
    low, high = (limit * policy.tolerance for limit in MPE[model.accuracy_class])
    moved = 1.5 * high, 1.5 * low * model.q1
    return Line(
        1.0, 0.0, ((command["a1_se"] or 0.0) / a1) ** 2 + moved[0] ** 2, 0.0,
        ((command["a2_se"] or 0.0) / a1) ** 2 + moved[1] ** 2,
    )  # fmt: skip
