"""Single pairs of some meters, in the units of the moments, one meter after the other: what a second look is given."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Pairs(NamedTuple):
    """Pairs sorted by meter and time.

    Attributes
    ----------
    meter_no
        The meters that have any, increasing, (meters,).
    first
        Where the pairs of each begin, and where the last ones end, (meters + 1,).
    us
        Time since the window's start [us], (pairs,).
    x, y
        Reference and meter [millionths of Q3], (pairs,).
    """

    meter_no: Ints
    first: Ints
    us: Ints
    x: Floats
    y: Floats

    @staticmethod
    def of(meter_no: Ints, us: Ints, x: Floats, y: Floats) -> Pairs:
        """From the meter of each pair, which are sorted."""
        begins = np.flatnonzero(np.diff(meter_no, prepend=-1))
        return Pairs(meter_no[begins].astype(np.int64), np.append(begins, len(meter_no)), us, x, y)

    @staticmethod
    def from_frame(frame: pl.DataFrame) -> Pairs:
        """From columns ``meter_no``, ``us``, ``x`` and ``y``, sorted by the first two."""
        # loops are compiled for arrays that may be written to, which those of a frame now and then are not
        meter_no, us, x, y = (frame[name].to_numpy(writable=True) for name in ("meter_no", "us", "x", "y"))
        return Pairs.of(meter_no, us, x, y)

    @staticmethod
    def none() -> Pairs:
        """Of nobody."""
        whole, real = np.zeros(0, dtype=np.int64), np.zeros(0)
        return Pairs.of(whole, whole, real, real)
