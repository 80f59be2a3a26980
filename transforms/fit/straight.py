"""One calibration line q' = a1 q + a2 of a single data set, with its uncertainty, for a metrologist's notebook.

ISO/TS 28037:2010, Determination and use of straight-line calibration functions: clause 6 (weighted least squares), 7
(generalised distance regression, solved by the equations of York et al., Am. J. Phys. 72(3), 367, 2004), and 11
(prediction and inverse evaluation). Uncertainty of what is derived: JCGM 100:2008 (GUM), 5.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.fit.lines import Floats, Lines
from transforms.fit.robust import fit_robust
from transforms.fit.york import fit_york, single_bins
from transforms.statistics import chi_square_limit

Values = npt.ArrayLike


class Estimate(NamedTuple):
    """A value and its standard uncertainty, each in the shape of what was asked for."""

    value: Floats
    u: Floats


@dataclass(frozen=True)
class StraightLine:
    """A fitted line q' = a1 q + a2, flows in the unit of the data.

    ``covariance`` (2, 2) of a1 and a2, in this order, any common error of the reference included. ``chi2`` is the
    weighted sum of squared residuals, ``residual_sd`` the root of chi2 / dof, in the unit of q' if there were no
    weights and else relative to the standard uncertainties given. ``r_squared`` is the share of the weighted sum of
    squares of q' that the line explains. ``method`` is `ordinary`, `weighted`, `distance` or `robust`.
    """

    a1: float
    a2: float
    covariance: Floats
    chi2: float
    dof: int
    residual_sd: float
    r_squared: float
    method: str

    @property
    def u_a1(self) -> float:
        """Standard uncertainty of a1."""
        return float(np.sqrt(self.covariance[0, 0]))

    @property
    def u_a2(self) -> float:
        """Standard uncertainty of a2, in the unit of the data."""
        return float(np.sqrt(self.covariance[1, 1]))

    def chi2_limit(self, significance: float = 0.05) -> float:
        """What chi2 exceeds with this probability if line and uncertainties are right (ISO/TS 28037, 6.3, 7.3)."""
        return float(chi_square_limit(np.array([float(self.dof)]), significance)[0])

    def predict(self, q: Values, u_q: Values = 0.0) -> Estimate:
        """q' that the meter shows at a flow q of standard uncertainty ``u_q`` (ISO/TS 28037, 11, forward evaluation).

        u(q')^2 = u(a2)^2 + q^2 u(a1)^2 + 2 q u(a1, a2) + a1^2 u(q)^2.
        """
        flow = np.asarray(q, dtype=np.float64)
        return Estimate(self.a1 * flow + self.a2, np.sqrt(self._variance(flow) + (self.a1 * np.asarray(u_q)) ** 2))

    def invert(self, q_meter: Values, u: Values = 0.0) -> Estimate:
        """The flow q behind a reading q' of standard uncertainty ``u`` (ISO/TS 28037, 11, inverse evaluation).

        q = (q' - a2) / a1; u(q)^2 = [u(q')^2 + u(a2)^2 + q^2 u(a1)^2 + 2 q u(a1, a2)] / a1^2.
        """
        flow = (np.asarray(q_meter, dtype=np.float64) - self.a2) / self.a1
        return Estimate(flow, np.sqrt(self._variance(flow) + np.asarray(u, dtype=np.float64) ** 2) / abs(self.a1))

    def _variance(self, flow: Floats) -> Floats:
        """Variance of the line at a flow, a sum of squares so that it cannot come out below zero."""
        c = self.covariance
        if c[1, 1] == 0:
            return np.asarray(c[0, 0] * flow**2)
        rest = max(c[0, 0] - c[0, 1] ** 2 / c[1, 1], 0.0)
        return np.asarray((c[1, 1] + flow * c[0, 1]) ** 2 / c[1, 1] + rest * flow**2)


def straight_line(
    x: Values,
    y: Values,
    *,
    ux: Values | None = None,
    uy: Values | None = None,
    robust: bool = False,
    common: float = 0.0,
) -> StraightLine:
    """Fit q' = a1 q + a2.

    Parameters
    ----------
    x, y : array_like
        Reference flow q and meter's flow q', same length, same unit.
    ux, uy : array_like, optional
        Standard uncertainties of the single values, apart from what they have in common; a number or one per value.
        None: ordinary least squares. ``uy``: weighted least squares (clause 6). Both: generalised distance regression
        (clause 7), with standard uncertainties linearised at the solution as the standard and York et al. do.
    robust : bool
        Huber's line in place of least squares, with ``uy`` as its scale where given; not together with ``ux``. See
        `fit_robust` for its covariance.
    common : float
        Relative standard uncertainty of the reference's calibration, which all values of q share.

    Returns
    -------
    StraightLine
        With unknown weights (no ``uy``) the covariance is scaled by the residual variance, which needs at least three
        values; with known ones it is not (ISO/TS 28037, Annex E).

    Notes
    -----
    The common error. Let the reference read x = (1 + d) q throughout, with one unknown d of mean 0 and standard
    deviation ``common``. From q' = A1 q + a2 follows q' = [A1 / (1 + d)] x + a2: what is fitted as a1 is A1 / (1 + d),
    and the best estimate of A1 is a1 with du = a1 dd. So d adds (common a1)^2 to u(a1)^2 and nothing to u(a2)^2 or to
    the covariance; no number of values makes it smaller (GUM, 5.2.2 on common effects, and F.1.2.3). By GUM 5.2 it
    adds (common a1 q)^2 to the variance of a prediction at a true flow q, and (common q)^2 to that of an inverse. For
    flows as this very reference reads them it cancels; fit with ``common`` 0 for those.

    Raises
    ------
    ValueError
        If lengths differ, values are not finite, uncertainties are not above 0, ``ux`` comes without ``uy`` or with
        ``robust``, there are fewer than two different flows, or the iteration does not settle.
    """
    q, reading, sy = checked(x, y, uy)
    sx = None if ux is None else _uncertainty("ux", ux, q)
    if sx is not None and (uy is None or robust):
        raise ValueError("ux needs uy, and cannot be combined with robust; give uy, or leave ux out")
    weights = 1 / sy**2
    if robust:
        method = "robust"
        lines = fit_robust(q[None], reading[None], weights[None], known=uy is not None)
    else:
        method = "distance" if sx is not None else "ordinary" if uy is None else "weighted"
        var_x: Floats | float = 0.0 if sx is None else sx[:, None] ** 2
        bins = single_bins(q[:, None], reading[:, None])
        lines = fit_york(bins, var_x, sy[:, None] ** 2)
    if not np.isfinite(lines.a1[0]):
        raise ValueError(
            f"no {method} line is determined by these {len(q)} values; are there at least two different flows?"
        )
    return _result(lines, q, reading, weights, method, common, sx)


def _result(
    lines: Lines, q: Floats, reading: Floats, weights: Floats, method: str, common: float, sx: Floats | None
) -> StraightLine:
    a1, a2 = float(lines.a1[0]), float(lines.a2[0])
    u1, u2 = float(lines.a1_se[0]), float(lines.a2_se[0])
    if sx is not None:
        weights = 1 / (1 / weights + (a1 * sx) ** 2)
    # From the residuals themselves: sums would lose digits where the line fits well.
    squares = float((weights * (reading - a2 - a1 * q) ** 2).sum())
    spread = float((weights * (reading - (weights * reading).sum() / weights.sum()) ** 2).sum())
    dof = len(q) - 2
    chi2 = float(lines.chi2[0]) if method == "robust" else squares
    variance = chi2 / dof if dof > 0 else float("nan")
    covariance = np.array([[u1**2, lines.correlation[0] * u1 * u2], [lines.correlation[0] * u1 * u2, u2**2]])
    if method == "ordinary":
        covariance *= variance
    covariance[0, 0] += (common * a1) ** 2
    return StraightLine(
        a1=a1,
        a2=a2,
        covariance=covariance,
        chi2=chi2,
        dof=dof,
        residual_sd=float(np.sqrt(variance)),
        r_squared=1 - squares / spread if spread > 0 else float("nan"),
        method=method,
    )


def checked(x: Values, y: Values, uy: Values | None) -> tuple[Floats, Floats, Floats]:
    """Flows, readings and standard uncertainties of the readings (1 if unknown) as arrays of one length."""
    q, reading = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if q.ndim != 1 or q.shape != reading.shape:
        raise ValueError(f"x and y must be lists of the same length, but have shapes {q.shape} and {reading.shape}")
    if not (np.isfinite(q).all() and np.isfinite(reading).all()):
        raise ValueError("x and y must be finite; leave out pairs with a missing value")
    return q, reading, np.ones_like(q) if uy is None else _uncertainty("uy", uy, q)


def _uncertainty(name: str, value: Values, q: Floats) -> Floats:
    given = np.asarray(value, dtype=np.float64)
    if given.shape not in ((), q.shape):
        raise ValueError(f"{name} must be one number or {len(q)} of them, but has shape {given.shape}")
    if not (np.isfinite(given) & (given > 0)).all():
        raise ValueError(f"{name} must be above 0; a value known exactly has no {name}, so leave it out")
    return np.array(np.broadcast_to(given, q.shape))
