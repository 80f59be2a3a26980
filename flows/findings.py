"""What a run found: verdicts put together with what was sent before, decided, counted and accounted for."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

import polars as pl

from transforms.decide import Decision, Situation, decide
from transforms.feedback import read_acks
from transforms.fleet import fleet_table
from transforms.judge import set_aside
from transforms.lake import Lake
from transforms.notices import notices_for
from transforms.outbox import History, Run, read_history, read_manifest
from transforms.policy import Policy
from transforms.registry import Registry
from transforms.state import fold_commands, fold_orders
from transforms.windows import Window, iso, parse_time
from transforms.workspace import Workspace

#: the only revision that is made so far
REVISION = 1


def run_of(workspace: Workspace, window: Window) -> dict[str, Any] | None:
    """The manifest of the window's run, if the outbox has one."""
    folder = workspace.run(window.run_id(REVISION))
    return read_manifest(folder) if folder.exists() else None


def collect(
    workspace: Workspace,
    registry: Registry,
    policy: Policy,
    lake: Lake,
    judged: pl.DataFrame,
    window: Window,
    now: datetime,
    version: str,
) -> Run:
    """Decide what follows from the verdicts and gather everything that the run says."""
    history = read_history(workspace, window)
    acks = read_acks(workspace)
    states = fold_commands(history.lines("commands.jsonl"), acks.acks, now)
    changed = [code for code, s in states.items() if s.changed_at and window.start <= s.changed_at < window.end]
    judged = set_aside(judged, changed, "parameters_changed")
    situation = _situation(history, states, judged, window, policy)
    run_id = window.run_id(REVISION)
    limits = fleet_table(registry).select("feature_code", "max_gain_change", "max_offset_lph")
    decision = decide(judged, limits, policy, window, run_id, now, situation)
    notices = _notices(registry, policy, decision, situation, now)
    inputs = _inputs(lake, history, window)
    facts = {
        "window_start": iso(window.start),
        "window_end": iso(window.end),
        "revision": REVISION,
        "issued_at": iso(now),
        "code_version": version,
        "policy_digest": policy.digest,
        "registry_digest": registry.digest,
        "counts": _counts(judged, decision, len(notices)),
        "withheld": decision.withheld,
        "suspect_references": decision.suspects,
        "rows": _rows(inputs),
        "inputs": inputs,
        "feedback": {"acks": len(acks.acks), "faults": acks.faults},
    }
    return Run(run_id, judged, decision.commands, notices, decision.work_orders, facts)


def _situation(
    history: History, states: dict[str, Any], judged: pl.DataFrame, window: Window, policy: Policy
) -> Situation:
    orders = history.lines("work_orders.jsonl")
    healthy = history.healthy_since(sorted({order["feature_code"] for order in orders}))
    wanted = max(policy.confirm_windows, policy.command.prove_windows)
    return Situation(
        states=states,
        episodes=fold_orders(orders, healthy),
        confirmed=history.steady_streak(window, judged, wanted),
        stale=history.later,
    )


def _notices(
    registry: Registry, policy: Policy, decision: Decision, situation: Situation, now: datetime
) -> list[dict[str, Any]]:
    """Customers are told of commands that leave, and once of each visit to come."""
    if registry.terminals is None:
        return []
    end = now + policy.command.expires
    leaving = [command for command in decision.commands if command["state"] == "ready"]
    known = {episode.order_id for episode in situation.episodes.values()}
    visits = [order for order in decision.work_orders if order["order_id"] not in known]
    told = {item["feature_code"] for item in (*leaving, *visits)}
    terminals = defaultdict(list)
    for row in registry.terminals.filter(pl.col("feature_code").is_in(told)).iter_rows(named=True):
        terminals[row["feature_code"]].append({**row, "language": row["language"] or policy.languages})
    found = notices_for("self_maintenance", leaving, terminals, now, end)
    found += notices_for("visit", visits, terminals, now, end)
    return sorted(found, key=lambda notice: (notice["feature_code"], notice["kind"], notice["notice_id"]))


def _counts(judged: pl.DataFrame, decision: Decision, notices: int) -> dict[str, Any]:
    def tally(column: str) -> dict[str, int]:
        return dict(judged.group_by(column).len().sort(column).iter_rows())

    held = sum(command["state"] == "held" for command in decision.commands)
    return {
        "meters": judged.height,
        "verdict": tally("verdict"),
        "reason": tally("reason"),
        "commands": len(decision.commands) - held,
        "held": held,
        "withheld": len(decision.withheld),
        "notices": notices,
        "work_orders": len(decision.work_orders),
        "second_look": {
            "flagged": int(judged["doubtful"].sum()),
            "looked_at": int(judged["looked_at"].sum()),
        },
    }


def _inputs(lake: Lake, history: History, window: Window) -> list[dict[str, Any]]:
    """The dumps that this run rests on: those with readings in the window, and those with none that no run named yet."""
    named = history.dumps_named()
    keys = (
        "file",
        "stream",
        "source",
        "sha256",
        "bytes",
        "read",
        "accepted",
        "duplicate",
        "quarantined",
        "reasons",
        "note",
    )
    found = []
    for dump in lake.dumps:
        if dump["min_ts"] is None:
            wanted = (dump["stream"], dump["sha256"]) not in named
        else:
            wanted = parse_time(dump["min_ts"]) < window.end and parse_time(dump["max_ts"]) >= window.start
        if wanted:
            found.append({key: dump[key] for key in keys})
    return sorted(found, key=lambda dump: (dump["stream"], dump["file"], dump["source"] or "", dump["sha256"]))


def _rows(inputs: list[dict[str, Any]]) -> dict[str, Any]:
    reasons: dict[str, int] = defaultdict(int)
    for dump in inputs:
        for reason, count in dump["reasons"].items():
            reasons[reason] += count
    sums = {key: sum(dump[key] for dump in inputs) for key in ("read", "accepted", "duplicate", "quarantined")}
    return {**sums, "reasons": dict(sorted(reasons.items()))}


def to_markdown(manifest: dict[str, Any]) -> str:
    """A page for the Prefect UI: what the run found, in a few lines."""
    counts, rows = manifest["counts"], manifest["rows"]
    verdicts = "\n".join(f"| {name} | {number:,} |" for name, number in counts["verdict"].items())
    return (
        f"## Run {manifest['run_id']}\n\n"
        f"Window {manifest['window_start']} to {manifest['window_end']}\n\n"
        f"| verdict | meters |\n|---|---|\n{verdicts}\n\n"
        f"{counts['commands']:,} commands, {counts['held']:,} held, {counts['work_orders']:,} work orders, "
        f"{counts['notices']:,} notices\n\n"
        f"Rows: {rows['read']:,} read = {rows['accepted']:,} accepted + {rows['duplicate']:,} duplicate + "
        f"{rows['quarantined']:,} quarantined\n"
    )
