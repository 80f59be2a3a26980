"""Commands of the scheduled cycle: ``ingest``, ``run``, ``serve``."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.common import (
    json_option,
    make_context,
    moment,
    open_workspace,
    progress,
    show,
    workers_option,
    workspace_option,
)
from flows.engines import ENGINES, make_engine
from flows.lock import hold
from reports.wording import visible
from transforms.errors import UsageError
from transforms.reasons import sentence
from transforms.windows import Window, check_length, iso, newest_complete, parse_span, windows_between

if TYPE_CHECKING:
    from flows.cycle import Context, Outcome
    from transforms.ingest import IngestResult

#: how many dumps or faults of a kind are named on the terminal
LISTED = 20


@click.command()
@workspace_option
@workers_option
@json_option
def ingest(folder: Path | None, workers: int | None, as_json: bool) -> int:
    """Bring new raw dumps into the lake."""
    context = make_context(folder, workers)
    from flows.cycle import ingest_dumps

    with hold(context.workspace, "ingest"), make_engine("plain", context.workers, context.workspace.root) as engine:
        taken = engine.run("ingest", lambda e: ingest_dumps(context, e))
    show(_intake(taken), _intake_lines(taken), as_json=as_json)
    return 3 if taken.quarantined else 0


@click.command()
@workspace_option
@click.option("--window", "length", help="Length of the window, 6h or 12h for example. Default: the policy's.")
@click.option("--until", help="Judge the newest complete window at or before this time. Default: now.")
@click.option("--from", "begin", help="Judge every complete window from this time on that has no run yet.")
@click.option("--now", "clock", help="The time that goes into issued_at. Default: the clock's.")
@click.option("--engine", "engine_name", type=click.Choice(ENGINES), default="prefect", show_default=True)
@workers_option
@json_option
def run(
    folder: Path | None,
    length: str | None,
    until: str | None,
    begin: str | None,
    clock: str | None,
    engine_name: str,
    workers: int | None,
    as_json: bool,
) -> int:
    """The scheduled cycle: ingest, match, judge, fit, decide, outbox, report."""
    now = moment(clock)
    end = moment(until) if until else now
    if end > now:
        raise UsageError(
            f"--until {iso(end)} lies after {iso(now)}: a window that is not over cannot be judged, and would make every "
            "earlier one stale"
        )
    context = make_context(folder, workers)
    context, windows = _windows(context, length, begin, end)
    taken, outcomes = execute(context, engine_name, windows, now)
    show(_result(taken, outcomes), _intake_lines(taken) + _outcome_lines(outcomes), as_json=as_json)
    return exit_code(taken, outcomes)


@click.command()
@workspace_option
@click.option("--every", "length", type=click.Choice(["6h", "12h"]), default="12h", show_default=True)
@click.option("--delay", default="20m", show_default=True, help="How long after a window's end its run begins.")
@workers_option
def serve(folder: Path | None, length: str, delay: str, workers: int | None) -> int:
    """Run the cycle on schedule, on Prefect, until interrupted."""
    from flows.serve import serve as serve_schedule

    workspace = open_workspace(folder)
    every = parse_span(length)

    def run_once() -> str:
        context, windows = _due(make_context(workspace.root, workers), every)
        taken, outcomes = execute(context, "prefect", windows, moment(None))
        return " | ".join(_intake_lines(taken)[:1] + _outcome_lines(outcomes))

    serve_schedule(workspace.root, every, run_once, say=progress, delay=parse_span(delay))
    return 0


def _due(context: Context, every: timedelta) -> tuple[Context, list[Window]]:
    """All windows since the newest one that has a run; just the newest complete one in a new workspace."""
    from transforms.outbox import read_history

    now = moment(None)
    context = _with_window(context, every)
    last = read_history(context.workspace, Window(now, every)).newest_end()
    windows = windows_between(last, now, every) if last else [newest_complete(now, every)]
    return context, windows


def execute(
    context: Context, engine_name: str, windows: list[Window], now: datetime
) -> tuple[IngestResult, list[Outcome]]:
    """Hold the workspace and run the cycle on the engine named."""
    from flows.cycle import get_ready, run_cycle

    with (
        hold(context.workspace, "run"),
        make_engine(engine_name, context.workers, context.workspace.root) as engine,
    ):
        if engine_name == "prefect":
            get_ready(context)  # in the time that its server takes to start
        return engine.run("meterwright cycle", lambda e: run_cycle(context, e, windows, now))


def _windows(context: Context, length: str | None, begin: str | None, end: datetime) -> tuple[Context, list[Window]]:
    if length:
        context = _with_window(context, parse_span(length))
    span = context.policy.window.length
    if begin is None:
        return context, [newest_complete(end, span)]
    windows = windows_between(moment(begin), end, span)
    if not windows:
        raise UsageError(f"there is no complete window of {length or span} from {begin} on before the end")
    return context, windows


def _with_window(context: Context, length: timedelta) -> Context:
    return replace(context, policy=context.policy.with_window(check_length(length)))


def exit_code(taken: IngestResult, outcomes: list[Outcome]) -> int:
    """4 if commands of these runs are held, else 3 if input was quarantined, else 0."""
    if any(outcome.manifest["counts"]["held"] for outcome in outcomes):
        return 4
    fresh = [outcome for outcome in outcomes if outcome.fresh]
    if taken.quarantined or any(outcome.manifest["rows"]["quarantined"] for outcome in fresh):
        return 3
    told = [part for outcome in fresh for part in (outcome.manifest["feedback"], outcome.manifest.get("photos") or {})]
    if any(part.get("faults") for part in told):
        return 3
    return 0


def _intake(taken: IngestResult) -> dict[str, Any]:
    return {
        "dumps": len(taken.new_dumps),
        "skipped": taken.skipped,
        "read": taken.read,
        "accepted": taken.accepted,
        "duplicate": taken.duplicate,
        "quarantined": taken.quarantined,
        "faulty": _faulty(taken),
        "ignored": [{"file": file, "reason": reason} for file, reason in taken.ignored],
    }


def _faulty(taken: IngestResult) -> list[dict[str, Any]]:
    """The new dumps that a person should know of: with rows set aside, or without any row."""
    return [
        {
            "file": dump.file,
            "stream": dump.stream,
            "reasons": dict(dump.reasons),
            "note": dump.note or (None if dump.read else "no_rows"),
        }
        for dump in taken.new_dumps
        if dump.quarantined or dump.note or not dump.read
    ]


def _intake_lines(taken: IngestResult) -> list[str]:
    rows = (
        f"{taken.read:,} read = {taken.accepted:,} accepted + {taken.duplicate:,} duplicate + "
        f"{taken.quarantined:,} quarantined"
    )
    lines = [f"Dumps: {len(taken.new_dumps)} new, {taken.skipped} known; rows: {rows}"]
    faulty = _faulty(taken)
    for dump in faulty[:LISTED]:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in dump["reasons"].items())
        told = "; ".join(part for part in (reasons, dump["note"]) if part)
        lines.append(f"  {visible(dump['file'])} ({dump['stream']}): {told}")
    if len(faulty) > LISTED:
        lines.append(f"  ... and {len(faulty) - LISTED} more dumps; every row set aside is in quarantine/")
    lines += _some([f"raw/{file} was not read: {sentence(reason)}" for file, reason in taken.ignored])
    return lines


def _some(sentences: list[str]) -> list[str]:
    rest = [f"  ... and {len(sentences) - LISTED} more"] if len(sentences) > LISTED else []
    return [f"  {visible(text)}" for text in sentences[:LISTED]] + rest


def _outcome_lines(outcomes: list[Outcome]) -> list[str]:
    lines = []
    for outcome in outcomes:
        counts = outcome.manifest["counts"]
        verdicts = ", ".join(f"{number:,} {name}" for name, number in counts["verdict"].items()) or "no meters"
        lines.append(
            f"{outcome.manifest['run_id']}{'' if outcome.fresh else ' (done before)'}: {verdicts}; "
            f"{counts['commands']} commands, {counts['held']} held, {counts['work_orders']} work orders"
        )
    faults = [fault for outcome in outcomes if outcome.fresh for fault in outcome.manifest["feedback"]["faults"]]
    lines += _some([f"{fault}; the ack was left aside" for fault in dict.fromkeys(faults)])
    lines += _photo_lines([outcome.manifest for outcome in outcomes if outcome.fresh])
    held = [outcome.manifest["run_id"] for outcome in outcomes if outcome.manifest["counts"]["held"]]
    if held:
        lines.append(
            "Commands are HELD: too much of the fleet would be commanded at once. Look at the reference first."
        )
        lines.append(f"If all is well with it, release them with: meterwright outbox approve {held[-1]}")
    looks = [outcome.manifest["counts"].get("second_look") for outcome in outcomes]
    left_out = sum(look["flagged"] - look["looked_at"] for look in looks if look)
    if left_out:
        lines.append(
            f"{left_out:,} meters wanted a look at their single readings and got none, so this window alone gives them no "
            "command: more of the fleet was in doubt than judge.second_look_share allows."
        )
    if outcomes:
        lines.append(f"Report: {outcomes[-1].report}")
    return lines


def _photo_lines(manifests: list[dict[str, Any]]) -> list[str]:
    """What came of photos, and what about them could not be used; nothing where there were none."""
    many: Counter[str] = Counter()
    for manifest in manifests:
        many.update(manifest["counts"].get("readings", {}))
    faults = [fault for manifest in manifests for fault in (manifest.get("photos") or {}).get("faults", ())]
    lines = []
    if many:
        told = ", ".join(f"{many[name]:,} {name}" for name in ("accepted", "review", "rejected"))
        hint = "; see: meterwright review list" if many["review"] else ""
        lines.append(f"Photos: {told}{hint}")
    return lines + _some(list(dict.fromkeys(faults)))


def _result(taken: IngestResult, outcomes: list[Outcome]) -> dict[str, Any]:
    runs = [
        {
            "run_id": outcome.manifest["run_id"],
            "fresh": outcome.fresh,
            "counts": outcome.manifest["counts"],
            "rows": outcome.manifest["rows"],
            "report": str(outcome.report),
        }
        for outcome in outcomes
    ]
    return {"ingest": _intake(taken), "runs": runs}


__all__ = ["execute", "exit_code", "ingest", "progress", "run", "serve"]
