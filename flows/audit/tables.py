"""The large table of an audit, written a group of meters at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

from transforms.schemas import AUDIT_WINDOWS

#: its name in the audit's folder
WINDOWS_FILE = "windows.parquet"


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


def windows_reader(path: Path) -> Callable[[Sequence[str]], pl.DataFrame]:
    """Gives the windows of some meters from ``windows.parquet``; the group read last is kept, for its neighbours."""
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    group_of: dict[str, int] = {}
    for number in range(file.num_row_groups):
        names = file.read_row_group(number, columns=["feature_code"])["feature_code"].unique().to_pylist()
        group_of.update(dict.fromkeys(names, number))

    @lru_cache(maxsize=1)
    def group(number: int) -> pl.DataFrame:
        return pl.DataFrame(file.read_row_group(number)).cast(pl.Schema(AUDIT_WINDOWS))

    def windows(codes: Sequence[str]) -> pl.DataFrame:
        numbers = sorted({group_of[code] for code in codes if code in group_of})
        found = [group(number).filter(pl.col("feature_code").is_in(list(codes))) for number in numbers]
        return pl.concat([pl.DataFrame(schema=AUDIT_WINDOWS), *found]).sort("feature_code", "window_start")

    return windows
