"""Robust straight lines q' = a1 q + a2 for many meters at once: a few wild pairs must not move a meter's parameters.

M-estimates by iteratively reweighted least squares (Huber and Ronchetti, Robust Statistics, 2nd ed., 7.8; the same norms
and constants as statsmodels' RLM). Huber's norm bounds the pull of a pair, Tukey's bisquare lets go of it altogether.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from transforms.fit.lines import Floats, Lines

Norm = Literal["huber", "bisquare"]

#: tuning constants with 95 % efficiency at the normal distribution
HUBER = 1.345
BISQUARE = 4.685
#: median absolute deviation of the standard normal distribution
_NORMAL_MAD = 0.6744897501960817
_LEAST_SPREAD = 1e-6
_MOST_STEPS = 200
_SETTLED = 1e-10


def fit_robust(x: Floats, y: Floats, w: Floats, *, norm: Norm = "huber", known: bool = True) -> Lines:
    """Robust lines from padded samples.

    Parameters
    ----------
    x, y, w : ndarray
        Shape (M, N): reference flow, meter's flow and the inverse of the variance expected of y; 0 where there is no
        sample.
    norm : {"huber", "bisquare"}
        Bisquare starts from Huber's line, for it may have several minima.
    known : bool
        The variances are known, so that a residual of one standard deviation has size one. Otherwise they are known up
        to a factor, found at each step from the median absolute residual.

    Returns
    -------
    Lines
        Covariance H1 of Huber (as in statsmodels): k^2 [sum psi^2 / (n - 2)] / [mean psi']^2 (X'WX)^-1 with
        k = 1 + 2 var(psi') / (n mean(psi')^2), times the scale squared. ``chi2`` sums the squared residuals with the
        final weights. NaN where flows do not differ or the iteration has not settled.
    """
    if norm not in ("huber", "bisquare"):
        raise ValueError(f"norm is {norm!r}; choose huber or bisquare")
    seen = w > 0
    x, y = np.where(seen, x, 0.0), np.where(seen, y, 0.0)
    plain = _weighted_line(x, y, w)
    a1, a2, settled = _iterate(x, y, w, plain, "huber", known)
    if norm == "bisquare":
        a1, a2, settled = _iterate(x, y, w, _Line(a1, a2, plain.level, plain.spread, plain.total), "bisquare", known)

    residual = np.sqrt(w) * (y - a1[:, None] * x - a2[:, None])
    n = seen.sum(axis=1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = _scale(residual, seen, known)
        weight, derivative = _influence(residual / scale[:, None], norm)
        psi = np.where(seen, weight * residual, 0.0)
        slope = np.where(seen, derivative, 0.0)
        mean = slope.sum(axis=1) / n
        spread_of_slope = (np.where(seen, slope - mean[:, None], 0.0) ** 2).sum(axis=1) / n
        k = 1 + 2 / n * spread_of_slope / mean**2
        dof = n - 2
        variance = k**2 * np.where(dof > 0, (psi**2).sum(axis=1) / dof, np.nan) / mean**2
        ok = settled & (mean > 0)
        a1, a2 = np.where(ok, a1, np.nan), np.where(ok, a2, np.nan)
        a1_se = np.where(ok, np.sqrt(variance / plain.spread), np.nan)
        a2_se = np.where(ok, np.sqrt(variance * (1 / plain.total + plain.level**2 / plain.spread)), np.nan)
        correlation = -plain.level / np.sqrt(plain.spread / plain.total + plain.level**2)
        chi2 = np.where(ok, (weight * np.where(seen, residual, 0.0) ** 2).sum(axis=1), np.nan)
    return Lines(a1, a1_se, a2, a2_se, np.where(ok, correlation, np.nan), chi2, dof)


@dataclass(frozen=True)
class _Line:
    """A weighted line: its parameters, the weighted mean flow, sum of squares about it, and sum of weights."""

    a1: Floats
    a2: Floats
    level: Floats
    spread: Floats
    total: Floats


def _weighted_line(x: Floats, y: Floats, w: Floats) -> _Line:
    with np.errstate(divide="ignore", invalid="ignore"):
        total = w.sum(axis=1)
        level, height = (w * x).sum(axis=1) / total, (w * y).sum(axis=1) / total
        u = x - level[:, None]
        spread = (w * u**2).sum(axis=1)
        spread = np.where(spread > _LEAST_SPREAD**2 * total * level**2, spread, np.nan)
        a1 = (w * u * (y - height[:, None])).sum(axis=1) / spread
    return _Line(a1, height - a1 * level, level, spread, total)


def _iterate(
    x: Floats, y: Floats, w: Floats, start: _Line, norm: Norm, known: bool
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Reweighted lines until the largest move of any fitted value is a vanishing share of its standard deviation."""
    a1, a2 = start.a1.copy(), start.a2.copy()
    settled = np.zeros(len(a1), dtype=np.bool_)
    active = np.flatnonzero(np.isfinite(a1))
    xs, ys, ws = x[active], y[active], w[active]
    root = np.sqrt(ws)
    for _ in range(_MOST_STEPS):
        if not len(active):
            break
        residual = root * (ys - a1[active][:, None] * xs - a2[active][:, None])
        scale = _scale(residual, ws > 0, known)
        weight, _ = _influence(residual / scale[:, None], norm)
        new = _weighted_line(xs, ys, ws * weight)
        step = root * ((new.a1 - a1[active])[:, None] * xs + (new.a2 - a2[active])[:, None])
        moving = np.abs(step).max(axis=1) > _SETTLED * scale
        a1[active], a2[active] = new.a1, new.a2
        finite = np.isfinite(new.a1)
        settled[active[~moving & finite]] = True
        moving &= finite
        active = active[moving]
        xs, ys, ws, root = xs[moving], ys[moving], ws[moving], root[moving]
    return a1, a2, settled


def _scale(residual: Floats, seen: npt.NDArray[np.bool_], known: bool) -> Floats:
    """Standard deviation of the weighted residuals: 1 if the variances are known, else from their absolute median."""
    if known:
        return np.ones(len(residual))
    ordered = np.sort(np.where(seen, np.abs(residual), np.inf), axis=1)
    n = np.maximum(seen.sum(axis=1), 1)
    row = np.arange(len(residual))
    median = (ordered[row, (n - 1) // 2] + ordered[row, n // 2]) / 2
    return np.asarray(np.maximum(median / _NORMAL_MAD, np.finfo(np.float64).tiny))


def _influence(z: Floats, norm: Norm) -> tuple[Floats, Floats]:
    """Weight psi(z) / z and derivative psi'(z) at standardised residuals."""
    size = np.abs(z)
    if norm == "huber":
        return HUBER / np.maximum(size, HUBER), (size <= HUBER).astype(np.float64)
    share = (z / BISQUARE) ** 2
    inside = share <= 1
    rest = np.where(inside, 1 - share, 0.0)
    return rest**2, rest * np.where(inside, 1 - 5 * share, 0.0)
