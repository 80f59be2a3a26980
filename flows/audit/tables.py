"""The large table of an audit, written a group of meters at a time."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

from transforms.schemas import AUDIT_WINDOWS


class WindowsFile:
    """``windows.parquet``: one row group per group of meters. Used as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._out: Any = None

    def write(self, windows: pl.DataFrame) -> None:
        """Append the windows of some meters."""
        import pyarrow.parquet as pq

        table = windows.select(list(AUDIT_WINDOWS)).to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._out is None:
            self._out = pq.ParquetWriter(
                self.path, table.schema, compression="zstd", compression_level=1, use_dictionary=_repeated()
            )
        self._out.write_table(table, row_group_size=max(len(table), 1))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._out is None and error is None:
            self.write(pl.DataFrame(schema=AUDIT_WINDOWS))
        if self._out is not None:
            self._out.close()


def _repeated() -> list[str]:
    """Columns of few different values."""
    return [name for name, kind in AUDIT_WINDOWS.items() if kind != pl.Float64]
