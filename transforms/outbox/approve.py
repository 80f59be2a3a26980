"""Approval: a person's word lets the held commands of a run go, as a new revision of that run.

The command keeps its id, because the decision is the same. Its time to be carried out counts from the approval. What
no longer holds since the run is dropped, never sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from transforms.errors import UsageError
from transforms.outbox.chain import newest_revision, read_history
from transforms.outbox.runs import read_lines, read_manifest, window_of
from transforms.state import UNTOUCHED, MeterState
from transforms.windows import iso, parse_time
from transforms.workspace import Workspace


@dataclass(frozen=True)
class Release:
    """What approval makes of a run's commands: ``commands`` stand in the new revision, ``released`` are those of them
    that were held, ``dropped`` are the meters whose held command no longer holds, with the reason."""

    commands: list[dict[str, Any]]
    released: list[dict[str, Any]]
    dropped: list[dict[str, str]]


def check_approvable(workspace: Workspace, run_id: str, now: datetime) -> dict[str, Any]:
    """The manifest of a run whose held commands may be released.

    Raises
    ------
    UsageError
        If there is no such run, it holds nothing, was approved already or replaced, or a later window was judged.
    """
    folder = workspace.run(run_id)
    if folder.parent != workspace.outbox or not (folder / "manifest.json").is_file():
        raise UsageError(f"there is no run {run_id!r} in {workspace.outbox}; see: meterwright outbox list")
    manifest = read_manifest(folder)
    window = window_of(manifest)
    newest = newest_revision(workspace, window) or manifest
    if approval := _approval_of(run_id, manifest, newest):
        raise UsageError(
            f"{approval['of']} was approved already, by {approval['by']} at {approval['at']}: its commands are in "
            f"{newest['run_id']}"
        )
    if newest["run_id"] != run_id:
        raise UsageError(f"{run_id} was replaced by {newest['run_id']}, which is the one that counts")
    if not any(command["state"] == "held" for command in read_lines(folder / "commands.jsonl")):
        raise UsageError(f"no command of {run_id} is held, so there is nothing to approve")
    if read_history(workspace, window).later:
        raise UsageError(
            f"{run_id} is stale: a later window has been judged since, and decides anew for each of its meters"
        )
    if now < parse_time(manifest["issued_at"]):
        raise UsageError(f"{iso(now)} lies before {run_id}, which was issued at {manifest['issued_at']}")
    return manifest


def _approval_of(run_id: str, manifest: Mapping[str, Any], newest: Mapping[str, Any]) -> dict[str, Any] | None:
    """The approval that a run is, or has already had."""
    for found in (manifest, newest):
        approval: dict[str, Any] | None = found.get("approved")
        if approval and (found is manifest or approval["of"] == run_id):
            return approval
    return None


def release(
    manifest: Mapping[str, Any],
    commands: list[dict[str, Any]],
    states: Mapping[str, MeterState],
    models: Mapping[str, str],
    installed: Mapping[str, datetime],
    against: Mapping[str, str],
    run_id: str,
    now: datetime,
) -> Release:
    """Release the held commands of a run that still hold.

    Parameters
    ----------
    manifest, commands
        Those of the run.
    states
        What the windows before it and the acks until now say of each meter.
    models
        Feature code -> model of the meters that are in use now.
    installed
        Feature code -> when the meter that carries it now was installed, where that is known.
    against
        Feature code -> why, by the registry and the policy as they are now, its command may not leave.
    run_id
        The new revision.

    Raises
    ------
    UsageError
        If none of them does.
    """
    going, released, dropped = [], [], []
    start = parse_time(manifest["window_start"])
    built_on = manifest.get("composed_with") or {}
    for command in commands:
        if command["state"] != "held":
            going.append({**command, "run_id": run_id})
            continue
        code = command["feature_code"]
        state = states.get(code, UNTOUCHED)
        since = installed.get(code)
        same = models.get(code) == command["model"] and (since is None or since <= start)
        reason = _outdated(command, state, built_on.get(code), start, now) if same else "meter_exchanged"
        reason = reason or against.get(code)
        if reason:
            dropped.append({"feature_code": code, "reason": reason})
            continue
        span = parse_time(command["expires_at"]) - parse_time(command["issued_at"])
        times = {"issued_at": iso(now), "expires_at": iso(now + span)}
        freed = {**command, "run_id": run_id, **times, "state": "ready"}
        going.append(freed)
        released.append(freed)
    if not released:
        reasons = sorted({entry["reason"] for entry in dropped})
        raise UsageError(
            f"none of the {len(dropped)} held commands of {manifest['run_id']} still holds ({', '.join(reasons)}); the "
            "next window decides anew"
        )
    return Release(going, released, dropped)


def _outdated(
    command: Mapping[str, Any],
    state: MeterState,
    built_on: Mapping[str, Any] | None,
    start: datetime,
    now: datetime,
) -> str | None:
    """Why a held command no longer holds."""
    if parse_time(command["expires_at"]) <= now:
        return "expired"
    if state.pending:
        return "in_flight"
    # An ack may come long after it was given, so what was in force when the command was composed is compared as well.
    moved = state.changed_at is not None and state.changed_at >= start
    if moved or state.sequence >= command["sequence"] or state.in_force.to_json() != built_on:
        return "changed_since"
    return None


def approved_facts(
    manifest: Mapping[str, Any],
    approval: Release,
    notices: int,
    by: str,
    now: datetime,
    head: Mapping[str, str] | None,
    version: str,
) -> dict[str, Any]:
    """The manifest of the new revision, without run id and files: that of the run, with what approval changes.

    Parameters
    ----------
    notices
        How many notices go with the commands that leave.
    by
        Who approved.
    head
        The end of the chain, as `History.head` has it.
    version
        Meterwright's version.
    """
    kept = {key: manifest[key] for key in manifest if key not in ("schema", "run_id", "files", "signature")}
    withheld = [*manifest["withheld"], *approval.dropped]
    counts = {
        **manifest["counts"],
        "commands": len(approval.commands),
        "held": 0,
        "withheld": len(withheld),
        "notices": notices,
    }
    return {
        **kept,
        "revision": int(manifest["revision"]) + 1,
        "issued_at": iso(now),
        "code_version": version,
        "counts": counts,
        "withheld": withheld,
        "composed_with": {},
        "previous": head,
        "approved": {
            "by": by,
            "at": iso(now),
            "of": manifest["run_id"],
            "released": len(approval.released),
            "dropped": approval.dropped,
        },
    }
