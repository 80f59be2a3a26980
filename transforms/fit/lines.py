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
#: the numbers of one meter's `Centred` but for the prior, and of its `Lines`
Nine = tuple[float, float, float, float, float, float, float, float, float]
Seven = tuple[float, float, float, float, float, float, float]


#: the names of the sums
SUMMED = ("n", "sx", "sy", "sxx", "sxy", "syy")


#: sums of `Centred` in the order of `Nine`
CENTRED = ("c", "d", "n", "w", "x", "y", "xx", "xy", "yy")
#: the forms with one parameter, and the one with both
OFFSET, GAIN, BOTH = range(3)


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
    n, sx, sy, sxx, sxy, syy = (np.ascontiguousarray(sums[name], dtype=np.int64) for name in SUMMED)
    columns = _centre(n, sx, sy, sxx, sxy, syy, np.ascontiguousarray(weights, dtype=np.float64))
    return Centred(
        **dict(zip(CENTRED, columns, strict=True)),
        prior=np.broadcast_to(np.asarray(prior, dtype=np.float64), columns.shape[1:]),
        prior_dof=prior_dof,
    )


@compiled
def _centre(n: Ints, sx: Ints, sy: Ints, sxx: Ints, sxy: Ints, syy: Ints, weights: Floats) -> Floats:
    bins, meters = n.shape
    found = np.empty((9, meters))
    own, of_own = np.empty((bins, 6), np.int64), np.empty(bins)
    for row in range(meters):
        for k in range(bins):
            own[k, 0], own[k, 1], own[k, 2] = n[k, row], sx[k, row], sy[k, row]
            own[k, 3], own[k, 4], own[k, 5] = sxx[k, row], sxy[k, row], syy[k, row]
            of_own[k] = weights[k, row]
        about = centre_own(own, of_own, 0)
        found[0, row], found[1, row], found[2, row], found[3, row] = about[0], about[1], about[2], about[3]
        found[4, row], found[5, row], found[6, row], found[7, row] = about[4], about[5], about[6], about[7]
        found[8, row] = about[8]
    return found


@compiled
def centre_own(own: Ints, weights: Floats, begin: int) -> Nine:
    """The same for the sums of one meter, (bins, 6), from a bin on: the numbers of `CENTRED`.

    Whole numbers all the way: wrap-around on the way is harmless, since the results fit.
    """
    total, of_x, of_y = np.int64(0), np.int64(0), np.int64(0)
    for k in range(begin, len(own)):
        total += own[k, 0]
        of_x += own[k, 1]
        of_y += own[k, 2]
    count = max(total, np.int64(1))
    c, d = (2 * of_x + count) // (2 * count), (2 * of_y + count) // (2 * count)
    w, x, y, xx, xy, yy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(begin, len(own)):
        n, weight = own[k, 0], weights[k]
        sx, sy = own[k, 1], own[k, 2]
        w += weight * n
        x += weight * (sx - n * c)
        y += weight * (sy - n * d)
        xx += weight * (own[k, 3] - 2 * c * sx + n * c * c)
        xy += weight * (own[k, 4] - c * sy - d * sx + n * c * d)
        yy += weight * (own[k, 5] - 2 * d * sy + n * d * d)
    return float(c), float(d), float(total), w, x, y, xx, xy, yy


def residual_sum(sums: Centred, a1: Floats, a2: Floats) -> Floats:
    """The weighted sum of squared residuals about given lines."""
    return _residual_sums(stacked(sums), np.ascontiguousarray(a1), np.ascontiguousarray(a2))


@compiled
def _residual_sums(sums: Floats, a1: Floats, a2: Floats) -> Floats:
    found = np.empty(len(a1))
    for row in range(len(a1)):
        found[row] = residual_own(nine_of(sums, row), a1[row], a2[row])
    return found


@compiled
def residual_own(about: Nine, a1: float, a2: float) -> float:
    """The same for the numbers of one meter."""
    c, d, _, w, x, y, xx, xy, yy = about
    k = d - a1 * c - a2
    rest = yy - 2 * a1 * xy + a1**2 * xx + 2 * k * (y - a1 * x) + w * k**2
    return 0.0 if rest <= 0.0 else rest


def scatter(sums: Centred, chi2: Floats, dof: Floats) -> Floats:
    """Weighted variance of a pair about the fit: what is seen and what was expected, pooled by degrees of freedom."""
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = (sums.prior_dof * sums.prior + chi2) / (sums.prior_dof + dof)
        return np.asarray(np.where(dof > 0, pooled, np.nan))


