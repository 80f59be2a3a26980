"""The two prechecks, and the tests that can overrule them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints, Lines
from transforms.judge.evidence import FLOWING, Bools, Model
from transforms.statistics import chi_square_limit, f_survival
from transforms.summarise.moments import BINS, Moments


def threshold_test(moments: Moments, model: Model, mode: str) -> tuple[Bools, Floats]:
    """Threshold test: do the differences q' - q lie in the model's preset range, on one side?

    Parameters
    ----------
    mode : str
        ``all``: every difference lies in the range, on the same side. ``proportion``: at least the model's share does.
        ``mean``: the mean difference does, and at least the model's share of the differences has its sign.

    Returns
    -------
    passed : ndarray of bool
    share : ndarray of float
        Share of the differences that lie in the range on the side where more do.
    """
    n = moments.total("n", FLOWING)
    above, below = (moments.total(f"n_band_{side}", FLOWING) for side in ("above", "below"))
    best = np.maximum(above, below)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = best / n
        if mode == "all":
            passed = (n > 0) & (best == n)
        elif mode == "proportion":
            passed = share >= model.proportion
        else:
            mean = (moments.total("sy", FLOWING) - moments.total("sx", FLOWING)) / n
            signs = np.where(mean > 0, moments.total("n_above", FLOWING), moments.total("n_below", FLOWING))
            in_range = (np.abs(mean) >= model.band_low) & (np.abs(mean) <= model.band_high)
            passed = in_range & (signs / n >= model.proportion)
    return np.asarray(passed), np.asarray(share, dtype=np.float64)


def mapping_test(lines: Lines, significance: float) -> tuple[Bools, Bools]:
    """Mapping test: does an increasing function leave no more scatter than is normal for the devices?

    The chi-square goodness-of-fit test, with weights that are the inverse of the variance expected.

    Returns
    -------
    passed : ndarray of bool
        The line rises and leaves no excess of scatter.
    excessive : ndarray of bool
        It leaves more scatter than is normal.
    """
    with np.errstate(invalid="ignore"):
        limit = chi_square_limit(lines.dof, significance)
        excessive = (lines.dof >= 1) & (lines.chi2 > limit)
        passed = (lines.dof >= 1) & (lines.a1 > 0) & (lines.chi2 <= limit)
    return np.asarray(passed), np.asarray(excessive)


#: by how much more easily a curve is tried than a line is refused
PERHAPS = 10.0


@dataclass(frozen=True)
class LackOfFit:
    """Whether a line misses the means of the flow bins, and the scatter left about the meter's own relation.

    ``perhaps`` is the same at `PERHAPS` times the significance: worth trying a curve on the samples.
    ``scatter`` is the weighted variance of a pair, about the line or, where that is refused, about the bins' means,
    pooled with the one expected; ``dof`` its degrees of freedom. ``p`` is the P value of the F test, NaN where the flows
    fill too few bins to ask.
    """

    curved: Bools
    perhaps: Bools
    scatter: Floats
    dof: Floats
    p: Floats


def lack_of_fit_test(
    sums: Mapping[str, Ints], weights: Floats, lines: Lines, significance: float, prior_dof: float
) -> LackOfFit:
    """Lack of fit: do the means of the flow bins leave the line by more than the pairs scatter within the bins?

    The F test for lack of fit (Draper and Smith, Applied Regression Analysis, 2.1), with bins in place of repeated
    measurements: within a bin the line itself is right to second order, so what curvature there is shows between bins.

    Parameters
    ----------
    sums : mapping
        ``n, sx, sy`` of shape (bins, meters).
    weights : ndarray
        Shape (bins, meters).
    """
    n, sx, sy = (np.ascontiguousarray(sums[name], dtype=np.int64) for name in ("n", "sx", "sy"))
    between, used = _between_bins(n, sx, sy, np.ascontiguousarray(weights), lines.a1, lines.a2)
    with np.errstate(divide="ignore", invalid="ignore"):
        fitted = np.where(lines.a1_se > 0, 1.0, 0.0) + np.where(lines.a2_se > 0, 1.0, 0.0)
        more = used - fitted
        within = np.maximum(lines.chi2 - between, 0.0)
        rest = np.maximum(lines.dof - more, 0.0)
        f = (between / more) / ((prior_dof + within) / (prior_dof + rest))
        asked = (more >= 1) & (rest + prior_dof >= 1)
        p = np.full(len(f), np.nan)
        p[asked] = f_survival(f[asked], more[asked], prior_dof + rest[asked])
        curved = asked & (p < significance)
        about_line = (prior_dof + lines.chi2) / (prior_dof + np.maximum(lines.dof, 0.0))
        scatter = np.where(curved, (prior_dof + within) / (prior_dof + rest), about_line)
        perhaps = asked & (p < PERHAPS * significance)
    dof = prior_dof + np.where(curved, rest, np.maximum(lines.dof, 0.0))
    return LackOfFit(np.asarray(curved), np.asarray(perhaps), scatter, dof, p)


@compiled
def _between_bins(n: Ints, sx: Ints, sy: Ints, weights: Floats, a1: Floats, a2: Floats) -> tuple[Floats, Ints]:
    """Weighted sum of squares of the bins' means about a line, and how many bins hold pairs."""
    bins, meters = n.shape
    between, used = np.zeros(meters), np.zeros(meters, np.int64)
    for row in range(meters):
        for k in range(bins):
            if n[k, row] > 0:
                residual = sy[k, row] - a1[row] * sx[k, row] - a2[row] * n[k, row]
                between[row] += weights[k, row] * residual**2 / n[k, row]
                used[row] += 1
    return between, used


