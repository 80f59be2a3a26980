"""Random numbers that belong to a place, not to a sequence: the same keys give the same number in any order and cut.

Pulses of demand are drawn this way, so that one meter's Tuesday is the same whether it is simulated alone, in a block
of thousands, or a second time for a meter whose clock is wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transforms.simulate.demand import Array, Indices

Keys = NDArray[np.uint64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def key(seed: int) -> Keys:
    """The key that all others are derived from, (1,)."""
    return below(np.zeros(1, dtype=np.uint64), np.array([seed], dtype=np.int64))


def below(keys: Keys, numbers: Indices | int) -> Keys:
    """Keys one level further down: one for each pair of key and number, broadcast.

    The mixing function is that of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014).
    """
    with np.errstate(over="ignore"):
        mixed = keys + _GAMMA * (np.asarray(numbers, dtype=np.int64).astype(np.uint64) + np.uint64(1))
        mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)


def uniform(keys: Keys, number: int) -> Array:
    """Numbers evenly spread over [0, 1), the shape of the keys; each ``number`` gives an independent set."""
    return np.asarray((below(keys, number) >> np.uint64(11)).astype(np.float64) * 2.0**-53, dtype=np.float64)