@compiled
def scatter_own(prior: float, prior_dof: float, chi2: float, dof: float) -> float:
    """The same for one meter."""
    return (prior_dof * prior + chi2) / (prior_dof + dof) if dof > 0 else np.nan


def fit_offset(sums: Centred) -> Lines:
    """q' = q + a2."""
    return _fitted(sums, OFFSET)


def fit_gain(sums: Centred) -> Lines:
    """q' = a1 q."""
    return _fitted(sums, GAIN)


def fit_line(sums: Centred) -> Lines:
    """q' = a1 q + a2."""
    return _fitted(sums, BOTH)


def _fitted(sums: Centred, form: int) -> Lines:
    return Lines(*_fit(stacked(sums), np.ascontiguousarray(sums.prior), sums.prior_dof, form))


def stacked(sums: Centred) -> Floats:
    """The numbers of `CENTRED` as one array, (9, meters)."""
    return np.stack([getattr(sums, name) for name in CENTRED])


@compiled
def nine_of(sums: Floats, row: int) -> Nine:
    """Those of one meter."""
    w, x, y, xx, xy, yy = sums[3, row], sums[4, row], sums[5, row], sums[6, row], sums[7, row], sums[8, row]
    return sums[0, row], sums[1, row], sums[2, row], w, x, y, xx, xy, yy


@compiled
def _fit(sums: Floats, prior: Floats, prior_dof: float, form: int) -> Floats:
    meters = sums.shape[1]
    found = np.empty((7, meters))
    for row in range(meters):
        about = nine_of(sums, row)
        if form == OFFSET:
            line = offset_own(about, prior[row], prior_dof)
        elif form == GAIN:
            line = gain_own(about, prior[row], prior_dof)
        else:
            line = line_own(about, prior[row], prior_dof)
        put_line(line, found, row)
    return found


@compiled
def put_line(line: Seven, found: Floats, row: int) -> None:
    """The numbers of one meter's line into those of all, (7, meters)."""
    found[0, row], found[1, row], found[2, row], found[3, row] = line[0], line[1], line[2], line[3]
    found[4, row], found[5, row], found[6, row] = line[4], line[5], line[6]


@compiled
def offset_own(about: Nine, prior: float, prior_dof: float) -> Seven:
    """The offset of one meter, from the numbers of `CENTRED`; all that `Lines` has of it."""
    c, d, n, w, x, y, _, _, _ = about
    a2 = d - c + (y - x) / w
    chi2, dof = residual_own(about, 1.0, a2), n - 1
    return 1.0, 0.0, a2, np.sqrt(scatter_own(prior, prior_dof, chi2, dof) / w), 0.0, chi2, dof


@compiled
def gain_own(about: Nine, prior: float, prior_dof: float) -> Seven:
    """The gain of one meter, likewise."""
    c, d, n, w, x, y, xx, xy, _ = about
    of_xx = xx + 2 * c * x + c**2 * w
    a1 = (xy + c * y + d * x + c * d * w) / of_xx
    chi2, dof = residual_own(about, a1, 0.0), n - 1
    return a1, np.sqrt(scatter_own(prior, prior_dof, chi2, dof) / of_xx), 0.0, 0.0, 0.0, chi2, dof


@compiled
def line_own(about: Nine, prior: float, prior_dof: float) -> Seven:
    """The line of one meter, likewise."""
    c, d, n, w, x, y, xx, xy, _ = about
    x_mean, y_mean = x / w, y / w
    of_xx = xx - x * x_mean
    of_xy = xy - x * y_mean
    # A line needs flows that differ; below a relative spread of 1e-6 of the mean there is nothing to fit.
    level = c + x_mean
    of_xx = of_xx if of_xx > 1e-12 * w * level**2 else np.nan
    a1 = of_xy / of_xx
    a2 = d + y_mean - a1 * level
    chi2, dof = residual_own(about, a1, a2), n - 2
    scale = scatter_own(prior, prior_dof, chi2, dof)
    a1_se = np.sqrt(scale / of_xx)
    a2_se = np.sqrt(scale * (1 / w + level**2 / of_xx))
    return a1, a1_se, a2, a2_se, -level / np.sqrt(of_xx / w + level**2), chi2, dof
