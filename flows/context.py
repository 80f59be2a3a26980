"""Context: what a cycle works with, and the one DuckDB of all its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from transforms.fingerprint import ReadAhead
from transforms.policy import Policy
from transforms.registry import Registry
from transforms.signature import SigningKey
from transforms.sql import connect
from transforms.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

    from flows.photos import Eyes

#: megabytes of memory that DuckDB may take in all, shared by the workers
MEMORY_MB = 1200

Progress = Callable[[str], None]


def _no_eyes() -> None:
    return None


@dataclass(frozen=True)
class Context:
    """What a cycle works with: where, on whom, by which rules, how wide, whom to tell about progress, what is read ahead,
    what to sign with, what finds the opener of the eyes that read photos, None where there are none, and what opens the
    cycle's DuckDB (see `sharing`)."""

    workspace: Workspace
    registry: Registry
    policy: Policy
    workers: int
    version: str
    progress: Progress
    ahead: ReadAhead | None = None
    signing_key: SigningKey | None = None
    eyes: Callable[[], Eyes | None] = _no_eyes
    shared: Callable[[], duckdb.DuckDBPyConnection] | None = None

    def database(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB in memory that all workers of a step share."""
        if self.shared is not None:
            return self.shared().cursor()
        return connect(threads=self.workers, memory_mb=MEMORY_MB, spill=self.workspace.scratch / "spill")


@contextmanager
def sharing(context: Context) -> Iterator[Context]:
    """The same context with one DuckDB for all steps of a cycle, opened by the first that asks: opening one takes as long
    as judging a few meters."""
    opened: list[duckdb.DuckDBPyConnection] = []

    def shared() -> duckdb.DuckDBPyConnection:
        if not opened:
            opened.append(context.database())
        return opened[0]

    try:
        yield replace(context, shared=shared)
    finally:
        for database in opened:
            database.close()
