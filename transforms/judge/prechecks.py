"""The two prechecks, and the tests that can overrule them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints, Lines
from transforms.judge.evidence import FLOWING, Bools, Model
from transforms.statistics import chi_square_limit, f_exceeds, f_survival, needed
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


@dataclass(frozen=True)
class LackOfFit:
    """Whether a line misses the means of the flow bins, and the scatter left about the meter's own relation.

    ``scatter`` is the weighted variance of a pair, about the line or, where that is refused, about the bins' means,
    pooled with the one expected; ``dof`` its degrees of freedom.
    """

    curved: Bools
    scatter: Floats
    dof: Floats


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
    fitted = (lines.a1_se > 0).astype(np.int64) + (lines.a2_se > 0)
    known = (lines.a1, lines.a2, fitted, lines.chi2, lines.dof, prior_dof)
    lack = _lack_of_fit(n, sx, sy, np.ascontiguousarray(weights), *known)
    return told_lack(lack, lines.chi2, lines.dof, significance, prior_dof)


@compiled
def _lack_of_fit(
    n: Ints,
    sx: Ints,
    sy: Ints,
    weights: Floats,
    a1: Floats,
    a2: Floats,
    fitted: Ints,
    chi2: Floats,
    dof: Floats,
    prior_dof: float,
) -> Floats:
    bins, meters = n.shape
    found, own, of_own = np.empty((4, meters)), np.empty((bins, 3), np.int64), np.empty(bins)
    for row in range(meters):
        for k in range(bins):
            own[k, 0], own[k, 1], own[k, 2], of_own[k] = n[k, row], sx[k, row], sy[k, row], weights[k, row]
        found[0, row], found[1, row], found[2, row], found[3, row] = lack_own(
            own, of_own, 0, a1[row], a2[row], fitted[row], chi2[row], dof[row], prior_dof
        )
    return found


@compiled
def lack_own(
    own: Ints, weights: Floats, begin: int, a1: float, a2: float, fitted: int, chi2: float, dof: float, prior_dof: float
) -> tuple[float, float, float, float]:
    """F for lack of fit of one meter with its degrees of freedom between bins; the sum of squares within bins and its
    degrees of freedom.

    ``own`` are the meter's sums by bin, of which those from ``begin`` on count, ``fitted`` counts the line's free parameters,
    ``chi2`` and ``dof`` are what it leaves.
    """
    between, used = 0.0, 0
    for k in range(begin, len(own)):
        residual = own[k, 2] - a1 * own[k, 1] - a2 * own[k, 0]
        between += weights[k] * residual**2 / max(own[k, 0], 1)
        used += own[k, 0] > 0
    more = float(used - fitted)
    within, rest = chi2 - between, dof - more
    within, rest = 0.0 if within < 0 else within, 0.0 if rest < 0 else rest
    return (between / more) / ((prior_dof + within) / (prior_dof + rest)), more, within, rest


def told_lack(lack: Floats, chi2: Floats, dof: Floats, significance: float, prior_dof: float) -> LackOfFit:
    """What the numbers of `lack_own` say, (4, meters)."""
    f, more, within, rest = lack
    asked = (more >= 1) & (rest + prior_dof >= 1)
    curved = asked & f_exceeds(f, more, prior_dof + rest, significance)
    dof = prior_dof + np.where(curved, rest, np.maximum(dof, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        scatter = (prior_dof + np.where(curved, within, chi2)) / dof
    return LackOfFit(curved, scatter, dof)


def lack_of_fit_p(lack: Floats, prior_dof: float, significance: float) -> Floats:
    """The P values of the same, NaN where the flows fill too few bins to ask; those above a level may be left out."""
    f, more, _, rest = lack
    asked = (more >= 1) & (rest + prior_dof >= 1)
    with np.errstate(invalid="ignore"):
        asked &= f * more >= needed(np.maximum(more, 1.0), significance)
    p = np.full(len(f), np.nan)
    p[asked] = f_survival(f[asked], more[asked], prior_dof + rest[asked])
    return p


def drift_p(drift: Floats, chi2: Floats, dof: Floats, significance: float) -> Floats:
    """Does the relation change from one part of the window to the next?

    One-way analysis of variance of the residuals about the fitted line over the parts of the window, once for parts
    that differ by an amount and once for parts that differ by a factor.

    Parameters
    ----------
    drift : ndarray
        The numbers of `drift_own`, (3, meters).
    chi2, dof : ndarray
        Weighted sum of squares about the line and its degrees of freedom, (meters,).
    significance : float
        Level above which a P value may be told as 1.

    Returns
    -------
    ndarray
        The smaller of the two P values, 1 where it cannot be told; to be compared with half the significance (Bonferroni).
    """
    more = drift[2] - 1.0
    rest = dof - more
    asked, p = np.flatnonzero((more >= 1) & (rest >= 1)), np.ones(len(more))
    more, rest, chi2 = more[asked], rest[asked], chi2[asked]
    least = needed(more, significance)
    for between in drift[:2, asked]:
        with np.errstate(divide="ignore", invalid="ignore"):
            f = (between / more) / (np.maximum(chi2 - between, 0.0) / rest)
        some = np.flatnonzero(f * more >= least)
        found = f_survival(f[some], more[some], rest[some])
        p[asked[some]] = np.minimum(p[asked[some]], np.where(np.isfinite(found), found, 1.0))
    return p


@compiled
def drift_own(
    begin: int, end: int, cell: Ints, sums: Ints, parts: int, weights: Floats, a1: float, a2: float
) -> tuple[float, float, float]:
    """Weighted sums of squares between the parts of one meter's window, of amounts and of factors, and how many parts have two
    flowing pairs.

    Its cells are those from ``begin`` to ``end``, ``weights`` those of its flow bins.
    """
    between, amounts, of_amounts, factors, of_factors, used, at = 0.0, 0.0, 0.0, 0.0, 0.0, 0, begin
    by_factor = 0.0
    for part in range(parts):
        count, weight, residual, square, moment = np.int64(0), 0.0, 0.0, 0.0, 0.0
        while at < end and cell[at] < (part + 1) * BINS:
            of_bin = cell[at] - part * BINS
            if of_bin > 0:
                w, n, x, y, xx, xy = weights[of_bin], sums[at, 0], sums[at, 1], sums[at, 2], sums[at, 3], sums[at, 4]
                count += n
                weight += w * n
                residual += w * (y - a1 * x - a2 * n)
                square += w * xx
                moment += w * (xy - a1 * xx - a2 * x)
            at += 1
        if count >= 2:
            used += 1
            between += residual**2 / weight
            amounts += residual
            of_amounts += weight
            by_factor += moment**2 / square
            factors += moment
            of_factors += square
    return between - amounts**2 / of_amounts, by_factor - factors**2 / of_factors, float(used)


@compiled
def parts_own(begin: int, end: int, cell: Ints, sums: Ints, a1: float, a2: float, of_parts: Floats) -> float:
    """By how much the errors of the parts of one meter's window differ, after its line is taken out: the largest less the
    smallest, relative.

    Its cells are those from ``begin`` to ``end``; ``of_parts``, of shape (3, parts), is overwritten.
    """
    parts = of_parts.shape[1]
    for part in range(parts):
        of_parts[0, part], of_parts[1, part], of_parts[2, part] = 0.0, 0.0, 0.0
    for at in range(begin, end):
        part = cell[at] // BINS
        if cell[at] > part * BINS:
            of_parts[0, part] += sums[at, 0]
            of_parts[1, part] += sums[at, 1]
            of_parts[2, part] += sums[at, 2] - a1 * sums[at, 1] - a2 * sums[at, 0]
    used, largest, smallest = 0, -np.inf, np.inf
    for part in range(parts):
        error = of_parts[2, part] / of_parts[1, part]
        enough = of_parts[0, part] >= 2
        used += enough
        largest = error if enough & ((error > largest) | np.isnan(error)) else largest
        smallest = error if enough & ((error < smallest) | np.isnan(error)) else smallest
    return largest - smallest if used >= 2 else 0.0


def stuck_test(moments: Moments, model: Model) -> Bools:
    """Does the meter's reading stand still while the reference moves by more than rounding can hide?"""
    y_min, y_max = moments.total("y_min", FLOWING), moments.total("y_max", FLOWING)
    found = (moments.total("n", FLOWING) > 1) & (y_min == y_max)
    some = np.flatnonzero(found)
    lowest, highest, volume = (moments.total(name, FLOWING)[some] for name in ("x_min", "x_max", "sx"))
    hidden = 4 * model.resolution[some]
    moving = (highest - lowest) > np.maximum(hidden, 0.2 * highest)
    # A meter that shows nothing has missed water only if more of it flowed than one step of its register can hide.
    found[some] = moving | ((y_max[some] == 0) & (volume > hidden))
    return np.asarray(found)
