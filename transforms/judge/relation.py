"""The relation of each meter to its reference: its line, and what that leaves over, in one pass over its cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.compiled import compiled
from transforms.fit import Choice, centre, fit_line
from transforms.fit.choose import choose_own, needed_limit
from transforms.fit.lines import Floats, Ints, Lines, centre_own, line_own, put_line, residual_own
from transforms.fit.proportional import variances_own, with_variances
from transforms.fit.york import moved
from transforms.judge.estimate import known_variances, with_errors_in_both
from transforms.judge.evidence import FLOWING, Bools, Model, Reference, weigh_own, weights_of, zones_own
from transforms.judge.prechecks import drift_own, lack_own, parts_own
from transforms.policy import Policy
from transforms.summarise.moments import BINS, SUMMED, Moments, add_parts


@dataclass(frozen=True)
class Relation:
    """What was found of each meter, in the units of the moments.

    Attributes
    ----------
    index, lines
        The form of each meter, by its number as in `transforms.fit.Choice`, and its line with the uncertainty of the pairs
        alone.
    full
        The lines with both parameters free, where the estimator has its own; else None, and `inspect` has them.
    relative, constant
        `transforms.judge.estimate.known_variances`.
    chi2
        Weighted sum of squares about the line. How much scatter is normal differs from bin to bin, so that this is told with
        weights whatever estimator found the line.
    lack
        `transforms.judge.prechecks.lack_of_fit`.
    spread
        By how much the errors of the window's parts differ, after the line is taken out: the largest less the smallest,
        relative.
    squares
        Weighted sums of squares and of products of all flowing pairs, (2, meters).
    zones
        `transforms.judge.evidence.zone_sums`.
    """

    index: Ints
    lines: Lines
    full: Lines | None
    relative: Floats
    constant: Floats
    chi2: Floats
    lack: Floats
    spread: Floats
    squares: Floats
    zones: Floats


def relate(moments: Moments, model: Model, reference: Reference, policy: Policy) -> Relation:
    """Fit each meter's line by the policy's estimator.

    A reading rounded to the resolution r carries r^2/12; one from a register, the difference of two roundings, twice that,
    which is taken for all.
    """
    judge, cells, estimator = policy.judge, moments.cells, policy.fit.estimator
    meters = len(model.unit_lph)
    index, lines = np.full(meters, -1), np.empty((7, meters))
    relative, constant = known_variances(model, reference)
    flowing = moments.total("n", FLOWING)
    known = (cells.first, cells.cell, cells.sums, moments.parts, relative, constant, flowing, _limits(flowing, policy))
    asked = (*known, judge.prior_pairs, estimator == "ordinary")
    left, of_zones = _relate(*asked, index, lines)
    chosen, full = Lines(*lines), None
    if estimator == "errors_in_both":
        sums = {name: moments.by_bin(name, FLOWING) for name in SUMMED}
        weights = weights_of(moments, relative, constant)[FLOWING]
        plain = fit_line(centre(sums, weights, 1.0, judge.prior_pairs))
        choice, _ = with_errors_in_both(Choice(index, chosen, plain), sums, model, reference)
        chosen, full = choice.lines, choice.full
        given = np.array([getattr(chosen, name) for name in Lines.__dataclass_fields__])
        left, of_zones = _relate(*asked, index, given)
    return Relation(index, chosen, full, relative, constant, left[0], left[1:5], left[5], left[6:], of_zones)


def _limits(counts: Ints, policy: Policy) -> Floats:
    """`needed_limit` by the number of pairs that flow, for those numbers that there are: few, though the meters are many."""
    there = np.flatnonzero(np.bincount(counts))
    limits = np.full(int(counts.max(initial=0)) + 1, np.nan)
    limits[there] = needed_limit(there.astype(np.float64), policy.judge.prior_pairs, policy.judge.form_significance)
    return limits


@compiled
def _relate(
    first: Ints,
    cell: Ints,
    sums: Ints,
    parts: int,
    relative: Floats,
    constant: Floats,
    flowing: Ints,
    limits: Floats,
    prior_dof: float,
    plain: bool,
    index: Ints,
    lines: Floats,
) -> tuple[Floats, Floats]:
    """Choose a form and fill in the line of those meters whose ``index`` is below 0.

    Returns chi2, the four numbers of `lack_own`, the spread of the parts, and the weighted sums of squares and products,
    (8, meters); and the sums by zone. ``limits`` are those of `needed_limit` by the number of pairs that flow.
    """
    own, expected, weight, same = np.empty((BINS, 6), np.int64), np.empty(BINS), np.empty(BINS), np.ones(BINS)
    of_parts, left, zones = np.empty((3, parts)), np.empty((8, len(index))), np.empty((4, 3, len(index)))
    for row in range(len(index)):
        add_parts(first, cell, sums, row, own)
        weigh_own(own, relative[row], constant[row], expected, weight)
        about = centre_own(own, weight, 1)
        if index[row] < 0:
            limit = limits[flowing[row]]
            if plain:
                mean = 0.0
                for k in range(1, BINS):
                    mean += own[k, 0] * expected[k]
                plainly = centre_own(own, same, 1)
                index[row], line = choose_own(plainly, mean / plainly[2], prior_dof, limit)
            else:
                index[row], line = choose_own(about, 1.0, prior_dof, limit)
            put_line(line, lines, row)
        zones_own(own, weight, row, zones)
        a1, a2, dof = lines[0, row], lines[2, row], lines[6, row]
        chi2 = residual_own(about, a1, a2)
        fitted = (lines[1, row] > 0) + (lines[3, row] > 0)
        left[0, row] = chi2
        left[1, row], left[2, row], left[3, row], left[4, row] = lack_own(
            own, weight, 1, a1, a2, fitted, chi2, dof, prior_dof
        )
        left[5, row] = parts_own(first[row], first[row + 1], cell, sums, a1, a2, of_parts)
        xx, xy = 0.0, 0.0
        for k in range(1, BINS):
            xx += weight[k] * own[k, 3]
            xy += weight[k] * own[k, 4]
        left[6, row], left[7, row] = xx, xy
    return left, zones


@dataclass(frozen=True)
class Inspected:
    """What is asked only of some meters, in the units of the moments.

    Attributes
    ----------
    squares, total
        Sums of squares about the line and about the mean, without weights, (rows,).
    level
        Mean of the flows that the fit rests on, weighted as it is, (rows,).
    drift
        The numbers of `transforms.judge.prechecks.drift_own`, (3, rows), NaN where they are not asked for.
    full
        The lines with both parameters free, fitted as the others are, and the standard errors of
        `transforms.fit.proportional_errors`.
    """

    squares: Floats
    total: Floats
    level: Floats
    drift: Floats
    full: Lines


def inspect(
    moments: Moments,
    rows: Ints,
    lines: Lines,
    moving: Bools,
    relative: Floats,
    constant: Floats,
    policy: Policy,
) -> Inspected:
    """Look into some meters, ``rows``.

    Parameters
    ----------
    lines, moving, relative, constant
        Of the ``rows``: their lines, which of them are asked whether they drift, and the variances expected of their pairs.
    """
    cells, plain = moments.cells, policy.fit.estimator == "ordinary"
    known = (cells.first, cells.cell, cells.sums, moments.parts, rows, relative, constant)
    told, full = _inspect(*known, lines.a1, lines.a2, moving, policy.judge.prior_pairs, plain)
    return Inspected(told[0], told[1], told[2], told[3:6], with_variances(Lines(*full), *told[6:]))


@compiled
def _inspect(
    first: Ints,
    cell: Ints,
    sums: Ints,
    parts: int,
    rows: Ints,
    relative: Floats,
    constant: Floats,
    a1: Floats,
    a2: Floats,
    moving: Bools,
    prior_dof: float,
    plain: bool,
) -> tuple[Floats, Floats]:
    told, full = np.full((9, len(rows)), np.nan), np.empty((7, len(rows)))
    own, expected, weight, same = np.empty((BINS, 6), np.int64), np.empty(BINS), np.empty(BINS), np.ones(BINS)
    bins = np.empty((BINS - 1, 4))
    for k in range(len(rows)):
        row = rows[k]
        add_parts(first, cell, sums, row, own)
        weigh_own(own, relative[k], constant[k], expected, weight)
        about = centre_own(own, same, 1)
        told[0, k] = residual_own(about, a1[k], a2[k])
        told[1, k] = about[8] - about[5] ** 2 / about[3]
        used, prior = same, 1.0
        if plain:
            prior = 0.0
            for of_bin in range(1, BINS):
                prior += own[of_bin, 0] * expected[of_bin] / about[2]
        else:
            used, about = weight, centre_own(own, weight, 1)
        put_line(line_own(about, prior, prior_dof), full, k)
        told[2, k] = about[4] / about[3] + about[0]
        if moving[k]:
            told[3, k], told[4, k], told[5, k] = drift_own(
                first[row], first[row + 1], cell, sums, parts, weight, a1[k], a2[k]
            )
        for of_bin in range(1, BINS):
            n, sx, sxx = own[of_bin, 0], own[of_bin, 1], own[of_bin, 3]
            x, xx = moved(n, sx, sx, sxx)
            bins[of_bin - 1, 0], bins[of_bin - 1, 1], bins[of_bin - 1, 2], bins[of_bin - 1, 3] = n, x, xx, used[of_bin]
        told[6, k], told[7, k], told[8, k], _ = variances_own(bins, relative[k], constant[k])
    return told, full
