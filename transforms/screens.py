"""What a meter's display can show: the screens that a model's registry entry lists, and which unit each may have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from transforms.units import BY_QUANTITY

#: quantities that a screen may show. `a1` and `a2` are the maintenance parameters as the last command sent them, `gain` and
#: `offset` the correction in force, `menu` a code that names the screen or a state
QUANTITIES: Final = ("volume", "flow", "a1", "a2", "gain", "offset", "menu")
#: units by quantity; a pure number has the unit ""
UNITS: Final[dict[str, tuple[str, ...]]] = {
    "volume": tuple(BY_QUANTITY["volume"]),
    "flow": tuple(BY_QUANTITY["flow"]),
    "a1": ("",),
    "a2": tuple(BY_QUANTITY["flow"]),
    "gain": ("",),
    "offset": tuple(BY_QUANTITY["flow"]),
    "menu": ("",),
}


@dataclass(frozen=True)
class Screen:
    """One screen of a display.

    Attributes
    ----------
    name
        The screen's name in the registry; ``main`` for the one given by ``display``.
    quantity
        One of `QUANTITIES`.
    unit
        Unit of the number shown.
    digits
        Number of digit places, leading zeros and decimals included.
    decimals
        How many of them stand behind the decimal point.
    """

    name: str
    quantity: str
    unit: str
    digits: int
    decimals: int
