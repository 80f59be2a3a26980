"""Shown: what follows from what displays showed, before the guards of a command are asked.

Three things, in this order. A display that contradicts the wire is a need for a visit, and keeps its meter from any
correction. Parameters that are not those of the command last applied make that command be said again. Everything else is
an observation of the meter that joins the fit: that of the window where there is one, else what the command in force
left to be expected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import polars as pl

from transforms.canonical import rounded
from transforms.correction import Correction
from transforms.metrology import MPE
from transforms.photos.observations import Line, Observation, Shown, flow_observed, volume_observed
from transforms.photos.plausible import factor, step
from transforms.photos.wire import Wire
from transforms.policy import Policy
from transforms.registry import Model
from transforms.screens import Screen
from transforms.state import MeterState
from transforms.windows import iso

Row = Mapping[str, Any]

PARAMETERS = ("a1", "a2", "gain", "offset")
#: verdicts that only lack evidence: photos may bring what is missing
LACKING = ("too_few_pairs", "no_flow", "undecided", "parameters_changed", "meter_missing")
#: consequences of readings that were held against the wire
CHECKED = ("display_differs", "agrees", "joined", "revised", "withheld", "beyond_limits")
#: above this share of its span, what a photo tells came by wire as well, and is in the fit already
_TOLD = 0.5


@dataclass(frozen=True)
class Difference:
    """A display that contradicts the wire: since which photo it does, and the newest one's numbers."""

    since: datetime
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class Displays:
    """What follows from displays, by feature code.

    Attributes
    ----------
    differs
        Meters to be visited, and not to be corrected.
    again
        The command to be said again, and the readings that ask for it.
    fits
        What replaces a verdict's own parameters: ``a1, a1_se, a2, a2_se, form, volume_error, photos`` and so on.
    said
        Reading id -> consequence, as far as photos alone tell; a command that follows makes another one of it.
    """

    differs: Mapping[str, Difference] = field(default_factory=dict)
    again: Mapping[str, tuple[Row, list[str]]] = field(default_factory=dict)
    fits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Surroundings:
    """What readings are weighed with.

    Attributes
    ----------
    wires
        Feature code -> what the meter and its reference sent.
    models, screens
        Feature code -> the meter's model, and what its display may show.
    states
        Feature code -> state.
    commands
        Command id -> command, of all that left.
    references
        Flowmeter id -> relative expanded uncertainty (k = 2) and day of calibration of those that count as true; None where
        all do.
    judged
        Feature code -> verdict, of the meters with photos.
    installed
        Feature code -> since when the meter is there, where that is known.
    """

    wires: Mapping[str, Wire]
    models: Mapping[str, Model]
    screens: Mapping[str, Sequence[Screen]]
    states: Mapping[str, MeterState]
    commands: Mapping[str, Row]
    references: Mapping[str, tuple[float, date]] | None
    judged: Mapping[str, Row]
    installed: Mapping[str, datetime]


def weigh(fresh: Sequence[Row], record: pl.DataFrame, around: Surroundings, policy: Policy) -> Displays:
    """What follows from the readings of a run.

    Parameters
    ----------
    fresh
        Rows of readings.parquet that this run adds.
    record
        Those of earlier runs, the newest word on each photo.
    """
    added = {row["reading_id"] for row in fresh}
    contradicted = record.filter(pl.col("consequence") == "display_differs")["feature_code"].to_list()
    concerned = sorted({*contradicted, *(row["feature_code"] for row in fresh)})
    mine = pl.col("feature_code").is_in(concerned) & ~pl.col("reading_id").is_in(sorted(added))
    earlier = record.filter(mine).to_dicts()
    accepted = [row for row in fresh if row["status"] == "accepted"]
    said: dict[str, str] = {}
    again: dict[str, tuple[Row, list[str]]] = {}
    for code, rows in _by_meter(row for row in accepted if row["quantity"] in PARAMETERS):
        command, told = _parameters(rows, around.states.get(code, MeterState()), around, policy)
        said |= told
        if command is not None:
            again[code] = command, sorted(name for name, what in told.items() if what == "said_again")
    said |= {row["reading_id"]: _against_wire(row) for row in accepted if row["quantity"] not in PARAMETERS}
    known = [*earlier, *({**row, "consequence": said.get(row["reading_id"])} for row in fresh)]
    differs = _differences(known, around)
    fits: dict[str, Mapping[str, Any]] = {}
    fresh_codes = {row["feature_code"] for row in accepted}
    for code, rows in _by_meter(row for row in known if row["status"] == "accepted"):
        if code not in fresh_codes or code in differs or code in again:
            continue
        observations = [one for one in _observations(code, rows, around, policy) if added.intersection(one.photos)]
        if observations:
            fit = _fitted(code, observations, around, policy)
            said |= {name: "joined" for one in observations for name in one.photos if name in added}
            fits |= {code: fit} if fit else {}
    return Displays(differs, again, fits, said)


