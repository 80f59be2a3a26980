"""Units that no name tells: a flow and a register of one export must agree, and that leaves few units to choose from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from transforms.sources.guess.profile import Profile
from transforms.units import FLOW_TO_LPH, VOLUME_TO_L

#: in doubt, in this order
FLOWS: Final = {unit: FLOW_TO_LPH[unit] for unit in ("L/h", "L/s", "L/min", "m3/h", "gal/min", "ft3/h")}
VOLUMES: Final = {unit: VOLUME_TO_L[unit] for unit in ("m3", "L", "gal", "ft3")}
#: an export does not mix these with metric units
_AMERICAN: Final = frozenset({"gal/min", "ft3/h", "gal", "ft3"})
#: how far flow and register may be apart and still be called agreeing
_AGREE: Final = 0.02
#: beyond this no meter's error is the reason, but a unit
_APART: Final = 1.6
#: largest gap between two stamps over which a flow is carried on, in usual intervals
_GAP: Final = 1.5
#: two devices never agree in so many intervals to the last digit
_SAME: Final = 0.95
_ENOUGH: Final = 12
#: the last digit of a register in cubic metres that shows litres
_MILLI: Final = 0.0011


@dataclass(frozen=True)
class Agreement:
    """The units under which a flow and a register tell of the same volume, as nearly as any.

    Attributes
    ----------
    flow_unit, volume_unit
        Their names.
    ratio
        The flow, carried over time, to what the register went on by.
    rivals
        Other units that come about as near.
    same
        Whether both agree to the last digit in nearly every interval: then one device tells both.
    """

    flow_unit: str
    volume_unit: str
    ratio: float
    rivals: list[str]
    same: bool

    @property
    def good(self) -> bool:
        return abs(self.ratio - 1.0) <= _AGREE

    @property
    def absurd(self) -> bool:
        """Whether no meter could be so wrong: a unit is."""
        return not 1 / _APART < self.ratio < _APART


def agree(
    flow: Profile, register: Profile, instants: np.ndarray, groups: np.ndarray, flow_units: Mapping[str, float],
    volume_units: Mapping[str, float], *, of_interval: bool,
) -> Agreement | None:  # fmt: skip
    """The pair of units that carries the flow, summed over time, closest to what the register went on by.

    Parameters
    ----------
    flow, register : Profile
        The columns; ``of_interval`` says that the flow is the volume of each interval.
    instants, groups : ndarray
        Seconds since 1970 of each row, and the number of its device.
    flow_units, volume_units : mapping
        The units that come into question, with their factors to ours.

    Returns
    -------
    Agreement or None
        None where too little water flowed to tell.
    """
    order = np.lexsort((instants, groups))
    t, q, v, g = instants[order], flow.numbers[order], register.numbers[order], groups[order]
    hours, gone, same = np.diff(t) / 3600.0, np.diff(v), np.diff(g) == 0
    usual = np.median(hours[same & (hours > 0)]) if np.any(same & (hours > 0)) else 0.0
    use = same & (hours > 0) & (hours <= _GAP * usual) & (gone >= 0) & np.isfinite(gone) & np.isfinite(q[1:])
    per = np.ones(int(use.sum())) if of_interval else hours[use]
    carried, moved = q[1:][use] * per, gone[use]
    if np.sum(carried) <= 0 or np.sum(moved) <= 0:
        return None
    raw = float(np.sum(carried) / np.sum(moved))
    rated = sorted(
        (abs(math.log(raw * a / b)), [*flow_units].index(of) + [*volume_units].index(by), of, by)
        for (of, a), (by, b) in product(flow_units.items(), volume_units.items())
        if (of in _AMERICAN) == (by in _AMERICAN) or len(flow_units) == len(volume_units) == 1
    )
    if not rated:
        return None
    best = rated[0]
    near = [one for one in rated if one[0] < best[0] + 1e-9]
    # where several pairs fit alike, three decimals are those of a register in cubic metres
    metres = last_digit(register) <= _MILLI
    _, _, of, by = min(near, key=lambda one: (metres and one[3] != "m3", one[1]))
    rivals = [f"{a} and {b}" for distance, _, a, b in rated if distance < best[0] + 0.2 and (a, b) != (of, by)]
    scale = flow_units[of] / volume_units[by]
    step = last_digit(register) + scale * last_digit(flow) * (1.0 if of_interval else usual)
    return Agreement(of, by, raw * scale, rivals[:3], _one_device(carried * scale, moved, step))


def _one_device(carried: np.ndarray, moved: np.ndarray, step: float) -> bool:
    """Whether two volumes agree in nearly every interval in which water flowed, as far as their digits go."""
    flowed = moved > 0
    if np.count_nonzero(flowed) < _ENOUGH or np.median(moved[flowed]) < 3 * step:
        return False
    apart = np.abs(carried - moved)[flowed]
    return bool(np.mean(apart <= step + 0.002 * moved[flowed]) >= _SAME)


def last_digit(column: Profile) -> float:
    """What the last digit of a column's numbers counts."""
    known = column.texts.drop_nulls().head(500)
    decimals = max((len(found) for text in known if (found := _decimals(str(text)))), default=0)
    return float(10.0**-decimals)


def cubic_metres(register: Profile) -> bool:
    """Whether a register without a unit is likelier in cubic metres than in litres: in whole ones, or to the litre."""
    return register.whole or last_digit(register) <= _MILLI


def _decimals(text: str) -> str:
    cut = max(text.rfind(","), text.rfind("."))
    return text[cut + 1 :] if cut >= 0 else ""
