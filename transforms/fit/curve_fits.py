"""Fits of curves to the samples of many meters at once.

Samples are padded arrays x, y, w of shape (M, N): reference flow, meter's flow, and weight (the inverse of the variance
expected of y; 0 where there is no sample). Straight, quadratic and piecewise lines are linear least squares in centred
columns; the power law is nonlinear and fitted in y, not in logarithms, by Gauss-Newton steps (Nocedal and Wright,
Numerical Optimization, 2nd ed., 10.3) halved until they help.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled
from transforms.fit.curves import Curves
from transforms.fit.lines import Floats, Ints
from transforms.fit.orthogonal import solve_row
from transforms.sums import pairwise

#: a meter's flows must differ by this share of their level before there is a slope to fit (as in `fit_line`)
_LEAST_SPREAD = 1e-6
#: squared residuals below this share of the squared readings are the arithmetic's own
_ARITHMETIC = 1e-26
_MOST_STEPS = 60
_SETTLED = 1e-11


def fit_straight(x: Floats, y: Floats, w: Floats) -> Curves:
    """q' = b0 + b1 q."""
    return _polynomial("straight", x, y, w, 1)


def fit_quadratic(x: Floats, y: Floats, w: Floats) -> Curves:
    """q' = b0 + b1 q + b2 q^2; NaN with fewer than three different flows."""
    return _polynomial("quadratic", x, y, w, 2)


def _polynomial(form: str, x: Floats, y: Floats, w: Floats, degree: int) -> Curves:
    fits = _fit_linear(x, y, w, degree, np.zeros((len(x), 0)), 0)
    back = _shift_back(fits[0], degree)
    return _assemble(form, back, *fits[1:], needed=degree + 1)


def fit_piecewise(x: Floats, y: Floats, w: Floats, knots: Floats, *, least: int = 3) -> Curves:
    """A continuous line in pieces between knots.

    A knot is kept where the piece below it (from the knot kept before, or the lowest flow) and all that lies above it
    hold at least ``least`` samples each; the pieces about other knots are merged: upwards, and the last one downwards.
    What is then still not determined is merged too, so that a meter may end up with a single line.

    Parameters
    ----------
    x, y, w : ndarray
        Shape (M, N).
    knots : ndarray
        Increasing flows, shape (M, K) or (K,).
    least : int
        Samples that a piece needs.
    """
    x = np.asarray(x, dtype=np.float64)
    knots = np.array(np.broadcast_to(knots, (len(x), np.shape(knots)[-1])), dtype=np.float64)
    fits = _fit_linear(x, y, w, 1, knots, least)
    columns = 2 + knots.shape[1]
    back = np.zeros((len(x), columns, columns))
    back[:, range(columns), range(columns)] = 1.0
    back[:, 0, 1] = -fits[0]
    return _assemble("piecewise", back, *fits[1:], needed=2, knots=np.where(fits[3][:, 2:], knots, np.inf))


@compiled
def _fit_linear(
    x: Floats, y: Floats, w: Floats, degree: int, knots: Floats, least: int
) -> tuple[Floats, Floats, Floats, npt.NDArray[np.bool_], Floats, Floats, Floats]:
    """Least squares of y on the powers of x less its weighted mean, and on what x is beyond knots.

    ``knots`` about which there is too little to fit, see `fit_piecewise`, are made infinite.

    Returns
    -------
    The mean (M,), coefficients (M, p), the root of their covariance (M, p, p), which columns were kept (M, p), chi2 (M,), the
    number of samples (M,) and the flows seen (M, 2), infinite where there are none.
    """
    meters, width = x.shape
    p = degree + 1 + knots.shape[1]
    level, chi2, n = np.zeros(meters), np.zeros(meters), np.zeros(meters)
    seen = np.zeros((meters, 2))
    coefficients, root, kept = np.zeros((meters, p)), np.zeros((meters, p, p)), np.zeros((meters, p), np.bool_)
    scratch, weights, limits = np.zeros((p + 1, width)), np.zeros(width), np.zeros(p)
    share, flow, square = np.zeros(width), np.zeros(width), np.zeros(width)
    for row in range(meters):
        count, low, high = 0, np.inf, -np.inf
        for k in range(width):
            used = w[row, k] > 0
            share[k] = w[row, k] if used else 0.0
            flow[k] = w[row, k] * x[row, k] if used else 0.0
            square[k] = w[row, k] * (y[row, k] * y[row, k]) if used else 0.0
            if used:
                weights[count], scratch[0, count], scratch[p, count] = w[row, k], x[row, k], y[row, k]
                low, high = min(low, x[row, k]), max(high, x[row, k])
                count += 1
        total = pairwise(share)
        mean = pairwise(flow) / total if total > 0 else 0.0
        _keep_knots(scratch[0, :count], knots[row], least)
        spread = _LEAST_SPREAD * abs(mean)
        limits[1:] = spread * np.sqrt(total)
        if degree == 2:
            limits[2] = spread * spread * np.sqrt(total)
        for k in range(count):
            value = scratch[0, k]
            scratch[0, k], scratch[1, k] = 1.0, value - mean
            if degree == 2:
                scratch[2, k] = (value - mean) * (value - mean)
            for j in range(knots.shape[1]):
                scratch[degree + 1 + j, k] = max(value - knots[row, j], 0.0)
        found = solve_row(scratch, weights, count, limits, coefficients[row], root[row], kept[row])
        level[row], n[row], seen[row, 0], seen[row, 1] = mean, count, low, high
        chi2[row] = max(found, _ARITHMETIC * pairwise(square))
    return level, coefficients, root, kept, chi2, n, seen


