"""Approval of held commands: checked, released, staged and committed like any run."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from flows.context import Context
from flows.cycle import restore_reports
from flows.notifying import notices_of_release
from flows.registered import in_place, models_in_use
from flows.releasing import unfit
from flows.situation import look_around
from flows.window import report_of
from transforms.errors import MeterwrightError
from transforms.notices import open_until
from transforms.outbox import commit, read_lines, read_manifest, stage_revision, window_of
from transforms.outbox.approve import approved_facts, check_approvable, release
from transforms.outbox.verify import verify


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
    restore_reports(context, now)
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
    known = look_around(workspace, context.registry, window, now)
    in_use = models_in_use(context.registry, now)
    commands = read_lines(folder / "commands.jsonl")
    against = unfit(workspace, context.registry, context.policy, manifest, commands)
    against |= dict.fromkeys(known.unclear, "unclear_answers")
    found = release(manifest, commands, known.states, in_use, in_place(context.registry), against, new_id, now)
    own = read_lines(folder / "notices.jsonl")
    notices = notices_of_release(context.registry, context.policy, known, own, found.released, now)
    facts = approved_facts(manifest, found, len(notices), by, now, known.history.head, context.version)
    facts["notices_until"] = open_until(notices)
    lists = {"commands.jsonl": found.commands, "notices.jsonl": notices}
    staged = stage_revision(workspace, new_id, folder, lists, facts, context.signing_key)
    approved = read_manifest(commit(workspace, staged, new_id))
    report = report_of(context, approved)
    shutil.rmtree(workspace.scratch, ignore_errors=True)
    return approved, report