def drift_test(moments: Moments, weights: Floats, lines: Lines) -> Floats:
    """Does the relation change from one part of the window to the next?

    One-way analysis of variance of the residuals about the fitted line over the parts of the window, once for parts
    that differ by an amount and once for parts that differ by a factor.

    Returns
    -------
    ndarray
        The smaller of the two P values; to be compared with half the significance (Bonferroni).
    """
    w = weights[FLOWING]
    n, sx, sy, sxx, sxy = (
        moments.values[name][:, FLOWING].astype(np.float64) for name in ("n", "sx", "sy", "sxx", "sxy")
    )
    residual = sy - lines.a1 * sx - lines.a2 * n
    used = moments.by_part("n", FLOWING) >= 2
    with np.errstate(divide="ignore", invalid="ignore"):
        amount = _analysis_of_variance((w * n).sum(axis=1), (w * residual).sum(axis=1), used, lines)
        moment = (w * (sxy - lines.a1 * sxx - lines.a2 * sx)).sum(axis=1)
        factor = _analysis_of_variance((w * sxx).sum(axis=1), moment, used, lines)
    return np.minimum(amount, factor)


def parts_spread(moments: Moments, lines: Lines) -> Floats:
    """By how much the errors of the window's parts differ, after the line is taken out: the largest less the smallest,
    relative."""
    cells = moments.cells
    return _parts_spread(cells.first, cells.cell, cells.sums, moments.parts, lines.a1, lines.a2)


@compiled
def _parts_spread(first: Ints, cell: Ints, sums: Ints, parts: int, a1: Floats, a2: Floats) -> Floats:
    spread = np.zeros(len(a1))
    for row in range(len(a1)):
        used, largest, smallest, at = 0, -np.inf, np.inf, first[row]
        for part in range(parts):
            count, flow, residual = np.int64(0), np.int64(0), 0.0
            while at < first[row + 1] and cell[at] < (part + 1) * BINS:
                if cell[at] % BINS:
                    count += sums[at, 0]
                    flow += sums[at, 1]
                    residual += sums[at, 2] - a1[row] * sums[at, 1] - a2[row] * sums[at, 0]
                at += 1
            if count >= 2:
                used += 1
                error = residual / flow
                largest = error if error > largest or np.isnan(error) else largest
                smallest = error if error < smallest or np.isnan(error) else smallest
        if used >= 2:
            spread[row] = largest - smallest
    return spread


def _analysis_of_variance(weight: Floats, total: Floats, used: Bools, lines: Lines) -> Floats:
    """P value that parts with these weighted sums (shape (parts, meters)) scatter by chance; 1 where it cannot be told."""
    weight, total = np.where(used, weight, 0.0), np.where(used, total, 0.0)
    between = np.where(used, total**2 / weight, 0.0).sum(axis=0) - total.sum(axis=0) ** 2 / weight.sum(axis=0)
    more = used.sum(axis=0) - 1.0
    rest = lines.dof - more
    within = np.maximum(lines.chi2 - between, 0.0)
    f = (between / more) / (within / rest)
    p = f_survival(f, more, rest)
    return np.asarray(np.where((more >= 1) & (rest >= 1) & np.isfinite(p), p, 1.0))


def stuck_test(moments: Moments, model: Model) -> Bools:
    """Does the meter's reading stand still while the reference moves by more than rounding can hide?"""
    y_min, y_max = moments.total("y_min", FLOWING), moments.total("y_max", FLOWING)
    x_min, x_max = moments.total("x_min", FLOWING), moments.total("x_max", FLOWING)
    n = moments.total("n", FLOWING)
    still = (n > 1) & (y_min == y_max)
    moving = (x_max - x_min) > np.maximum(4 * model.resolution, 0.2 * x_max)
    # A meter that shows nothing has missed water only if more of it flowed than one step of its register can hide.
    missed = (y_max == 0) & (moments.total("sx", FLOWING) > 4 * model.resolution)
    return np.asarray(still & (moving | missed))
