"""A window's run: from the lake to the outbox and its report, and anew where late readings came."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from flows.ahead import Ahead, look_ahead
from flows.context import Context
from flows.engines import Engine
from flows.findings import REVISION, collect, to_markdown
from flows.judging import JudgeBucket
from flows.photos import look_at_photos
from flows.registered import instants_of
from flows.reporting import write_run_report
from flows.revising import LookedAt, revise, windows_to_reopen
from flows.situation import Known, look_around
from transforms.feedback import set_aside_acks
from transforms.fleet import fleet_table
from transforms.judge import calibration_status, judge_silent
from transforms.lake import Lake
from transforms.match import CHANGED, Parties, claims
from transforms.outbox import begin, commit, newest_revision, read_history, read_manifest, stage, window_of
from transforms.schemas import MOMENTS
from transforms.windows import Window, iso


@dataclass(frozen=True)
class Outcome:
    """One window's run: its manifest, and whether it was made now or found in the outbox."""

    manifest: dict[str, Any]
    report: Path
    fresh: bool


def revise_windows(context: Context, engine: Engine, lake: Lake, parties: Parties, now: datetime) -> list[Outcome]:
    """Judge anew the windows that late dumps belong to, and commit a revision of those in which a verdict changed."""
    outcomes = []
    workspace = context.workspace

    looked_at = LookedAt(workspace)
    for window, manifest in windows_to_reopen(workspace, lake, context.policy, now, looked_at):
        own = replace(context, policy=context.policy.with_window(window.length))
        context.progress(f"{window.name}: late readings came, judging it anew")
        known = look_around(workspace, context.registry, window, now)
        judged, sums = _judge(own, engine, lake, replace(parties, changed=known.changed), window)
        run = revise(
            workspace, context.registry, own.policy, lake, known, judged, sums, window, manifest, now, context.version
        )
        if run is None:
            looked_at.note(manifest, lake)
            continue
        staged = stage(workspace, run, context.signing_key)
        revised = read_manifest(engine.step(f"outbox {window.name}", partial(commit, workspace, staged, run.run_id)))
        engine.step(f"report {window.name}", partial(_report, context, lake, parties, window, revised))
        outcomes.append(Outcome(revised, workspace.report(revised["run_id"]) / "index.html", fresh=True))
    return outcomes


def judge_ahead(
    context: Context, engine: Engine, lake: Lake, parties: Parties, windows: Sequence[Window], now: datetime
) -> Ahead | None:
    """Judge the windows that have no run yet before anything is sent for one of them, see `flows.ahead`."""

    def judge(window: Window) -> tuple[Known, pl.DataFrame, pl.DataFrame]:
        known = look_around(context.workspace, context.registry, window, now)
        return known, *_judge(context, engine, lake, replace(parties, changed=known.changed), window)

    wanting = [window for window in windows if newest_revision(context.workspace, window) is None]
    return look_ahead(context.workspace.scratch / "ahead", wanting, judge)


def run_window(
    context: Context,
    engine: Engine,
    lake: Lake,
    parties: Parties,
    window: Window,
    now: datetime,
    ahead: Ahead | None = None,
) -> Outcome:
    """Judge one window and commit its run; a window that has its run already is left as it is."""
    workspace = context.workspace
    existing = newest_revision(workspace, window)
    manifest = existing or _commit_run(context, engine, lake, parties, window, now, ahead)
    report = workspace.report(manifest["run_id"]) / "index.html"
    if not report.exists():
        engine.step(f"report {window.name}", lambda: _report(context, lake, parties, window, manifest))
    if existing is None:
        engine.summary(manifest["run_id"].lower().replace("_", "-"), to_markdown(manifest))
    return Outcome(manifest, report, fresh=existing is None)


