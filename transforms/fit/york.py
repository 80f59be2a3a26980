"""Straight lines q' = a1 q + a2 with errors in both flows, for many meters at once, from sums by flow bin.

York, Evensen, López Martínez and De Basabe Delgado, Unified equations for the slope, intercept, and standard errors of
the best straight line, Am. J. Phys. 72(3), 367 (2004), without correlation between the two errors. Its results are
those of generalised distance regression, ISO/TS 28037:2010 clause 7. Variances are constant within a bin, hence so are
the weights, and all sums over samples are sums over bins of U^2, UV and V^2. A sample of its own is a bin of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled
from transforms.fit.lines import SUMMED, Centred, Floats, Ints, Lines, scatter

_MOST_STEPS = 200
_SETTLED = 1e-14
#: flows must differ by this share of their level before there is a line (as in `fit_line`)
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class Bins:
    """Pairs by flow bin, shape (bins, meters): count, means of q and q', and sums of squares about these means."""

    n: Floats
    x: Floats
    y: Floats
    xx: Floats
    xy: Floats
    yy: Floats


def bins_of(sums: Mapping[str, Ints]) -> Bins:
    """Exact integer sums ``n, sx, sy, sxx, sxy, syy`` of shape (bins, meters), moved to each bin's own means."""
    shape = np.shape(sums["n"])
    columns = (np.ascontiguousarray(sums[name], dtype=np.int64).ravel() for name in SUMMED)
    return Bins(*_bins_of(*columns).reshape(6, *shape))


@compiled
def _bins_of(n: Ints, sx: Ints, sy: Ints, sxx: Ints, sxy: Ints, syy: Ints) -> Floats:
    found = np.empty((6, len(n)))
    for k in range(len(n)):
        x, xx = moved(n[k], sx[k], sx[k], sxx[k])
        y, yy = moved(n[k], sy[k], sy[k], syy[k])
        found[0, k], found[1, k], found[2, k], found[3, k], found[5, k] = n[k], x, y, xx, yy
        found[4, k] = moved(n[k], sx[k], sy[k], sxy[k])[1]
    return found


@compiled
def moved(n: np.int64, sx: np.int64, sy: np.int64, sxy: np.int64) -> tuple[float, float]:
    """Of one bin of one meter, or of two quantities in it, the first mean and the sum of products about both means."""
    some = max(n, np.int64(1))
    c, d = (2 * sx + some) // (2 * some), (2 * sy + some) // (2 * some)
    # In whole numbers up to here, so that nothing is lost to cancellation; what is left of the means is below one half.
    x, y = (sx - n * c) / some, (sy - n * d) / some
    return c + x, (sxy - c * sy - d * sx + n * c * d) - n * x * y


def single_bins(x: Floats, y: Floats) -> Bins:
    """Samples as bins of one, for arrays of shape (samples, meters)."""
    zero = np.zeros_like(x)
    return Bins(np.ones_like(x), x, y, zero, zero, zero)


def fit_york(
    sums: Mapping[str, Ints] | Bins,
    var_x: Floats | float,
    var_y: Floats | float,
    *,
    observed: bool = False,
    rounding: Floats | float = 0.0,
) -> Lines:
    """The best line when both flows have errors.

    Parameters
    ----------
    sums : mapping or Bins
        ``n, sx, sy, sxx, sxy, syy`` as `lines.centre` takes them, shape (bins, meters), or `Bins`.
    var_x, var_y : ndarray or float
        Variance of a single reading of the reference and of the meter, broadcast to (bins, meters), in the unit of the
        sums squared. One of them may be 0; with ``var_x`` 0 the fit is weighted least squares.
    observed : bool
        Scale the standard errors by the scatter about the line, as `fit_line` does. By default the variances count as
        known, as in York et al. and in ISO/TS 28037, 7.
    rounding : ndarray or float
        With ``observed``, the least variance per meter that can be real.

    Returns
    -------
    Lines
        ``chi2`` is York's S, the sum of W (y - a2 - a1 x)^2. NaN where flows do not differ or the iteration, which
        converges geometrically unless errors are as large as the spread of the flows, has not settled.

    Raises
    ------
    ValueError
        If a bin that holds pairs has no variance in either flow.
    """
    b = sums if isinstance(sums, Bins) else bins_of(sums)
    vx = np.array(np.broadcast_to(var_x, b.n.shape), dtype=np.float64)
    vy = np.array(np.broadcast_to(var_y, b.n.shape), dtype=np.float64)
    full = b.n > 0
    if not ((vx >= 0) & (vy >= 0) & (vx + vy > 0))[full].all():
        raise ValueError("each flow bin with pairs needs a variance above 0 in the reference's or the meter's flow")
    vx[~full], vy[~full] = 0.0, 1.0
    slope, settled = _iterate(b, vx, vy)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = _about(b, vx, vy, slope)
        level = at.x_mean + at.beta / at.w
        spread = at.beta2 - at.beta**2 / at.w
        spread = np.where(settled & (spread > _LEAST_SPREAD**2 * at.w * level**2), spread, np.nan)
        a1 = np.where(np.isfinite(spread), slope, np.nan)
        a2 = at.y_mean - a1 * at.x_mean
        chi2 = np.where(np.isfinite(spread), np.maximum(at.chi2, 0.0), np.nan)
        count = b.n.sum(axis=0)
        dof = count - 2
        scale: Floats | float = 1.0
        if observed:
            scale = np.where(dof > 0, np.maximum(chi2 / dof, at.w / count * rounding), np.nan)
        a1_se = np.sqrt(scale / spread)
        a2_se = np.sqrt(scale * (1 / at.w + level**2 / spread))
        correlation = -level / np.sqrt(spread / at.w + level**2)
    return Lines(a1, a1_se, a2, a2_se, correlation, chi2, dof)


