"""The schedule: a Prefect deployment, served from this process, that carries out the cycle after each window's end.

Prefect keeps the schedule and shows what ran; a scheduled run is carried out here, in the main thread, one at a time.
What was missed, because nothing was served or a run took longer than a window, needs no record: a run catches up.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.engines.server import PrefectServerError, TemporaryServer, drain
from flows.engines.signals import terminable
from flows.settings import prefect_api_url, use_prefect_in
from transforms.errors import MeterwrightError, UsageError
from transforms.windows import check_length, iso, span_text

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import FlowRunResponse as FlowRun
    from prefect.flows import Flow

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PORT = 4200
_POLL_S = 10.0
_UNSCHEDULED_S = 180.0
"""Seconds without a next run after which Prefect's scheduler counts as broken; it looks every minute."""


def serve(
    workspace: Path,
    every: timedelta,
    run_once: Callable[[], str],
    *,
    say: Callable[[str], None],
    delay: timedelta = timedelta(0),
    poll_s: float = _POLL_S,
) -> None:
    """Carry out `run_once` now and then after the end of every window, until Ctrl-C or SIGTERM.

    Parameters
    ----------
    workspace
        The workspace's folder. Prefect's state goes into ``.prefect`` there, unless PREFECT_API_URL names a server.
    every
        The window's length, which divides the day: windows begin at 00:00 UTC.
    run_once
        Carries out what is due, all windows since the last one that was judged, and returns a sentence about it.
        Runs never overlap. A failure is said and shown as a failed run; the schedule goes on.
    say
        Is given one line at a time for the person who watches: at the start, after each run, at the end.
    delay
        How long after a window's end its run begins, for dumps that come late; shorter than `every`.
    poll_s
        Seconds between two looks at what Prefect has scheduled.

    Raises
    ------
    UsageError
        If `every` does not divide the day or `delay` is not shorter than `every`.
    PrefectServerError
        If Prefect's server does not start, or ends.
    """
    check_length(every)
    if not timedelta(0) <= delay < every:
        raise UsageError(f"a delay of {span_text(delay)} is not shorter than the {span_text(every)} between two runs")
    home = use_prefect_in(workspace)
    try:
        with terminable(), _server(home) as server:
            deployment = _Deployment(workspace, every, delay, run_once, say)
            where = server.url if server else prefect_api_url()
            say(
                f"Serving {workspace} every {span_text(every)}, {span_text(delay)} after each window's end. Ctrl-C stops."
            )
            say(f"Prefect's pages are at {where}")
            deployment.request_run()
            while True:
                if server:
                    server.check()
                deployment.carry_out_due()
                time.sleep(poll_s)
    except KeyboardInterrupt:
        say("Stopped. What was not finished is done at the next start.")


@contextmanager
def _server(home: Path) -> Iterator[TemporaryServer | None]:
    """Have a server for the time of the block: the one that PREFECT_API_URL names, else our own."""
    if prefect_api_url():
        yield None
        return
    server = TemporaryServer(home, scheduler=True, port=_PORT)
    try:
        from prefect.settings import PREFECT_API_URL, temporary_settings

        server.wait_until_ready()
        with temporary_settings({PREFECT_API_URL: server.api_url}):
            yield server
    finally:
        drain()
        server.close()


class _Deployment:
    """Our deployment on Prefect's server, and the carrying out of its scheduled runs."""

    def __init__(
        self,
        workspace: Path,
        every: timedelta,
        delay: timedelta,
        run_once: Callable[[], str],
        say: Callable[[str], None],
    ) -> None:
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.actions import DeploymentScheduleCreate
        from prefect.client.schemas.schedules import IntervalSchedule

        self._say = say
        self._every = every
        self._unreachable = False
        self._last_scheduled = time.monotonic()
        self._client: SyncPrefectClient = get_client(sync_client=True)
        self._flow = _flow(run_once, say)
        schedule = IntervalSchedule(interval=every, anchor_date=_EPOCH + delay, timezone="UTC")
        # Two workspaces may share a server; the same workspace replaces its schedule.
        digest = hashlib.sha256(str(workspace).encode()).hexdigest()[:8]
        with self._explained():
            self._id: UUID = self._client.create_deployment(
                self._client.create_flow(self._flow),
                f"workspace-{digest}",
                schedules=[DeploymentScheduleCreate(schedule=schedule, active=True)],
                description=f"`meterwright serve` of {workspace}",
                paused=False,
            )

    def request_run(self) -> None:
        """Ask for a run now, apart from the schedule."""
        with self._explained():
            self._client.create_flow_run_from_deployment(self._id, name=f"at start {_stamp()}")

    def carry_out_due(self) -> None:
        """Carry out the newest run that is due. Earlier ones that were not begun are called off: it does their work."""
        from httpx import HTTPError
        from prefect.flow_engine import run_flow
        from prefect.states import Cancelled

        try:
            due = self._due()
            for missed in due[:-1]:
                self._client.set_flow_run_state(missed.id, Cancelled(message="A later run does its work."), force=True)
            self._unreachable = False
        except HTTPError as error:
            if not self._unreachable:  # said once, however long it lasts
                self._say(f"{_stamp()} Prefect's server does not answer ({type(error).__name__}); waiting for it.")
            self._unreachable = True
            self._last_scheduled = time.monotonic()
            return
        for run in due[-1:]:
            run_flow(self._flow, flow_run=run, return_type="state")

    def _due(self) -> list[FlowRun]:
        """The runs whose time has come, oldest first, having seen that Prefect goes on to schedule new ones."""
        now = _now()
        runs = self._client.get_scheduled_flow_runs_for_deployments([self._id], scheduled_before=now + 2 * self._every)
        due = [run for run in runs if run.expected_start_time <= now]
        if len(due) < len(runs):
            self._last_scheduled = time.monotonic()
        elif time.monotonic() - self._last_scheduled > _UNSCHEDULED_S:
            raise PrefectServerError(
                "Prefect's server schedules no next run; its log (of our own one: .prefect/server.log) may say why. "
                "`meterwright run` at set times, by cron for example, does the same work without it."
            )
        return sorted(due, key=lambda run: run.expected_start_time)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise PrefectServerError(f"Prefect's server at {self._client.api_url} failed: {reason}") from error


def _flow(run_once: Callable[[], str], say: Callable[[str], None]) -> Flow[[], Any]:
    from prefect import flow
    from prefect.states import Completed, Failed

    def scheduled_cycle() -> Any:
        begun = _stamp()
        try:
            sentence = run_once()
        except MeterwrightError as error:
            say(f"{begun} failed: {error}")
            return Failed(message=str(error))
        except Exception as error:
            say(f"{begun} failed unexpectedly, prefect.log says where: {type(error).__name__}: {error}")
            raise
        say(f"{begun} {sentence}")
        return Completed(message=sentence)

    return flow(scheduled_cycle, name="meterwright", validate_parameters=False, persist_result=False, retries=0)


def _now() -> datetime:
    return datetime.now(UTC)


def _stamp() -> str:
    return iso(_now().replace(microsecond=0))