def _commit_run(
    context: Context,
    engine: Engine,
    lake: Lake,
    parties: Parties,
    window: Window,
    now: datetime,
    ahead: Ahead | None,
) -> dict[str, Any]:
    """Carry one window from the lake to the outbox and return its manifest."""
    workspace = context.workspace
    known = look_around(workspace, context.registry, window, now)
    _say_what_is_later(context, known, window, now)
    set_aside_acks(workspace, known.acks)
    judged, sums = (ahead and ahead.judged(window, known.changed)) or _judge(
        context, engine, lake, replace(parties, changed=known.changed), window
    )
    overtaken = ahead.overtaken(window, judged, parties.fleet.select("feature_code", "mpe_high")) if ahead else {}
    with ThreadPoolExecutor(1) as beside:
        # to decide is Python's work and to write the sums is not
        begun = beside.submit(begin, workspace, window.run_id(REVISION), sums)
        looked = engine.step(
            f"photos {window.name}",
            lambda: look_at_photos(
                workspace,
                context.registry,
                context.policy,
                lake,
                parties,
                known,
                context.database,
                context.eyes(),
                window,
                now,
                context.progress,
            ),
        )
        run = engine.step(
            f"decide {window.name}",
            lambda: collect(
                context.registry,
                context.policy,
                lake,
                known,
                judged,
                sums,
                window,
                now,
                context.version,
                looked=looked,
                overtaken=overtaken,
            ),
        )
    staged = stage(workspace, run, context.signing_key, begun.result())
    return read_manifest(engine.step(f"outbox {window.name}", lambda: commit(workspace, staged, run.run_id)))


def _say_what_is_later(context: Context, known: Known, window: Window, now: datetime) -> None:
    """A run of a later window keeps everything back that this one would send: a clock that was ahead once does so for long."""
    if not known.history.later:
        return
    newest = read_manifest(known.history.rest[-1])
    end = window_of(newest).end
    sentence = f"{window.name}: outbox/{newest['run_id']} tells of a later window, so nothing is sent for this one"
    if end > now:
        sentence += (
            f". That window ends at {iso(end)}, which is still to come: if a clock was ahead when it was judged, nothing is "
            "sent until then; move the folder out of the outbox (outbox verify will name the gap) and run again"
        )
    context.progress(sentence)


def report_of(context: Context, manifest: dict[str, Any]) -> Path:
    """Write the report of a run that is in the outbox, and return its page."""
    lake = Lake.open(context.workspace)
    return _report(context, lake, parties_of(context, lake), window_of(manifest), manifest)


def _report(context: Context, lake: Lake, parties: Parties, window: Window, manifest: dict[str, Any]) -> Path:
    previous = read_history(context.workspace, window).previous()
    return write_run_report(
        context.workspace, context.registry, context.policy, lake, parties, manifest, previous, context.database
    )


def parties_of(context: Context, lake: Lake) -> Parties:
    """Who is who in the registry and the lake, and who is said to watch whom."""
    registry = context.registry
    devices = lake.devices()
    return Parties(
        fleet=fleet_table(registry),
        devices=devices,
        claims=claims(devices, registry.pairs),
        instants=instants_of(devices, registry),
        settled=context.policy.reference.settled,
        changed=pl.DataFrame(schema=CHANGED),
    )


def _judge(
    context: Context, engine: Engine, lake: Lake, parties: Parties, window: Window
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The verdicts of a window, and the sums that they rest on."""
    policy = context.policy
    calibration = calibration_status(context.registry.flowmeters, policy, window)

    with context.database() as database:
        work = JudgeBucket(context.workspace.scratch, lake, window, policy, calibration, database)
        found = engine.map(f"judge {window.name}", work, list(enumerate(parties.split(lake.n_buckets))))
    # each part is sorted by code and bin, and a code has all its rows in one part
    sums = pl.concat([pl.DataFrame(schema=MOMENTS), *(part for _, part in found)])
    sums = sums.sort("feature_code", maintain_order=True)
    seen = (
        pl.concat([part for part, _ in found])
        if found
        else judge_silent(parties.fleet.clear(), parties.fleet.clear(), window)
    )
    judged = pl.concat([seen, judge_silent(parties.fleet, seen, window)]).sort("feature_code")
    context.progress(f"{window.name}: judged {judged.height:,} meters")
    return judged, sums
