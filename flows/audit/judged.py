"""Judged chunks on disk: Arrow files with one record batch per group of meters, of which a reader takes just the one it wants.

They are read, not mapped into memory: pages of mapped files would count as this process's own for as long as it holds them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa


def write_groups(frame: pl.DataFrame, group: np.ndarray, groups: int, file: Path) -> None:
    """Write a frame whose rows are in the order of their groups, ``group`` (rows,), each a batch, empty ones as well."""
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    edges = np.searchsorted(group, np.arange(groups + 1))
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as out:
        for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            part = table.slice(first, last - first).combine_chunks()
            arrays = [column.chunk(0) if column.num_chunks else pa.array([], column.type) for column in part.columns]
            out.write_batch(pa.RecordBatch.from_arrays(arrays, schema=table.schema))


def read_group(file: Path, group: int) -> pl.DataFrame:
    """The rows of one group."""
    with pa.OSFile(str(file), "rb") as source:
        return pl.DataFrame(pa.ipc.open_file(source).get_batch(group))


def read_all(file: Path) -> pl.DataFrame:
    """The rows of all groups."""
    with pa.OSFile(str(file), "rb") as source:
        return pl.DataFrame(pa.ipc.open_file(source).read_all())
