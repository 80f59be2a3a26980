"""The units that dumps may use, as factors to litres per hour and to litres."""

from __future__ import annotations

from typing import Final

#: US liquid gallon [L], exactly 231 cubic inches (NIST Handbook 44, appendix C)
GALLON_L: Final = 3.785411784
#: international cubic foot [L], exactly (0.3048 m)^3
CUBIC_FOOT_L: Final = 28.316846592

#: factor from a unit of flow to litres per hour
FLOW_TO_LPH: Final[dict[str, float]] = {
    "L/h": 1.0,
    "L/min": 60.0,
    "L/s": 3600.0,
    "m3/h": 1000.0,
    "gal/min": 60.0 * GALLON_L,
    "ft3/h": CUBIC_FOOT_L,
}
#: factor from a unit of volume to litres
VOLUME_TO_L: Final[dict[str, float]] = {"L": 1.0, "m3": 1000.0, "gal": GALLON_L, "ft3": CUBIC_FOOT_L}
#: by quantity, as run-length frames and displays name it
BY_QUANTITY: Final[dict[str, dict[str, float]]] = {"flow": FLOW_TO_LPH, "volume": VOLUME_TO_L}
