"""Evidence: what the moments say about each meter's error, zone by zone, with uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints
from transforms.statistics import student_quantile, student_survival
from transforms.summarise.moments import BINS, Moments

Bools = npt.NDArray[np.bool_]

#: flow zones of OIML R 49 as bins of the moments: Q1 to Q2, Q2 to Q3, Q3 to Q4
ZONES = (slice(1, 2), slice(2, 6), slice(6, BINS))
FLOWING = slice(1, BINS)
ZONE_NAMES = ("q1_q2", "q2_q3", "q3_q4")


@dataclass(frozen=True)
class Model:
    """The models' numbers, one entry per meter, in the units of the moments (millionths of Q3) or relative."""

    unit_lph: Floats
    mpe: Floats
    band_low: Floats
    band_high: Floats
    proportion: Floats
    repeatability: Floats
    resolution: Floats


def change_that_matters(model: Model, tolerance: float) -> Floats:
    """By how much the relative error may move within a window before a meter counts as unsteady, (meters,).

    Half of the permissible error. A tolerance below 1 asks for meters to be corrected early, not for visits to meters
    that are far inside: it does not make this smaller.
    """
    return np.asarray(model.mpe[1] * max(tolerance, 1.0) / 2)


@dataclass(frozen=True)
class Reference:
    """What is known of the references, one entry per meter: common relative uncertainty (k = 2), own repeatability."""

    uncertainty: Floats
    repeatability: float


@dataclass(frozen=True)
class Rules:
    """What counts: pairs that a zone needs, the coverage factor k, and the factor on the permissible error."""

    min_pairs: int
    factor: float
    tolerance: float


@dataclass(frozen=True)
class Zones:
    """Errors of indication by flow zone, arrays of shape (3, meters).

    ``error`` is relative, ``standard`` its standard uncertainty from the pairs alone, ``expanded`` the uncertainty at the
    policy's coverage factor with the reference's common uncertainty included. ``inside``, ``outside`` and ``open``
    (evidence that allows neither) exclude each other; where all three are false there is no evidence. ``p_within`` is
    the one-sided P value of an error outside if the true one were just at the limit, 1 for the others.
    """

    n: Ints
    volume: Floats
    error: Floats
    standard: Floats
    expanded: Floats
    inside: Bools
    outside: Bools
    open: Bools
    p_within: Floats


def scatter_expected(moments: Moments, model: Model, reference: Reference) -> Floats:
    """Variance of a single difference that repeatability and resolution explain, shape (bins, meters).

    A reading rounded to the resolution r carries r^2/12; one from a register, the difference of two roundings, twice
    that, which is taken for all.
    """
    relative = model.repeatability**2 + reference.repeatability**2
    n, sxx = (np.ascontiguousarray(moments.by_bin(name)) for name in ("n", "sxx"))
    return _scatter_expected(n, sxx, relative, model.resolution**2 / 6)


@compiled
def _scatter_expected(n: Ints, sxx: Ints, relative: Floats, constant: Floats) -> Floats:
    bins, meters = n.shape
    expected = np.empty((bins, meters))
    for k in range(bins):
        for row in range(meters):
            expected[k, row] = relative[row] * (sxx[k, row] / max(n[k, row], 1)) + constant[row]
    return expected


def expected_variance(square: Floats, model: Model, reference: Reference) -> Floats:
    """The same for squares of flows whose last axis is the meters."""
    return np.asarray((model.repeatability**2 + reference.repeatability**2) * square + model.resolution**2 / 6)


