"""Consumption: a meter's error weighted by how this customer draws water.

The share of each flow bin in the volume of the whole span, times the error of the bin in the stretch at hand (the weighted
error of studies on ageing meters, e.g. Arregui et al., Integrated Water Meter Management, IWA 2006, chapter 4). A bin with
too few pairs takes the mean of the others; where those with pairs hold less than half of the volume nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.audit.pooled import Combination, Pooled, variances
from transforms.audit.series import Floats
from transforms.audit.volume import Z95

#: share of the volume that bins with evidence must hold
LEAST_SHARE = 0.5


@dataclass(frozen=True)
class Weighted:
    """Weighted errors with a 95 % interval, one entry per meter; NaN where nothing can be said."""

    error: Floats
    low: Floats
    high: Floats


def weighted_error(pooled: Pooled, profile: Floats, least: int) -> Weighted:
    """Weigh the errors of the flow bins.

    Parameters
    ----------
    pooled : Pooled
        Moments of the stretch whose errors count, one group a meter.
    profile : ndarray
        Volume by flow bin over the whole span, any unit, shape (bins, meters).
    least : int
        Pairs that a bin needs.
    """
    n, sx, sy = (pooled.moments.by_bin(name).astype(np.float64) for name in ("n", "sx", "sy"))
    used = (n >= least) & (sx > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(used, profile, 0.0)
        covered = share.sum(axis=0) / profile.sum(axis=0)
        share = share / share.sum(axis=0)
        ratio = np.where(used, sy / sx, 0.0)
        error = (share * ratio).sum(axis=0) - 1
        scores = Combination(n.shape[1], 1)
        scores.put(0, np.where(used, share / sx, 0.0), sy=1.0, sx=-ratio)
        variance = variances(*pooled.clustered(scores.scores()), (0,))[0]
        half = Z95 * np.hypot(np.sqrt(variance), (1 + error) * pooled.reference.uncertainty / 2)
    known = np.isfinite(error) & (covered >= LEAST_SHARE)
    return Weighted(*(np.where(known, values, np.nan) for values in (error, error - half, error + half)))
