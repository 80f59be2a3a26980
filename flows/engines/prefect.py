"""The Prefect engine: a cycle is a flow run, its steps and buckets are task runs, its summary is an artifact."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from flows.engines.cluster import cluster
from flows.engines.server import PrefectServerError, TemporaryServer, drain
from flows.engines.signals import Terminated, heed_while_waiting
from flows.settings import prefect_api_url, use_prefect_in
from transforms.errors import MeterwrightError

if TYPE_CHECKING:
    from flows.engines import Engine

A = TypeVar("A")
T = TypeVar("T")

_DRAIN_TIMEOUT_S = 5.0
"""Seconds to wait at the end until Prefect has recorded what it was told; it is a view, so not for ever."""


_AT_WORK: dict[str, Callable[[], Any]] = {}
"""What the flows of this process do. With a task to a cluster goes the flow that it is of, which must not carry all this."""


def _carry_out(key: str) -> Any:
    return _AT_WORK[key]()


class PrefectEngine:
    """Carries out a cycle as a Prefect flow. See `flows.engines.Engine`.

    The server is the one that PREFECT_API_URL names, else a temporary one with its state in ``<workspace>/.prefect``.
    `map` goes to threads, or to the workers of the Dask cluster that METERWRIGHT_CLUSTER names.

    Raises
    ------
    PrefectServerError
        From `run`, when Prefect itself fails.
    UsageError
        If a cluster is named that cannot be used.
    """

    name = "prefect"

    def __init__(self, workers: int, workspace: Path) -> None:
        self.workers = workers
        self._home = use_prefect_in(workspace)
        self._server: TemporaryServer | None = None
        self._own_errors: list[BaseException] = []
        self._flow_run = ""
        self._tasks = 0
        self._cluster = cluster()
        if not (prefect_api_url() or _url_in_force()):
            self._server = TemporaryServer(self._home)

    def run(self, name: str, body: Callable[[Engine], T]) -> T:
        with self._at_server(), self._only_own_errors():
            from prefect import flow
            from prefect.exceptions import TerminationSignal
            from prefect.runtime import flow_run
            from prefect.states import Completed, Failed

            outcome: list[T] = []
            failure: list[MeterwrightError] = []

            def here() -> Any:
                self._flow_run, self._tasks = str(flow_run.id), 0
                try:
                    outcome.append(self._noting(body, self))
                except MeterwrightError as error:  # Prefect would keep a raised one as a file; its sentence is enough
                    failure.append(error)
                    return Failed(message=str(error))
                return Completed()

            key = f"{id(self)}"
            _AT_WORK[key] = here

            def cycle() -> Any:
                return _carry_out(key)

            cycle_flow = flow(
                cycle, name=name, task_runner=self._runner(), validate_parameters=False, persist_result=False, retries=0
            )
            ended = False
            try:
                cycle_flow()
                ended = True
            except Exception:
                ended = True
                if failure:
                    raise failure[0] from failure[0].__cause__
                raise
            except TerminationSignal:  # Prefect's own handler is in force during a flow run
                raise Terminated from None
            finally:
                del _AT_WORK[key]
                self._drain(ended)
            return outcome[0]

    def step(self, name: str, work: Callable[[], T]) -> T:
        with self._only_own_errors():
            result: T = self._task(name, lambda: self._noting(work))()
            return result

    def map(self, name: str, work: Callable[[A], T], items: Sequence[A]) -> list[T]:
        from prefect.states import Cancelled

        failed = threading.Event()

        def one(item: A) -> Any:
            if failed.is_set():
                return Cancelled(message="left out, because another one failed")
            try:
                return self._noting(work, item)
            except BaseException:
                failed.set()
                raise

        with self._only_own_errors():
            # Each item gets a task without parameters: Prefect would walk through those and describe them.
            piece = one if self._cluster is None else work
            futures = [
                self._task(f"{name} {k}/{len(items)}", partial(piece, item)).submit() for k, item in enumerate(items, 1)
            ]
            heed_while_waiting()
            for future in futures:
                future.wait()
            failures = (future for future in futures if future.state.is_failed() or future.state.is_crashed())
            if first := next(failures, None):
                self._raise(first)
            return [future.result() for future in futures]

    def summary(self, key: str, markdown: str) -> None:
        from prefect.artifacts import create_markdown_artifact

        with self._only_own_errors():
            create_markdown_artifact(key=key, markdown=markdown)

    def close(self) -> None:
        if self._server:
            self._server.close()
            self._server = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _runner(self) -> Any:
        if self._cluster is None:
            from prefect.task_runners import ThreadPoolTaskRunner

            return ThreadPoolTaskRunner(max_workers=self.workers)
        from prefect_dask.task_runners import DaskTaskRunner

        return DaskTaskRunner(address=self._cluster)

    def _raise(self, failed: Any) -> None:
        """Raise what a task has failed with. From a cluster it comes as a copy, which is our own work's all the same."""
        try:
            failed.result()
        except Exception as error:
            if self._cluster is not None and type(error).__module__.partition(".")[0] not in ("distributed", "prefect"):
                self._own_errors.append(error)
            raise

    def _task(self, name: str, work: Callable[[], T]) -> Any:
        from prefect import task
        from prefect.cache_policies import NO_CACHE

        def piece() -> T:
            return work()

        self._tasks += 1

        # No retries: what fails here fails again, and a run that is repeated as a whole loses nothing.
        options = {"cache_policy": NO_CACHE, "persist_result": False, "retries": 0}
        return task(piece, name=name, task_run_name=lambda: name, **options)

    def _noting(self, work: Callable[..., T], *arguments: Any) -> T:
        try:
            return work(*arguments)
        except BaseException as error:
            self._own_errors.append(error)
            raise

    @contextmanager
    def _only_own_errors(self) -> Iterator[None]:
        """Let through what our own work raised; say in one sentence what Prefect raised."""
        try:
            yield
        except Exception as error:
            if isinstance(error, MeterwrightError) or any(error is own for own in self._own_errors):
                raise
            server = prefect_api_url() or "its temporary server"
            server += f" and the cluster at {self._cluster}" if self._cluster else ""
            reason = next(iter(str(error).splitlines()), "no reason given")
            raise PrefectServerError(
                f"Prefect failed, with {server}: {reason} ({type(error).__name__}). {self._home / 'prefect.log'} may "
                "say more. Work goes on without Prefect under --engine plain, with the same results."
            ) from error

    @contextmanager
    def _at_server(self) -> Iterator[None]:
        """Make Prefect talk with our temporary server, if we have one, for the time of the block."""
        _import_all()
        from prefect.settings import (
            PREFECT_API_URL,
            PREFECT_CLIENT_CSRF_SUPPORT_ENABLED,
            PREFECT_CLIENT_MAX_RETRIES,
            PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
            temporary_settings,
        )

        if self._server is None:
            yield
            return
        self._server.wait_until_ready()
        here = {
            PREFECT_API_URL: self._server.api_url,
            PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: False,  # no browser of anybody else's comes between us and our server
            PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,  # it is the same installation
            PREFECT_CLIENT_MAX_RETRIES: 1,  # on this machine, what does not answer is gone
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,  # nobody watches, and their thread takes up to a second to end
        }
        with temporary_settings(here):
            yield

    def _drain(self, ended: bool) -> None:
        """Wait until events and logs are sent and, since our server ends soon, until it has recorded the task runs.

        Task runs that a signal has cut short never end, so when the flow has not `ended` they are not waited for.
        """
        drain(_DRAIN_TIMEOUT_S)
        if ended and self._server and self._flow_run:
            self._server.wait_until_recorded(self._flow_run, self._tasks, _DRAIN_TIMEOUT_S)


def _import_all() -> None:
    """Import what a flow run will need of Prefect, which otherwise waits for its first use: time that the server needs too."""
    for name in ("main", "flow_engine", "task_engine", "task_runners", "runtime.flow_run", "artifacts"):
        importlib.import_module(f"prefect.{name}")


def _url_in_force() -> str | None:
    """The server that an already imported Prefect is set to, as in its own test harness."""
    if "prefect" not in sys.modules:
        return None
    from prefect.settings import get_current_settings

    url: str | None = get_current_settings().api.url
    return url
