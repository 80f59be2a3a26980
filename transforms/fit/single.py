"""Calibration curves of a single data set, with their uncertainty, for a metrologist's notebook.

Polynomials by orthogonal columns, the power law, and any model by nonlinear least squares. Weights and covariance follow
the same rule as `straight_line`: with standard uncertainties given, they are believed; without, the residuals scale them
(ISO/TS 28037:2010, Annex E). Uncertainty of a predicted value by JCGM 100:2008 (GUM), 5.2, with the full covariance.
Checked against the NIST Statistical Reference Datasets (StRD) for linear and nonlinear regression.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Any

import numpy as np

from transforms.fit.curve_fits import fit_power
from transforms.fit.lines import Floats
from transforms.fit.orthogonal import solve
from transforms.fit.straight import Estimate, Values, checked

Model = Callable[..., Any]
Function = Callable[[Floats], Floats]

#: step of central differences, relative: the cube root of the arithmetic's precision balances both errors
_STEP = float(np.cbrt(np.finfo(np.float64).eps))


@dataclass(frozen=True)
class CalibrationCurve:
    """A fitted curve q' = f(q).

    ``parameters`` (p,) and their ``covariance`` (p, p) in the order of the model; ``chi2``, ``dof``, ``residual_sd`` and
    ``r_squared`` as in `StraightLine`.
    """

    parameters: Floats
    covariance: Floats
    chi2: float
    dof: int
    residual_sd: float
    r_squared: float
    value: Function = field(repr=False)
    slope: Function = field(repr=False)
    uncertainty: Function = field(repr=False)

    @property
    def u(self) -> Floats:
        """Standard uncertainties of the parameters, shape (p,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    def predict(self, q: Values, u_q: Values = 0.0) -> Estimate:
        """q' at a flow q of standard uncertainty ``u_q``: u(q')^2 = g' C g + f'(q)^2 u(q)^2 (GUM, 5.1.2 and 5.2.2)."""
        flow = np.asarray(q, dtype=np.float64)
        own = self.slope(flow) * np.asarray(u_q, dtype=np.float64)
        return Estimate(self.value(flow), np.hypot(self.uncertainty(flow), own))


def polynomial(x: Values, y: Values, degree: int, *, uy: Values | None = None) -> CalibrationCurve:
    """q' = b0 + b1 q + ... of a given degree.

    Fitted in Chebyshev polynomials on the range of the data, where columns are all but orthogonal, and turned into
    powers of q in extended precision at the end; predictions stay in Chebyshev polynomials and lose no digits.

    Parameters
    ----------
    x, y : array_like
        Flow q and reading q', same length.
    degree : int
        At least 0.
    uy : array_like, optional
        Standard uncertainties of q', a number or one per value.

    Raises
    ------
    ValueError
        If the data are not clean or hold no more different flows than the degree.
    """
    q, reading, sy = checked(x, y, uy)
    if degree < 0 or len(np.unique(q)) <= degree:
        raise ValueError(f"a polynomial of degree {degree} needs at least {degree + 1} different flows")
    low, high = float(q.min()), float(q.max())
    centre, half = (low + high) / 2, (high - low) / 2 or 1.0
    weights = 1 / sy**2
    basis = _chebyshev((q - centre) / half, degree)
    fit = solve(basis, reading, weights)
    if not fit.kept.all():
        raise ValueError(f"the flows do not determine a polynomial of degree {degree}; choose a lower one")
    inner, root = fit.coefficients, fit.root
    back = _to_powers(degree, centre, half)
    residual = reading - inner @ basis
    squares, scale, measures = _measures(reading, residual, weights, degree + 1, uy is None)
    root = root * np.sqrt(scale)
    outer = (back @ root.astype(np.longdouble)).astype(np.float64)

    def value(flow: Floats) -> Floats:
        return np.asarray(np.tensordot(inner, _chebyshev((flow - centre) / half, degree), 1))

    def slope(flow: Floats) -> Floats:
        derivative = np.polynomial.chebyshev.chebder(inner)
        return np.asarray(np.polynomial.chebyshev.chebval((flow - centre) / half, derivative) / half)

    def uncertainty(flow: Floats) -> Floats:
        return np.asarray(
            np.sqrt((np.tensordot(root.T, _chebyshev((flow - centre) / half, degree), 1) ** 2).sum(axis=0))
        )

    return CalibrationCurve(
        (back @ inner).astype(np.float64), outer @ outer.T, squares, *measures, value, slope, uncertainty
    )


def power_law(x: Values, y: Values, *, uy: Values | None = None) -> CalibrationCurve:
    """q' = c q^b, parameters (c, b), by weighted nonlinear least squares in q'; the start is found from the data.

    Parameters
    ----------
    x, y : array_like
        Flow q, above 0, and reading q', same length.
    uy : array_like, optional
        Standard uncertainties of q', a number or one per value.

    Raises
    ------
    ValueError
        If the data are not clean, a flow is not above 0, or no power law is found.
    """
    q, reading, sy = checked(x, y, uy)
    if not (q > 0).all():
        raise ValueError("a power law needs flows above 0; leave out the others")
    fit = fit_power(q[None], reading[None], 1 / sy[None] ** 2)
    if not np.isfinite(fit.parameters).all():
        raise ValueError(
            f"no power law is determined by these {len(q)} values; are there at least two different flows?"
        )
    return _nonlinear_result(_power, fit.parameters[0], fit.root[0], q, reading, sy, uy is None)


def nonlinear(
    model: Model, x: Values, y: Values, start: Sequence[float], *, uy: Values | None = None
) -> CalibrationCurve:
    """Fit any model q' = model(q, *parameters) by nonlinear least squares.

    Parameters
    ----------
    model : callable
        Takes an array of flows and the parameters one by one, gives an array of q'.
    x, y : array_like
        Flow q and reading q', same length.
    start : sequence of float
        Parameters to start from, none of them 0 unless its natural size is 1.
    uy : array_like, optional
        Standard uncertainties of q', a number or one per value.

    Notes
    -----
    Levenberg and Marquardt's method (MINPACK through `scipy.optimize.least_squares`), parameters relative to their start
    values. The covariance comes from the singular values of the Jacobian with columns scaled to length one.

    Raises
    ------
    ValueError
        If the data are not clean, there are fewer values than parameters, the model does not give finite values at the
        start, the search does not end in a minimum, or the data do not determine all parameters there.
    """
    from scipy.optimize import least_squares

    q, reading, sy = checked(x, y, uy)
    first = np.asarray(start, dtype=np.float64)
    if len(q) < len(first):
        raise ValueError(f"{len(first)} parameters need at least as many values, but there are {len(q)}")
    unit = np.where(first != 0, np.abs(first), 1.0)

    def residuals(scaled: Floats) -> Floats:
        return np.asarray((np.asarray(model(q, *(scaled * unit)), dtype=np.float64) - reading) / sy)

    if not np.isfinite(residuals(first / unit)).all():
        raise ValueError(f"the model is not finite at the start {tuple(start)}; choose other values")
    precision = float(np.finfo(np.float64).eps)
    found = least_squares(
        residuals,
        first / unit,
        jac=lambda scaled: _derivatives(residuals, scaled),
        method="lm",
        x_scale="jac",
        ftol=precision,
        xtol=precision,
        gtol=precision,
        max_nfev=2000,
    )
    if found.status <= 0:
        raise ValueError(f"no minimum was found from the start {tuple(start)}: {found.message}")
    jacobian = _derivatives(residuals, found.x)
    lengths = np.linalg.norm(jacobian, axis=0)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ValueError("the data do not determine all parameters; fix one, or start elsewhere")
    _, singular, turned = np.linalg.svd(jacobian / lengths, full_matrices=False)
    if singular[-1] < _STEP**2 * singular[0]:
        raise ValueError("the data do not determine all parameters; fix one, or start elsewhere")
    root = (unit / lengths)[:, None] * turned.T / singular
    return _nonlinear_result(model, found.x * unit, root, q, reading, sy, uy is None)


def _power(q: Floats, c: float, b: float) -> Floats:
    return np.asarray(c * q**b)


def _nonlinear_result(
    model: Model, parameters: Floats, root: Floats, q: Floats, reading: Floats, sy: Floats, unknown: bool
) -> CalibrationCurve:
    residual = reading - np.asarray(model(q, *parameters), dtype=np.float64)
    squares, scale, measures = _measures(reading, residual, 1 / sy**2, len(parameters), unknown)
    root = root * np.sqrt(scale)

    def value(flow: Floats) -> Floats:
        return np.asarray(model(flow, *parameters), dtype=np.float64)

    def slope(flow: Floats) -> Floats:
        step = _STEP * np.maximum(np.abs(flow), float(np.abs(q).max()) * 1e-3)
        return np.asarray((value(flow + step) - value(flow - step)) / (2 * step))

    def uncertainty(flow: Floats) -> Floats:
        gradient = _derivatives(lambda p: np.asarray(model(flow.ravel(), *p), dtype=np.float64), parameters)
        return np.asarray(np.linalg.norm(gradient @ root, axis=1).reshape(flow.shape))

    return CalibrationCurve(parameters, root @ root.T, squares, *measures, value, slope, uncertainty)


def _measures(
    reading: Floats, residual: Floats, weights: Floats, fitted: int, unknown: bool
) -> tuple[float, float, tuple[int, float, float]]:
    """chi2, the factor for the covariance, and (dof, residual standard deviation, r squared)."""
    squares = float((weights * residual**2).sum())
    dof = len(reading) - fitted
    variance = squares / dof if dof > 0 else float("nan")
    spread = float((weights * (reading - (weights * reading).sum() / weights.sum()) ** 2).sum())
    r_squared = 1 - squares / spread if spread > 0 else float("nan")
    return squares, variance if unknown else 1.0, (dof, float(np.sqrt(variance)), r_squared)


def _derivatives(function: Function, at: Floats) -> Floats:
    """Jacobian (n, p) by central differences carried one order further (Richardson), good to about 12 digits."""
    columns = []
    for k in range(len(at)):
        step = np.zeros_like(at)
        step[k] = 32 * _STEP * (abs(at[k]) or 1.0)
        near = (function(at + step) - function(at - step)) / (2 * step[k])
        far = (function(at + 2 * step) - function(at - 2 * step)) / (4 * step[k])
        columns.append((4 * near - far) / 3)
    return np.stack(columns, axis=1)


def _chebyshev(t: Floats, degree: int) -> Floats:
    """T_0 to T_degree at t, on a new first axis."""
    values = [np.ones_like(t), t]
    for _ in range(degree - 1):
        values.append(2 * t * values[-1] - values[-2])
    return np.stack(values[: degree + 1])


def _to_powers(degree: int, centre: float, half: float) -> np.ndarray:
    """Matrix in extended precision from coefficients of T_k((q - centre) / half) to those of q^k."""
    size = degree + 1
    powers = np.zeros((size, size), dtype=np.longdouble)
    for k in range(size):
        powers[: k + 1, k] = np.polynomial.chebyshev.cheb2poly(np.eye(size)[k][: k + 1])
    shift = np.zeros_like(powers)
    c, h = np.longdouble(centre), np.longdouble(half)
    for k in range(size):
        for j in range(k + 1):
            shift[j, k] = comb(k, j) * (-c) ** (k - j) / h**k
    return shift @ powers
