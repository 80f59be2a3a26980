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
from transforms.fit.orthogonal import Solution, solve, solve_row

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
    x, y, total = _filled(x, y, w)
    level, centred = _centre(x, w, total)
    spread = _LEAST_SPREAD * np.abs(level)
    least = [spread**k * np.sqrt(total) * (k > 0) for k in range(degree + 1)]
    fit = solve([centred**k for k in range(degree + 1)], y, w, least)
    back = _shift_back(level, degree)
    return _linear(form, fit, back, x, y, w, needed=degree + 1)


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
    x, y, total = _filled(x, y, w)
    knots = np.array(np.broadcast_to(knots, (len(x), np.shape(knots)[-1])), dtype=np.float64)
    seen = w > 0
    below = np.full(len(x), -np.inf)
    for k in range(knots.shape[1]):
        knot = knots[:, k]
        piece = (seen & (x >= below[:, None]) & (x < knot[:, None])).sum(axis=1)
        above = (seen & (x >= knot[:, None])).sum(axis=1)
        keep = (piece >= least) & (above >= least)
        below = np.where(keep, knot, below)
        knots[:, k] = np.where(keep, knot, np.inf)
    level, centred = _centre(x, w, total)
    hinges = [np.maximum(x - knots[:, k : k + 1], 0.0) for k in range(knots.shape[1])]
    spread = _LEAST_SPREAD * np.abs(level) * np.sqrt(total)
    fit = solve([np.ones_like(x), centred, *hinges], y, w, [0.0 * spread, *[spread] * (1 + len(hinges))])
    back = np.zeros((len(x), 2 + len(hinges), 2 + len(hinges)))
    back[:, range(2 + len(hinges)), range(2 + len(hinges))] = 1.0
    back[:, 0, 1] = -level
    knots = np.where(fit.kept[:, 2:], knots, np.inf)
    return _linear("piecewise", fit, back, x, y, w, needed=2, knots=knots)


def fit_power(x: Floats, y: Floats, w: Floats) -> Curves:
    """q' = c q^b, weighted in q'.

    Samples at q <= 0 take no part, for c q^b says nothing about them. The start is a line in logarithms. Inside, q is
    taken relative to its weighted geometric mean, which all but uncouples c and b.
    """
    w = np.where(np.isnan(x) | (x <= 0), 0.0, w)
    x, y, total = _filled(x, y, w, neutral=1.0)
    logs = np.log(x)
    level, logs = _centre(logs, w, total)
    theta, root_theta, chi2, ok = _power(logs, y, w)
    with np.errstate(over="ignore", invalid="ignore"):
        b = theta[:, 1]
        c = np.exp(theta[:, 0] - b * level)
        back = np.zeros((len(x), 2, 2))
        back[:, 0, 0], back[:, 0, 1], back[:, 1, 1] = c, -c * level, 1.0
        root = back @ root_theta
    return _assemble("power", np.stack([c, b], axis=1), root, chi2, x, y, w, ok, np.full(len(x), 2))


