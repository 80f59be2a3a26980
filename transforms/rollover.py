"""Rollover: what a register's fall looks like when it went round, full nines before and little after; its width is then
likely the power of ten above."""

from __future__ import annotations

from typing import Final

import numpy as np

#: shares of a power of ten, beyond which a register was nearly full, and below which it is nearly empty
FULL: Final = 0.9
EMPTY: Final = 0.1
#: below this a fall says little about the width [L]
LEAST_L: Final = 1_000.0


def likely_width(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The power of ten that each fall looks as if it had gone round, in the unit of the readings; NaN where none.

    Parameters
    ----------
    before, after : ndarray
        The readings before and after each fall, of any one unit.
    """
    width: np.ndarray = 10.0 ** np.ceil(np.log10(np.maximum(before, 1.0)))
    return np.where((before >= FULL * width) & (after <= EMPTY * width), width, np.nan)
