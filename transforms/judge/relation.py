"""The relation of each meter to its reference: its line, and what that leaves over, in one pass over its cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.compiled import compiled
from transforms.fit import Choice
from transforms.fit.choose import choose_own, needed_limit
from transforms.fit.lines import Floats, Ints, Lines, centre_own, put_line, residual_own
from transforms.judge.estimate import with_errors_in_both
from transforms.judge.evidence import FLOWING, Bools, Model, Reference, zones_own
from transforms.judge.prechecks import drift_own, lack_own, parts_own
from transforms.policy import Policy
from transforms.summarise.moments import BINS, SUMMED, Moments, add_parts

#: up to so many flowing pairs, which few windows have, limits are known beforehand
_FEW = 100


@dataclass(frozen=True)
class Relation:
    """What was found of each meter, in the units of the moments.

    Attributes
    ----------
    choice
        The fitted lines, with the uncertainty of the pairs alone.
    weights
        Inverse of the variance of a single difference that repeatability and resolution explain, (bins, meters).
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

    choice: Choice
    weights: Floats
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
    relative = model.repeatability**2 + reference.repeatability**2
    index, lines, weights = np.full(meters, -1), np.empty((2, 7, meters)), np.empty((BINS, meters))
    left, of_zones, totals = np.empty((8, meters)), np.empty((4, 3, meters)), np.empty((2, 3, meters), np.int64)
    known = (cells.first, cells.cell, cells.sums, moments.parts, relative, model.resolution**2 / 6)
    asked = (*known, judge.prior_pairs, estimator == "ordinary")
    into = (weights, left, of_zones, totals)
    some, limits = np.arange(meters), _limits(np.arange(_FEW), policy)
    while len(some := _relate(some, limits, *asked, index, lines, *into)):
        limits = _limits(np.unique(totals[1, 0, some]), policy)
    moments.know(totals, ("n", "sx", "sy"))
    choice = Choice(index, Lines(*lines[0]), Lines(*lines[1]))
    if estimator == "errors_in_both":
        sums = {name: moments.by_bin(name, FLOWING) for name in SUMMED}
        choice, _ = with_errors_in_both(choice, sums, model, reference)
        both = [[getattr(one, name) for name in Lines.__dataclass_fields__] for one in (choice.lines, choice.full)]
        _relate(np.arange(meters), limits, *asked, index, np.array(both), *into)
    return Relation(choice, weights, left[0], left[1:5], left[5], left[6:], of_zones)


def _limits(counts: Ints, policy: Policy) -> Floats:
    """`needed_limit` by the number of pairs that flow, for some numbers, rising."""
    limits = np.full(counts[-1] + 1, np.nan)
    limits[counts] = needed_limit(counts.astype(np.float64), policy.judge.prior_pairs, policy.judge.form_significance)
    return limits


