"""What waits in the outbox: runs held for approval, commands without an answer, and how each meter stands.

Nothing here is stored: it is read from the runs and the acks each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from transforms.damage import table_of_run
from transforms.outbox.history import History
from transforms.state import fold_commands
from transforms.windows import iso, parse_time


@dataclass(frozen=True)
class Waiting:
    """Records as they go into JSON.

    ``held``: ``run_id, commands, issued_at, expires_at, approvable``, and ``why`` where it is not approvable any more.
    ``in_flight`` and ``expired``: ``feature_code, command_id, sequence, run_id, issued_at, expires_at, form,
    correction`` of commands that were never answered.
    ``meters``: for each meter that ever got a command ``feature_code, sequence, attempts`` (commands that left since it was last
    cured),
    ``in_force`` (a correction), ``changed_at, last_ack`` (``command_id, status, at``) and ``last_effect``
    (``command_id, effect, volume_error_before, volume_error_after``), null where there is none.
    """

    held: list[dict[str, Any]]
    in_flight: list[dict[str, Any]]
    expired: list[dict[str, Any]]
    meters: list[dict[str, Any]]


def waiting(
    history: History, acks: Iterable[Mapping[str, Any]], installed: Mapping[str, datetime], now: datetime
) -> Waiting:
    """Put together what waits at an instant.

    Parameters
    ----------
    history
        All runs.
    acks
        Acks as they came; those to no command that left count for nothing, and those dated after ``now`` have not come
        yet.
    installed
        Feature code -> when the meter that carries it now was installed, where that is known.
    """
    commands = history.lines("commands.jsonl")
    left = {command["command_id"]: command for command in commands if command["state"] == "ready"}
    meant = {name: command["feature_code"] for name, command in left.items()}
    timely = (
        ack for ack in acks if meant.get(ack["command_id"]) == ack["feature_code"] and parse_time(ack["at"]) <= now
    )
    acks = sorted(timely, key=lambda ack: parse_time(ack["at"]))
    states = fold_commands(commands, acks, now, history.effects(), installed)
    answered = {ack["command_id"] for ack in acks}
    last_acks = {ack["feature_code"]: ack for ack in acks}
    effects = _last_effects(history)
    in_flight, expired, meters = [], [], []
    for code, state in sorted(states.items()):
        last = left.get(state.last_command or "")
        if state.pending in left:
            in_flight.append(_command(left[state.pending]))
        elif last and last["command_id"] not in answered and parse_time(last["expires_at"]) <= now:
            expired.append(_command(last))
        ack = last_acks.get(code)
        meters.append(
            {
                "feature_code": code,
                "sequence": state.sequence,
                "attempts": len(state.attempts),
                "in_force": state.in_force.to_json(),
                "changed_at": iso(state.changed_at) if state.changed_at else None,
                "last_ack": {key: ack[key] for key in ("command_id", "status", "at")} if ack else None,
                "last_effect": effects.get(code),
            }
        )
    return Waiting(_held(history, commands, now), in_flight, expired, meters)


def _held(history: History, commands: Iterable[Mapping[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """Runs with held commands that nobody has approved."""
    runs = {manifest["run_id"] for manifest in history.manifests if manifest["counts"]["held"]}
    by_run: dict[str, list[Mapping[str, Any]]] = {}
    for command in commands:
        if command["state"] == "held" and command["run_id"] in runs:
            by_run.setdefault(command["run_id"], []).append(command)
    newest = history.manifests[-1]["run_id"] if history.manifests else None
    found = []
    for run_id, own in sorted(by_run.items()):
        expires = max(parse_time(command["expires_at"]) for command in own)
        why = "stale_window" if run_id != newest else "expired" if expires <= now else None
        entry = {"run_id": run_id, "commands": len(own), "issued_at": own[0]["issued_at"], "expires_at": iso(expires)}
        found.append({**entry, "approvable": why is None} | ({"why": why} if why else {}))
    return found


def _command(command: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("feature_code", "command_id", "sequence", "run_id", "issued_at", "expires_at", "form", "correction")
    return {key: command[key] for key in keys}


def _last_effects(history: History) -> dict[str, dict[str, Any]]:
    """The newest effect that was judged of each meter's commands."""
    runs = zip(history.folders, history.manifests, strict=True)
    files = [folder / "effects.parquet" for folder, run in runs if run["files"]["effects.parquet"]["rows"]]
    if not files:
        return {}
    columns = ["command_id", "effect", "volume_error_before", "volume_error_after"]
    newest = pl.concat([table_of_run(file) for file in files]).unique("feature_code", keep="last", maintain_order=True)
    return {row.pop("feature_code"): row for row in newest.select("feature_code", *columns).iter_rows(named=True)}
