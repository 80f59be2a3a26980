"""Series: the windows of many meters side by side, as arrays of meters by windows, those that say nothing left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled

if TYPE_CHECKING:
    from transforms.audit.listed import Listed

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_US_PER_DAY = 86_400e6


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

    @staticmethod
    def packed(windows: Listed, chosen: Ints, row: Ints) -> Series:
        """Pack some windows.

        Parameters
        ----------
        chosen : ndarray
            Rows of the windows that count, rising.
        row : ndarray
            The row of the series that each belongs to: 0, 1, … without gaps, rising.
        """
        n = np.bincount(row).astype(np.int64)
        known = windows.error, windows.error_se, windows.start, windows.end, windows.calibration, windows.common
        return Series(n, *_packed(n, chosen, *known))


@compiled
def _packed(
    n: Ints, chosen: Ints, error: Floats, error_se: Floats, start: Ints, end: Ints, calibration: Ints, common: Floats
) -> tuple[Floats, Floats, Floats, Ints, Floats, Ints]:
    rows, width = len(n), 0
    for row in range(rows):
        width = max(width, n[row])
    of_error, of_variance, of_day = np.zeros((rows, width)), np.full((rows, width), np.inf), np.zeros((rows, width))
    of_calibration, of_common = np.full((rows, width), -1), np.zeros((rows, width))
    place, at = np.full((rows, width), -1), 0
    for row in range(rows):
        for k in range(n[row]):
            window = chosen[at]
            of_error[row, k], of_variance[row, k] = error[window], error_se[window] ** 2
            of_day[row, k] = (start[window] + end[window]) / 2 / _US_PER_DAY
            of_calibration[row, k], place[row, k] = calibration[window], window
            if not np.isnan(common[window]):
                of_common[row, k] = common[window]
            at += 1
    return of_error, of_variance, of_day, of_calibration, of_common, place


def numbered(values: Ints | Bools) -> Ints:
    """Numbers without gaps for values that come sorted."""
    return np.cumsum(np.append(0, values[1:] != values[:-1])) if len(values) else np.zeros(0, dtype=np.int64)
