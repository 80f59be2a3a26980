"""Standard errors of lines from moments where the variance grows with the flow inside a bin.

Weights that are constant within a bin cost the parameters next to nothing, but not their standard errors: a bin's largest
flows pull the line most and are the most uncertain. Half-decade bins and a variance in proportion to q^2 make intervals
of nominally 95 % cover 90 %. The covariance of a weighted fit whose weights are not the inverse variances is
H^-1 G H^-1, with H = sum w z z', G = sum w^2 v z z', z = (1, q) (Eicker 1967, White 1980; here v is modelled, not seen).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints, Lines
from transforms.fit.york import Bins, bins_of

#: fourth moment of flows in a bin over the square of the second, as of an even spread; the third is taken as 0
_KURTOSIS = 1.8


def proportional_errors(
    lines: Lines,
    sums: Mapping[str, Ints] | Bins,
    weights: Floats,
    relative: Floats | float,
    constant: Floats | float,
    *,
    observed: bool = True,
) -> Lines:
    """The same lines q' = a1 q + a2 with standard errors for a variance v(q) = relative q^2 + constant.

    Parameters
    ----------
    lines : Lines
        Full lines of `fit_line` or `fit_york`.
    sums : mapping or Bins
        The sums they were fitted to, shape (bins, meters).
    weights : ndarray
        The weights of single pairs in the fit, shape (bins, meters); for `fit_york` 1 / (var_y + a1^2 var_x).
    relative, constant : ndarray or float
        Variance of a pair's residual: the part that goes with q^2 [1] and the constant one, in the unit of the sums
        squared; per meter or for all. For errors in both flows those of q' plus a1^2 times those of q.
    observed : bool
        Scale by chi2 over what v lets expect of it.
    """
    b = sums if isinstance(sums, Bins) else bins_of(sums)
    of_all = (np.broadcast_to(np.asarray(part, dtype=np.float64), b.n.shape[1:]) for part in (relative, constant))
    known = (np.ascontiguousarray(part) for part in (b.n, b.x, b.xx, weights, *of_all))
    slope, variance, covariance, expected = _variances(*known)
    scale: Floats | float = 1.0
    if observed:
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where(lines.dof > 0, lines.chi2 / expected, np.nan)
    return with_variances(lines, slope, variance, covariance, scale)


def with_variances(
    lines: Lines, slope: Floats, variance: Floats, covariance: Floats, scale: Floats | float = 1.0
) -> Lines:
    """The same lines with the standard errors that the variances of a1 and a2 are, times a scale, and their covariance."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a1_se, a2_se = np.sqrt(scale * slope), np.sqrt(scale * variance)
        correlation = covariance / np.sqrt(slope * variance)
    ok = np.isfinite(lines.a1)
    return replace(
        lines,
        a1_se=np.where(ok, a1_se, np.nan),
        a2_se=np.where(ok, a2_se, np.nan),
        correlation=np.where(ok, correlation, np.nan),
    )


@compiled
def _variances(n: Floats, x: Floats, xx: Floats, weights: Floats, relative: Floats, constant: Floats) -> Floats:
    bins, meters = n.shape
    found, own = np.empty((4, meters)), np.empty((bins, 4))
    for row in range(meters):
        for k in range(bins):
            own[k, 0], own[k, 1], own[k, 2], own[k, 3] = n[k, row], x[k, row], xx[k, row], weights[k, row]
        found[0, row], found[1, row], found[2, row], found[3, row] = variances_own(own, relative[row], constant[row])
    return found


@compiled
def variances_own(own: Floats, relative: float, constant: float) -> tuple[float, float, float, float]:
    """Variances of a1 and a2 of one meter, their covariance, and the chi2 to expect.

    ``own`` holds count, mean, sum of squares about it, and weight of each bin, (bins, 4).
    """
    w, moment, spread, of_v, g11, g12, g22 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(len(own)):
        total = own[k, 0] * own[k, 3]
        w += total
        moment += total * own[k, 1]
    level = moment / w
    for k in range(len(own)):
        total, square = own[k, 0] * own[k, 3], own[k, 0] * own[k, 3] ** 2
        m, u, s = own[k, 1], own[k, 1] - level, 0.0
        if own[k, 0] > 0:
            s = own[k, 2] / own[k, 0]
        spread += total * (u**2 + s)
        # Means of v, v U and v U^2 within a bin, U = u + d, q = m + d
        v = relative * (m**2 + s) + constant
        vu = relative * (m**2 * u + s * u + 2 * m * s) + constant * u
        vuu = relative * ((m * u) ** 2 + ((m + u) ** 2 + 2 * m * u) * s + _KURTOSIS * s**2)
        vuu += constant * (u**2 + s)
        of_v += total * v
        g11 += square * v
        g12 += square * vu
        g22 += square * vuu
    height, slope, cross = g11 / w**2, g22 / spread**2, g12 / (w * spread)
    variance = height + level**2 * slope - 2 * level * cross
    return slope, 0.0 if variance < 0 else variance, cross - level * slope, of_v - g11 / w - g22 / spread
