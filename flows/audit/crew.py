"""A crew of processes that share an audit's work: chunks, groups, and the parts of the report; small audits have one process."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.util import Finalize
from typing import TypeVar

from flows.audit.desk import Desk
from flows.audit.plan import Setting
from flows.memory import keep_what_is_freed
from transforms import statistics

A = TypeVar("A")
T = TypeVar("T")

#: jobs that are handed out ahead of the one whose result is awaited, per process
_AHEAD = 2
_DESK: list[Desk] = []


class Crew:
    """Carries out jobs on a `Desk`, in processes of its own or in this one. Used as a context manager."""

    def __init__(self, setting: Setting, desk: Desk, workers: int) -> None:
        self.desk = desk
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None
        if workers > 1:
            # one thread for each process: they share the cores
            os.environ.setdefault("POLARS_MAX_THREADS", "1")
            self._pool = ProcessPoolExecutor(
                workers, mp_context=get_context("spawn"), initializer=_sit_down, initargs=(setting,)
            )

    def map(self, job: Callable[[Desk, A], T], items: Sequence[A]) -> Iterator[T]:
        """The job's results in the order of the items; only a few are worked on ahead of the one asked for."""
        if self._pool is None:
            for item in items:
                yield job(self.desk, item)
            return
        waiting: list[Future[T]] = []
        for item in items:
            waiting.append(self._pool.submit(_work, job, item))
            if len(waiting) > self.workers * _AHEAD:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()

    def share(self, job: Callable[[Desk, A], None], items: Iterable[A]) -> None:
        """Do the job with all items, each as soon as a process is free; done when all are."""
        if self._pool is None:
            for item in items:
                job(self.desk, item)
            return
        for future in [self._pool.submit(_work, job, item) for item in items]:
            future.result()

    def make_ready(self, load: Callable[[Desk, None], None]) -> None:
        """Have idle processes get ready for what comes next; nobody waits for them."""
        if self._pool is not None:
            for _ in range(self.workers):
                self._pool.submit(_work, load, None)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=error[0] is None, cancel_futures=True)


def _work(job: Callable[[Desk, A], T], item: A) -> T:
    return job(_DESK[0], item)


def _sit_down(setting: Setting) -> None:
    """Load what the process needs, and see to it that it ends with the one that started it, however that ends."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    keep_what_is_freed()
    statistics.load()
    _DESK.append(Desk(setting))
    # what it worked on is in files: to take its memory apart, object by object, would keep the others waiting
    Finalize(None, os._exit, args=(0,), exitpriority=0)


def _leave_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
