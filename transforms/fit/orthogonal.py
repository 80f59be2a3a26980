"""Weighted linear least squares for many meters at once, by orthogonal columns.

Modified Gram-Schmidt with every column swept twice is as good as Householder's QR (Björck, Numerical Methods for Least
Squares Problems, 1996, 2.4) and works on whole fleets: its loops run over the few columns, never over meters. It does
not mind how the columns are scaled, and J'J is never formed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.fit.lines import Floats

#: a column of which less than this share is left beside the others says nothing new
_NEGLIGIBLE = 1e-9


@dataclass(frozen=True)
class Solution:
    """Least squares for M meters and p columns.

    ``coefficients`` (M, p); ``root`` (M, p, p), upper triangular, with root root' the covariance that the weights alone
    imply; ``kept`` (M, p), false for columns that the others make redundant: their coefficient is 0 and has no variance;
    ``chi2`` (M,).
    """

    coefficients: Floats
    root: Floats
    kept: npt.NDArray[np.bool_]
    chi2: Floats


def solve(columns: Sequence[Floats], y: Floats, w: Floats, least: Sequence[Floats] | None = None) -> Solution:
    """Fit y by the columns, meter by meter.

    Parameters
    ----------
    columns : sequence of p ndarrays
        Shape (M, N) each, finite also where the weight is 0.
    y, w : ndarray
        Shape (M, N): observations, and their weights (inverse variances; 0 where there is no sample).
    least : sequence of p ndarrays, optional
        Shape (M,): the weighted norm below which what is left of a column counts as nothing.
    """
    size, p = len(y), len(columns)
    root_w = np.sqrt(w)
    orthogonal: list[Floats] = []
    triangle = np.zeros((size, p, p))
    kept = np.zeros((size, p), dtype=np.bool_)
    for k, column in enumerate(columns):
        left = root_w * column
        whole = _norm(left)
        for _ in range(2):
            for j, q in enumerate(orthogonal):
                share = np.einsum("ij,ij->i", q, left)
                triangle[:, j, k] += share
                left -= share[:, None] * q
        norm = _norm(left)
        limit = _NEGLIGIBLE * whole
        kept[:, k] = norm > (limit if least is None else np.maximum(limit, least[k]))
        norm = np.where(kept[:, k], norm, 1.0)
        triangle[:, k, k] = norm
        orthogonal.append(left * (kept[:, k] / norm)[:, None])

    projections = np.zeros((size, p))
    left = root_w * y
    for _ in range(2):
        for j, q in enumerate(orthogonal):
            share = np.einsum("ij,ij->i", q, left)
            projections[:, j] += share
            left -= share[:, None] * q

    coefficients = np.zeros((size, p))
    root = np.zeros((size, p, p))
    for i in reversed(range(p)):
        row, pivot = triangle[:, i, i + 1 :], triangle[:, i, i]
        coefficients[:, i] = (projections[:, i] - np.einsum("ij,ij->i", row, coefficients[:, i + 1 :])) / pivot
        root[:, i, :] = -np.einsum("ij,ijk->ik", row, root[:, i + 1 :, :]) / pivot[:, None]
        root[:, i, i] = 1 / pivot
    root *= kept[:, None, :]
    return Solution(coefficients, root, kept, np.einsum("ij,ij->i", left, left))


def _norm(columns: Floats) -> Floats:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", columns, columns)))
