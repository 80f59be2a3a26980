"""The metrology of water meters: flow rates, flow zones and maximum permissible errors.

Sources: OIML R 49-1:2013 and ISO 4064-1:2014 (identical texts), clause 4.1 for the flow rates Q1 to Q4 and clause 4.2
for the accuracy classes and their maximum permissible errors at water temperatures up to 30 degrees Celsius.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

#: maximum permissible error [relative] by accuracy class: lower zone [Q1, Q2), upper zone [Q2, Q4]
MPE: Final[dict[int, tuple[float, float]]] = {1: (0.03, 0.01), 2: (0.05, 0.02)}
#: the zones that errors are reported for; the upper MPE zone is told apart at Q3, the permanent flow rate
ZONES: Final[tuple[str, str, str]] = ("q1_q2", "q2_q3", "q3_q4")
#: Q4 / Q3 and Q2 / Q1 that the standard fixes
OVERLOAD_RATIO: Final = 1.25
TRANSITIONAL_RATIO: Final = 1.6
#: the span of R = Q3 / Q1 that water meters are made with
R_RANGE: Final[tuple[float, float]] = (10.0, 1000.0)
_RATIO_TOLERANCE: Final = 0.01


@dataclass(frozen=True)
class FlowRates:
    """The four flow rates of a meter [L/h]: minimum Q1, transitional Q2, permanent Q3 and overload Q4."""

    q1: float
    q2: float
    q3: float
    q4: float

    @property
    def ratio(self) -> float:
        """R = Q3 / Q1 [dimensionless]."""
        return self.q3 / self.q1

    @property
    def zone_edges(self) -> tuple[tuple[float, float], ...]:
        """Lower and upper edge [L/h] of each of ``ZONES``: half open, but for the last, which holds Q4 too."""
        return ((self.q1, self.q2), (self.q2, self.q3), (self.q3, self.q4))


def zone_mpe(accuracy_class: int) -> tuple[float, float, float]:
    """The maximum permissible error [relative] in each of ``ZONES``, OIML R 49-1:2013, 4.2.

    Parameters
    ----------
    accuracy_class
        1 or 2.

    Raises
    ------
    KeyError
        If the class is neither.
    """
    lower, upper = MPE[accuracy_class]
    return (lower, upper, upper)


def flow_rate_faults(q1: float, q2: float, q3: float, q4: float) -> list[str]:
    """What is wrong with four flow rates [L/h], one sentence each; empty when they agree with OIML R 49-1:2013, 4.1.

    The standard asks for Q4 = 1.25 Q3 and Q2 = 1.6 Q1 (1 % is granted for rounding). R = Q3 / Q1 must lie in 10 to
    1000.
    """
    rates = {"q1": q1, "q2": q2, "q3": q3, "q4": q4}
    faults = [
        f"{name} = {value:g} is not a flow rate; give a number of L/h above 0"
        for name, value in rates.items()
        if not (math.isfinite(value) and value > 0)
    ]
    if faults:
        return faults
    if not q1 < q2 < q3 < q4:
        faults.append(
            f"the flow rates must rise from q1 to q4, but are {q1:g}, {q2:g}, {q3:g}, {q4:g} L/h;"
            " check their order and units"
        )
    if abs(q4 / q3 - OVERLOAD_RATIO) > OVERLOAD_RATIO * _RATIO_TOLERANCE:
        faults.append(f"q4 = {q4:g} must be 1.25 times q3, which is {OVERLOAD_RATIO * q3:g} L/h (OIML R 49-1, 4.1)")
    if abs(q2 / q1 - TRANSITIONAL_RATIO) > TRANSITIONAL_RATIO * _RATIO_TOLERANCE:
        faults.append(f"q2 = {q2:g} must be 1.6 times q1, which is {TRANSITIONAL_RATIO * q1:g} L/h (OIML R 49-1, 4.1)")
    low, high = R_RANGE
    if not low <= q3 / q1 <= high:
        faults.append(
            f"R = q3/q1 = {q3 / q1:.4g} lies outside {low:g} to {high:g}; check q1 and q3 against the type approval"
        )
    return faults
