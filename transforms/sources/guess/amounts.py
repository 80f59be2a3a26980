"""Units that no name tells: a flow and a register of one export must agree, and that leaves few units to choose from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from transforms.sources.guess.profile import Profile
from transforms.units import FLOW_TO_LPH, VOLUME_TO_L

#: in doubt, in this order
_FLOWS: Final = ("L/h", "L/s", "L/min", "m3/h", "gal/min", "ft3/h")
_VOLUMES: Final = ("m3", "L", "gal", "ft3")
#: an export does not mix these with metric units
_AMERICAN: Final = frozenset({"gal/min", "ft3/h", "gal", "ft3"})
#: how far flow and register may be apart and still be called agreeing
_AGREE: Final = 0.02
#: largest gap between two stamps over which a flow is carried on, in usual intervals
_GAP: Final = 1.5


@dataclass(frozen=True)
class Agreement:
    """The units under which a flow and a register tell of the same volume, as nearly as any: flow over register."""

    flow_unit: str
    volume_unit: str
    ratio: float
    rivals: list[str]

    @property
    def good(self) -> bool:
        return abs(self.ratio - 1.0) <= _AGREE


def agree(
    flow: Profile, register: Profile, instants: np.ndarray, groups: np.ndarray,
    flow_units: tuple[str, ...] = _FLOWS, volume_units: tuple[str, ...] = _VOLUMES,
) -> Agreement | None:  # fmt: skip
    """The pair of units that carries the flow, summed over time, closest to what the register went on by.

    None where too little water flowed to tell.
    """
    order = np.lexsort((instants, groups))
    t, q, v, g = instants[order], flow.numbers[order], register.numbers[order], groups[order]
    hours, gone, same = np.diff(t) / 3600.0, np.diff(v), np.diff(g) == 0
    usual = np.median(hours[same & (hours > 0)]) if np.any(same & (hours > 0)) else 0.0
    use = same & (hours > 0) & (hours <= _GAP * usual) & (gone >= 0) & np.isfinite(gone) & np.isfinite(q[1:])
    carried, moved = float(np.sum(q[1:][use] * hours[use])), float(np.sum(gone[use]))
    if carried <= 0 or moved <= 0:
        return None
    raw = carried / moved
    rated = sorted(
        (
            (
                abs(math.log(raw * FLOW_TO_LPH[of] / VOLUME_TO_L[by])),
                flow_units.index(of) + volume_units.index(by),
                of,
                by,
            )
            for of, by in product(flow_units, volume_units)
            if (of in _AMERICAN) == (by in _AMERICAN)
        ),
    )
    if not rated:
        return None
    best = rated[0]
    near = [one for one in rated if one[0] < best[0] + 1e-9]
    _, _, of, by = min(near, key=lambda one: one[1])
    rivals = [f"{a} and {b}" for distance, _, a, b in rated if distance < best[0] + 0.2 and (a, b) != (of, by)]
    return Agreement(of, by, raw * FLOW_TO_LPH[of] / VOLUME_TO_L[by], rivals[:3])
