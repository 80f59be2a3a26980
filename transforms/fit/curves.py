"""Curves q' = f(q) of many meters at once: their values, slopes and uncertainties.

A curve's uncertainty is the law of propagation with the full covariance of its parameters, JCGM 100:2008 (GUM), 5.1 and
5.2: u(q')^2 = g' C g with g the derivatives of f with respect to the parameters. C is kept as a root (C = root root'),
so that u is a norm and correlations near one cost no digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.fit.lines import Floats

#: the parameters of each form, in order; a piecewise line has one more for each knot, the change of slope there
CURVE_FORMS = {
    "straight": "q' = b0 + b1 q",
    "quadratic": "q' = b0 + b1 q + b2 q^2",
    "power": "q' = c q^b",
    "piecewise": "q' = b0 + b1 q + sum of h_k max(0, q - knot_k)",
}


@dataclass(frozen=True)
class Curves:
    """Fitted curves of one form, one row per meter; q and q' in the unit of the samples.

    ``parameters`` (M, p) as in `CURVE_FORMS`, NaN where the samples determine no curve; ``root`` (M, p, p) with
    root root' the covariance that the weights alone imply; ``chi2`` (M,) the weighted sum of squared residuals; ``n``
    (M,) the samples; ``dof`` (M,) samples less fitted parameters; ``x_range`` (M, 2) the flows seen; ``knots`` (M, K),
    infinite where a knot was merged away, K = 0 for the other forms.
    """

    form: str
    parameters: Floats
    root: Floats
    chi2: Floats
    n: Floats
    dof: Floats
    x_range: Floats
    knots: Floats

    def pick(self, rows: npt.NDArray[np.int64]) -> Curves:
        """The curves of some of the meters."""
        arrays = {name: getattr(self, name)[rows] for name in self.__dataclass_fields__ if name != "form"}
        return Curves(self.form, **arrays)

    @property
    def covariance(self) -> Floats:
        """Covariance of the parameters (M, p, p) that the weights imply, if they are inverse variances.

        Times `scatter` it is the one that the residuals show, for weights known up to a factor only.
        """
        return np.asarray(self.root @ self.root.transpose(0, 2, 1))

    @property
    def scatter(self) -> Floats:
        """chi2 / dof (M,): the factor by which the residuals' variance exceeds what the weights say; NaN if dof is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(self.dof > 0, self.chi2 / self.dof, np.nan))

    @property
    def bic(self) -> Floats:
        """Schwarz's criterion (M,), n ln(chi2/n) + p ln n, for weights known up to a factor; the smallest is best.

        Comparable between forms fitted to the same samples. NaN where there is no curve.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            value = self.n * np.log(self.chi2 / self.n) + (self.n - self.dof) * np.log(self.n)
        return np.asarray(np.where(np.isfinite(self.parameters).all(axis=1) & (self.n > 0), value, np.nan))

    def at(self, q: Floats) -> Floats:
        """q' at flows q of shape (M, K), or (1, K) for all meters alike."""
        p = self.parameters
        if self.form == "power":
            with np.errstate(divide="ignore"):
                return np.asarray(p[:, :1] * np.maximum(q, 0.0) ** p[:, 1:])
        value = p[:, :1] + p[:, 1:2] * q
        if self.form == "quadratic":
            value = value + p[:, 2:] * q**2
        for k in range(self.knots.shape[1]):
            value = value + p[:, k + 2 : k + 3] * np.maximum(q - self.knots[:, k : k + 1], 0.0)
        return np.asarray(value)

    def slope(self, q: Floats) -> Floats:
        """dq'/dq at flows q of shape (M, K); at a knot that of the segment above it."""
        p = self.parameters
        if self.form == "power":
            with np.errstate(divide="ignore"):
                return np.asarray(p[:, :1] * p[:, 1:] * np.maximum(q, 0.0) ** (p[:, 1:] - 1))
        value = p[:, 1:2] * np.ones_like(q)
        if self.form == "quadratic":
            value = value + 2 * p[:, 2:] * q
        for k in range(self.knots.shape[1]):
            value = value + p[:, k + 2 : k + 3] * (q >= self.knots[:, k : k + 1])
        return np.asarray(value)

    def standard_uncertainty(self, q: Floats, *, observed: bool = True) -> Floats:
        """Standard uncertainty of the curve at flows q of shape (M, K), GUM 5.2 with the full covariance.

        Parameters
        ----------
        q : ndarray
            Flows, shape (M, K), or (1, K) for all meters alike.
        observed : bool
            Scale by the scatter that the residuals show (the default, for weights that are expected variances);
            otherwise trust the weights.
        """
        # |root' g| by columns of the root: p sums of p terms, each of shape (M, K)
        gradient = self._gradient(q)
        total: Floats | float = 0.0
        for j in range(self.root.shape[2]):
            part = sum(derivative * self.root[:, i, j][:, None] for i, derivative in enumerate(gradient))
            total = total + part**2
        return np.asarray(np.sqrt(total * self.scatter[:, None] if observed else total))

    def _gradient(self, q: Floats) -> list[Floats]:
        one = np.ones_like(q)
        if self.form == "power":
            flow = np.maximum(q, np.finfo(np.float64).tiny)
            unit = flow ** self.parameters[:, 1:]
            return [unit, self.parameters[:, :1] * unit * np.log(flow)]
        if self.form == "quadratic":
            return [one, q, q**2]
        hinges = [np.maximum(q - self.knots[:, k : k + 1], 0.0) for k in range(self.knots.shape[1])]
        return [one, q, *hinges]
