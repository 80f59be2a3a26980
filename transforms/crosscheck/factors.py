"""Factors: by how much a value is off if one unit is taken for another."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Final

from transforms.units import FLOW_TO_LPH, VOLUME_TO_L

#: how near a ratio must come to a factor: meters are wrong by so much at most
_NEAR: Final = 0.125


def taken_for(ratio: float) -> str:
    """In words, which unit is taken for which if values are ``ratio`` times too large; empty where no pair of units fits."""
    away, name = min(
        (abs(math.log(ratio * table[theirs] / table[ours])), f"{theirs} taken for {ours}")
        for table in (VOLUME_TO_L, FLOW_TO_LPH)
        for ours, theirs in permutations(table, 2)
    )
    return name if away < _NEAR else ""
