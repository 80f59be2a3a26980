"""Weighted linear least squares by orthogonal columns.

Modified Gram-Schmidt with every column swept twice is as good as Householder's QR (Björck, Numerical Methods for Least
Squares Problems, 1996, 2.4) and works on columns as they are. It does
not mind how the columns are scaled, and J'J is never formed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled
from transforms.fit.lines import Floats

#: a column of which less than this share is left beside the others says nothing new
_NEGLIGIBLE = 1e-9


@dataclass(frozen=True)
class Solution:
    """Least squares for p columns.

    ``coefficients`` (p,); ``root`` (p, p), upper triangular, with root root' the covariance that the weights alone imply;
    ``kept`` (p,), false for columns that the others make redundant: their coefficient is 0 and has no variance; ``chi2``.
    """

    coefficients: Floats
    root: Floats
    kept: npt.NDArray[np.bool_]
    chi2: float


def solve(columns: Floats, y: Floats, w: Floats) -> Solution:
    """Fit y by the columns.

    Parameters
    ----------
    columns : ndarray
        Shape (p, N).
    y, w : ndarray
        Shape (N,): observations, and their weights (inverse variances, above 0).
    """
    p = len(columns)
    coefficients, root, kept = np.zeros(p), np.zeros((p, p)), np.zeros(p, dtype=np.bool_)
    scratch = np.vstack([columns, y])
    return Solution(coefficients, root, kept, solve_row(scratch, w, len(y), np.zeros(p), coefficients, root, kept))


@compiled
def solve_row(
    scratch: Floats,
    w: Floats,
    width: int,
    least: Floats,
    coefficients: Floats,
    root: Floats,
    kept: npt.NDArray[np.bool_],
) -> float:
    """The same into arrays that the caller holds; returns chi2.

    Parameters
    ----------
    least : ndarray
        Shape (p,): the weighted norm below which what is left of a column counts as nothing.
    scratch : ndarray
        The columns and, last, y, shape (p + 1, N) with N at least ``width``, the number of samples; it is overwritten.
    """
    p = len(scratch) - 1
    triangle, projections = np.zeros((p, p)), np.zeros(p)
    for k in range(width):
        share = np.sqrt(w[k])
        for i in range(p + 1):
            scratch[i, k] *= share
    for i in range(p + 1):
        whole = np.sqrt(_dot(scratch[i], scratch[i], width)) if i < p else 0.0
        for _ in range(2):
            for j in range(i):
                share = _dot(scratch[j], scratch[i], width)
                for k in range(width):
                    scratch[i, k] -= share * scratch[j, k]
                if i < p:
                    triangle[j, i] += share
                else:
                    projections[j] += share
        if i == p:
            break
        norm = np.sqrt(_dot(scratch[i], scratch[i], width)) if i > 0 else whole
        kept[i] = norm > max(_NEGLIGIBLE * whole, least[i])
        triangle[i, i] = norm if kept[i] else 1.0
        for k in range(width):
            scratch[i, k] = scratch[i, k] / norm if kept[i] else 0.0
    _substitute(triangle, projections, kept, coefficients, root)
    return _dot(scratch[p], scratch[p], width)


@compiled
def _substitute(
    triangle: Floats, projections: Floats, kept: npt.NDArray[np.bool_], coefficients: Floats, root: Floats
) -> None:
    """Coefficients, and the root of their covariance, from the triangle that turns columns into orthogonal ones."""
    p = len(projections)
    root[:] = 0.0
    for i in range(p - 1, -1, -1):
        left = projections[i]
        for j in range(i + 1, p):
            left -= triangle[i, j] * coefficients[j]
            for k in range(p):
                root[i, k] -= triangle[i, j] * root[j, k]
        coefficients[i] = left / triangle[i, i]
        for k in range(p):
            root[i, k] /= triangle[i, i]
        root[i, i] = 1 / triangle[i, i]
    for i in range(p):
        if not kept[i]:
            root[:, i] = 0.0


@compiled
def _dot(one: Floats, other: Floats, width: int) -> float:
    total = 0.0
    for k in range(width):
        total += one[k] * other[k]
    return total
