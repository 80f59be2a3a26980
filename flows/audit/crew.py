"""A crew of processes that share an audit's work: chunks, groups, and the parts of the report; small audits have one process."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache, partial
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.util import Finalize
from tempfile import gettempdir
from typing import TYPE_CHECKING, Any, TypeVar

from flows.engines.signals import heed_while_waiting
from flows.memory import keep_what_is_freed, large_pages_in_others, set_aside_what_is_there
from transforms.errors import MeterwrightError

if TYPE_CHECKING:
    from flows.audit.desk import Desk

A = TypeVar("A")
T = TypeVar("T")

#: readings that are worth a process: an audit of fewer is carried out in this one, for others would take longer to start
WORTH_A_PROCESS = 3_000_000
#: jobs that are handed out ahead of the one whose result is awaited, per process
_AHEAD = 2
_STOPPING = {signal.SIGINT, signal.SIGTERM}
#: length of a path to the folder for temporary files that leaves room for the name of a socket [bytes]
_LONGEST = 70
#: waits before processes that ended as they started are started again [s]
_WAITS_S = (0.1, 1.0)
#: what all of them import first, once
_FOREBEAR = "flows.audit.forebear"
#: where a process of a crew gets what its desk is about
_PAPERS: list[Any] = []


class Crew:
    """Carries out jobs on a `Desk`, in processes of its own or in this one. Used as a context manager.

    Processes are called for as soon as it is known how much there is to do: while they import what they need, so does this one.
    They are forked from a server that has imported for all of them what takes longest, and never Polars, whose threads forks
    would lack (`flows.audit.forebear`).
    """

    def __init__(self, workers: int) -> None:
        self.workers = 1
        self._most = workers
        self._pool: ProcessPoolExecutor | None = None
        self._leash: Connection | None = None
        self._caller: threading.Thread | None = None
        #: why there are none, where they would not start, and whether nobody wants any more
        self._missing: Exception | None = None
        self._over = threading.Event()
        self._papers: Any = None
        self._desk: Desk | None = None

    def call_for(self, readings: int) -> None:
        """Start as many processes as so many readings are worth, if any; they get ready while this one goes on."""
        worth = min(self._most, -(-readings // WORTH_A_PROCESS))
        if self._caller is not None or worth < 2:
            return
        self.workers = worth
        large_pages_in_others()
        # a server is asked through a socket in the folder for temporary files, whose path must not be long
        served = len(os.fsencode(gettempdir())) < _LONGEST
        context = get_context("forkserver" if served else "spawn")
        if isinstance(context, ForkServerContext):
            context.set_forkserver_preload([_FOREBEAR])
        held, self._leash = context.Pipe(duplex=False)
        self._papers = context.SimpleQueue()
        make = partial(
            ProcessPoolExecutor, worth, mp_context=context, initializer=_sit_down, initargs=(held, self._papers)
        )
        # in a thread: who asks for a process waits until the server has imported
        self._caller = threading.Thread(target=self._call, args=(make, held), daemon=True)
        self._caller.start()

    def _call(self, make: Callable[[], ProcessPoolExecutor], held: Connection) -> None:
        # it is inherited: Ctrl-C means nothing to processes, nor SIGTERM while they start
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        with held:
            for wait_s in (*_WAITS_S, None):
                self._pool = make()
                try:
                    # a pool starts its processes one by one, as jobs come
                    for begun in [self._pool.submit(_nothing) for _ in range(self.workers)]:
                        begun.result()
                    return
                except (OSError, EOFError, BrokenProcessPool) as error:
                    # their server ended, or one of them did, however that came
                    self._pool.shutdown(wait=False, cancel_futures=True)
                    self._pool = None
                    if wait_s is None:
                        self._missing = error
                    elif self._over.wait(wait_s):
                        return

    def brief(self, desk: Desk) -> None:
        """Tell what all jobs are about."""
        self._desk = desk
        # in a thread: a process that has not come so far yet does not take its papers, one that has ended never will
        threading.Thread(target=self._hand_out, args=(desk,), daemon=True).start()

    def _hand_out(self, desk: Desk) -> None:
        for _ in range(self.workers if self._caller is not None else 0):
            self._papers.put((desk.setting, desk.registry))

    def map(self, job: Callable[[Desk, A], T], items: Sequence[A]) -> Iterator[T]:
        """The job's results in the order of the items; only a few are worked on ahead of the one asked for, these from now on."""
        pool = self._started()
        if pool is None:
            return (job(self._own(), item) for item in items)
        ahead = self.workers * _AHEAD
        begun = deque(pool.submit(_work, job, item) for item in items[:ahead])
        return _following(begun, (partial(pool.submit, _work, job, item) for item in items[ahead:]))

    def begin(self, job: Callable[[Desk, A], T], item: A) -> Future[T]:
        """Have one job done beside others; where there is one process, it is done at once."""
        pool = self._started()
        if pool is not None:
            return pool.submit(_work, job, item)
        done = Future[T]()
        done.set_result(job(self._own(), item))
        return done

    def share(self, job: Callable[[Desk, A], None], items: Iterable[A]) -> None:
        """Do the job with all items, each as soon as a process is free; done when all are."""
        pool = self._started()
        if pool is None:
            for item in items:
                job(self._own(), item)
            return
        for future in [pool.submit(_work, job, item) for item in items]:
            future.result()

    def make_ready(self, load: Callable[[Desk, None], None]) -> None:
        """Have idle processes get ready for what comes next; nobody waits for them."""
        pool = self._started()
        if pool is not None:
            for _ in range(self.workers):
                pool.submit(_work, load, None)

    def _started(self) -> ProcessPoolExecutor | None:
        """The pool, if there is one, once its processes have come: to start others would have jobs done twice."""
        if self._caller is not None:
            heed_while_waiting()
            self._caller.join()
        if self._missing is not None:
            raise MeterwrightError(
                "the processes that share the audit end as they start; the system's log may say why (too little memory, for "
                "one). What was done so far is kept; the same command goes on, with --workers 1 without any of them"
            ) from self._missing
        return self._pool

    def _own(self) -> Desk:
        if self._desk is None:
            raise RuntimeError("a crew is told what its jobs are about before it is given any")
        return self._desk

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *error: object) -> None:
        if self._leash is None or self._caller is None:
            return
        self._over.set()
        if error[0] is not None or self._desk is None:
            # nobody waits for what they are at
            self._leash.close()
        self._caller.join()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._leash.close()