@compiled
def _power(logs: Floats, y: Floats, w: Floats) -> tuple[Floats, Floats, Floats, npt.NDArray[np.bool_]]:
    """ln c and b (M, 2) of c exp(b ln q), the root of their covariance, chi2, and whether the iteration has settled."""
    meters, width = logs.shape
    theta, root, chi2 = np.zeros((meters, 2)), np.zeros((meters, 2, 2)), np.zeros(meters)
    settled = np.zeros(meters, np.bool_)
    scratch, least, step, kept = np.zeros((3, width)), np.zeros(2), np.zeros(2), np.zeros(2, np.bool_)
    tried, all_logs, all_y, all_w = np.zeros(2), np.zeros(width), np.zeros(width), np.zeros(width)
    for row in range(meters):
        n = 0
        for k in range(width):
            if w[row, k] > 0:
                all_logs[n], all_y[n], all_w[n] = logs[row, k], y[row, k], w[row, k]
                n += 1
        log, of_y, of_w, at = all_logs[:n], all_y[:n], all_w[:n], theta[row]
        _power_start(log, of_y, of_w, at, scratch, kept)
        best = _power_chi2(at, log, of_y, of_w)
        for _ in range(_MOST_STEPS):
            if n < 2:
                break
            _power_step(at, log, of_y, of_w, scratch, least, step, root[row], kept)
            small = max(abs(step[0]), abs(step[1])) < _SETTLED
            moved = False
            # Half the step, half again, where it would raise chi2; the last ones have nowhere better to go.
            for halving in range(30):
                tried[:] = at + step * 0.5**halving
                value = _power_chi2(tried, log, of_y, of_w)
                if value <= best * (1 + 1e-12):
                    at[:], best, moved = tried, value, True
                    break
            settled[row] |= small
            if small or not moved:
                break
        chi2[row] = _power_step(at, log, of_y, of_w, scratch, least, step, root[row], kept)
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
def _power_chi2(theta: Floats, log: Floats, y: Floats, w: Floats) -> float:
    total = 0.0
    for k in range(len(y)):
        total += w[k] * (y[k] - np.exp(theta[0] + theta[1] * log[k])) ** 2
    return np.inf if np.isnan(total) else total


@compiled
def _power_step(
    theta: Floats,
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
        value = np.exp(theta[0] + theta[1] * log[k])
        scratch[0, k], scratch[1, k], scratch[2, k] = value, value * log[k], y[k] - value
    return solve_row(scratch, w, len(y), least, step, root, kept)


def _filled(x: Floats, y: Floats, w: Floats, neutral: float = 0.0) -> tuple[Floats, Floats, Floats]:
    """Padding replaced by a neutral finite value, and the sum of weights per meter."""
    return np.where(w > 0, x, neutral), np.where(w > 0, y, neutral), np.asarray(w.sum(axis=1))


def _centre(x: Floats, w: Floats, total: Floats) -> tuple[Floats, Floats]:
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.where(total > 0, (w * x).sum(axis=1) / total, 0.0)
    return level, np.where(w > 0, x - level[:, None], 0.0)


def _shift_back(level: Floats, degree: int) -> Floats:
    """Matrices (M, p, p) from coefficients of (q - level)^k to those of q^k, by the binomial theorem."""
    back = np.zeros((len(level), degree + 1, degree + 1))
    binomial = ((1.0,), (1.0, 1.0), (1.0, 2.0, 1.0))
    for k in range(degree + 1):
        for j in range(k + 1):
            back[:, j, k] = binomial[k][j] * (-level) ** (k - j)
    return back


def _linear(
    form: str, fit: Solution, back: Floats, x: Floats, y: Floats, w: Floats, needed: int, knots: Floats | None = None
) -> Curves:
    parameters = np.einsum("ijk,ik->ij", back, fit.coefficients)
    ok = np.asarray(fit.kept[:, :needed].all(axis=1))
    return _assemble(form, parameters, back @ fit.root, fit.chi2, x, y, w, ok, fit.kept.sum(axis=1), knots)


def _assemble(
    form: str,
    parameters: Floats,
    root: Floats,
    chi2: Floats,
    x: Floats,
    y: Floats,
    w: Floats,
    ok: npt.NDArray[np.bool_],
    fitted: Ints,
    knots: Floats | None = None,
) -> Curves:
    seen = w > 0
    n = seen.sum(axis=1).astype(np.float64)
    low = np.where(seen, x, np.inf).min(axis=1, initial=np.inf)
    high = np.where(seen, x, -np.inf).max(axis=1, initial=-np.inf)
    return Curves(
        form=form,
        parameters=np.where(ok[:, None], parameters, np.nan),
        root=np.where(ok[:, None, None], root, np.nan),
        chi2=np.where(ok, np.maximum(chi2, _ARITHMETIC * (w * y**2).sum(axis=1)), np.nan),
        n=n,
        dof=n - fitted,
        x_range=np.where(n[:, None] > 0, np.stack([low, high], axis=1), np.nan),
        knots=np.empty((len(x), 0)) if knots is None else knots,
    )