def _by_meter(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["feature_code"], []).append(row)
    return sorted(found.items())


def _against_wire(row: Row) -> str:
    """Whether a reading agrees with what the meter sent: both resolutions and all that moved are in the bounds."""
    if row["wire_low"] is None or row["wire_high"] is None:
        return "noted"
    return "agrees" if row["wire_low"] <= row["value"] <= row["wire_high"] else "display_differs"


def _parameters(
    rows: Sequence[Row], state: MeterState, around: Surroundings, policy: Policy
) -> tuple[Row | None, dict[str, str]]:
    """The command to be said again, if the newest photo of some screen shows other parameters, and what is said of each."""
    command = around.commands.get(state.in_force_by or "")
    said = {row["reading_id"]: "noted" for row in rows}
    if command is None or state.changed_at is None:
        return None, said
    since = state.changed_at
    newest = {row["screen"]: row for row in rows if row["captured_at"] >= since}
    wrong = False
    for row in newest.values():
        screen = Screen(row["screen"], row["quantity"], row["unit"], 0, _decimals(row, around))
        wanted = _sent(screen.quantity, command)
        if wanted is None:
            continue
        same = _same(row["value"] * factor(screen), wanted, step(screen) * factor(screen))
        said[row["reading_id"]] = "confirmed" if same else "in_flight" if state.pending else "said_again"
        wrong = wrong or not same
    return (command if wrong and not state.pending else None), said


def _decimals(row: Row, around: Surroundings) -> int:
    screens = around.screens.get(row["feature_code"], ())
    return next((screen.decimals for screen in screens if screen.name == row["screen"]), 0)


def _sent(quantity: str, command: Row) -> float | None:
    """What a display of a parameter should show after a command; None for a curve, which no one number tells."""
    if quantity in ("a1", "a2"):
        return None if command["form"] == "curve" else float(command[quantity])
    correction = Correction.from_json(command["correction"])
    if correction.points:
        return None
    return correction.gain if quantity == "gain" else correction.offset_lph


def _same(shown: float, wanted: float, digit: float) -> bool:
    """Whether a number shown is another one rounded or cut to the last digit; a display may leave out the sign."""
    return min(abs(shown - wanted), abs(shown - abs(wanted))) < digit * (1 + 1e-9)


def _differences(rows: Sequence[Row], around: Surroundings) -> dict[str, Difference]:
    """Meters whose newest photo that was held against the wire contradicts it."""
    found = {}
    checked = (row for row in rows if row["status"] == "accepted" and row["consequence"] in CHECKED)
    for code, several in _by_meter(checked):
        own = sorted(
            (row for row in several if row["captured_at"] >= around.installed.get(code, row["captured_at"])),
            key=lambda row: (row["captured_at"], row["reading_id"]),
        )
        if code not in around.judged or not own or own[-1]["consequence"] != "display_differs":
            continue
        agreed = [place for place, row in enumerate(own) if row["consequence"] != "display_differs"]
        newest = own[-1]
        low, high = newest["wire_low"], newest["wire_high"]
        found[code] = Difference(
            since=own[agreed[-1] + 1 if agreed else 0]["captured_at"],
            evidence={
                "reading_id": newest["reading_id"],
                "captured_at": iso(newest["captured_at"]),
                "screen": newest["screen"],
                "quantity": newest["quantity"],
                "unit": newest["unit"],
                "shown": newest["value"],
                "wire_low": low,
                "wire_high": high,
                "difference": rounded(newest["value"] - (high if newest["value"] > high else low)),
            },
        )
    return found


def _observations(code: str, rows: Sequence[Row], around: Surroundings, policy: Policy) -> list[Observation]:
    """What the accepted photos since the parameters in force were applied say: the widest volume, and each flow."""
    wire, state = around.wires.get(code), around.states.get(code, MeterState())
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
    screen = Screen(row["screen"], row["quantity"], row["unit"] or "", 0, _decimals(row, around))
    unit = factor(screen)
    return Shown(row["reading_id"], row["captured_at"], row["value"] * unit, step(screen) * unit)


def _fitted(code: str, observations: list[Observation], around: Surroundings, policy: Policy) -> dict[str, Any] | None:
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
