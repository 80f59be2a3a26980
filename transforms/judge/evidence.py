"""Evidence: what the moments say about each meter's error, zone by zone, with uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints
from transforms.statistics import student_quantile, student_survival
from transforms.summarise.moments import BINS, Moments, add_parts

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
    (evidence that allows neither) exclude each other; where all three are false there is no evidence. ``excess`` is by
    how many standard uncertainties an error outside is beyond the limit, minus infinity for the others.
    """

    n: Ints
    volume: Floats
    error: Floats
    standard: Floats
    expanded: Floats
    inside: Bools
    outside: Bools
    open: Bools
    excess: Floats


def expected_variance(square: Floats, model: Model, reference: Reference) -> Floats:
    """Variance of a single difference that repeatability and resolution explain, for squares of flows whose last axis is the
    meters; see `transforms.judge.relation`."""
    return np.asarray((model.repeatability**2 + reference.repeatability**2) * square + model.resolution**2 / 6)


def weights_of(moments: Moments, relative: Floats, constant: Floats) -> Floats:
    """Inverse of the variance expected of a single difference, (bins, meters): ``relative`` times the square of the flow, and
    ``constant``."""
    square = moments.by_bin("sxx") / np.maximum(moments.by_bin("n"), 1)
    return np.asarray(1 / (relative * square + constant))


@compiled
def weigh_own(own: Ints, relative: float, constant: float, expected: Floats, weights: Floats) -> None:
    """The same of one meter with its sums by bin, into ``weights``, and into ``expected`` what they are the inverse of."""
    for k in range(len(own)):
        expected[k] = relative * (own[k, 3] / max(own[k, 0], 1)) + constant
        weights[k] = 1 / expected[k]


def zone_sums(moments: Moments, weights: Floats) -> Floats:
    """What `zone_errors` rests on, of shape (4, 3, meters): count and volume of each zone, and its sums of squares and products
    with ``weights``, of shape (bins, meters)."""
    cells = moments.cells
    return _zone_sums(cells.first, cells.cell, cells.sums, np.ascontiguousarray(weights))


@compiled
def _zone_sums(first: Ints, cell: Ints, sums: Ints, weights: Floats) -> Floats:
    bins, meters = weights.shape
    found, own, of_own = np.empty((4, 3, meters)), np.empty((bins, 6), np.int64), np.empty(bins)
    for row in range(meters):
        add_parts(first, cell, sums, row, own)
        for k in range(bins):
            of_own[k] = weights[k, row]
        zones_own(own, of_own, row, found)
    return found


@compiled
def zones_own(own: Ints, weights: Floats, row: int, found: Floats) -> None:
    """The same of one meter, ``row``, with sums and weights by bin."""
    begin = 1
    for zone in range(3):
        end = 2 if zone == 0 else (6 if zone == 1 else BINS)
        n, volume, xx, xy = np.int64(0), np.int64(0), 0.0, 0.0
        for k in range(begin, end):
            n += own[k, 0]
            volume += own[k, 1]
            xx += weights[k] * own[k, 3]
            xy += weights[k] * own[k, 4]
        found[0, zone, row], found[1, zone, row], found[2, zone, row], found[3, zone, row] = n, volume, xx, xy
        begin = end


