"""Consumption: a meter's error weighted by how this customer draws water.

The share of each flow bin in the volume of the whole span, times the error of the bin in the stretch at hand (the weighted
error of studies on ageing meters, e.g. Arregui et al., Integrated Water Meter Management, IWA 2006, chapter 4). A bin with
too few pairs takes the mean of the others; where those with pairs hold less than half of the volume nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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


@dataclass(frozen=True)
class Mix:
    """How a meter's flow bins are mixed, shape (bins, meters), and the ``error`` that comes of it.

    ``ratio`` is what the meter registered of a litre in each bin, ``per_x`` the share of the bin over the sum of the reference's
    flows in it, so that ``per_x`` times (sy - ratio sx) of a window is its part of the error.
    """

    ratio: Floats
    per_x: Floats
    error: Floats


def mixed(n: Floats, sx: Floats, sy: Floats, profile: Floats, least: int) -> Mix:
    """Weigh the errors of the flow bins.

    Parameters
    ----------
    n, sx, sy : ndarray
        Moments of the stretch whose errors count, shape (bins, meters).
    profile : ndarray
        Volume by flow bin over the whole span, any unit, of the same shape.
    least : int
        Pairs that a bin needs.
    """
    used = (n >= least) & (sx > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(used, profile, 0.0)
        covered = share.sum(axis=0) / profile.sum(axis=0)
        share = share / share.sum(axis=0)
        ratio = np.where(used, sy / sx, 0.0)
        error = (share * ratio).sum(axis=0) - 1
        return Mix(ratio, np.where(used, share / sx, 0.0), np.where(covered >= LEAST_SHARE, error, np.nan))


def weighted_error(mix: Mix, variance: Floats, uncertainty: Floats) -> Weighted:
    """The weighted error with its interval.

    Parameters
    ----------
    variance : ndarray
        Of the sum of the windows' parts.
    uncertainty : ndarray
        The reference's standard uncertainty [relative].
    """
    error = np.where(np.isfinite(mix.error), mix.error, np.nan)
    with np.errstate(invalid="ignore"):
        half = Z95 * np.hypot(np.sqrt(variance), (1 + error) * uncertainty)
    return Weighted(error, error - half, error + half)
