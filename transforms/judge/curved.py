"""Curved relations: which curve, if any, the samples of the meters support that no straight line describes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.compiled import compiled
from transforms.fit import fit_piecewise, fit_power, fit_quadratic, fit_straight, is_monotone, to_points
from transforms.fit.curves import Curves
from transforms.fit.lines import Floats, Ints
from transforms.fit.points import MOST_POINTS
from transforms.judge.evidence import Bools
from transforms.judge.samples import Laid, Samples, lay_out
from transforms.statistics import chi_square_limit, f_limit, f_survival

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
        The curve at each pair, (pairs,).
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

    @staticmethod
    def none(meters: int, pairs: int) -> Curved:
        """Of meters that no curve describes."""
        q, q_meter = np.full((2, meters, MOST_POINTS), np.nan)
        error, uncertainty, p = np.full((3, meters), np.nan)
        return Curved(np.zeros(meters, dtype=bool), q, q_meter, error, uncertainty, np.full(pairs, np.nan), p)


def best_curve(samples: Samples, q2: Floats, significance: float, form_significance: float) -> Curved:
    """Fit every form of curve to each meter and keep the one with the least Schwarz criterion (BIC).

    The simplest form that the data support: a curve must beat the straight line both by that criterion and by the
    partial F test at ``form_significance``, pass the chi-square goodness-of-fit test, and have an inverse.

    Parameters
    ----------
    q2
        Transitional flow rate, (meters,), in the units of the samples.
    """
    meters = len(samples.meter_no)
    best = Curved.none(meters, len(samples.x))
    for laid in lay_out(samples):
        _fit(laid, best, samples.first, q2[laid.rows], significance, form_significance)
    return best


def _fit(laid: Laid, into: Curved, first: Ints, q2: Floats, significance: float, form_significance: float) -> None:
    # Known weights: the variance expected is not scaled by the scatter, so chi-square itself is compared.
    line = fit_straight(laid.x, laid.y, laid.w)
    knots = np.sort(np.column_stack([q2, *(np.full(len(q2), knot) for knot in KNOTS)]), axis=1)
    candidates = [
        fit_quadratic(laid.x, laid.y, laid.w),
        fit_power(laid.x, laid.y, laid.w),
        fit_piecewise(laid.x, laid.y, laid.w, knots),
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
    found = np.asarray(np.isfinite(best) & (best < straight) & (p < form_significance))
    into.found[laid.rows], into.p[laid.rows] = found, np.where(np.isfinite(best), p, np.nan)
    for k, curves in enumerate(candidates):
        some = np.flatnonzero(found & (chosen == k))
        if len(some):
            _deliver(curves.pick(some), laid, some, into, first)


def _criterion(curve: Curves, significance: float) -> Floats:
    """BIC for known variances, chi2 + p ln n; infinite for a curve that does not fit or has no inverse."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = curve.chi2 + (curve.n - curve.dof) * np.log(curve.n)
        limit = chi_square_limit(curve.dof, significance)
        usable = (curve.dof >= 1) & (curve.chi2 <= limit) & is_monotone(curve, LEAST_SLOPE)
    return np.where(usable & np.isfinite(value), value, np.inf)


def _deliver(curves: Curves, laid: Laid, some: Ints, into: Curved, first: Ints) -> None:
    rows = laid.rows[some]
    points = to_points(curves, tolerance=2e-4)
    width = points.q.shape[1]
    into.q[rows, :width], into.q_meter[rows, :width], into.error[rows] = points.q, points.value, points.error
    far = BEYOND * curves.x_range[:, 1:]
    flows = np.concatenate([points.q, far], axis=1)
    missed = np.concatenate([np.zeros_like(points.q), points.at(far) - curves.at(far)], axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.hypot(curves.standard_uncertainty(flows, observed=False), missed) / flows
    into.uncertainty[rows] = np.nanmax(relative, axis=1)
    place = first[rows, None] + np.arange(laid.x.shape[1])
    there = place < first[rows + 1, None]
    into.fitted[place[there]] = curves.at(laid.x[some])[there]


def may_bend(samples: Samples, rows: Ints, significance: float, form_significance: float = 1.0) -> Ints:
    """Those of some meters whose samples any rising curve can describe, whatever its form, and better than a line.

    No curve with an inverse leaves less scatter than the relation that rises by `LEAST_SLOPE` and fits best, which isotonic
    regression finds without trying forms (Barlow et al., Statistical Inference under Order Restrictions, 1972). Where that
    scatters more than is normal already, `best_curve` finds none; nor where it leaves so little less than the line does that
    no curve is better at ``form_significance``. P values in between are lost, which 1 keeps.
    """
    dof = (samples.first_flowing[rows + 1] - samples.first_flowing[rows]).astype(np.float64) - 2.0
    # two parameters at least; and rounding must exclude nobody
    limit = chi_square_limit(dof, significance) * (1 + 1e-6)
    # the F test of a curve with one parameter more is the mildest
    better = f_limit(1.0, dof, form_significance) * (1 - 1e-6)
    some = samples.x, samples.y, samples.flowing, samples.first_flowing, samples.weights
    return rows[_rises(rows, *some, LEAST_SLOPE, limit, better)]


@compiled
def _rises(
    rows: Ints,
    x: Floats,
    y: Floats,
    flowing: Ints,
    first_flowing: Ints,
    weights: Floats,
    least_slope: float,
    limit: Floats,
    better: Floats,
) -> Bools:
    """Whether the best relation that rises so steeply leaves a chi-square within each row's limit, and less than the line does by
    so much at least; by pooling adjacent violators: neighbours by flow that fall share their mean."""
    found = np.ones(len(rows), np.bool_)
    for i in range(len(rows)):
        begin, end = first_flowing[rows[i]], first_flowing[rows[i] + 1]
        places, w = flowing[begin:end], weights[begin:end]
        level, weight = np.empty(len(w)), np.empty(len(w))
        blocks, chi2 = 0, 0.0
        for k in np.argsort(x[places]):
            flow = x[places[k]]
            if not flow > 0:
                continue  # a power law says nothing about it
            value, mass = y[places[k]] - least_slope * flow, w[k]
            while blocks > 0 and level[blocks - 1] > value:
                blocks -= 1
                both = weight[blocks] + mass
                chi2 += weight[blocks] * mass / both * (level[blocks] - value) ** 2
                value, mass = (weight[blocks] * level[blocks] + mass * value) / both, both
            level[blocks], weight[blocks] = value, mass
            blocks += 1
            if chi2 > limit[i]:
                found[i] = False
                break
        if better[i] > 0 and found[i]:
            found[i] = not _line_chi2(x, y, places, w) - chi2 < better[i] * max(chi2 / (len(w) - 2), 1.0)
    return found


@compiled
def _line_chi2(x: Floats, y: Floats, places: Ints, w: Floats) -> float:
    """Weighted sum of squares about the best line of one meter's flowing pairs, and a little more, so that rounding excludes
    nobody."""
    total, of_x, of_y = 0.0, 0.0, 0.0
    for k in range(len(w)):
        total += w[k]
        of_x += w[k] * x[places[k]]
        of_y += w[k] * y[places[k]]
    of_x, of_y = of_x / total, of_y / total
    xx, xy, yy = 0.0, 0.0, 0.0
    for k in range(len(w)):
        u, v = x[places[k]] - of_x, y[places[k]] - of_y
        xx += w[k] * u * u
        xy += w[k] * u * v
        yy += w[k] * v * v
    return (yy - xy * xy / xx) * (1 + 1e-6) + 1e-9 * yy
