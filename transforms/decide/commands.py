"""Commands and work orders from verdicts, through the guards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from transforms.canonical import rounded
from transforms.correction import Correction, CorrectionError, rounded_points
from transforms.decide import guards
from transforms.decide.issued import COMMAND_SCHEMA, issued
from transforms.decide.orders import EVIDENCE, limits_told, order_for, visits_for, visits_to
from transforms.decide.shown import Displays
from transforms.decide.situation import Situation
from transforms.decide.suspects import suspect_references
from transforms.policy import Policy
from transforms.schemas import UTC_US
from transforms.state import UNTOUCHED, MeterState
from transforms.windows import Window, iso

#: columns that not every judgement gives; null, or false, where they are absent
OPTIONAL: dict[str, pl.DataType | type[pl.DataType]] = {
    "calibrated_on": pl.Date,
    "curve_q_lph": pl.List(pl.Float64),
    "curve_q_meter_lph": pl.List(pl.Float64),
    "curve_error_lph": pl.Float64,
    "imprecise": pl.Boolean,
    "marginal": pl.Boolean,
    "unproven": pl.Boolean,
    "pooled_windows": pl.Int64,
    "pooled_since": UTC_US,
}


@dataclass(frozen=True)
class Decision:
    """Commands (ready or held), work orders, and for which meters a guard kept one back, with the reason.

    ``suspects`` are the batches of references that are likelier at fault than their meters, as `suspect_references`
    tells them.
    """

    commands: list[dict[str, Any]]
    work_orders: list[dict[str, Any]]
    withheld: list[dict[str, str]]
    held: bool
    suspects: list[dict[str, Any]]


def decide(
    judged: pl.DataFrame,
    limits: pl.DataFrame,
    policy: Policy,
    window: Window,
    run_id: str,
    issued_at: datetime,
    situation: Situation,
    displays: Displays | None = None,
) -> Decision:
    """Turn the verdicts of one run into what is sent.

    Parameters
    ----------
    judged : DataFrame
        The verdicts, one row per meter, with such columns of `OPTIONAL` as there are. ``curve_q_lph`` and
        ``curve_q_meter_lph`` hold the increasing points [L/h] of the form ``curve``, ``curve_error_lph`` how far at
        most the lines between them lie from the fitted curve.
    limits : DataFrame
        ``feature_code``, ``max_gain_change``, ``max_offset_lph`` of the registered meters.
    displays : Displays, optional
        What follows from photos of displays.
    """
    displays = displays or Displays()
    absent = [pl.lit(None, kind).alias(name) for name, kind in OPTIONAL.items() if name not in judged.columns]
    judged = judged.with_columns(absent).select("feature_code", "model", "reason", *EVIDENCE, *OPTIONAL)
    suspects = suspect_references(judged, policy)
    commands: list[dict[str, Any]] = []
    orders: list[dict[str, Any]] = []
    withheld: list[dict[str, str]] = []
    shared = guards.shared_references(judged)
    made_worse = guards.made_worse(situation, suspects.meters | situation.contradicted | shared)
    made_worse -= displays.again.keys() | displays.differs.keys()
    made_worse -= situation.overtaken.keys() | situation.unclear.keys() | situation.exchanged
    for row in (
        judged.filter(pl.col("feature_code").is_in(sorted(made_worse))).sort("feature_code").iter_rows(named=True)
    ):
        state = situation.states[row["feature_code"]]
        commands.append(_command(row, state, state.before, policy, window, run_id, issued_at, undoes=state.awaiting))
    asked = judged.filter(pl.col("feature_code").is_in(sorted(displays.again))).sort("feature_code")
    for row in asked.iter_rows(named=True):
        _put(_said_again(row, displays, policy, window, run_id, issued_at, situation), row, commands, orders, withheld)
    off = judged.filter(~pl.col("feature_code").is_in(sorted(made_worse)))
    steady = (pl.col("verdict") == "steady") | pl.col("feature_code").is_in(sorted(displays.fits))
    steady &= ~pl.col("feature_code").is_in(sorted(displays.again))
    for found in off.filter(steady).join(limits, on="feature_code").sort("feature_code").iter_rows(named=True):
        code = found["feature_code"]
        row = {**found, **displays.fits.get(code, {})}
        against = "display_differs" if code in displays.differs else suspects.against(row)
        against = against or ("contradicted" if code in situation.contradicted else None)
        against = against or ("reference_shared" if code in shared else None)
        _put(_corrected_by(row, against, policy, window, run_id, issued_at, situation), row, commands, orders, withheld)
    orders += visits_for(judged, displays.differs, window, situation)
    visits, kept_back = visits_to(off.filter(pl.col("verdict") == "unsteady").sort("feature_code"), situation, window)
    orders += visits
    withheld += kept_back
    held = guards.breaks(len(commands), judged, policy)
    if held:
        commands = [{**command, "state": "held"} for command in commands]
    rank = {"high": 0, "normal": 1, "low": 2}
    orders.sort(key=lambda order: (rank[order["priority"]], order["feature_code"]))
    return Decision(commands, orders, withheld, held, suspects.batches)


def _put(
    found: dict[str, Any] | str,
    row: Mapping[str, Any],
    commands: list[dict[str, Any]],
    orders: list[dict[str, Any]],
    withheld: list[dict[str, str]],
) -> None:
    """Put what was found for a meter where it belongs: a command, a work order, or the reason why there is neither."""
    if isinstance(found, str):
        withheld.append({"feature_code": row["feature_code"], "reason": found})
    else:
        (commands if found["schema"] == COMMAND_SCHEMA else orders).append(found)


def _corrected_by(
    row: Mapping[str, Any],
    against: str | None,
    policy: Policy,
    window: Window,
    run_id: str,
    issued_at: datetime,
    situation: Situation,
) -> dict[str, Any] | str:
    """The command that removes a steady deviation, or the work order where none may, or what keeps both back.

    ``against`` is why what was measured tells of something else than the meter, if so.
    """
    state = situation.states.get(row["feature_code"], UNTOUCHED)
    guard = guards.outdated(row["feature_code"], state, window, situation) or against
    if guard:
        return guard
    unsure = guards.unsure(row)
    if unsure and abs(row["volume_error"]) <= row["max_gain_change"]:
        return unsure
    again = guards.not_carried_out(row, situation)
    correction, cannot = (Correction.from_json(again["correction"]), "") if again else _corrected(row, state)
    if correction is None:
        return order_for(row, "not_increasing", window, situation, {"detail": cannot})
    # However unsure the parameters: a meter whose volume is that far off has not drifted.
    if unsure or guards.beyond(row, correction):
        return order_for(row, "beyond_limits", window, situation, limits_told(row, correction))
    spent = guards.spent(state, policy, row, situation.lost.get(row["feature_code"]))
    if spent:
        return _spent_order(row, spent, state, window, situation)
    if wait := guards.not_yet(row, state, policy, situation):
        return wait
    if again:
        return _issued(row, _repeated(again), state, policy, window, run_id, issued_at)
    return _command(row, state, correction, policy, window, run_id, issued_at)


def _spent_order(
    row: Mapping[str, Any], spent: str, state: MeterState, window: Window, situation: Situation
) -> dict[str, Any]:
    """A visit that carries the whole history of commands which did not help."""
    return order_for(row, spent, window, situation, {"attempts": [attempt.told() for attempt in state.attempts]})


def _said_again(
    row: Mapping[str, Any],
    displays: Displays,
    policy: Policy,
    window: Window,
    run_id: str,
    issued_at: datetime,
    situation: Situation,
) -> dict[str, Any] | str:
    """A command that the display shows not to be in force, once more: the same correction under the next sequence."""
    code = row["feature_code"]
    state = situation.states[code]
    if guard := guards.outdated(row["feature_code"], state, window, situation) or (
        "display_differs" if code in displays.differs else None
    ):
        return guard
    if spent := guards.spent(state, policy):
        return _spent_order(row, spent, state, window, situation)
    command, photos = displays.again[code]
    return _issued(row, {**_repeated(command), "photos": photos}, state, policy, window, run_id, issued_at)


def _repeated(command: Mapping[str, Any]) -> dict[str, Any]:
    """What a command says that is said once more."""
    said = ("form", "a1", "a1_se", "a2", "a2_se", "q_min_lph", "q_max_lph", "curve", "approximation_lph")
    return {
        **{name: command[name] for name in said if name in command},
        "repeats": command["command_id"],
        "procedure": command["procedure"],
        "correction": command["correction"],
    }


def _corrected(row: Mapping[str, Any], state: MeterState) -> tuple[Correction | None, str]:
    """The correction in force with what was measured removed as well, or why there is none."""
    try:
        if row["form"] == "curve":
            return state.in_force.then_curve(row["curve_q_lph"] or (), row["curve_q_meter_lph"] or ()), ""
        return state.in_force.then_line(row["a1"], row["a2"]), ""
    except CorrectionError as error:
        return None, str(error)


def _command(
    row: Mapping[str, Any],
    state: MeterState,
    correction: Correction,
    policy: Policy,
    window: Window,
    run_id: str,
    issued_at: datetime,
    undoes: str | None = None,
) -> dict[str, Any]:
    """A command with an absolute correction; ``undoes`` names the command that it takes back."""
    measured = {name: rounded(row[name]) for name in ("a1", "a1_se", "a2", "a2_se", "q_min_lph", "q_max_lph")}
    content = {
        "form": row["form"] or ("curve" if correction.points else "linear"),
        **measured,
        **({"undoes": undoes} if undoes else {**_curve(row, correction), **_pooled(row)}),
        **({"photos": row["photos"]} if row.get("photos") else {}),
        "procedure": ["pause", "apply", "self_test", "report"],
        "correction": correction.to_json(),
    }
    return _issued(row, content, state, policy, window, run_id, issued_at)


def _issued(
    of: Mapping[str, Any],
    content: Mapping[str, Any],
    state: MeterState,
    policy: Policy,
    window: Window,
    run_id: str,
    issued_at: datetime,
) -> dict[str, Any]:
    """A command of some content; ``of`` says to which meter of which model."""
    about = {
        "feature_code": of["feature_code"],
        "model": of["model"],
        "sequence": state.sequence + 1,
        "supersedes": state.last_command,
    }
    span = {"window_start": iso(window.start), "window_end": iso(window.end)}
    return issued(about, span, content, run_id, issued_at, policy.command.expires)


def _curve(row: Mapping[str, Any], correction: Correction) -> dict[str, Any]:
    """What only curves say: the points measured, and how far the correction may lie from them at most [L/h]."""
    said: dict[str, Any] = {}
    fitted = None
    if row["form"] == "curve":
        fitted = row["curve_error_lph"]
        said["curve"] = {"points": rounded_points(zip(row["curve_q_lph"], row["curve_q_meter_lph"], strict=True))}
    if fitted is not None or correction.approximation_lph:
        said["approximation_lph"] = rounded((fitted or 0.0) + correction.approximation_lph)
    return said


def _pooled(row: Mapping[str, Any]) -> dict[str, Any]:
    """What only commands say that rest on several windows: how many, since when, and on how many flowing pairs."""
    if row["pooled_windows"] is None:
        return {}
    told = {"windows": row["pooled_windows"], "since": iso(row["pooled_since"]), "n_flowing": row["n_flowing"]}
    return {"pooled": told}
