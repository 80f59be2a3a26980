"""Errors of indication by flow zone against the maximum permissible errors, for a single data set.

OIML R 49-1:2013 (ISO 4064-1:2014), 4.1 flow rates, 4.2 accuracy classes and maximum permissible errors.
A limit is kept or exceeded only with the expanded uncertainty counted (JCGM 106:2012, guarded decisions).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.fit.straight import Values, checked
from transforms.metrology import ZONES, FlowRates, flow_rate_faults, zone_mpe
from transforms.statistics import student_quantile


@dataclass(frozen=True)
class ZoneError:
    """The error of indication in one flow zone; errors and uncertainties relative, flows in the unit of the data.

    ``error`` is sum(q') / sum(q) - 1, ``u`` its standard uncertainty, ``expanded`` the one at the coverage factor,
    ``mpe`` the limit. ``verdict`` is `inside` or `outside` where the uncertainty allows to say so, `undecided` where it
    does not, and `not evaluated` without enough values; error and uncertainties are then NaN.
    """

    zone: str
    q_low: float
    q_high: float
    n: int
    error: float
    u: float
    expanded: float
    mpe: float
    verdict: str


def zone_errors(
    q: Values,
    q_meter: Values,
    q1: float,
    q2: float,
    q3: float,
    q4: float,
    *,
    accuracy_class: int = 2,
    tolerance: float = 1.0,
    common: float = 0.0,
    resolution: float = 0.0,
    factor: float = 2.0,
    least: int = 3,
) -> tuple[ZoneError, ...]:
    """Judge pairs of readings zone by zone: Q1 to Q2, Q2 to Q3, Q3 to Q4.

    Parameters
    ----------
    q, q_meter : array_like
        Reference flow and meter's flow over the same intervals, same length, same unit as the flow rates.
    q1, q2, q3, q4 : float
        The meter's flow rates. A pair belongs to the zone of its reference flow; those outside Q1 to Q4 to none.
    accuracy_class : int
        1 or 2.
    tolerance : float
        Factor on the maximum permissible errors; in-service rules allow more than 1.
    common : float
        Relative standard uncertainty of the reference's calibration. It is common to all pairs and does not average
        out (GUM, F.1.2.3).
    resolution : float
        Step of the meter's reading. Readings that never differ share one rounding error, which stays whole.
    factor : float
        Coverage factor of the normal distribution; for few pairs Student's t at the same probability (GUM, G.3).
    least : int
        Pairs that a zone needs, at least 2.

    Notes
    -----
    The statistical part is the scatter of the pairs about the zone's own error e, r_i = q'_i - (1 + e) q_i:
    u^2 = n / (n - 1) sum(r_i^2) / sum(q)^2, as in the ratio estimator of survey sampling (Cochran, Sampling Techniques,
    6.3), plus ((1 + e) common)^2.

    Raises
    ------
    ValueError
        If the flow rates disagree with OIML R 49, the class is neither 1 nor 2, or the data are not clean.
    """
    faults = flow_rate_faults(q1, q2, q3, q4)
    if faults:
        raise ValueError("; ".join(faults))
    if accuracy_class not in (1, 2):
        raise ValueError(f"accuracy class {accuracy_class} is not one of OIML R 49-1; give 1 or 2")
    if least < 2:
        raise ValueError(f"least is {least}; two pairs are the fewest that show a scatter")
    flow, reading, _ = checked(q, q_meter, None)
    edges = FlowRates(q1, q2, q3, q4).zone_edges
    zones = []
    for name, (low, high), mpe in zip(ZONES, edges, zone_mpe(accuracy_class), strict=True):
        inside = (flow >= low) & ((flow <= high) if name == ZONES[-1] else (flow < high))
        x, y = flow[inside], reading[inside]
        limit = mpe * tolerance
        error = u = expanded = float("nan")
        verdict = "not evaluated"
        if len(x) >= least:
            error, statistical = _ratio(x, y, resolution)
            shared = (1 + error) * common
            student = float(student_quantile(factor, np.array([len(x) - 1.0]))[0])
            u = float(np.hypot(statistical, shared))
            expanded = float(np.hypot(student * statistical, factor * shared))
            verdict = _verdict(abs(error), expanded, limit)
        zones.append(ZoneError(name, low, high, len(x), error, u, expanded, limit, verdict))
    return tuple(zones)


def _ratio(x: np.ndarray, y: np.ndarray, resolution: float) -> tuple[float, float]:
    """Error of indication and the statistical part of its standard uncertainty."""
    n, total = len(x), float(x.sum())
    gain = float(y.sum()) / total
    floor = resolution**2 / 12
    variance = max(float(((y - gain * x) ** 2).sum()) / (n - 1), floor)
    of_sum = max(n * variance, n**2 * floor) if np.ptp(y) == 0 else n * variance
    return gain - 1, float(np.sqrt(of_sum)) / total


def _verdict(size: float, expanded: float, limit: float) -> str:
    if size - expanded > limit:
        return "outside"
    return "inside" if size + expanded <= limit else "undecided"
