"""Commands of the scheduled cycle: ``pull``, ``ingest``, ``run``, ``serve``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.cli.common import (
    F,
    json_option,
    make_context,
    moment,
    open_workspace,
    progress,
    show,
    workers_option,
    workspace_option,
)
from flows.cli.telling import Done, exit_code, fetched, intake, intake_lines, outcome_lines, pull_lines, result
from flows.engines import ENGINES, Engine, make_engine
from flows.lock import hold
from flows.settings import worker_count
from transforms.errors import UsageError
from transforms.windows import Window, check_length, iso, newest_complete, parse_span, span_text, windows_between
from transforms.workspace import Workspace

if TYPE_CHECKING:
    from flows.context import Context

#: what a run works with, and the windows it is about
Prepared = tuple["Context", list[Window]]


def pull_option(command: F) -> F:
    """Add ``--no-pull``."""
    return click.option(
        "--no-pull", is_flag=True, help="Fetch nothing from the places that sources.toml names; take what is in raw/."
    )(command)


@click.command()
@workspace_option
@click.option("--now", "clock", help="The day up to which dated addresses are meant. Default: the clock's.")
@json_option
def pull(folder: Path | None, clock: str | None, as_json: bool) -> int:
    """Fetch new dumps from the places that sources.toml names into raw/; `run` and `ingest` do it by themselves."""
    context = make_context(folder, None, reads_dumps=False)
    from flows.intake import pull_dumps

    with hold(context.workspace, "pull"), make_engine("plain", context.workers, context.workspace.root) as engine:
        pulled = engine.run("pull", lambda e: pull_dumps(context, e, moment(clock)))
    show({"pull": fetched(pulled)}, pull_lines(pulled) or ["No source has a place to pull from."], as_json=as_json)
    return 3 if any(one.failures for one in pulled) else 0


@click.command()
@workspace_option
@pull_option
@workers_option
@json_option
def ingest(folder: Path | None, no_pull: bool, workers: int | None, as_json: bool) -> int:
    """Bring new raw dumps into the lake."""
    context = make_context(folder, workers)
    from flows.intake import ingest_dumps, pull_dumps

    with hold(context.workspace, "ingest"), make_engine("plain", context.workers, context.workspace.root) as engine:
        pulled, taken = engine.run(
            "ingest",
            lambda e: ([] if no_pull else pull_dumps(context, e, moment(None)), ingest_dumps(context, e)),
        )
    show({"pull": fetched(pulled), **intake(taken)}, pull_lines(pulled) + intake_lines(taken), as_json=as_json)
    return 3 if taken.quarantined or any(one.failures for one in pulled) else 0


@click.command()
@workspace_option
@click.option("--window", "length", help="Length of the window, 6h or 12h for example. Default: the policy's.")
@click.option("--until", help="Judge the newest complete window at or before this time. Default: now.")
@click.option("--from", "begin", help="Judge every complete window from this time on that has no run yet.")
@click.option("--now", "clock", help="The time that goes into issued_at. Default: the clock's.")
@click.option("--engine", "engine_name", type=click.Choice(ENGINES), default="prefect", show_default=True)
@pull_option
@workers_option
@json_option
def run(
    folder: Path | None,
    length: str | None,
    until: str | None,
    begin: str | None,
    clock: str | None,
    engine_name: str,
    no_pull: bool,
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
    workspace = open_workspace(folder)

    def prepare() -> Prepared:
        return _windows(make_context(workspace.root, workers), length, begin, end)

    done = execute(workspace, worker_count(workers), engine_name, prepare, now, no_pull=no_pull)
    lines = pull_lines(done.pulled) + intake_lines(done.taken) + outcome_lines(done.outcomes)
    show(result(done), lines, as_json=as_json)
    return exit_code(done)


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
        now = moment(None)
        done = execute(
            workspace,
            worker_count(workers),
            "prefect",
            lambda: _due(make_context(workspace.root, workers), every, now),
            now,
        )
        return " | ".join(pull_lines(done.pulled) + intake_lines(done.taken)[:1] + outcome_lines(done.outcomes))

    serve_schedule(workspace.root, every, run_once, say=progress, delay=parse_span(delay))
    return 0


def _due(context: Context, every: timedelta, now: datetime) -> Prepared:
    """All windows since the newest one that has a run; just the newest complete one in a new workspace."""
    from transforms.outbox import read_history

    context = _with_window(context, every)
    last = read_history(context.workspace, Window(now, every)).newest_end()
    windows = windows_between(last, now, every) if last else [newest_complete(now, every)]
    return context, windows


def execute(
    workspace: Workspace,
    workers: int,
    engine_name: str,
    prepare: Callable[[], Prepared],
    now: datetime,
    *,
    no_pull: bool = False,
) -> Done:
    """Hold the workspace and run the cycle on the engine named.

    The engine comes first: in the time that its server takes to start, ``prepare`` loads what the run works with.
    """
    with hold(workspace, "run"), make_engine(engine_name, workers, workspace.root) as engine:
        context, windows = prepare()
        from flows.cycle import get_ready, run_cycle
        from flows.intake import pull_dumps

        if engine_name == "prefect":
            get_ready(context)

        def body(engine: Engine) -> Done:
            pulled = [] if no_pull else pull_dumps(context, engine, now)
            return Done(pulled, *run_cycle(context, engine, windows, now))

        return engine.run("meterwright cycle", body)


def _windows(context: Context, length: str | None, begin: str | None, end: datetime) -> Prepared:
    if length:
        context = _with_window(context, parse_span(length))
    span = context.policy.window.length
    if begin is None:
        return context, [newest_complete(end, span)]
    windows = windows_between(moment(begin), end, span)
    if not windows:
        raise UsageError(f"there is no complete window of {span_text(span)} from {begin} on before the end")
    return context, windows


def _with_window(context: Context, length: timedelta) -> Context:
    return replace(context, policy=context.policy.with_window(check_length(length)))


__all__ = ["execute", "ingest", "pull", "run", "serve"]