@compiled
def _keep_knots(x: Floats, knots: Floats, least: int) -> None:
    below = -np.inf
    for j in range(len(knots)):
        piece, above = 0, 0
        for k in range(len(x)):
            piece += below <= x[k] and x[k] < knots[j]
            above += x[k] >= knots[j]
        if piece >= least and above >= least:
            below = knots[j]
        else:
            knots[j] = np.inf


def fit_power(x: Floats, y: Floats, w: Floats) -> Curves:
    """q' = c q^b, weighted in q'.

    Samples at q <= 0 take no part, for c q^b says nothing about them. The start is a line in logarithms. Inside, q is
    taken relative to its weighted geometric mean, which all but uncouples c and b.
    """
    w = np.where(np.isnan(x) | (x <= 0), 0.0, w)
    seen = w > 0
    x, y, total = np.where(seen, x, 1.0), np.where(seen, y, 1.0), w.sum(axis=1)
    logs = np.log(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.where(total > 0, (w * logs).sum(axis=1) / total, 0.0)
    logs = np.where(seen, logs - level[:, None], 0.0)
    theta, root_theta, chi2, ok = _power(logs, y, w)
    with np.errstate(over="ignore", invalid="ignore"):
        b = theta[:, 1]
        c = np.exp(theta[:, 0] - b * level)
        back = np.zeros((len(x), 2, 2))
        back[:, 0, 0], back[:, 0, 1], back[:, 1, 1] = c, -c * level, 1.0
        root = back @ root_theta
    n = seen.sum(axis=1).astype(np.float64)
    low = np.where(seen, x, np.inf).min(axis=1, initial=np.inf)
    high = np.where(seen, x, -np.inf).max(axis=1, initial=-np.inf)
    chi2 = np.maximum(chi2, _ARITHMETIC * (w * y**2).sum(axis=1))
    fitted = np.full(len(x), 2)
    return _curves("power", np.stack([c, b], axis=1), root, chi2, n, np.stack([low, high], axis=1), ok, fitted)


@compiled
def _power(logs: Floats, y: Floats, w: Floats) -> tuple[Floats, Floats, Floats, npt.NDArray[np.bool_]]:
    """ln c and b (M, 2) of c exp(b ln q), the root of their covariance, chi2, and whether the iteration has settled."""
    meters, width = logs.shape
    theta, root, chi2 = np.zeros((meters, 2)), np.zeros((meters, 2, 2)), np.zeros(meters)
    settled = np.zeros(meters, np.bool_)
    scratch, least, step, kept = np.zeros((3, width)), np.zeros(2), np.zeros(2), np.zeros(2, np.bool_)
    tried, all_logs, all_y, all_w = np.zeros(2), np.zeros(width), np.zeros(width), np.zeros(width)
    # the curve at the samples, where the iteration stands and where it might go
    now, then = np.zeros(width), np.zeros(width)
    for row in range(meters):
        n = 0
        for k in range(width):
            if w[row, k] > 0:
                all_logs[n], all_y[n], all_w[n] = logs[row, k], y[row, k], w[row, k]
                n += 1
        log, of_y, of_w, at = all_logs[:n], all_y[:n], all_w[:n], theta[row]
        _power_start(log, of_y, of_w, at, scratch, kept)
        best = _power_chi2(at, log, of_y, of_w, now)
        for _ in range(_MOST_STEPS):
            if n < 2:
                break
            _power_step(now, log, of_y, of_w, scratch, least, step, root[row], kept)
            small = max(abs(step[0]), abs(step[1])) < _SETTLED
            moved, part = False, 1.0
            # Half the step, half again, where it would raise chi2; the last ones have nowhere better to go.
            for _halving in range(30):
                tried[:] = at + step * part
                value = _power_chi2(tried, log, of_y, of_w, then)
                if value <= best * (1 + 1e-12):
                    at[:], best, moved = tried, value, True
                    now, then = then, now
                    break
                part *= 0.5
            settled[row] |= small
            if small or not moved:
                break
        chi2[row] = _power_step(now, log, of_y, of_w, scratch, least, step, root[row], kept)
        settled[row] &= kept.all() and np.isfinite(at).all()
    return theta, root, chi2, settled


@compiled
def _power_start(
    log: Floats, y: Floats, w: Floats, theta: Floats, scratch: Floats, kept: npt.NDArray[np.bool_]
) -> None:
    """A line in logarithms; a variance v of y is v / y^2 of ln y. Proportional if that fails."""
    usable, root = np.zeros(len(y)), np.zeros((2, 2))
    qy, qq = 0.0, 0.0
    for k in range(len(y)):
        flow = np.exp(log[k])
        qy += w[k] * flow * y[k]
        qq += w[k] * flow * flow
        usable[k] = w[k] * y[k] ** 2 if y[k] > 0 else 0.0
        scratch[0, k], scratch[1, k], scratch[2, k] = 1.0, log[k], np.log(y[k]) if y[k] > 0 else 0.0
    solve_row(scratch, usable, len(y), np.zeros(2), theta, root, kept)
    if not kept.all():
        theta[0], theta[1] = np.log(abs(qy / qq)), 1.0
        if not np.isfinite(theta[0]):
            theta[:] = 0.0


@compiled
def _power_chi2(theta: Floats, log: Floats, y: Floats, w: Floats, values: Floats) -> float:
    """Chi-square, and the curve at the samples into ``values``."""
    total = 0.0
    for k in range(len(y)):
        values[k] = np.exp(theta[0] + theta[1] * log[k])
        total += w[k] * (y[k] - values[k]) ** 2
    return np.inf if np.isnan(total) else total


@compiled
def _power_step(
    values: Floats,
    log: Floats,
    y: Floats,
    w: Floats,
    scratch: Floats,
    least: Floats,
    step: Floats,
    root: Floats,
    kept: npt.NDArray[np.bool_],
) -> float:
    for k in range(len(y)):
        scratch[0, k], scratch[1, k], scratch[2, k] = values[k], values[k] * log[k], y[k] - values[k]
    return solve_row(scratch, w, len(y), least, step, root, kept)


def _shift_back(level: Floats, degree: int) -> Floats:
    """Matrices (M, p, p) from coefficients of (q - level)^k to those of q^k, by the binomial theorem."""
    back = np.zeros((len(level), degree + 1, degree + 1))
    binomial = ((1.0,), (1.0, 1.0), (1.0, 2.0, 1.0))
    for k in range(degree + 1):
        for j in range(k + 1):
            back[:, j, k] = binomial[k][j] * (-level) ** (k - j)
    return back


def _assemble(
    form: str,
    back: Floats,
    coefficients: Floats,
    root: Floats,
    kept: npt.NDArray[np.bool_],
    chi2: Floats,
    n: Floats,
    seen: Floats,
    needed: int,
    knots: Floats | None = None,
) -> Curves:
    """Curves from what `_fit_linear` found and the matrices that take its coefficients to those of q."""
    parameters = np.einsum("ijk,ik->ij", back, coefficients)
    ok = np.asarray(kept[:, :needed].all(axis=1))
    return _curves(form, parameters, back @ root, chi2, n, seen, ok, kept.sum(axis=1), knots)


def _curves(
    form: str,
    parameters: Floats,
    root: Floats,
    chi2: Floats,
    n: Floats,
    seen: Floats,
    ok: npt.NDArray[np.bool_],
    fitted: Ints,
    knots: Floats | None = None,
) -> Curves:
    return Curves(
        form=form,
        parameters=np.where(ok[:, None], parameters, np.nan),
        root=np.where(ok[:, None, None], root, np.nan),
        chi2=np.where(ok, chi2, np.nan),
        n=n,
        dof=n - fitted,
        x_range=np.where(n[:, None] > 0, seen, np.nan),
        knots=np.empty((len(n), 0)) if knots is None else knots,
    )
