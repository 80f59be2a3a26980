"""Curves as the points that a meter can hold: at most 16, linear in between, the largest error of doing so stated.

The error of linear interpolation over a step h of a smooth curve is |f''| h^2 / 8, so steps in proportion to
(|f''| / q)^(-1/2) make it everywhere the same share of the flow (de Boor, A Practical Guide to Splines, chapter 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled
from transforms.fit.curves import Curves
from transforms.fit.lines import Floats

MOST_POINTS = 16
#: cells of the grid on which the curvature is integrated
_GRID = 256
#: checks of the error within a piece, while searching and for the final statement; odd, so that its middle is one
_CHECKS, _FINAL_CHECKS = 9, 63
#: checks that are made at once; what bounds the memory
_CELLS = 200_000


@dataclass(frozen=True)
class Points:
    """Piecewise-linear curves, one row per meter.

    ``q``, ``value`` (M, P): increasing flows and q' there, NaN beyond a meter's last point; ``error`` (M,): largest
    distance from the curve on its range, in the unit of the flow; ``relative`` (M,): largest distance over q.
    """

    q: Floats
    value: Floats
    error: Floats
    relative: Floats

    def at(self, q: Floats) -> Floats:
        """q' at flows q of shape (M, K), continued by the end pieces."""
        last = np.maximum((~np.isnan(self.q)).sum(axis=1) - 2, 0)[:, None]
        piece = np.zeros(np.broadcast_shapes(q.shape, (len(self.q), 1)), dtype=np.int64)
        for k in range(1, self.q.shape[1] - 1):
            piece += q >= self.q[:, k : k + 1]
        piece = np.minimum(piece, last)
        low, high = (np.take_along_axis(self.q, piece + k, axis=1) for k in (0, 1))
        bottom, top = (np.take_along_axis(self.value, piece + k, axis=1) for k in (0, 1))
        return np.asarray(bottom + (q - low) * (top - bottom) / (high - low))


def to_points(curves: Curves, *, most: int = MOST_POINTS, tolerance: float = 1e-5) -> Points:
    """Deliver curves as points on the flows they were seen on.

    Parameters
    ----------
    curves : Curves
        M fitted curves.
    most : int
        Points at most, 2 to 16.
    tolerance : float
        Error relative to the flow that is good enough; the fewest points that reach it are taken, or ``most``.

    Returns
    -------
    Points
        All NaN for a meter without a curve or of one flow only. A straight or piecewise line is given exactly.

    Raises
    ------
    ValueError
        If ``most`` is not 2 to 16, or a piecewise line has more knots than fit.
    """
    if not 2 <= most <= MOST_POINTS:
        raise ValueError(f"most is {most}; a correction holds 2 to {MOST_POINTS} points")
    low, high = curves.x_range.T
    fit = np.isfinite(curves.parameters).all(axis=1) & (high > low)
    if curves.form in ("straight", "piecewise"):
        q = _corners(curves, most)
        error = relative = np.zeros(len(q))
    else:
        q, error, relative = _spread(curves, np.asarray(fit), most, tolerance)
    q = np.where(fit[:, None], q, np.nan)
    return Points(q, curves.at(q), np.where(fit, error, np.nan), np.where(fit, relative, np.nan))


def is_monotone(curves: Curves, least_slope: float = 0.0) -> npt.NDArray[np.bool_]:
    """Whether each curve rises by more than ``least_slope`` everywhere on the flows it was seen on, shape (M,).

    The slope of every form is monotone between the ends and the knots, so it is looked at there.
    """
    low, high = curves.x_range[:, :1], curves.x_range[:, 1:]
    inside = (curves.knots > low) & (curves.knots < high)
    places = np.concatenate([low, high, np.where(inside, curves.knots, low)], axis=1)
    return np.asarray((curves.slope(places) > least_slope).all(axis=1))


def invert(points: Points, least_slope: float = 0.1) -> tuple[Points, npt.NDArray[np.bool_]]:
    """Exchange the flows of piecewise-linear curves: from what the meter reads to what flowed.

    Parameters
    ----------
    points : Points
        M curves q -> q'.
    least_slope : float
        The inverse exists where every piece rises by at least this; a flatter meter hardly sees the flow, and its
        inverse would multiply its noise.

    Returns
    -------
    tuple of Points and ndarray
        The inverses q' -> q, NaN where there is none, and where there is one, shape (M,). ``error`` and ``relative``
        are those of the flow found, at most: the forward error over the least slope.
    """
    rise, run = np.diff(points.value, axis=1), np.diff(points.q, axis=1)
    piece = ~np.isnan(run)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(piece, rise / run, np.inf)
    ok = np.asarray(
        piece.any(axis=1) & (np.where(piece, run, 1.0) > 0).all(axis=1) & (slope >= least_slope).all(axis=1)
    )
    if least_slope <= 0:
        ok &= (slope > 0).all(axis=1)
    steepness = np.where(ok, slope.min(axis=1), 1.0)
    swapped = Points(
        q=np.where(ok[:, None], points.value, np.nan),
        value=np.where(ok[:, None], points.q, np.nan),
        error=np.where(ok, points.error / steepness, np.nan),
        relative=np.where(ok, points.relative / steepness, np.nan),
    )
    return swapped, ok


