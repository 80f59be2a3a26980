"""Engines: what carries out a cycle's coarse pieces of work, plainly in this process or as a Prefect flow.

The body of a cycle is a plain function that takes the engine; which engine it got changes nothing in what it computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

from transforms.errors import UsageError

A = TypeVar("A")
T = TypeVar("T")

ENGINES = ("prefect", "plain")


class Engine(Protocol):
    """Carries out a cycle. Used as a context manager; `step`, `map` and `summary` are called from within `run`'s body.

    Exceptions that the work raises come out of `step`, `map` and `run` as they are.
    """

    name: str
    workers: int

    def run(self, name: str, body: Callable[[Engine], T]) -> T:
        """Carry out a whole cycle and return what its body returns."""
        ...

    def step(self, name: str, work: Callable[[], T]) -> T:
        """Carry out one coarse piece of work, in the calling thread."""
        ...

    def map(self, name: str, work: Callable[[A], T], items: Sequence[A]) -> list[T]:
        """Carry out the same work for some tens of items (buckets), `workers` at once; results in the order of items.

        Work and items may go to other processes: they can be pickled.

        When one fails, those that have not begun are left out, those that have are waited for, and the failure that
        comes first in the order of items is raised.
        """
        ...

    def summary(self, key: str, markdown: str) -> None:
        """Show a page in the engine's own user interface, where it has one. `key`: lower case letters and hyphens."""
        ...

    def close(self) -> None:
        """Let go of what the engine holds. Doing it twice does no harm."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def make_engine(name: str, workers: int, workspace: Path) -> Engine:
    """Make the engine of that name.

    For Prefect this starts a temporary server at once, unless PREFECT_API_URL names one: it takes some seconds, in
    which the caller can load what the work needs.

    Parameters
    ----------
    name
        ``prefect`` or ``plain``.
    workers
        How many items `Engine.map` works on at once.
    workspace
        The folder that Prefect's state goes into, as ``.prefect``.

    Raises
    ------
    UsageError
        If there is no engine of that name.
    """
    if name == "plain":
        from flows.engines.plain import PlainEngine

        return PlainEngine(workers)
    if name == "prefect":
        from flows.engines.prefect import PrefectEngine

        return PrefectEngine(workers, workspace)
    raise UsageError(f"there is no engine {name!r}; write one of {', '.join(ENGINES)}")
