"""Late readings: windows whose dumps have grown since their run are judged anew, and revised where a verdict changed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl

from flows.findings import collect
from flows.photos import Looked
from flows.registered import in_place
from flows.situation import Known
from transforms.canonical import digest_of
from transforms.damage import table_of_run
from transforms.decide.withdraw import withdraw
from transforms.feedback import for_commands, read_acks
from transforms.fleet import fleet_table
from transforms.lake import Lake
from transforms.outbox import Run, read_history, read_lines, window_of
from transforms.policy import Policy
from transforms.pool import as_decided
from transforms.registry import Registry
from transforms.state import MeterState, fold_commands
from transforms.windows import Window, parse_time
from transforms.workspace import Workspace

#: what makes a verdict another one
TOLD = ("feature_code", "verdict", "reason", "form", "pooled_verdict")


class LookedAt:
    """Which late dumps a window was judged anew with to no effect. Only a note: without it they are looked at again."""

    def __init__(self, workspace: Workspace) -> None:
        self._file = workspace.cache / "late.json"
        try:
            noted = json.loads(self._file.read_bytes())
        except (FileNotFoundError, ValueError):
            noted = {}
        self._noted: dict[str, str] = noted if isinstance(noted, dict) else {}

    def has(self, manifest: dict[str, Any], lake: Lake) -> bool:
        return self._noted.get(manifest["run_id"]) == _digest(manifest, lake)

    def note(self, manifest: dict[str, Any], lake: Lake) -> None:
        self._noted[manifest["run_id"]] = _digest(manifest, lake)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".tmp")
        draft.write_text(json.dumps(self._noted, sort_keys=True), encoding="utf-8")
        draft.replace(self._file)


def windows_to_reopen(
    workspace: Workspace, lake: Lake, policy: Policy, now: datetime, looked_at: LookedAt
) -> list[tuple[Window, dict[str, Any]]]:
    """The windows within the lateness horizon that have readings which their newest run did not know, oldest first."""
    found = []
    for manifest in read_history(workspace).manifests:
        window = window_of(manifest)
        if not now - policy.lateness <= window.end <= now:
            continue
        seen = {_key(dump) for dump in manifest["inputs"]}
        if not _dumps(manifest, lake) <= seen and not looked_at.has(manifest, lake):
            found.append((window, manifest))
    return found


def _key(dump: dict[str, Any]) -> tuple[str, str, str]:
    """What tells one reading of a dump from another: one that was read again under a mended mapping may hold more."""
    again = dump.get("retried", 0)
    return dump["stream"], dump["source"] or "", dump["sha256"] + (f" again {again}" if again else "")


def _dumps(manifest: dict[str, Any], lake: Lake) -> set[tuple[str, str, str]]:
    """The dumps that by now hold readings of a run's window."""
    window = window_of(manifest)
    return {
        _key(dump)
        for dump in lake.dumps
        if dump["min_ts"] is not None
        and parse_time(dump["min_ts"]) < window.end
        and parse_time(dump["max_ts"]) >= window.start
    }


def _digest(manifest: dict[str, Any], lake: Lake) -> str:
    return digest_of({"dumps": sorted(map(list, _dumps(manifest, lake)))}, "d")


def revise(
    workspace: Workspace,
    registry: Registry,
    policy: Policy,
    lake: Lake,
    known: Known,
    judged: pl.DataFrame,
    sums: pl.DataFrame,
    window: Window,
    manifest: dict[str, Any],
    now: datetime,
    version: str,
) -> Run | None:
    """The next revision of a window that was judged anew if any verdict changed, else None.

    A revision sends no new corrections: those are for the newest window, which knows what was sent since. It takes back
    what the window would no longer send, and notes what cannot be taken back.
    """
    folder = workspace.run(manifest["run_id"])
    revision = int(manifest["revision"]) + 1
    # What was seen on photos does not change because readings came late; what a person said since is the newest run's.
    seen = Looked(
        record=known.history.readings(),
        account=manifest.get("photos"),
        kept=table_of_run(folder / "readings.parquet"),
    )
    run = collect(registry, policy, lake, known, judged, sums, window, now, version, revision=revision, looked=seen)
    before, after = _told(table_of_run(folder / "verdicts.parquet")), _told(run.verdicts)
    changed = after.join(before, on=TOLD, how="anti", nulls_equal=True)
    gone = before.join(after, on=TOLD, how="anti", nulls_equal=True)
    sent, states = _everything_sent(workspace, registry, window, now)
    permissible = dict(fleet_table(registry).select("feature_code", "mpe_high").iter_rows())
    taken_back = withdraw(sent, as_decided(run.verdicts), states, permissible, run.run_id, now)
    if changed.is_empty() and gone.is_empty() and not taken_back.commands:
        return None
    late = {command["feature_code"] for command in run.commands}
    withheld = [*run.facts["withheld"], *({"feature_code": code, "reason": "late_data"} for code in sorted(late))]
    counts = {
        **run.facts["counts"],
        "commands": len(taken_back.commands),
        "held": 0,
        "withheld": len(withheld),
        "notices": 0,
        "changed_verdicts": max(changed.height, gone.height),
    }
    facts = {
        **run.facts,
        "counts": counts,
        "withheld": withheld,
        "notices_until": None,
        "composed_with": {},
        "revises": manifest["run_id"],
        "noted": taken_back.noted,
    }
    return replace(run, commands=taken_back.commands, notices=[], facts=facts)


def _told(verdicts: pl.DataFrame) -> pl.DataFrame:
    """What makes a verdict another one; runs of earlier versions did not look at several windows."""
    absent = [pl.lit(None, pl.String).alias(name) for name in TOLD if name not in verdicts.columns]
    return verdicts.with_columns(absent).select(TOLD)


def _everything_sent(
    workspace: Workspace, registry: Registry, window: Window, now: datetime
) -> tuple[list[dict[str, Any]], dict[str, MeterState]]:
    """The window's own commands to the meters that are there now, and the state of the meters over all windows."""
    history = read_history(workspace)
    commands = history.lines("commands.jsonl")
    left = {command["command_id"]: command["feature_code"] for command in commands if command["state"] == "ready"}
    acks = for_commands(read_acks(workspace), left)
    since = in_place(registry)
    states = fold_commands(commands, acks.acks, now, history.effects(), since)
    names = {folder.name for folder in workspace.outbox.iterdir() if folder.name.rpartition("_r")[0] == window.name}
    own = {line["command_id"] for name in names for line in read_lines(workspace.run(name) / "commands.jsonl")}
    return [command for command in commands if command["command_id"] in own and _to_present(command, since)], states


def _to_present(command: dict[str, Any], since: dict[str, datetime]) -> bool:
    """Whether a command went to the device that carries the feature code now."""
    moment = since.get(command["feature_code"])
    return moment is None or parse_time(command["issued_at"]) >= moment
