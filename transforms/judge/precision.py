"""Precision: whether a steady deviation is known well enough to act on, and how much flow an open question would take."""

from __future__ import annotations

import numpy as np

from transforms.compiled import compiled
from transforms.fit.lines import OFFSET, Floats, Ints
from transforms.fleet import SCALE
from transforms.judge.curved import BEYOND
from transforms.judge.evidence import FLOWING, ZONES, Bools, Model, Reference, Zones, p_of_excess
from transforms.judge.findings import Findings
from transforms.judge.ladder import Standing
from transforms.judge.second_look import SecondLook
from transforms.judge.words import CURVE, REASON, Numbers
from transforms.policy import Policy
from transforms.summarise.moments import BINS, Moments


def corrected_uncertainty(moments: Moments, found: Findings) -> Floats:
    """Standard uncertainty of the corrected flow, relative, at two flows, shape (2, meters).

    At the mean flow of the volume seen and at `BEYOND` times the largest flow seen: GUM 5.2 for q = (q' - a2) / a1 with
    the covariance of a1 and a2, the reference's common error included. That an offset is not refused does not make the slope
    known to be one: at one level of flow either form fits, and an offset does the more harm at others. So the slope is no
    surer than that of the full line, turned about the mean flow.
    """
    published, asked = found.published, found.asked
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = moments.total("sxx", FLOWING) / moments.total("sx", FLOWING)
        flows = np.stack([mean, BEYOND * moments.total("x_max", FLOWING)])
        flows, a1_se, a2_se = flows[:, asked], published.a1_se, published.a2_se
        square = (flows * a1_se) ** 2 + 2 * flows * published.correlation * a1_se * a2_se + a2_se**2
        fixed = found.choice.index[asked] == OFFSET
        square += np.where(fixed, ((flows - flows[0]) * found.slope_se) ** 2, 0.0)
        told = np.full((2, len(mean)), np.nan)
        told[:, asked] = np.sqrt(np.maximum(square, 0.0)) / (published.a1 * flows)
        return told


def expanded_after(
    moments: Moments,
    found: Findings,
    second: SecondLook,
    reference: Reference,
    form: Numbers,
    policy: Policy,
) -> Floats:
    """Expanded uncertainty of the corrected flow, relative, for each meter's form."""
    line = corrected_uncertainty(moments, found).max(axis=0)
    curve = np.hypot(second.curve_uncertainty, reference.uncertainty / 2)
    return np.asarray(policy.judge.coverage_factor * np.where(form == CURVE, curve, line))


def imprecise(
    moments: Moments,
    found: Findings,
    second: SecondLook,
    model: Model,
    reference: Reference,
    form: Numbers,
    policy: Policy,
) -> Bools:
    """Whether the corrected meter might still be outside the permissible error, for all that the parameters tell.

    The expanded uncertainty of the corrected flow must be smaller than the permissible error between Q2 and Q4 with the
    policy's tolerance. Where that is less than 1, so that meters are corrected before they leave the permissible error, it
    must be smaller than that error itself and than the largest error found in a zone: what is taken away is known better
    than that it is there. Where time explains an offset or a curve about as well, the parameters may be another relation's.
    """
    expanded = expanded_after(moments, found, second, reference, form, policy)
    return np.asarray(~(expanded <= precision_wanted(found, model, policy)) | second.ambiguous)


def precision_wanted(found: Findings, model: Model, policy: Policy) -> Floats:
    """The largest expanded uncertainty of a corrected flow that a command may have, relative."""
    enough = found.zones.n >= policy.evidence.min_zone_pairs
    largest = np.where(enough, np.abs(found.zones.error), 0.0).max(axis=0)
    return np.asarray(np.clip(largest, model.mpe[1] * policy.tolerance, model.mpe[1] * max(policy.tolerance, 1.0)))


def unproven(moments: Moments, found: Findings, model: Model, policy: Policy) -> Bools:
    """Whether one window shows too little to say that the relation is stable over the window and over the flows.

    A meter that drifts, or changed at noon, looks steady while water flows in one part of the window only; a curve looks
    straight while few flows are seen. So a command wants ``command.min_flowing`` flowing pairs, and enough of them in
    both halves of the window: the standard uncertainty of the difference between the halves' errors must be less than
    half the permissible error. And the largest flow must reach ``command.min_reach`` of Q3: what holds for a dripping tap
    need not hold for a bath.
    """
    few = found.flowing < policy.command.min_flowing
    few |= reach(moments) < policy.command.min_reach
    return np.asarray(few | ~(halves_uncertainty(moments, found) <= model.mpe[1] * policy.tolerance / 2))


def reach(moments: Moments) -> Floats:
    """The largest flow seen, as a share of Q3."""
    return np.asarray(moments.total("x_max", FLOWING) / SCALE)


