"""Columns of Arrow tables as NumPy arrays, without PyArrow's own way there, which imports pandas first."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

_KINDS = {
    pa.int32(): np.int32,
    pa.int64(): np.int64,
    pa.float64(): np.float64,
    pa.timestamp("us"): np.int64,
    pa.timestamp("us", "UTC"): np.int64,
}


def to_numpy(column: pa.Array) -> npt.NDArray[Any]:
    """The values of a column of numbers or instants [us since 1970]; null becomes NaN."""
    kind = _KINDS.get(column.type)
    if kind is not None and column.null_count == 0:
        values = column.buffers()[1]
        size = np.dtype(kind).itemsize
        return np.frombuffer(values, kind, len(column), column.offset * size) if values else np.empty(0, kind)
    return pl.Series(column).to_physical().to_numpy()
