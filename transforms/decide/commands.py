"""Commands and work orders from verdicts, through the guards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from transforms.canonical import digest_of, rounded
from transforms.policy import Policy
from transforms.state import Correction, Episode, MeterState
from transforms.windows import Window, iso

COMMAND_SCHEMA = "meterwright.command/1"
ORDER_SCHEMA = "meterwright.work_order/1"

#: how soon somebody must go, by reason; others are normal
PRIORITIES = {"beyond_limits": "high", "stuck": "high"}

#: numbers of a verdict that a work order carries as evidence
EVIDENCE = (
    "verdict", "form", "n_pairs", "n_flowing", "coverage", "mean_diff_lph", "share_in_band", "volume_error",
    "error_q1_q2", "error_q2_q3", "error_q3_q4", "a1", "a1_se", "a2", "a2_se", "residual_std_lph", "q_min_lph",
    "q_max_lph", "drift_spread", "scatter_ratio", "flowmeter_id",
)  # fmt: skip


@dataclass(frozen=True)
class Situation:
    """What a decision rests on beside the verdicts.

    ``confirmed`` holds, for meters steady now, in how many windows in a row (this one included) they were. ``stale``
    is true for a window older than one already judged: then nothing is sent.
    """

    states: Mapping[str, MeterState]
    episodes: Mapping[str, Episode]
    confirmed: Mapping[str, int]
    stale: bool


@dataclass(frozen=True)
class Decision:
    """Commands (ready or held), work orders, and for which meters a guard kept one back, with the reason."""

    commands: list[dict[str, Any]]
    work_orders: list[dict[str, Any]]
    withheld: list[dict[str, str]]
    held: bool


def decide(
    judged: pl.DataFrame,
    limits: pl.DataFrame,
    policy: Policy,
    window: Window,
    run_id: str,
    issued_at: datetime,
    situation: Situation,
) -> Decision:
    """Turn the verdicts of one run into what is sent.

    Parameters
    ----------
    judged : DataFrame
        The verdicts, one row per meter.
    limits : DataFrame
        ``feature_code``, ``max_gain_change``, ``max_offset_lph`` of the registered meters.
    """
    judged = judged.select("feature_code", "model", "reason", *EVIDENCE)
    steady = judged.filter(pl.col("verdict") == "steady").join(limits, on="feature_code").sort("feature_code")
    commands: list[dict[str, Any]] = []
    orders: list[dict[str, Any]] = []
    withheld: list[dict[str, str]] = []
    for row in steady.iter_rows(named=True):
        state = situation.states.get(row["feature_code"], MeterState())
        guard = _outdated(state, window, situation)
        if guard:
            withheld.append({"feature_code": row["feature_code"], "reason": guard})
            continue
        correction = state.in_force.then(row["a1"], row["a2"])
        if abs(correction.gain - 1) > row["max_gain_change"] or abs(correction.offset_lph) > row["max_offset_lph"]:
            orders.append(_order(row, "beyond_limits", window, situation, _limits(row, correction)))
            continue
        guard = _guard(row["feature_code"], state, policy, situation)
        if guard:
            withheld.append({"feature_code": row["feature_code"], "reason": guard})
            continue
        commands.append(_command(row, state, correction, policy, window, run_id, issued_at))
    unsteady = judged.filter(pl.col("verdict") == "unsteady").sort("feature_code")
    if situation.stale:
        withheld += [{"feature_code": code, "reason": "stale_window"} for code in unsteady["feature_code"]]
        unsteady = unsteady.clear()
    orders += [_order(row, row["reason"], window, situation, {}) for row in unsteady.iter_rows(named=True)]
    held = _breaker(len(commands), judged, policy)
    if held:
        commands = [{**command, "state": "held"} for command in commands]
    rank = {"high": 0, "normal": 1, "low": 2}
    orders.sort(key=lambda order: (rank[order["priority"]], order["feature_code"]))
    return Decision(commands, orders, withheld, held)


def _outdated(state: MeterState, window: Window, situation: Situation) -> str | None:
    """Why what a window says no longer holds. A correction must not be composed with one that came after the window."""
    if situation.stale:
        return "stale_window"
    if state.changed_at and state.changed_at >= window.end:
        return "changed_since"
    return None


def _guard(code: str, state: MeterState, policy: Policy, situation: Situation) -> str | None:
    if state.pending:
        return "in_flight"
    if situation.confirmed.get(code, 1) < policy.confirm_windows:
        return "unconfirmed"
    return None


def _breaker(count: int, judged: pl.DataFrame, policy: Policy) -> bool:
    """Above a share of the judged fleet, the reference or the dumps are the likelier culprit."""
    total = judged.filter(pl.col("verdict") != "inconclusive").height
    return total >= policy.breaker.min_meters and count > policy.breaker.share * total


def _command(
    row: Mapping[str, Any],
    state: MeterState,
    correction: Correction,
    policy: Policy,
    window: Window,
    run_id: str,
    issued_at: datetime,
) -> dict[str, Any]:
    measured = {name: rounded(row[name]) for name in ("a1", "a1_se", "a2", "a2_se", "q_min_lph", "q_max_lph")}
    about = {
        "feature_code": row["feature_code"],
        "model": row["model"],
        "sequence": state.sequence + 1,
        "supersedes": state.last_command,
    }
    span = {"window_start": iso(window.start), "window_end": iso(window.end)}
    content = {
        "form": row["form"],
        **measured,
        "procedure": ["pause", "apply", "self_test", "report"],
        "correction": {"gain": rounded(correction.gain), "offset_lph": rounded(correction.offset_lph + 0.0)},
    }
    return {
        "schema": COMMAND_SCHEMA,
        "command_id": digest_of({"schema": COMMAND_SCHEMA, **about, **span, **content}, "c"),
        **about,
        "run_id": run_id,
        **span,
        "issued_at": iso(issued_at),
        "expires_at": iso(issued_at + policy.command.expires),
        "state": "ready",
        **content,
    }


def _limits(row: Mapping[str, Any], correction: Correction) -> dict[str, Any]:
    return {
        "gain_wanted": rounded(correction.gain),
        "offset_wanted_lph": rounded(correction.offset_lph + 0.0),
        "max_gain_change": row["max_gain_change"],
        "max_offset_lph": row["max_offset_lph"],
    }


def _order(
    row: Mapping[str, Any], reason: str, window: Window, situation: Situation, more: Mapping[str, Any]
) -> dict[str, Any]:
    """A work order. It keeps its id and its beginning for as long as the same need stays open."""
    code = row["feature_code"]
    episode = situation.episodes.get(code)
    same = episode is not None and episode.reason == reason
    since = episode.since if episode and same else iso(window.start)
    evidence = {
        name: rounded(row[name]) if isinstance(row[name], float) else row[name]
        for name in EVIDENCE
        if row[name] is not None
    }
    identity = {"schema": ORDER_SCHEMA, "feature_code": code, "reason": reason, "since": since}
    return {
        "schema": ORDER_SCHEMA,
        "order_id": digest_of(identity, "w"),
        "feature_code": code,
        "reason": reason,
        "evidence": {**evidence, **more},
        "since": since,
        "priority": PRIORITIES.get(reason, "normal"),
    }
