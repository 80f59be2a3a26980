"""``windows.parquet`` read again: columns of the windows of a few meters, which stand beside each other in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl


def windows_of(file: Path, codes: Sequence[str], columns: Sequence[str]) -> pl.DataFrame:
    """The columns of the meters' windows, sorted by meter and time; groups of meters without any of them are not read."""
    # a folder's name is no pattern
    stored = pl.scan_parquet(file, glob=False)
    wanted = stored.filter(pl.col("feature_code").is_in(list(codes))).sort("feature_code", "window_start")
    return wanted.select(columns).collect()