def zone_errors(
    moments: Moments,
    model: Model,
    reference: Reference,
    weights: Floats,
    scatter: Floats,
    dof: Floats,
    rules: Rules,
) -> Zones:
    """Judge each zone against the maximum permissible error.

    The error of a zone is the gain that fits its pairs best, less one, by weighted least squares with the inverse of the
    variance expected: where scatter grows with the flow that is far surer than a ratio of volumes, which rests on the
    few largest flows. Its statistical uncertainty takes the scatter about the meter's own relation, pooled with the one
    expected (GUM, G.4.2), and Student's t for the few pairs there are; readings that never differ share one rounding
    error, which no number of them averages out. The reference's calibration is common to all pairs and does not average
    out either (GUM, 5.2). A zone is evidence if it holds enough pairs and its uncertainty is small enough to see the
    limit at all.

    Parameters
    ----------
    weights : ndarray
        Inverse of the variance expected, shape (bins, meters).
    scatter, dof : ndarray
        Weighted variance of a pair about the meter's relation and its degrees of freedom, shape (meters,).
    """
    n, sx, sxx, sxy = (np.ascontiguousarray(moments.by_bin(name)) for name in ("n", "sx", "sxx", "sxy"))
    count, volume, xx, xy = _by_zone(n, sx, sxx, sxy, np.ascontiguousarray(weights))
    same = np.stack([moments.total("y_min", bins) == moments.total("y_max", bins) for bins in ZONES])
    with np.errstate(divide="ignore", invalid="ignore"):
        error = xy / xx - 1
        rounding = np.where(same, model.resolution**2 / 12 * (count / volume) ** 2, 0.0)
        standard = np.sqrt(np.maximum(scatter / xx, rounding))
    common = reference.uncertainty / 2
    limit = model.mpe * rules.tolerance
    with np.errstate(divide="ignore", invalid="ignore"):
        expanded = np.sqrt((student_quantile(rules.factor, dof) * standard) ** 2 + (rules.factor * common) ** 2)
        enough = count >= rules.min_pairs
        outside = enough & (np.abs(error) - expanded > limit)
        capable = enough & (expanded <= limit)
        inside = capable & (np.abs(error) + expanded <= limit)
        excess = (np.abs(error) - limit) / np.sqrt(standard**2 + common**2)
        p_within = _p_of(excess, dof, outside)
    return Zones(
        n=count.astype(np.int64),
        volume=volume,
        error=error,
        standard=standard,
        expanded=expanded,
        inside=inside,
        outside=outside,
        open=capable & ~inside & ~outside,
        p_within=p_within,
    )


@compiled
def _by_zone(n: Ints, sx: Ints, sxx: Ints, sxy: Ints, weights: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Counts, volumes and weighted sums of squares and products of the three `ZONES`, each of shape (3, meters)."""
    bins, meters = n.shape
    count, volume, xx, xy = (np.zeros((3, meters)), np.zeros((3, meters)), np.zeros((3, meters)), np.zeros((3, meters)))
    for row in range(meters):
        for k in range(1, bins):
            if n[k, row]:
                zone = 0 if k < 2 else (1 if k < 6 else 2)
                count[zone, row] += n[k, row]
                volume[zone, row] += sx[k, row]
                xx[zone, row] += weights[k, row] * sxx[k, row]
                xy[zone, row] += weights[k, row] * sxy[k, row]
    return count, volume, xx, xy


def bins_outside(
    moments: Moments,
    model: Model,
    reference: Reference,
    weights: Floats,
    scatter: Floats,
    dof: Floats,
    rules: Rules,
) -> tuple[Bools, Floats]:
    """Whether any single flow bin is outside the permissible error of its zone, and the P value of that.

    For relations whose error changes with the flow: over a zone as wide as Q2 to Q3 they may read high here and low there
    and yet be right on average.
    The parameters are those of `zone_errors`. Both results are of shape (meters,); the P value is one-sided, as in
    `Zones`, with Bonferroni's correction for the bins.
    """
    limit = np.concatenate([np.repeat(model.mpe[z : z + 1], b.stop - b.start, axis=0) for z, b in enumerate(ZONES)])
    n, xx, xy = (moments.by_bin(name, FLOWING).astype(np.float64) for name in ("n", "sxx", "sxy"))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.abs(xy / xx - 1)
        standard = np.sqrt(scatter / (weights[FLOWING] * xx))
        common = reference.uncertainty / 2
        expanded = np.hypot(student_quantile(rules.factor, dof) * standard, rules.factor * common)
        enough = n >= rules.min_pairs
        beyond = enough & (error - expanded > limit * rules.tolerance)
        excess = (error - limit * rules.tolerance) / np.hypot(standard, common)
        p = _p_of(excess, dof, beyond).min(axis=0) * len(n)
    return np.asarray(beyond.any(axis=0)), np.minimum(p, 1.0)


def _p_of(excess: Floats, dof: Floats, where: Bools) -> Floats:
    """One-sided P values of Student's t where asked for, 1 elsewhere."""
    p = np.ones(excess.shape)
    p[where] = student_survival(excess[where], np.broadcast_to(dof, excess.shape)[where])
    return p
