"""Straight lines q' = a1 q + a2 for many meters at once, from sums of exact integers.

Sums are moved to whole numbers near each meter's means before anything is subtracted, in integer arithmetic, so nothing
is lost to cancellation; only then do weights and floating point enter. Weights are constant within a flow bin.

The formulas are those of weighted linear least squares, e.g. ISO/TS 28037:2010 clause 6 and Draper and Smith, Applied
Regression Analysis, chapters 1 and 9.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


_SUMS = ("n", "sx", "sy", "sxx", "sxy", "syy")


@dataclass(frozen=True)
class Centred:
    """Weighted sums per meter about the whole numbers ``c`` (of q) and ``d`` (of q').

    ``n`` counts pairs, ``w`` sums the weights, the others sum weight times powers of (q - c) and (q' - d). ``prior`` is
    the weighted variance of a pair that is expected beforehand, and ``prior_dof`` how many pairs that knowledge is worth
    (0: none). Few quantised pairs may scatter by nothing at all, and that is no proof of precision.
    """

    c: Floats
    d: Floats
    n: Floats
    w: Floats
    x: Floats
    y: Floats
    xx: Floats
    xy: Floats
    yy: Floats
    prior: Floats
    prior_dof: float


@dataclass(frozen=True)
class Lines:
    """Fitted lines, one entry per meter, in the units of the sums.

    ``chi2`` is the weighted sum of squared residuals, ``dof`` the pairs less the fitted parameters, ``correlation``
    that of the errors of ``a1`` and ``a2`` (0 where one of them is fixed). Standard errors are scaled by the scatter
    about the line, see `scatter`. Where the data determine no line, the parameters are NaN.
    """

    a1: Floats
    a1_se: Floats
    a2: Floats
    a2_se: Floats
    correlation: Floats
    chi2: Floats
    dof: Floats


def centre(sums: Mapping[str, Ints], weights: Floats, prior: Floats | float = 1.0, prior_dof: float = 0.0) -> Centred:
    """Move integer sums to each meter's own means and weigh them.

    Parameters
    ----------
    sums : mapping
        ``n, sx, sy, sxx, sxy, syy``: arrays of shape (bins, meters), exact.
    weights : ndarray
        Shape (bins, meters): the weight of each pair of a bin.
    prior : ndarray or float
        Weighted variance of a pair that is expected beforehand, per meter: 1 where weights are inverse variances.
    prior_dof : float
        What that knowledge is worth in degrees of freedom (GUM, G.4.2); 0 leaves the data alone to tell.
    """
    n, sx, sy, sxx, sxy, syy = (np.ascontiguousarray(sums[name], dtype=np.int64) for name in _SUMS)
    columns = _centre(n, sx, sy, sxx, sxy, syy, np.ascontiguousarray(weights, dtype=np.float64))
    names = ("c", "d", "n", "w", "x", "y", "xx", "xy", "yy")
    return Centred(
        **dict(zip(names, columns, strict=True)),
        prior=np.broadcast_to(np.asarray(prior, dtype=np.float64), columns.shape[1:]),
        prior_dof=prior_dof,
    )


@compiled
def _centre(n: Ints, sx: Ints, sy: Ints, sxx: Ints, sxy: Ints, syy: Ints, weights: Floats) -> Floats:
    """Whole numbers all the way: wrap-around on the way is harmless, since the results fit."""
    bins, meters = n.shape
    found = np.zeros((9, meters))
    for row in range(meters):
        total, of_x, of_y = np.int64(0), np.int64(0), np.int64(0)
        for k in range(bins):
            total += n[k, row]
            of_x += sx[k, row]
            of_y += sy[k, row]
        count = max(total, np.int64(1))
        c, d = (2 * of_x + count) // (2 * count), (2 * of_y + count) // (2 * count)
        found[0, row], found[1, row], found[2, row] = c, d, total
        for k in range(bins):
            many, x, y, weight = n[k, row], sx[k, row], sy[k, row], weights[k, row]
            found[3, row] += weight * many
            found[4, row] += weight * (x - many * c)
            found[5, row] += weight * (y - many * d)
            found[6, row] += weight * (sxx[k, row] - 2 * c * x + many * c * c)
            found[7, row] += weight * (sxy[k, row] - c * y - d * x + many * c * d)
            found[8, row] += weight * (syy[k, row] - 2 * d * y + many * d * d)
    return found


def residual_sum(sums: Centred, a1: Floats, a2: Floats) -> Floats:
    """The weighted sum of squared residuals about given lines."""
    k = sums.d - a1 * sums.c - a2
    rest = sums.yy - 2 * a1 * sums.xy + a1**2 * sums.xx + 2 * k * (sums.y - a1 * sums.x) + sums.w * k**2
    return np.maximum(rest, 0.0)


def scatter(sums: Centred, chi2: Floats, dof: Floats) -> Floats:
    """Weighted variance of a pair about the fit: what is seen and what was expected, pooled by degrees of freedom."""
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (sums.prior_dof * sums.prior + chi2) / (sums.prior_dof + dof)
        return np.asarray(np.where(dof > 0, pooled, np.nan))


def fit_offset(sums: Centred) -> Lines:
    """q' = q + a2."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a2 = sums.d - sums.c + (sums.y - sums.x) / sums.w
        one = np.ones_like(a2)
        chi2 = residual_sum(sums, one, a2)
        dof = sums.n - 1
        a2_se = np.sqrt(scatter(sums, chi2, dof) / sums.w)
    zero = np.zeros_like(a2)
    return Lines(one, zero, a2, a2_se, zero, chi2, dof)


def fit_gain(sums: Centred) -> Lines:
    """q' = a1 q."""
    with np.errstate(divide="ignore", invalid="ignore"):
        xx = sums.xx + 2 * sums.c * sums.x + sums.c**2 * sums.w
        xy = sums.xy + sums.c * sums.y + sums.d * sums.x + sums.c * sums.d * sums.w
        a1 = xy / xx
        zero = np.zeros_like(a1)
        chi2 = residual_sum(sums, a1, zero)
        dof = sums.n - 1
        a1_se = np.sqrt(scatter(sums, chi2, dof) / xx)
    return Lines(a1, a1_se, zero, zero, zero, chi2, dof)


def fit_line(sums: Centred) -> Lines:
    """q' = a1 q + a2."""
    with np.errstate(divide="ignore", invalid="ignore"):
        x_mean, y_mean = sums.x / sums.w, sums.y / sums.w
        sxx = sums.xx - sums.x * x_mean
        sxy = sums.xy - sums.x * y_mean
        # A line needs flows that differ; below a relative spread of 1e-6 of the mean there is nothing to fit.
        level = sums.c + x_mean
        sxx = np.where(sxx > 1e-12 * sums.w * level**2, sxx, np.nan)
        a1 = sxy / sxx
        a2 = sums.d + y_mean - a1 * level
        chi2 = residual_sum(sums, a1, a2)
        dof = sums.n - 2
        scale = scatter(sums, chi2, dof)
        a1_se = np.sqrt(scale / sxx)
        a2_se = np.sqrt(scale * (1 / sums.w + level**2 / sxx))
        correlation = -level / np.sqrt(sxx / sums.w + level**2)
    return Lines(a1, a1_se, a2, a2_se, correlation, chi2, dof)