@compiled
def _relate(
    rows: Ints,
    limits: Floats,
    first: Ints,
    cell: Ints,
    sums: Ints,
    parts: int,
    relative: Floats,
    constant: Floats,
    prior_dof: float,
    plain: bool,
    index: Ints,
    lines: Floats,
    weights: Floats,
    left: Floats,
    zones: Floats,
    totals: Ints,
) -> Ints:
    """Choose a form and fill in the chosen and the full line of those meters whose ``index`` is below 0; ``weights`` of all.

    Into ``left``, (8, meters), go chi2, the four numbers of `lack_own`, the spread of the parts, and the weighted sums of squares
    and products; into ``zones`` the sums by zone; into ``totals`` pairs and flows of all bins and of those that flow,
    (2, 3, meters). ``limits`` are those of `needed_limit` by the number of pairs that flow: meters with more pairs than they tell
    of are left, and returned.
    """
    own, expected, weight, same = np.empty((BINS, 6), np.int64), np.empty(BINS), np.empty(BINS), np.ones(BINS)
    of_parts, rest, many = np.empty((3, parts)), np.empty(len(rows), np.int64), 0
    for row in rows:
        add_parts(first, cell, sums, row, own)
        for k in range(BINS):
            expected[k] = relative[row] * (own[k, 3] / max(own[k, 0], 1)) + constant[row]
            weight[k] = 1 / expected[k]
            weights[k, row] = weight[k]
        about = centre_own(own, weight, 1)
        for what in range(3):
            flowing = np.int64(0)
            for k in range(1, BINS):
                flowing += own[k, what]
            totals[0, what, row], totals[1, what, row] = own[0, what] + flowing, flowing
        if index[row] < 0:
            if totals[1, 0, row] >= len(limits):
                rest[many] = row
                many += 1
                continue
            limit = limits[totals[1, 0, row]]
            if plain:
                mean = 0.0
                for k in range(1, BINS):
                    mean += own[k, 0] * expected[k]
                plainly = centre_own(own, same, 1)
                index[row], line, full = choose_own(plainly, mean / plainly[2], prior_dof, limit)
            else:
                index[row], line, full = choose_own(about, 1.0, prior_dof, limit)
            put_line(line, lines[0], row)
            put_line(full, lines[1], row)
        zones_own(own, weight, row, zones)
        a1, a2, dof = lines[0, 0, row], lines[0, 2, row], lines[0, 6, row]
        chi2 = residual_own(about, a1, a2)
        fitted = (lines[0, 1, row] > 0) + (lines[0, 3, row] > 0)
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
    return rest[:many]


@dataclass(frozen=True)
class Inspected:
    """What is asked only of some meters, in the units of the moments.

    Attributes
    ----------
    sums
        Their sums by flow bin, those of `SUMMED` by name, (bins, rows).
    squares, total
        Sums of squares about the line and about the mean, without weights, (rows,).
    level
        Mean of the flows that the fit rests on, weighted as it is, (rows,).
    drift
        The numbers of `transforms.judge.prechecks.drift_own`, (3, rows), NaN where they are not asked for.
    """

    sums: dict[str, Ints]
    squares: Floats
    total: Floats
    level: Floats
    drift: Floats


def inspect(moments: Moments, rows: Ints, weights: Floats, lines: Lines, moving: Bools, plain: bool) -> Inspected:
    """Look into some meters, ``rows``.

    Parameters
    ----------
    weights
        Those of all meters, (bins, meters).
    lines, moving
        Of the ``rows``: their lines, and which of them are asked whether they drift.
    plain
        Whether the lines were fitted without weights.
    """
    cells = moments.cells
    known = (cells.first, cells.cell, cells.sums, moments.parts, rows, weights)
    sums, told = _inspect(*known, lines.a1, lines.a2, moving, plain)
    return Inspected(dict(zip(SUMMED, sums, strict=True)), told[0], told[1], told[2], told[3:])


@compiled
def _inspect(
    first: Ints,
    cell: Ints,
    sums: Ints,
    parts: int,
    rows: Ints,
    weights: Floats,
    a1: Floats,
    a2: Floats,
    moving: Bools,
    plain: bool,
) -> tuple[Ints, Floats]:
    found, told = np.empty((6, BINS - 1, len(rows)), np.int64), np.full((6, len(rows)), np.nan)
    own, weight, same = np.empty((BINS, 6), np.int64), np.empty(BINS), np.ones(BINS)
    for k in range(len(rows)):
        row = rows[k]
        add_parts(first, cell, sums, row, own)
        for of_bin in range(1, BINS):
            for what in range(6):
                found[what, of_bin - 1, k] = own[of_bin, what]
        for of_bin in range(BINS):
            weight[of_bin] = weights[of_bin, row]
        about = centre_own(own, same, 1)
        told[0, k] = residual_own(about, a1[k], a2[k])
        told[1, k] = about[8] - about[5] ** 2 / about[3]
        about = about if plain else centre_own(own, weight, 1)
        told[2, k] = about[4] / about[3] + about[0]
        if moving[k]:
            told[3, k], told[4, k], told[5, k] = drift_own(
                first[row], first[row + 1], cell, sums, parts, weight, a1[k], a2[k]
            )
    return found, told
