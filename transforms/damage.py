"""Damage: a file of our own that cannot be read or written is named, with what to do; nobody sees a traceback for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from transforms.errors import MeterwrightError

if TYPE_CHECKING:
    import polars as pl

#: what to do about a run of which a file cannot be read
RESTORE: Final = "restore the run's folder from a backup; `meterwright outbox verify` names all that was altered"


@contextmanager
def legible(file: Path, remedy: str, kind: type[MeterwrightError] = MeterwrightError) -> Iterator[None]:
    """Raise ``kind`` where the one file that the block reads, and does nothing else with, cannot be read."""
    try:
        yield
    except _of_readers() as error:
        said = getattr(error, "strerror", None) or next(iter(str(error).splitlines()), type(error).__name__)
        raise kind(f"{file.parent.name}/{file.name} cannot be read ({said}); {remedy}") from error


@contextmanager
def writable(file: Path) -> Iterator[None]:
    """Say what to do where the one file that the block writes, a table of our own, cannot be written.

    Polars says of a full disk, as often as not, that the file is out of specification.
    """
    import polars as pl

    try:
        yield
    except pl.exceptions.PolarsError as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise MeterwrightError(
            f"{file} cannot be written ({said}); make room on its disk if that is full: what was done so far is kept, run the "
            "same command again to go on"
        ) from error


def _of_readers() -> tuple[type[Exception], ...]:
    """What readers raise. It is asked when something has been raised, and so files that are in order need no Polars."""
    import polars as pl

    return OSError, ValueError, RecursionError, pl.exceptions.PolarsError


def table_of_run(file: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """A Parquet file of a run, or some of its columns.

    Raises
    ------
    MeterwrightError
        If it cannot be read.
    """
    import polars as pl

    with legible(file, RESTORE):
        return pl.read_parquet(file, columns=None if columns is None else list(columns), glob=False)
