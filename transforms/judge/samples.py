"""Samples of the few meters that get a second look, laid out as arrays: one row per meter, columns in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints
from transforms.judge.evidence import Bools, Model, Reference

#: cells of an array that are worked on at once; what bounds the memory of the second look
CELLS = 2_000_000

#: what a look returns: pairs in the units of the moments, sorted by meter and time
LOOKED: dict[str, pl.DataType | type[pl.DataType]] = {
    "meter_no": pl.Int32,
    "us": pl.Int64,
    "x": pl.Float64,
    "y": pl.Float64,
}


@dataclass(frozen=True)
class Samples:
    """Pairs of some meters, arrays of shape (meters, pairs), in the units of the moments (millionths of Q3).

    Attributes
    ----------
    meter_no
        Row of each meter among the paired meters of the bucket, (meters,).
    us
        Time since the window's start [us].
    x, y
        Reference and meter; 0 where there is no pair.
    there
        Where there is a pair.
    flowing
        Where the reference is at or above Q1.
    variance
        Variance expected of the difference.
    interval_us
        Sampling interval, (meters,).
    q1, resolution
        Minimum flow rate and resolution, (meters,).
    """

    meter_no: Ints
    us: Ints
    x: Floats
    y: Floats
    there: Bools
    flowing: Bools
    variance: Floats
    interval_us: Ints
    q1: Floats
    resolution: Floats

    @property
    def weights(self) -> Floats:
        """Inverse of the variance expected at flowing pairs, 0 elsewhere."""
        return np.where(self.flowing, 1 / self.variance, 0.0)

    def pick(self, rows: Ints | Bools) -> Samples:
        """The same of some of the meters."""
        return Samples(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


def lay_out(
    pairs: pl.DataFrame, interval_us: Ints, q1: Floats, model: Model, reference: Reference
) -> Iterator[Samples]:
    """Lay the pairs of some meters out as arrays, a bounded number of meters at a time.

    Parameters
    ----------
    pairs : DataFrame
        `LOOKED`.
    interval_us, q1, model, reference
        Of all paired meters of the bucket, by ``meter_no``.
    """
    meter = pairs["meter_no"].to_numpy().astype(np.int64)
    if not len(meter):
        return
    us, x, y = (pairs[name].to_numpy() for name in ("us", "x", "y"))
    starts = np.flatnonzero(np.diff(meter, prepend=-1))
    lengths = np.diff(np.append(starts, len(meter)))
    # Meters with about as many pairs share an array. Its width follows from each meter's own pairs alone, so that the last
    # digits of its sums do not depend on whom it happens to be looked at with.
    widths = _widths(lengths)
    order = np.lexsort((np.arange(len(widths)), -widths))
    begin = 0
    while begin < len(order):
        width = int(widths[order[begin]])
        alike = begin + int(np.searchsorted(-widths[order[begin:]], -width, side="right"))
        some = order[begin : min(begin + max(1, CELLS // width), alike)]
        begin += len(some)
        column = np.arange(width)
        there = column < lengths[some, None]
        at = np.where(there, starts[some, None] + column, 0)
        rows = meter[starts[some]]
        q, q_meter = np.where(there, x[at], 0.0), np.where(there, y[at], 0.0)
        relative = model.repeatability[rows] ** 2 + reference.repeatability**2
        yield Samples(
            meter_no=rows,
            us=np.where(there, us[at], 0),
            x=q,
            y=q_meter,
            there=there,
            flowing=there & (q >= q1[rows, None]),
            variance=relative[:, None] * q**2 + model.resolution[rows, None] ** 2 / 6,
            interval_us=interval_us[rows],
            q1=q1[rows],
            resolution=model.resolution[rows],
        )


def _widths(lengths: Ints) -> Ints:
    """Widths of arrays that hold so many pairs: multiples of 8, and beyond 64 of an eighth of the next power of two."""
    coarse = np.maximum(8, 1 << np.maximum(np.ceil(np.log2(np.maximum(lengths, 1))).astype(np.int64) - 3, 3))
    return np.asarray(-(-lengths // coarse) * coarse)


def weighted_line(weights: Floats, *columns: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Weighted least squares of y on some columns, for each row by itself.

    Returns
    -------
    coefficients : ndarray
        Shape (meters, columns); what the data do not determine is as small as can be.
    chi2 : ndarray
        Weighted sum of squared residuals, (meters,).
    """
    return _weighted_lines(weights, np.stack(columns), y)


@compiled
def _weighted_lines(weights: Floats, columns: Floats, y: Floats) -> tuple[Floats, Floats]:
    """The normal equations of columns of unit length, with a trace of ridge in place of a pseudo-inverse: columns that
    depend on each other share the coefficient, and for telling models apart twelve digits are plenty."""
    many, meters, width = columns.shape
    coefficients, chi2 = np.zeros((meters, many)), np.zeros(meters)
    scaled, gram, right, size = np.zeros((many, width)), np.zeros((many, many)), np.zeros(many), np.zeros(many)
    for row in range(meters):
        for i in range(many):
            square = 0.0
            for k in range(width):
                scaled[i, k] = np.sqrt(weights[row, k]) * columns[i, row, k]
                square += scaled[i, k] ** 2
            size[i] = np.sqrt(square) if square > 0 else 1.0
            scaled[i] /= size[i]
        for i in range(many):
            right[i] = 0.0
            for k in range(width):
                right[i] += scaled[i, k] * np.sqrt(weights[row, k]) * y[row, k]
            for j in range(i + 1):
                product = 0.0
                for k in range(width):
                    product += scaled[i, k] * scaled[j, k]
                gram[i, j] = gram[j, i] = product
            gram[i, i] += 1e-12
        solve_in_place(gram, right)
        for i in range(many):
            coefficients[row, i] = right[i] / size[i]
        for k in range(width):
            rest = np.sqrt(weights[row, k]) * y[row, k]
            for i in range(many):
                rest -= scaled[i, k] * right[i]
            chi2[row] += rest * rest
    return coefficients, chi2


@compiled
def solve_in_place(matrix: Floats, right: Floats) -> None:
    """Gaussian elimination with partial pivoting; the solution replaces the right-hand side."""
    size = len(right)
    for i in range(size):
        pivot = i
        for j in range(i + 1, size):
            if abs(matrix[j, i]) > abs(matrix[pivot, i]):
                pivot = j
        for k in range(i, size):
            matrix[i, k], matrix[pivot, k] = matrix[pivot, k], matrix[i, k]
        right[i], right[pivot] = right[pivot], right[i]
        for j in range(i + 1, size):
            share = matrix[j, i] / matrix[i, i]
            for k in range(i + 1, size):
                matrix[j, k] -= share * matrix[i, k]
            right[j] -= share * right[i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            right[i] -= matrix[i, k] * right[k]
        right[i] /= matrix[i, i]
