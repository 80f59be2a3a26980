"""The plain engine: functions are called, buckets go to a pool of threads, nothing is started or recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from flows.engines.signals import heed_while_waiting

if TYPE_CHECKING:
    from flows.engines import Engine

A = TypeVar("A")
T = TypeVar("T")


class PlainEngine:
    """Carries out a cycle in this process. See `flows.engines.Engine`."""

    name = "plain"

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, name: str, body: Callable[[Engine], T]) -> T:
        return body(self)

    def step(self, name: str, work: Callable[[], T]) -> T:
        return work()

    def map(self, name: str, work: Callable[[A], T], items: Sequence[A]) -> list[T]:
        if self.workers == 1 or len(items) < 2:
            return [work(item) for item in items]
        pool = ThreadPoolExecutor(min(self.workers, len(items)), thread_name_prefix=name)
        try:
            futures = [pool.submit(work, item) for item in items]
            heed_while_waiting()
            wait(futures, return_when=FIRST_EXCEPTION)
            pool.shutdown(wait=True, cancel_futures=True)
            failures = (error for future in futures if not future.cancelled() and (error := future.exception()))
            if error := next(failures, None):
                raise error
            return [future.result() for future in futures]
        finally:
            # Reached with work still going on only when a signal interrupts the wait: do not wait for it then.
            pool.shutdown(wait=False, cancel_futures=True)

    def summary(self, key: str, markdown: str) -> None:
        """Do nothing: there is no user interface to show it in."""

    def close(self) -> None:
        """Do nothing: nothing is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