def fit_deming(sums: Centred, ratio: Floats | float) -> Lines:
    """Deming's line: York's with the same ratio of variances for all pairs of a meter, in closed form.

    Parameters
    ----------
    sums : Centred
        The meters' weighted sums, the weights proportional to the inverse variances.
    ratio : ndarray or float
        Variance of the meter's flow over that of the reference's, per meter. Only the ratio is known, so standard
        errors are scaled by the scatter about the line.

    Returns
    -------
    Lines
        ``chi2`` is the weighted sum of (y - a2 - a1 x)^2 / (ratio + a1^2), the weights being those of the reference.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        x_mean, y_mean = sums.x / sums.w, sums.y / sums.w
        sxx = sums.xx - sums.x * x_mean
        sxy = sums.xy - sums.x * y_mean
        syy = sums.yy - sums.y * y_mean
        level = sums.c + x_mean
        sxx = np.where(sxx > _LEAST_SPREAD**2 * sums.w * level**2, sxx, np.nan)
        gap = syy - ratio * sxx
        root = np.hypot(gap, 2 * np.sqrt(ratio) * sxy)
        # Two ways to write the same root, each exact where the other would cancel.
        a1 = np.where(gap > 0, (gap + root) / (2 * sxy), 2 * ratio * sxy / (root - gap))
        norm = ratio + a1**2
        a2 = sums.d + y_mean - a1 * level
        chi2 = np.maximum(syy - 2 * a1 * sxy + a1**2 * sxx, 0.0) / norm
        dof = sums.n - 2
        scale = scatter(sums, chi2 * norm, dof) / norm
        # York's adjusted flows: beta = (ratio U + a1 V) / norm, weights w / norm
        spread = (ratio**2 * sxx + 2 * ratio * a1 * sxy + a1**2 * syy) / norm**3
        weight = sums.w / norm
        a1_se = np.sqrt(scale / spread)
        a2_se = np.sqrt(scale * (1 / weight + level**2 / spread))
        correlation = -level / np.sqrt(spread / weight + level**2)
    return Lines(a1, a1_se, a2, a2_se, correlation, chi2, dof)


@dataclass(frozen=True)
class _Sums:
    """York's sums about the weighted means for given slopes, one entry per meter."""

    w: Floats
    x_mean: Floats
    y_mean: Floats
    slope: Floats
    beta: Floats
    beta2: Floats
    chi2: Floats


def _about(b: Bins, vx: Floats, vy: Floats, slope: Floats) -> _Sums:
    weight = 1 / (vy + slope**2 * vx)
    total = b.n * weight
    w = total.sum(axis=0)
    x_mean, y_mean = (total * b.x).sum(axis=0) / w, (total * b.y).sum(axis=0) / w
    u, v = b.x - x_mean, b.y - y_mean
    uu, uv, vv = b.xx + b.n * u * u, b.xy + b.n * u * v, b.yy + b.n * v * v
    square = weight**2
    cross = slope * vx
    return _Sums(
        w=w,
        x_mean=x_mean,
        y_mean=y_mean,
        slope=(square * (vy * uv + cross * vv)).sum(axis=0) / (square * (vy * uu + cross * uv)).sum(axis=0),
        beta=(square * b.n * (vy * u + cross * v)).sum(axis=0),
        beta2=(square * weight * (vy**2 * uu + 2 * vy * cross * uv + cross**2 * vv)).sum(axis=0),
        chi2=(weight * (vv - 2 * slope * uv + slope**2 * uu)).sum(axis=0),
    )


def _iterate(b: Bins, vx: Floats, vy: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """York's fixed point from the weighted line, for those meters that still move."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # With the reference's variance carried to the meter at slope 1 and no errors left in x: weighted least squares.
        slope = _about(b, np.zeros_like(vx), vx + vy, np.ones(b.n.shape[1])).slope
        settled = np.zeros(len(slope), dtype=np.bool_)
        active = np.flatnonzero(np.isfinite(slope))
        part, px, py = b, vx, vy
        if len(active) < len(slope):
            part, px, py = _take(b, active), vx[:, active], vy[:, active]
        for _ in range(_MOST_STEPS):
            if not len(active):
                break
            new = _about(part, px, py, slope[active]).slope
            moving = np.abs(new - slope[active]) > _SETTLED * np.abs(new)
            slope[active] = new
            settled[active[~moving & np.isfinite(new)]] = True
            moving &= np.isfinite(new)
            if moving.sum() < len(active):
                active, part, px, py = active[moving], _take(part, moving), px[:, moving], py[:, moving]
    return slope, settled


def _take(b: Bins, which: npt.NDArray[np.generic]) -> Bins:
    return Bins(**{name: getattr(b, name)[:, which] for name in ("n", "x", "y", "xx", "xy", "yy")})
