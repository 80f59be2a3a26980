"""Withdrawals: commands that a window would no longer send, now that late readings have told more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from transforms.decide.issued import issued
from transforms.state import MeterState
from transforms.windows import parse_time


@dataclass(frozen=True)
class Withdrawal:
    """Superseding commands that take earlier ones back, and what of the others can only be noted.

    ``noted`` lists ``feature_code``, ``command_id``, ``status`` of commands that were answered or expired already.
    """

    commands: list[dict[str, Any]]
    noted: list[dict[str, Any]]


def withdraw(
    sent: Iterable[Mapping[str, Any]],
    judged: pl.DataFrame,
    states: Mapping[str, MeterState],
    permissible: Mapping[str, float],
    run_id: str,
    issued_at: datetime,
) -> Withdrawal:
    """Take back what a window sent to meters that it no longer finds steady, or finds off by something else.

    A command still in flight is followed by one with the next sequence and the correction that is in force, so that it
    does no harm whichever the meter hears first or last. One that was answered already is noted: the windows after it
    tell what it did.

    Parameters
    ----------
    sent
        The window's commands that left, each id once.
    judged
        Its verdicts as they are now.
    states
        All that is known of the meters by now, over all windows.
    permissible
        Feature code -> permissible error [relative]. A command in flight that would leave more than that stays not.
    """
    steady = {row["feature_code"]: row for row in judged.filter(pl.col("verdict") == "steady").iter_rows(named=True)}
    open_ = set(judged.filter(pl.col("verdict") == "inconclusive")["feature_code"].to_list())
    commands: list[dict[str, Any]] = []
    noted: list[dict[str, Any]] = []
    for command in sorted(sent, key=lambda c: (c["feature_code"], c["sequence"])):
        code = command["feature_code"]
        if command["state"] != "ready" or command.get("withdraws"):
            continue
        if code in steady and _still_right(command, steady[code], permissible.get(code, 0.0), states[code]):
            continue
        if command.get("photos") and (command.get("repeats") or code in open_):
            continue  # it rests on what a display showed, which late readings of a meter do not change
        state = states[code]
        if state.pending == command["command_id"]:
            commands.append(_taking_back(command, state, run_id, issued_at))
            continue
        status = next((a.status for a in state.attempts if a.command_id == command["command_id"]), "cured")
        noted.append({"feature_code": code, "command_id": command["command_id"], "status": status})
    return Withdrawal(commands, noted)


def _still_right(command: Mapping[str, Any], row: Mapping[str, Any], permissible: float, state: MeterState) -> bool:
    """Whether a steady meter is still off by what its command removes; one that was answered is for the next windows."""
    known = [one[name] for one in (command, row) for name in ("a1", "a2", "q_min_lph", "q_max_lph")]
    if state.pending != command["command_id"] or command.get("undoes") or command.get("photos") or None in known:
        return True
    flow = max((row["q_min_lph"] * row["q_max_lph"]) ** 0.5, 1e-9)
    removed, there = (one["a1"] * flow + one["a2"] for one in (command, row))
    return bool(abs(there / removed - 1) <= permissible) if removed > 0 else False


def _taking_back(command: Mapping[str, Any], state: MeterState, run_id: str, issued_at: datetime) -> dict[str, Any]:
    lifetime = parse_time(command["expires_at"]) - parse_time(command["issued_at"])
    about = {
        "feature_code": command["feature_code"],
        "model": command["model"],
        "sequence": state.sequence + 1,
        "supersedes": command["command_id"],
    }
    span = {name: command[name] for name in ("window_start", "window_end")}
    measured = ("form", "a1", "a1_se", "a2", "a2_se", "q_min_lph", "q_max_lph")
    content = {
        **{name: command[name] for name in measured},
        "withdraws": command["command_id"],
        "procedure": command["procedure"],
        "correction": state.in_force.to_json(),
    }
    return issued(about, span, content, run_id, issued_at, lifetime)
