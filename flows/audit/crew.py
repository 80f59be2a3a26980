"""A crew of processes that share an audit's work: chunks, groups, and the parts of the report; small audits have one process."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import lru_cache
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from flows.audit.desk import Desk

A = TypeVar("A")
T = TypeVar("T")

#: readings that are worth a process: an audit of fewer is carried out in this one, for others would take longer to start
WORTH_A_PROCESS = 3_000_000
#: jobs that are handed out ahead of the one whose result is awaited, per process
_AHEAD = 2


class Crew:
    """Carries out jobs on a `Desk`, in processes of its own or in this one. Used as a context manager.

    Processes are called for as soon as it is known how much there is to do: while they import what they need, so does this one.
    They are spawned, not forked: Polars has threads as soon as it is imported, which forks would lack.
    """

    def __init__(self, workers: int) -> None:
        self.workers = 1
        self._most = workers
        self._pool: ProcessPoolExecutor | None = None
        self._leash: Connection | None = None
        self._desk: Desk | None = None
        self._told = b""

    def call_for(self, readings: int) -> None:
        """Start as many processes as so many readings are worth, if any; they get ready while this one goes on."""
        worth = min(self._most, -(-readings // WORTH_A_PROCESS))
        if self._pool is not None or worth < 2:
            return
        self.workers = worth
        held, self._leash = Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            self.workers, mp_context=get_context("spawn"), initializer=_sit_down, initargs=(held,)
        )
        for _ in range(self.workers):
            # a pool starts its processes one by one, as jobs come
            self._pool.submit(_nothing)
        held.close()

    def brief(self, desk: Desk) -> None:
        """Tell what all jobs are about."""
        self._desk, self._told = desk, pickle.dumps(desk.setting)

    def map(self, job: Callable[[Desk, A], T], items: Sequence[A]) -> Iterator[T]:
        """The job's results in the order of the items; only a few are worked on ahead of the one asked for."""
        if self._pool is None:
            for item in items:
                yield job(self._own(), item)
            return
        waiting: list[Future[T]] = []
        for item in items:
            waiting.append(self._pool.submit(_work, self._told, job, item))
            if len(waiting) > self.workers * _AHEAD:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()

    def share(self, job: Callable[[Desk, A], None], items: Iterable[A]) -> None:
        """Do the job with all items, each as soon as a process is free; done when all are."""
        if self._pool is None:
            for item in items:
                job(self._own(), item)
            return
        for future in [self._pool.submit(_work, self._told, job, item) for item in items]:
            future.result()

    def make_ready(self, load: Callable[[], None]) -> None:
        """Have idle processes load what they will need; nobody waits for them."""
        if self._pool is not None:
            for _ in range(self.workers):
                self._pool.submit(load)

    def _own(self) -> Desk:
        if self._desk is None:
            raise RuntimeError("a crew is told what its jobs are about before it is given any")
        return self._desk

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is None or self._leash is None:
            return
        if error[0] is not None or not self._told:
            # nobody waits for what they are at
            self._leash.close()
        self._pool.shutdown(cancel_futures=True)
        self._leash.close()


def _work(told: bytes, job: Callable[[Desk, A], T], item: A) -> T:
    return job(_desk(told), item)


@lru_cache(maxsize=1)
def _desk(told: bytes) -> Desk:
    """This process's desk, for all jobs of an audit."""
    from flows.audit.desk import Desk

    return Desk(pickle.loads(told))  # noqa: S301 - from the process that started this one


def _nothing() -> None:
    """Do nothing, for a process that is to start."""


def _sit_down(leash: Connection) -> None:
    """Load what the process needs, and see to it that it ends when the one that started it lets go or ends, however it does."""
    # Ctrl-C reaches all processes of a terminal; the first one decides what it means
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(leash,), daemon=True).start()
    # one thread for each process: they share the cores
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    from flows.memory import keep_what_is_freed
    from transforms import compiled, statistics

    keep_what_is_freed()
    import_module("flows.audit.engine")
    statistics.load()
    compiled.load()
    # what it worked on is in files: to take its memory apart, object by object, would keep the others waiting
    Finalize(None, os._exit, args=(0,), exitpriority=0)


def _leave_with(leash: Connection) -> None:
    wait([leash])
    os._exit(1)
