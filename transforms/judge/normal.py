"""Least squares of one meter by the normal equations, for loops over meters that tell descriptions of their pairs apart."""

from __future__ import annotations

import numpy as np

from transforms.compiled import compiled
from transforms.fit.lines import Floats

#: columns of a description: what is known before compiling is unrolled
COLUMNS = 4


@compiled
def weighted_fit(columns: Floats, root: Floats, y: Floats, coefficients: Floats, room: Floats) -> float:
    """Weighted least squares of one meter's y on `COLUMNS` columns: the coefficients, into an array that the caller holds, and
    chi-square.

    The normal equations of columns of unit length, with a trace of ridge in place of a pseudo-inverse: columns that depend on
    each other share the coefficient, and for telling models apart twelve digits are plenty.

    Parameters
    ----------
    columns : ndarray
        Shape (pairs, columns), each pair already multiplied by the root of its weight; overwritten.
    root : ndarray
        The roots of the weights, of the pairs at least.
    y : ndarray
        What is to be explained, not multiplied.
    room : ndarray
        Shape (columns, columns + 2), to work in: a loop over meters need not ask for memory for each.
    """
    pairs = len(columns)
    room[:] = 0.0
    gram, right, size = room[:, :COLUMNS], room[:, COLUMNS], room[:, COLUMNS + 1]
    for k in range(pairs):
        for i in range(COLUMNS):
            size[i] += columns[k, i] * columns[k, i]
    for i in range(COLUMNS):
        size[i] = np.sqrt(size[i]) if size[i] > 0 else 1.0
    for k in range(pairs):
        for i in range(COLUMNS):
            columns[k, i] /= size[i]
        for i in range(COLUMNS):
            right[i] += columns[k, i] * root[k] * y[k]
            for j in range(i + 1):
                gram[i, j] += columns[k, i] * columns[k, j]
    for i in range(COLUMNS):
        for j in range(i):
            gram[j, i] = gram[i, j]
        gram[i, i] += 1e-12
    solve_in_place(gram, right)
    chi2 = 0.0
    for k in range(pairs):
        rest = root[k] * y[k]
        for i in range(COLUMNS):
            rest -= columns[k, i] * right[i]
        chi2 += rest * rest
    for i in range(COLUMNS):
        coefficients[i] = right[i] / size[i]
    return chi2


@compiled
def solve_in_place(matrix: Floats, right: Floats) -> None:
    """Gaussian elimination with partial pivoting; the solution replaces the right-hand side."""
    for i in range(COLUMNS):
        pivot = i
        for j in range(i + 1, COLUMNS):
            if abs(matrix[j, i]) > abs(matrix[pivot, i]):
                pivot = j
        for k in range(i, COLUMNS):
            matrix[i, k], matrix[pivot, k] = matrix[pivot, k], matrix[i, k]
        right[i], right[pivot] = right[pivot], right[i]
        for j in range(i + 1, COLUMNS):
            share = matrix[j, i] / matrix[i, i]
            for k in range(i + 1, COLUMNS):
                matrix[j, k] -= share * matrix[i, k]
            right[j] -= share * right[i]
    for i in range(COLUMNS - 1, -1, -1):
        for k in range(i + 1, COLUMNS):
            right[i] -= matrix[i, k] * right[k]
        right[i] /= matrix[i, i]
