"""The windows of one meter as arrays in order of time, for its charts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reports.picture import Floats

Ints = NDArray[np.int64]

#: verdicts by their number
VERDICTS = ("healthy", "steady", "unsteady", "inconclusive")
#: columns of AUDIT_WINDOWS that are drawn
COLUMNS = (
    *("feature_code", "window_start", "window_end", "verdict", "n_pairs"),
    *("error", "volume_l", "meter_volume_l"),
)


@dataclass(frozen=True)
class Windows:
    """Begin and end [us since 1970], the verdict's number in `VERDICTS` (-1 for another), pairs, error and litres, NaN
    where not known."""

    start: Ints
    end: Ints
    verdict: Ints
    n_pairs: Ints
    error: Floats
    volume_l: Floats
    meter_volume_l: Floats

    def __len__(self) -> int:
        return len(self.start)

    def take(self, some: slice | NDArray[np.bool_]) -> Windows:
        """Some of the windows."""
        return Windows(**{each.name: getattr(self, each.name)[some] for each in fields(self)})

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Windows:
        """The windows of a frame with `COLUMNS`, in its order."""
        verdict = pl.col("verdict").cast(pl.Enum(VERDICTS), strict=False).to_physical().cast(pl.Int64).fill_null(-1)
        arrays = frame.select(
            pl.col("window_start").dt.epoch("us"),
            pl.col("window_end").dt.epoch("us"),
            verdict,
            pl.col("n_pairs").fill_null(0).cast(pl.Int64),
            *(pl.col(name).fill_null(np.nan) for name in ("error", "volume_l", "meter_volume_l")),
        )
        return cls(*(column.to_numpy() for column in arrays.iter_columns()))


def by_meter(frame: pl.DataFrame) -> Iterator[tuple[str, Windows]]:
    """The windows of each meter of a frame, which is sorted by meter and time."""
    whole, end = Windows.of(frame), 0
    for code, many in frame["feature_code"].rle().struct.unnest().select("value", "len").iter_rows():
        end += many
        yield code, whole.take(slice(end - many, end))
