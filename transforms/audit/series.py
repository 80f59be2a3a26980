"""Series: the windows of many meters side by side, as arrays of meters by windows, those that say nothing left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: reasons for which a window tells nothing about its meter, whatever was measured in it
UNTRUSTED = (
    "reference_expired",
    "reference_missing",
    "reference_unregistered",
    "unregistered",
    "pairing_conflict",
    "meter_missing",
    "not_installed",
    "decommissioned",
)
#: flowing pairs below which a window's error is not used
LEAST_FLOWING = 3
_US_PER_DAY = 86_400e6

Number = TypeVar("Number", np.float64, np.int64)


@dataclass(frozen=True)
class Series:
    """Errors of indication over time, one row a meter or a piece of one, packed to the left.

    Attributes
    ----------
    n
        How many windows of each row count, shape (rows,).
    error, variance
        Error [relative] and its random variance, shape (rows, windows); 0 and infinite beyond ``n``.
    day
        Middle of each window [days since 1970].
    calibration
        Number of the reference's calibration that each window rests on; -1 beyond ``n``.
    common
        The reference's standard uncertainty in each window [relative].
    place
        Row of each window in the frame that the series was made from; -1 beyond ``n``.
    """

    n: Ints
    error: Floats
    variance: Floats
    day: Floats
    calibration: Ints
    common: Floats
    place: Ints

    @property
    def present(self) -> Bools:
        """Which cells hold a window, shape (rows, windows)."""
        return np.asarray(np.arange(self.error.shape[1])[None, :] < self.n[:, None])

    def take(self, rows: Ints | Bools) -> Series:
        """Some of the rows."""
        return Series(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


def prepared(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows sorted by meter and time, with what decides how each is used.

    Adds ``place`` (row number), ``meter`` (number of the meter), ``trusted`` (its reference counts and it is known whose
    it is), ``usable`` (its error tells something) and ``unsteady`` (true, false, or null where no verdict tells).
    """
    reason, verdict = pl.col("reason").fill_null(""), pl.col("verdict").fill_null("inconclusive")
    trusted = ~reason.is_in(UNTRUSTED)
    known = pl.col("error").is_finite() & pl.col("error_se").is_finite() & (pl.col("error_se") > 0)
    return (
        windows.sort("feature_code", "window_start")
        .with_row_index("place")
        .with_columns(
            meter=(pl.col("feature_code") != pl.col("feature_code").shift(1)).fill_null(False).cum_sum().cast(pl.Int64),
            trusted=trusted,
            usable=trusted & known.fill_null(False) & (pl.col("n_flowing") >= LEAST_FLOWING).fill_null(False),
            unsteady=pl.when(verdict != "inconclusive").then(verdict == "unsteady"),
        )
    )


def pack(chosen: pl.DataFrame, row: str) -> Series:
    """Pack prepared windows into a series.

    Parameters
    ----------
    chosen : DataFrame
        Some windows of `prepared`, in its order.
    row : str
        Column with the number of the row that each belongs to: 0, 1, … without gaps, rising.
    """
    rows = chosen[row].to_numpy().astype(np.int64)
    count = int(rows[-1]) + 1 if len(rows) else 0
    n = np.bincount(rows, minlength=count).astype(np.int64)
    column = np.arange(len(rows)) - np.repeat(np.cumsum(n) - n, n)
    shape = (count, int(n.max()) if count else 0)
    begin, end = (chosen[name].dt.epoch("us").to_numpy() for name in ("window_start", "window_end"))
    calibration = chosen.select(
        pl.struct("flowmeter_id", "calibrated_on").rank("dense").cast(pl.Int64)
        if chosen.height
        else pl.lit(0, pl.Int64).alias("flowmeter_id")
    ).to_series()

    def spread(values: npt.NDArray[Number], empty: float) -> npt.NDArray[Number]:
        dense = np.full(shape, empty, dtype=values.dtype)
        dense[rows, column] = values
        return dense

    return Series(
        n=n,
        error=spread(chosen["error"].to_numpy(), 0.0),
        variance=spread(chosen["error_se"].to_numpy() ** 2, np.inf),
        day=spread((begin + end) / 2 / _US_PER_DAY, 0.0),
        calibration=spread(calibration.to_numpy().astype(np.int64), -1),
        common=spread(chosen["reference_uncertainty"].fill_null(0.0).to_numpy(), 0.0),
        place=spread(chosen["place"].to_numpy().astype(np.int64), -1),
    )
