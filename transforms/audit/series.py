"""Series: the windows of many meters side by side, as arrays of meters by windows, those that say nothing left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from transforms.audit.listed import Listed

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
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
        present = np.arange(int(n.max(initial=0)))[None, :] < n[:, None]

        def spread(values: npt.NDArray[Number], empty: float) -> npt.NDArray[Number]:
            dense = np.full(present.shape, empty, dtype=values.dtype)
            dense[present] = values[chosen]
            return dense

        return Series(
            n=n,
            error=spread(windows.error, 0.0),
            variance=spread(windows.error_se**2, np.inf),
            day=spread(windows.day, 0.0),
            calibration=spread(windows.calibration, -1),
            common=spread(np.nan_to_num(windows.common), 0.0),
            place=spread(np.arange(len(windows.meter)), -1),
        )


def numbered(values: Ints | Bools) -> Ints:
    """Numbers without gaps for values that come sorted."""
    return np.cumsum(np.append(0, values[1:] != values[:-1])) if len(values) else np.zeros(0, dtype=np.int64)
