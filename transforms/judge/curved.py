"""Curved relations: which curve, if any, the samples of the meters support that no straight line describes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.fit import fit_piecewise, fit_power, fit_quadratic, fit_straight, is_monotone, to_points
from transforms.fit.curves import Curves
from transforms.fit.lines import Floats
from transforms.fit.points import MOST_POINTS
from transforms.judge.evidence import Bools
from transforms.judge.samples import Samples
from transforms.statistics import chi_square_limit, f_survival

#: knots of the piecewise line, in millionths of Q3: the half decades below Q3; Q2 comes to them
KNOTS = (31_623.0, 100_000.0, 316_228.0)
#: a curve that rises less steeply than this somewhere has no inverse worth sending
LEAST_SLOPE = 0.2
#: how far beyond the largest flow seen parameters must hold, as a multiple: the next window will bring larger flows
BEYOND = 2.0


@dataclass(frozen=True)
class Curved:
    """The best curve of each meter, arrays of shape (meters,) or (meters, 16) for points, NaN where there is none.

    Attributes
    ----------
    found
        Whether the samples support a curve: significantly better than any line, with no more scatter than is normal,
        and rising everywhere.
    q, q_meter
        The curve as points.
    error
        Largest distance between the points' lines and the fitted curve.
    uncertainty
        Largest standard uncertainty of the curve on the flows seen and up to `BEYOND` times the largest, relative to the
        flow, of the pairs alone; beyond the flows seen with what the end segment misses of the curve.
    fitted
        The curve at each pair, (meters, pairs).
    p
        P value of the partial F test against the line; NaN where no curve fits and has an inverse.
    """

    found: Bools
    q: Floats
    q_meter: Floats
    error: Floats
    uncertainty: Floats
    fitted: Floats
    p: Floats


def best_curve(samples: Samples, q2: Floats, significance: float, form_significance: float) -> Curved:
    """Fit every form of curve to each meter and keep the one with the least Schwarz criterion (BIC).

    The simplest form that the data support: a curve must beat the straight line both by that criterion and by the
    partial F test at ``form_significance``, pass the chi-square goodness-of-fit test, and have an inverse.

    Parameters
    ----------
    q2
        Transitional flow rate, (meters,), in the units of the samples.
    """
    w = samples.weights
    # Known weights: the variance expected is not scaled by the scatter, so chi-square itself is compared.
    line = fit_straight(samples.x, samples.y, w)
    knots = np.sort(np.column_stack([q2, *(np.full(len(q2), knot) for knot in KNOTS)]), axis=1)
    candidates = [
        fit_quadratic(samples.x, samples.y, w),
        fit_power(samples.x, samples.y, w),
        fit_piecewise(samples.x, samples.y, w, knots),
    ]
    criterion = np.stack([_criterion(curve, significance) for curve in candidates])
    chosen = np.argmin(criterion, axis=0)
    here = np.arange(len(chosen))
    best = criterion[chosen, here]
    chi2 = np.stack([curve.chi2 for curve in candidates])[chosen, here]
    dof = np.stack([curve.dof for curve in candidates])[chosen, here]
    more = line.dof - dof
    with np.errstate(divide="ignore", invalid="ignore"):
        # A power law has as many parameters as the line: what it is better by counts as one more.
        f = (line.chi2 - chi2) / np.maximum(more, 1) / np.maximum(chi2 / dof, 1.0)
        p = f_survival(f, np.maximum(more, 1), dof)
        straight = line.chi2 + (line.n - line.dof) * np.log(line.n)
    found = np.isfinite(best) & (best < straight) & (p < form_significance)
    return _delivered(candidates, chosen, np.asarray(found), samples, np.where(np.isfinite(best), p, np.nan))


def _criterion(curve: Curves, significance: float) -> Floats:
    """BIC for known variances, chi2 + p ln n; infinite for a curve that does not fit or has no inverse."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = curve.chi2 + (curve.n - curve.dof) * np.log(curve.n)
        limit = chi_square_limit(curve.dof, significance)
        usable = (curve.dof >= 1) & (curve.chi2 <= limit) & is_monotone(curve, LEAST_SLOPE)
    return np.where(usable & np.isfinite(value), value, np.inf)


def _delivered(candidates: list[Curves], chosen: np.ndarray, found: Bools, samples: Samples, p: Floats) -> Curved:
    meters = len(chosen)
    q, q_meter = (np.full((meters, MOST_POINTS), np.nan) for _ in range(2))
    error, uncertainty = np.full(meters, np.nan), np.full(meters, np.nan)
    fitted = np.full(samples.x.shape, np.nan)
    for k, curves in enumerate(candidates):
        rows = np.flatnonzero(found & (chosen == k))
        if not len(rows):
            continue
        mine = curves.pick(rows)
        points = to_points(mine, tolerance=2e-4)
        width = points.q.shape[1]
        q[rows, :width], q_meter[rows, :width], error[rows] = points.q, points.value, points.error
        far = BEYOND * mine.x_range[:, 1:]
        flows = np.concatenate([points.q, far], axis=1)
        missed = np.concatenate([np.zeros_like(points.q), points.at(far) - mine.at(far)], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.hypot(mine.standard_uncertainty(flows, observed=False), missed) / flows
        uncertainty[rows] = np.nanmax(relative, axis=1)
        fitted[rows] = mine.at(samples.x[rows])
    return Curved(found, q, q_meter, error, uncertainty, fitted, p)
