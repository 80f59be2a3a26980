"""Damage: files of the lake that cannot be read any more, met wherever readings are fetched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from transforms.errors import LakeError
from transforms.lake.ledger import REMEDY


@contextmanager
def lake_legible() -> Iterator[None]:
    """Raise `LakeError` where a Parquet file of the lake cannot be read within the block."""
    try:
        yield
    except _unreadable() as error:
        said = str(error).splitlines()[0]
        if "parquet" not in said.lower():
            raise
        raise LakeError(f"a file of the lake cannot be read ({said}); {REMEDY}") from error


def _unreadable() -> tuple[type[Exception], ...]:
    """What the readers of Parquet raise. Asked only when something was raised: an audit hardly ever imports DuckDB."""
    import duckdb
    import pyarrow as pa

    return duckdb.InvalidInputException, duckdb.IOException, pa.ArrowInvalid
