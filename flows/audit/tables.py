"""The large table of an audit, made into one file a group of meters at a time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from transforms.compiled import compiled
from transforms.fit.lines import Ints
from transforms.judge.columns import missing_of
from transforms.judge.columns import nothing as missing
from transforms.judge.evidence import Bools
from transforms.schemas import AUDIT_WINDOWS, UTC_US

#: its name in the audit's folder
WINDOWS_FILE = "windows.parquet"
#: columns that say something of every window: what is not told need not be looked for, which takes a third of the time
_ALWAYS = frozenset(
    ("feature_code", "window_start", "window_end", "verdict", "reason", "n_pairs", "n_flowing", "coverage")
)  # fmt: skip
#: numbers of which LZ4 finds much that repeats once their first bytes stand together, and their last
_APART = frozenset(
    ("volume_l", "meter_volume_l", "q_max_lph", "uncertainty_q1_q2", "uncertainty_q2_q3", "scatter_ratio", "drift_spread",
     "error_se")
)  # fmt: skip
#: columns in which LZ4 finds much that repeats; in what is worked out of many readings it finds little, and takes time
_PACKED = _APART | frozenset(
    ("window_start", "window_end", "n_pairs", "n_flowing", "coverage", "lag_s", "changed_at", "dead_share", "pairs_needed",
     "reference_uncertainty", "calibrated_on", "a1", "a1_se", "a2", "a2_se", "correlation")
)  # fmt: skip
#: numbers that come of readings in whole steps, of which few differ: a dictionary makes them smaller than LZ4, and sooner
_STEPWISE = frozenset(("share_in_band", "q_min_lph"))
#: where they are not in steps after all, they are written as they are once a dictionary is as large as this [bytes]
_LARGEST_DICTIONARY = 256 * 1024
#: rows that PyArrow encodes at a time
_ROWS_AT_ONCE = 16_384
_ARROW = {
    pl.Float64: pa.float64(),
    pl.Int64: pa.int64(),
    pl.Date: pa.date32(),
    UTC_US: pa.timestamp("us", "UTC"),
}
#: columns by which a reader may skip groups of rows
_SOUGHT_BY = ["feature_code", "window_start"]


def arrow_of(kind: Any, values: npt.NDArray[Any], words: pl.Series | None) -> pa.Array:
    """A column of windows (`transforms.judge.columns`), null where nothing is known; strings as a dictionary of those ``words``
    that occur."""
    gone = np.isnan(values) if kind == pl.Float64 else values == missing_of(kind)
    missing = int(np.count_nonzero(gone))
    if words is not None:
        values, occurs = _renumbered(values, len(words))
        words = words.filter(pl.Series(occurs))
    elif kind == pl.Date:
        values = np.where(gone, 0, values).astype(np.int32)
    # numbers stay where they are; PyArrow's own way from arrays would import pandas first
    known = pa.py_buffer(np.packbits(~gone, bitorder="little")) if missing else None
    buffers = [known, pa.py_buffer(np.ascontiguousarray(values))]
    if words is not None:
        indices = pa.Array.from_buffers(pa.int32(), len(values), buffers, missing)
        return pa.DictionaryArray.from_arrays(indices, words.to_arrow().cast(pa.string()))
    return pa.Array.from_buffers(_ARROW[kind], len(values), buffers, missing)


@compiled
def _renumbered(values: Ints, words: int) -> tuple[npt.NDArray[np.int32], Bools]:
    """Numbers among those words that occur, 0 for none, and which do."""
    occurs, number = np.zeros(words, np.bool_), np.zeros(words, np.int32)
    for k in range(len(values)):
        if values[k] >= 0:
            occurs[values[k]] = True
    count = 0
    for word in range(words):
        number[word] = count
        count += occurs[word]
    found = np.zeros(len(values), np.int32)
    for k in range(len(values)):
        if values[k] >= 0:
            found[k] = number[values[k]]
    return found, occurs


def table_of(columns: Mapping[str, tuple[npt.NDArray[Any], pl.Series | None]]) -> pa.Table:
    """`AUDIT_WINDOWS` of columns with their words."""
    arrays = {name: arrow_of(kind, *columns[name]) for name, kind in AUDIT_WINDOWS.items()}
    fields = [pa.field(name, array.type, nullable=name not in _ALWAYS) for name, array in arrays.items()]
    return pa.Table.from_arrays(list(arrays.values()), schema=pa.schema(fields))


class WindowsFile:
    """``windows.parquet``: one row group per group of meters. Used as a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._out: Any = None

    def take_in(self, table: pa.Table) -> None:
        """Append windows."""
        import pyarrow.parquet as pq

        if self._out is None:
            self._out = pq.ParquetWriter(
                self.path,
                table.schema,
                compression={name: "lz4" if name in _PACKED else "none" for name in AUDIT_WINDOWS},
                use_dictionary=_repeated(),
                column_encoding=dict.fromkeys(_APART, "BYTE_STREAM_SPLIT"),
                dictionary_pagesize_limit=_LARGEST_DICTIONARY,
                write_batch_size=_ROWS_AT_ONCE,
                write_statistics=_SOUGHT_BY,
                # a reader is to see strings, whatever they were written from
                store_schema=False,
            )
        self._out.write_table(table, row_group_size=max(len(table), 1))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._out is None and error is None:
            nothing = pl.Series(dtype=pl.String)
            self.take_in(
                table_of(
                    {
                        name: (missing(kind, 0), nothing if kind == pl.String else None)
                        for name, kind in AUDIT_WINDOWS.items()
                    }
                )
            )
        if self._out is not None:
            self._out.close()


def _repeated() -> list[str]:
    """Columns of few different values; of whole numbers and days LZ4 finds what repeats in less time than a dictionary takes."""
    return [name for name, kind in AUDIT_WINDOWS.items() if kind == pl.String or name in _STEPWISE]
