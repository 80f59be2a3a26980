"""Sums in compiled loops, taken in the order in which NumPy takes them, so that both come to the same last digit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled

_LANES = 8
#: longer stretches are halved, and the halves summed by themselves
_MOST = 128


@compiled
def pairwise(values: npt.NDArray[np.float64]) -> float:
    """The sum of all values, as ``values.sum()`` of a contiguous array."""
    size = len(values)
    total = 0.0
    if size > _MOST:
        half = size // 2 - size // 2 % _LANES
        total += pairwise(values[:half]) + pairwise(values[half:])
    elif size < _LANES:
        for k in range(size):
            total += values[k]
    else:
        a, b, c, d, e, f, g, h = values[:_LANES]
        whole = size - size % _LANES
        for k in range(_LANES, whole, _LANES):
            a += values[k]
            b += values[k + 1]
            c += values[k + 2]
            d += values[k + 3]
            e += values[k + 4]
            f += values[k + 5]
            g += values[k + 6]
            h += values[k + 7]
        total += ((a + b) + (c + d)) + ((e + f) + (g + h))
        for k in range(whole, size):
            total += values[k]
    return total