def halves_uncertainty(moments: Moments, found: Findings) -> Floats:
    """Standard uncertainty of the difference between the errors of the window's halves, relative; infinite or NaN if a
    half saw no flow."""
    cells = moments.cells
    halves = _halves(cells.first, cells.cell, cells.sums, moments.parts, found.weights(moments))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(found.scatter * (1 / halves[0] + 1 / halves[1])))


@compiled
def _halves(first: Ints, cell: Ints, sums: Ints, parts: int, weights: Floats) -> Floats:
    """Weighted squares of the flows in either half of the window, (2, meters)."""
    halves = np.zeros((2, weights.shape[1]))
    for row in range(weights.shape[1]):
        at = first[row]
        for part in range(parts):
            total = 0.0
            while at < first[row + 1] and cell[at] < (part + 1) * BINS:
                if cell[at] % BINS:
                    total += weights[cell[at] % BINS, row] * sums[at, 3]
                at += 1
            halves[0 if part < parts // 2 else 1, row] += total
    return halves


def marginal(found: Findings, policy: Policy) -> Bools:
    """Whether a meter at the limit would show such a deviation too often: one-sided t test, Bonferroni over
    the zones and flow bins.

    At the default of 1e-4 a million meters that stand exactly at their limit get at most a hundred commands a run; of
    meters further inside, whose deviation the test would need to overrate by several standard deviations, none.
    """
    return np.asarray(p_within(found) > policy.judge.command_significance)


def p_within(found: Findings) -> Floats:
    """How likely a meter just at its limit would look so far off, corrected for the zones and bins looked at."""
    of_zones = p_of_excess(found.zones.excess, found.dof).min(axis=0) * len(ZONES)
    of_bins = p_of_excess(found.excess, found.dof) * (BINS - FLOWING.start)
    return np.asarray(np.minimum(of_zones, np.minimum(of_bins, 1.0)))


def keep_open(zones: Zones, rows: Ints | slice = slice(None)) -> Bools:
    """The zones that keep a question open, shape (3, meters), of all meters or of some: those that allow neither answer, and the
    one with the most volume if it is too unsure to be evidence."""
    volume = zones.volume[:, rows]
    main = np.arange(len(volume))[:, None] == np.argmax(volume, axis=0)
    return np.asarray(zones.open[:, rows] | (main & ~zones.inside[:, rows] & ~zones.outside[:, rows]))


def pairs_needed(
    standing: Standing, found: Findings, model: Model, reference: Reference, reason: Numbers, policy: Policy
) -> Ints:
    """How many flowing pairs in all would settle an open question, at the error, the scatter and the mix of flows seen so
    far; 0 where none would, or where that cannot be told.

    For `no_flow` those that the policy asks for. For `undecided` those after which the expanded uncertainty of every zone
    that keeps the question open (`keep_open`) is smaller than the distance from its error to the limit. With an error nearer to
    the limit than the reference itself is known, no amount of flow is enough.
    """
    zones, rows = found.zones, np.flatnonzero((reason == REASON["undecided"]) & ~standing.dry)
    needed = np.zeros(len(reason), dtype=np.int64)
    if len(rows):
        least, factor = policy.evidence.min_zone_pairs, policy.judge.coverage_factor
        known = (zones.n, zones.error, zones.standard, keep_open(zones, rows), found.flowing)
        numbers = np.ascontiguousarray(model.mpe), float(policy.tolerance), reference.uncertainty / 2
        needed[rows] = _settling(rows, *known, *numbers, int(least), float(factor))
    needed[standing.dry & (reason == REASON["no_flow"])] = policy.evidence.min_flowing
    return needed


@compiled
def _settling(
    rows: Ints,
    n: Ints,
    error: Floats,
    standard: Floats,
    blocking: Bools,
    flowing: Ints,
    mpe: Floats,
    tolerance: float,
    common: Floats,
    least: int,
    factor: float,
) -> Ints:
    """The same for rows that are undecided, with those zones of theirs that keep the question open, (3, rows)."""
    found = np.zeros(len(rows), np.int64)
    for k in range(len(rows)):
        row, most, settled = rows[k], 0.0, False
        for zone in range(3):
            if not blocking[zone, k]:
                continue
            single = standard[zone, row] ** 2 * n[zone, row]
            room = (mpe[zone, row] * tolerance - abs(error[zone, row])) ** 2 - (factor * common[row]) ** 2
            wanted = factor**2 * single / room * (flowing[row] / n[zone, row])
            settled = n[zone, row] >= least and room > 0 and wanted < 1e6
            if not settled:
                break
            most = max(most, wanted)
        if settled:
            found[k] = max(np.int64(np.ceil(most)), flowing[row] + 1)
    return found
