"""The scheduled cycle: dumps into the lake, then window by window to the outbox.

What judges is imported while the dumps are parsed, which is DuckDB's work and not Python's.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from flows.context import Context, sharing
from flows.engines import Engine
from flows.intake import ingest_dumps
from transforms import compiled, statistics
from transforms.ingest import IngestResult
from transforms.lake import Lake
from transforms.outbox import newest_revision, read_manifest
from transforms.outbox.runs import run_folders
from transforms.private import open_to_others
from transforms.windows import Window

if TYPE_CHECKING:
    from flows.window import Outcome


def get_ready(context: Context) -> None:
    """Import what a cycle needs only in its later steps, for callers who have to wait before it anyway."""
    _load_what_judges()
    from flows.reporting import load_charts

    load_charts(context.workspace)


def _load_what_judges() -> None:
    importlib.import_module("flows.window")
    compiled.load()
    statistics.load()


def run_cycle(
    context: Context, engine: Engine, windows: Sequence[Window], now: datetime
) -> tuple[IngestResult, list[Outcome]]:
    """Ingest what is new, then run each window that has no run in the outbox yet, oldest first."""
    context.workspace.scratch.mkdir(parents=True, exist_ok=True)
    _say_what_is_unguarded(context)
    restore_reports(context, now)
    wanting = any(newest_revision(context.workspace, window) is None for window in windows)
    taken = ingest_dumps(context, engine, now, meanwhile=_load_what_judges if wanting else None)
    from flows.photos import delete_old_photos
    from flows.window import judge_ahead, parties_of, revise_windows, run_window

    lake = Lake.open(context.workspace)
    parties = parties_of(context, lake)
    with sharing(context) as own:
        revised = revise_windows(own, engine, lake, parties, now)
        ahead = judge_ahead(own, engine, lake, parties, windows, now)
        outcomes = [run_window(own, engine, lake, parties, window, now, ahead) for window in windows]
    again = {outcome.manifest["run_id"] for outcome in revised}
    outcomes = revised + [outcome for outcome in outcomes if outcome.manifest["run_id"] not in again]
    delete_old_photos(context.workspace, context.policy, now, context.progress)
    shutil.rmtree(context.workspace.scratch, ignore_errors=True)
    return taken, outcomes


def _say_what_is_unguarded(context: Context) -> None:
    if context.signing_key is None:
        context.progress("manifests will be unsigned: there is no signing key (meterwright outbox key makes one)")
    terminals = context.workspace.registry / "terminals.csv"
    if open_to_others(terminals):
        context.progress(f"{terminals} holds phone numbers and others may read it; run: chmod 600 {terminals}")


def restore_reports(context: Context, now: datetime) -> None:
    """Write the reports that a kill between a run's commit and its report has cost.

    A revision has no later run of its own that would notice. Windows beyond the lateness horizon get no revisions, so
    older reports that somebody has cleared away stay away.
    """
    oldest = f"{now - context.policy.lateness - timedelta(days=1):%Y%m%dT%H%M%SZ}"
    for folder in run_folders(context.workspace):
        if folder.name >= oldest and not (context.workspace.report(folder.name) / "index.html").exists():
            from flows.window import report_of

            report_of(context, read_manifest(folder))
