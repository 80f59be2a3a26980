"""Approval of held commands: checked, released, staged and committed like any run."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from flows.cycle import Context, report_of
from transforms.errors import MeterwrightError
from transforms.feedback import read_acks
from transforms.notices import notices_for
from transforms.outbox import commit, read_history, read_lines, read_manifest, stage_revision
from transforms.outbox.approve import approved_facts, check_approvable, release, window_of
from transforms.outbox.verify import verify
from transforms.policy import Policy
from transforms.registry import Registry
from transforms.state import fold_commands
from transforms.windows import parse_time


def approve(context: Context, run_id: str, by: str, now: datetime) -> tuple[dict[str, Any], Path]:
    """Release the held commands of a run as its next revision; return that revision's manifest and its report.

    The caller holds the workspace.

    Raises
    ------
    UsageError
        If the run cannot be approved; the message says why.
    MeterwrightError
        If the run is not as it was written, or signed by another key than ours: a person's word is for what the run
        decided, not for what came after.
    """
    workspace = context.workspace
    manifest = check_approvable(workspace, run_id, now)
    keys = [context.signing_key.public] if context.signing_key else []
    if altered := verify(workspace, run_id, keys).findings:
        raise MeterwrightError(
            f"outbox/{altered[0].run_id}/{altered[0].file} is not as it was written, so nothing is released; see: "
            f"meterwright outbox verify {run_id}"
        )
    window = window_of(manifest)
    folder = workspace.run(run_id)
    new_id = window.run_id(int(manifest["revision"]) + 1)
    history = read_history(workspace, window)
    states = fold_commands(history.lines("commands.jsonl"), read_acks(workspace).acks, now)
    models = dict(context.registry.meters.select("feature_code", "model").iter_rows())
    found = release(manifest, read_lines(folder / "commands.jsonl"), states, models, new_id, now)
    notices = _notices(context.registry, context.policy, found.released, now)
    facts = approved_facts(manifest, found, len(notices), by, now, history.head, context.version)
    lists = {"commands.jsonl": found.commands, "notices.jsonl": notices}
    staged = stage_revision(workspace, new_id, folder, lists, facts, context.signing_key)
    approved = read_manifest(commit(workspace, staged, new_id))
    report = report_of(context, approved)
    shutil.rmtree(workspace.scratch, ignore_errors=True)
    return approved, report


def _notices(registry: Registry, policy: Policy, released: list[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """What the customers of the meters concerned are told. Notices of the run itself have left with it."""
    terminals = _terminals(registry, policy, (command["feature_code"] for command in released))
    end = max(parse_time(command["expires_at"]) for command in released)
    found = notices_for("self_maintenance", released, terminals, now, end)
    return sorted(found, key=lambda notice: (notice["feature_code"], notice["kind"], notice["notice_id"]))


def _terminals(registry: Registry, policy: Policy, codes: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    if registry.terminals is not None:
        concerned = registry.terminals.filter(pl.col("feature_code").is_in(list(codes)))
        for row in concerned.iter_rows(named=True):
            found[row["feature_code"]].append({**row, "language": row["language"] or policy.languages})
    return found