def _corners(curves: Curves, most: int) -> Floats:
    """The ends and the knots between them, moved together, shape (M, 2 + knots at most)."""
    low, high = curves.x_range[:, :1], curves.x_range[:, 1:]
    inside = (curves.knots > low) & (curves.knots < high)
    q = np.sort(np.concatenate([low, np.where(inside, curves.knots, np.nan), high], axis=1), axis=1)
    used = int(inside.sum(axis=1).max(initial=0)) + 2
    if used > most:
        raise ValueError(f"a piecewise line has {used - 2} knots and cannot be given by {most} points")
    return q[:, :used]


def _spread(curves: Curves, fit: npt.NDArray[np.bool_], most: int, tolerance: float) -> tuple[Floats, Floats, Floats]:
    """The fewest points with equal relative errors; their largest error, and the largest one relative to the flow."""
    low = np.where(fit, curves.x_range[:, 0], 1.0)[:, None]
    high = np.where(fit, curves.x_range[:, 1], 2.0)[:, None]
    # A grid that is even in the logarithm of the flow, but where the flow goes to zero.
    shift = np.maximum(low, 1e-3 * (high - low)) - low
    ratio = (high + shift) / (low + shift)
    grid = (low + shift) * ratio ** np.linspace(0, 1, _GRID + 1) - shift
    middle = (grid[:, 1:] + grid[:, :-1]) / 2
    density = np.sqrt(_bend(curves, middle) / (middle + shift))
    density = np.where(np.isfinite(density), density, 0.0)
    mass = density * np.diff(grid, axis=1)
    whole = mass.sum(axis=1, keepdims=True)
    # One part in a hundred evenly on the grid: points keep apart even where the curve is straight.
    mass = 0.99 * mass / np.where(whole > 0, whole, 1.0) + np.where(whole > 0, 0.01, 1.0) / _GRID
    share = np.concatenate([np.zeros_like(low), np.cumsum(mass, axis=1)], axis=1)

    q = np.full((len(low), most), np.nan)
    error, relative = np.full(len(low), np.nan), np.full(len(low), np.nan)
    open_ = np.flatnonzero(fit)
    for count in range(2, most + 1):
        if not len(open_):
            break
        part = _quantiles(grid[open_], share[open_], count)
        part[:, 0], part[:, -1] = low[open_, 0], high[open_, 0]
        q[open_, :count] = part
        error[open_], relative[open_] = _distance(curves, open_, part, _CHECKS)
        open_ = open_[~(relative[open_] <= tolerance)]
    used = (~np.isnan(q)).sum(axis=1)
    for count in np.unique(used[fit]):
        rows = np.flatnonzero(fit & (used == count))
        error[rows], relative[rows] = _distance(curves, rows, q[rows, :count], _FINAL_CHECKS)
    return q, error, relative


def _bend(curves: Curves, q: Floats) -> Floats:
    """|f''| at q."""
    p = curves.parameters
    if curves.form == "quadratic":
        return np.abs(2 * p[:, 2:]) * np.ones_like(q)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.abs(p[:, :1] * p[:, 1:] * (p[:, 1:] - 1)) * q ** (p[:, 1:] - 2)


@compiled
def _quantiles(grid: Floats, share: Floats, count: int) -> Floats:
    """Where the cumulative share passes 0, 1/(count - 1), ... 1; shapes (m, G + 1) to (m, count)."""
    meters, edges = grid.shape
    found = np.empty((meters, count))
    for row in range(meters):
        cell = 0
        for k in range(count):
            wanted = k / (count - 1) * share[row, -1]
            while cell < edges - 2 and share[row, cell + 1] <= wanted:
                cell += 1
            low, high = share[row, cell], share[row, cell + 1]
            start, end = grid[row, cell], grid[row, cell + 1]
            found[row, k] = start + (end - start) * min(max((wanted - low) / (high - low), 0.0), 1.0)
    return found


def _distance(curves: Curves, rows: npt.NDArray[np.int64], q: Floats, checks: int) -> tuple[Floats, Floats]:
    """Largest distance between the curves of these rows and their points, absolute and relative to q."""
    error, relative = np.zeros(len(rows)), np.zeros(len(rows))
    most = max(1, _CELLS // ((q.shape[1] - 1) * (checks + 1)))
    for begin in range(0, len(rows), most):
        some = slice(begin, begin + most)
        error[some], relative[some] = _distance_of(curves.pick(rows[some]), q[some], checks)
    return error, relative


def _distance_of(curves: Curves, q: Floats, checks: int) -> tuple[Floats, Floats]:
    """The same of some curves, all checks of all their pieces at once."""
    value = curves.at(q)
    low, run, rise = q[:, :-1], np.diff(q, axis=1), np.diff(value, axis=1)
    share = np.empty((checks + 1, *run.shape))
    share[:checks] = (np.arange(1, checks + 1) / (checks + 1))[:, None, None]
    # The error over q is largest nearer the lower end; of a parabola, at the geometric mean of the two ends.
    share[checks] = np.maximum((np.sqrt(np.maximum(low, 0.0) * q[:, 1:]) - low) / run, 1e-3)
    share = share.transpose(1, 0, 2)
    place = low[:, None] + share * run[:, None]
    straight = value[:, None, :-1] + share * rise[:, None]
    off = np.abs(curves.at(place.reshape(len(q), -1)).reshape(place.shape) - straight)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(off > 0, off / np.abs(place), 0.0)
    return off.max(axis=(1, 2)), relative.max(axis=(1, 2))
