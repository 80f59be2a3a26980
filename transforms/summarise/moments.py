"""Moments of many meters as arrays: exact integers that add up over parts, bins, windows and machines."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

Ints = npt.NDArray[np.int64]

#: flow bins of the reference: 0 below Q1, 1 the zone Q1 to Q2, 2 to 5 the zone Q2 to Q3 in half decades, 6 from Q3 up
BINS = 7

#: sums that simply add
SUMS = ("n", "sx", "sy", "sxx", "sxy", "syy", "n_above", "n_below", "n_band_above", "n_band_below")
_LOWEST = ("x_min", "y_min")
_HIGHEST = ("x_max", "y_max")

FRAME: dict[str, pl.DataType | type[pl.DataType]] = {
    "meter_no": pl.Int32,
    "part": pl.Int8,
    "bin": pl.Int8,
    **dict.fromkeys((*SUMS, *_LOWEST, *_HIGHEST), pl.Int64),
}


class Moments:
    """Arrays in units of Q3/1,000,000, keyed by the names of `SUMS` and the extremes.

    Meters are the last axis everywhere, so that summing over the few parts and bins runs along memory.
    """

    def __init__(self, values: dict[str, Ints]) -> None:
        #: shape (parts, bins, meters); extremes and counts of differences may have a single part that stands for all, and
        #: the latter only the first bins
        self.values = values
        self._by_bin: dict[str, Ints] = {}

    @staticmethod
    def from_frame(frame: pl.DataFrame, meters: int, parts: int) -> Moments:
        """Spread a long frame (`FRAME`) over dense arrays; cells without pairs are zero, their extremes inverted."""
        part, of_bin, meter = (frame[name].to_numpy().astype(np.intp) for name in ("part", "bin", "meter_no"))
        place = (part * BINS + of_bin) * meters + meter
        limit = np.iinfo(np.int64)
        start = {
            **dict.fromkeys(SUMS, 0),
            **dict.fromkeys(_LOWEST, int(limit.max)),
            **dict.fromkeys(_HIGHEST, int(limit.min)),
        }
        values: dict[str, Ints] = {}
        for name, empty in start.items():
            cells = np.full(parts * BINS * meters, empty, dtype=np.int64)
            cells[place] = frame[name].to_numpy()
            values[name] = cells.reshape(parts, BINS, meters)
        return Moments(values)

    def pick(self, rows: Ints) -> Moments:
        """The moments of some of the meters."""
        return Moments({name: array[..., rows] for name, array in self.values.items()})

    def by_bin(self, name: str, bins: slice = slice(None)) -> Ints:
        """One quantity over the whole window, shape (bins, meters)."""
        if name not in self._by_bin:
            array = self.values[name]
            self._by_bin[name] = array[0] if len(array) == 1 else _reduced(name, array, 0)
        return self._by_bin[name][bins]

    def by_part(self, name: str, bins: slice = slice(None)) -> Ints:
        """One quantity over some bins, shape (parts, meters)."""
        return _reduced(name, self.values[name][:, bins], 1)

    def total(self, name: str, bins: slice = slice(None)) -> Ints:
        """One quantity over some bins and the whole window, shape (meters,)."""
        return _reduced(name, self.by_bin(name, bins), 0)


def _reduced(name: str, array: Ints, axis: int) -> Ints:
    if name in _LOWEST:
        return np.asarray(array.min(axis=axis))
    if name in _HIGHEST:
        return np.asarray(array.max(axis=axis))
    return np.asarray(array.sum(axis=axis))