def zone_errors(
    sums: Floats,
    moments: Moments,
    model: Model,
    reference: Reference,
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
    sums : ndarray
        `zone_sums`, with the inverse of the variance expected as weights.
    scatter, dof : ndarray
        Weighted variance of a pair about the meter's relation and its degrees of freedom, shape (meters,).
    """
    y_min, y_max = (np.ascontiguousarray(moments.reach(name)) for name in ("y_min", "y_max"))
    known = (scatter, student_quantile(rules.factor, dof), *_numbers(model, reference), *_counting(rules))
    count, (error, standard, expanded, excess), (inside, outside, is_open) = _zone_errors(sums, y_min, y_max, *known)
    return Zones(
        n=count,
        volume=sums[1],
        error=error,
        standard=standard,
        expanded=expanded,
        inside=inside,
        outside=outside,
        open=is_open,
        excess=excess,
    )


def _numbers(model: Model, reference: Reference) -> tuple[Floats, Floats, Floats]:
    return np.ascontiguousarray(model.mpe), model.resolution**2 / 12, reference.uncertainty / 2


def _counting(rules: Rules) -> tuple[int, float, float]:
    return int(rules.min_pairs), float(rules.factor), float(rules.tolerance)


@compiled
def _zone_errors(
    sums: Floats,
    y_min: Ints,
    y_max: Ints,
    scatter: Floats,
    quantile: Floats,
    mpe: Floats,
    rounded: Floats,
    common: Floats,
    min_pairs: int,
    factor: float,
    tolerance: float,
) -> tuple[Ints, Floats, Bools]:
    """Counts; errors, their standard and expanded uncertainties, and the excess, (4, 3, meters); and whether a zone is inside,
    outside or open, (3, 3, meters)."""
    meters = y_min.shape[1]
    count, found, told = np.empty((3, meters), np.int64), np.empty((4, 3, meters)), np.empty((3, 3, meters), np.bool_)
    for zone in range(3):
        for row in range(meters):
            shared = (factor * common[row]) ** 2
            n, xx = sums[0, zone, row], sums[2, zone, row]
            error = sums[3, zone, row] / xx - 1
            variance = scatter[row] / xx
            rounding = rounded[row] * (n / sums[1, zone, row]) ** 2
            # what is not a number stays so, on either side
            less = (
                (y_min[1 + zone, row] == y_max[1 + zone, row]) & (not variance >= rounding) & (not np.isnan(variance))
            )
            variance = rounding if less else variance
            standard = np.sqrt(variance)
            expanded = np.sqrt((quantile[row] * standard) ** 2 + shared)
            count[zone, row] = np.int64(n)
            found[0, zone, row], found[1, zone, row], found[2, zone, row] = error, standard, expanded
            limit, size = mpe[zone, row] * tolerance, abs(error)
            capable = (n >= min_pairs) & (expanded <= limit)
            inside = capable & (size + expanded <= limit)
            outside = (n >= min_pairs) & (size - expanded > limit)
            told[0, zone, row], told[1, zone, row] = inside, outside
            told[2, zone, row] = capable & (not inside) & (not outside)
            excess = (size - limit) / np.sqrt(standard**2 + common[row] ** 2)
            found[3, zone, row] = excess if outside else -np.inf
    return count, found, told


def bins_outside(
    moments: Moments,
    model: Model,
    reference: Reference,
    variances: tuple[Floats, Floats],
    scatter: Floats,
    dof: Floats,
    rules: Rules,
    rows: Ints,
) -> Floats:
    """By how many standard uncertainties that flow bin of some meters which is so most is beyond the permissible error of its
    zone, uncertainty counted; minus infinity where none is, (rows,).

    For relations whose error changes with the flow: over a zone as wide as Q2 to Q3 they may read high here and low there
    and yet be right on average.

    Parameters
    ----------
    variances : tuple of ndarray
        ``relative`` and ``constant`` of `weights_of`.
    scatter, dof : ndarray
        As for `zone_errors`.
    rows : ndarray
        The meters asked.
    """
    cells, (mpe, _, common) = moments.cells, _numbers(model, reference)
    known = (*variances, scatter, student_quantile(rules.factor, dof[rows]), mpe, common)
    return _bins_outside(cells.first, cells.cell, cells.sums, rows, *known, *_counting(rules))


@compiled
def _bins_outside(
    first: Ints,
    cell: Ints,
    sums: Ints,
    rows: Ints,
    relative: Floats,
    constant: Floats,
    scatter: Floats,
    quantile: Floats,
    mpe: Floats,
    common: Floats,
    min_pairs: int,
    factor: float,
    tolerance: float,
) -> Floats:
    found, own = np.full(len(rows), -np.inf), np.empty((BINS, 6), np.int64)
    expected, weight = np.empty(BINS), np.empty(BINS)
    for at in range(len(rows)):
        row = rows[at]
        add_parts(first, cell, sums, row, own)
        weigh_own(own, relative[row], constant[row], expected, weight)
        for k in range(1, BINS):
            if own[k, 0] < min_pairs or own[k, 0] == 0:
                continue
            limit = mpe[0 if k < 2 else (1 if k < 6 else 2), row] * tolerance
            size = abs(own[k, 4] / own[k, 3] - 1)
            standard = np.sqrt(scatter[row] / (weight[k] * own[k, 3]))
            if size - np.hypot(quantile[at] * standard, factor * common[row]) > limit:
                found[at] = max(found[at], (size - limit) / np.hypot(standard, common[row]))
    return found


def p_of_excess(excess: Floats, dof: Floats) -> Floats:
    """How likely a meter just at its limit would look so far off: one-sided P values of Student's t, 1 for minus infinity."""
    p, where = np.ones(excess.shape), excess > -np.inf
    p[where] = student_survival(excess[where], np.broadcast_to(dof, excess.shape)[where])
    return p