def _following(begun: deque[Future[T]], others: Iterable[Callable[[], Future[T]]]) -> Iterator[T]:
    """The results of what is begun, and of others, each of which begins when a result is asked for."""
    for begin in others:
        begun.append(begin())
        yield begun.popleft().result()
    for future in begun:
        yield future.result()


def _work(job: Callable[[Desk, A], T], item: A) -> T:
    return job(_desk(), item)


@cache
def _desk() -> Desk:
    """This process's desk, for all jobs."""
    from flows.audit.desk import Desk

    return Desk(*_PAPERS[0].get())


def _nothing() -> None:
    """Do nothing, for a process that is to start."""


def _sit_down(leash: Connection, papers: Any) -> None:
    """Load what the process needs, and see to it that it ends when the one that started it lets go or ends, however it does."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    _PAPERS.append(papers)
    threading.Thread(target=_leave_with, args=(leash,), daemon=True).start()
    # one thread for each process: they share the cores
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    import_module(_FOREBEAR)
    keep_what_is_freed()
    import_module("flows.audit.engine")
    set_aside_what_is_there()
    # what it worked on is in files: to take its memory apart, object by object, would keep the others waiting
    Finalize(None, os._exit, args=(0,), exitpriority=0)


def _leave_with(leash: Connection) -> None:
    wait([leash])
    os._exit(1)
