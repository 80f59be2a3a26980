"""Small helpers for SQL text: quoting, and reading the `.sql` files that lie beside the modules."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def quote(text: str) -> str:
    """A string literal: for paths and other words that cannot travel as parameters."""
    return "'" + text.replace("'", "''") + "'"


def file_list(paths: Iterable[Path | str]) -> str:
    """A list literal of paths, with glob characters taken literally."""
    return "[" + ", ".join(quote(_no_glob(str(path))) for path in paths) + "]"


def _no_glob(path: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def instant(moment: datetime) -> str:
    """An instant as DuckDB's naive UTC timestamp, without quotes."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


@cache
def statement(package: str, name: str) -> str:
    """The text of ``name`` (a `.sql` file) in a package of ours."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def connect(*, threads: int, memory_mb: int, spill: Path) -> duckdb.DuckDBPyConnection:
    """A private in-memory DuckDB that keeps to its threads and memory and spills only into ``spill``."""
    import duckdb

    con = duckdb.connect(
        ":memory:",
        config={
            "threads": threads,
            "memory_limit": f"{memory_mb}MB",
            "temp_directory": str(spill),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # Memory that was freed is kept for the next statement: giving it back and faulting it in again took a tenth
            # of the time. The limit above holds all the same.
            "allocator_flush_threshold": "8GB",
            "allocator_bulk_deallocation_flush_threshold": "8GB",
        },
    )
    con.execute("SET enable_progress_bar = false")
    return con


def session(database: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A connection of its own to a database that several workers share: own temporary names, shared memory limit."""
    con = database.cursor()
    con.execute("SET enable_progress_bar = false")
    return con
