"""The ladder from evidence to verdict: can we judge, is it off at all, is it off steadily, or else how."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.compiled import compiled
from transforms.fit import FORMS
from transforms.fit.lines import Floats, Ints
from transforms.judge.evidence import Bools, Model, change_that_matters
from transforms.judge.findings import Findings
from transforms.judge.second_look import SecondLook
from transforms.judge.words import (
    CURVE,
    FORM_NAMES,
    HEALTHY,
    INCONCLUSIVE,
    NONE,
    REASON,
    STEADY,
    UNSTEADY,
    Numbers,
)
from transforms.policy import Policy
from transforms.summarise.moments import Moments

#: share of the flowing volume that the zones with evidence must hold before a meter is called healthy
SEEN = 0.5


#: number of the form of each `transforms.fit.Choice`, and of a curve
_FORMS = np.array([*(FORM_NAMES.index(form) for form in FORMS), CURVE], dtype=np.int8)
#: reasons of steady meters, by form and whether the differences are in the model's band; a curve's are not
_NAMED = np.array(
    [[REASON[f"{form}_mapping"], REASON[f"{form}_in_band"]] for form in FORMS] + [[REASON["curve_mapping"]] * 2],
    dtype=np.int8,
)


@dataclass(frozen=True)
class Standing:
    """Where each paired meter stands by its moments alone, arrays of shape (meters,).

    Attributes
    ----------
    blocked
        Number of the reason why it cannot be judged whatever its readings say, `NONE` where nothing stands in the way.
    short, dry
        Too few pairs; too few of them with flow.
    outside
        Off: a flow zone is outside the permissible error, uncertainty counted, or a part of it if the relation bends.
    healthy
        Every zone with evidence is inside.
    backwards
        A reading ran backwards.
    doubtful
        What only the samples can tell: the meter needs a second look.
    """

    blocked: Numbers
    short: Bools
    dry: Bools
    outside: Bools
    healthy: Bools
    backwards: Bools
    doubtful: Bools


def volume_with_evidence(found: Findings) -> Floats:
    """Flowing volume in the zones that are evidence, in the units of the moments."""
    zones = found.zones
    return np.asarray(np.where(zones.inside | zones.outside | zones.open, zones.volume, 0.0).sum(axis=0))


def stand(
    blocked: Numbers, moments: Moments, found: Findings, model: Model, coverage: Floats, policy: Policy
) -> Standing:
    """The first rungs: everything that the moments decide; ``blocked`` as `transforms.judge.paired.blocked_by` has it."""
    zones, need = found.zones, policy.evidence
    own = blocked, moments.total("n"), coverage, found.flowing, found.bent, found.stuck, found.excessive
    lowest = moments.total("x_min"), moments.total("y_min"), model.resolution
    needed = need.min_pairs, float(need.min_coverage), need.min_flowing
    told = _stand(*own, *lowest, zones.inside, zones.outside, zones.open, zones.volume, *needed)
    return Standing(blocked, *told)


@compiled
def _stand(
    blocked: Numbers,
    n: Ints,
    coverage: Floats,
    flowing: Ints,
    bent: Bools,
    stuck: Bools,
    excessive: Bools,
    x_min: Ints,
    y_min: Ints,
    resolution: Floats,
    inside: Bools,
    outside: Bools,
    is_open: Bools,
    volume: Floats,
    min_pairs: int,
    min_coverage: float,
    min_flowing: int,
) -> Bools:
    """``short`` to ``doubtful`` of `Standing`."""
    found = np.empty((6, len(n)), np.bool_)
    for row in range(len(n)):
        seen, whole = 0.0, 0.0
        out, within, unsure = bent[row], False, False
        for zone in range(3):
            whole += volume[zone, row]
            if inside[zone, row] or outside[zone, row] or is_open[zone, row]:
                seen += volume[zone, row]
            out |= outside[zone, row]
            within |= inside[zone, row]
            unsure |= is_open[zone, row]
        healthy = within and not out and not unsure and seen >= SEEN * whole and not stuck[row]
        short = n[row] < min_pairs or coverage[row] < min_coverage
        dry = flowing[row] < min_flowing
        backwards = min(x_min[row], y_min[row]) < -2 * resolution[row]
        odd = out or stuck[row] or (not healthy and excessive[row])
        found[0, row], found[1, row], found[2, row], found[3, row] = short, dry, out, healthy
        found[4, row] = backwards
        found[5, row] = blocked[row] == NONE and not short and (backwards or (not dry and odd))
    return found


def climb(
    standing: Standing, found: Findings, second: SecondLook, model: Model, policy: Policy
) -> tuple[Numbers, Numbers, Numbers]:
    """The rest of the ladder, with the second look.

    Returns
    -------
    verdict, reason, form : ndarray of int
        By number, see `transforms.judge.words`; ``form`` is `NONE` unless the verdict is steady.
    """
    by_threshold = found.threshold & ("threshold" in policy.precheck.tests)
    by_mapping = (found.mapping | second.curved) & ("mapping" in policy.precheck.tests)
    matters = np.abs(second.change) > change_that_matters(model, policy.tolerance)
    step = second.step & matters
    drifting = (second.drifting & matters) | (found.drifting & ~second.curved)
    still = np.where(second.looked, second.stuck, found.stuck)
    odd = still | second.dropout | second.skewed | second.reverse
    steady = standing.outside & (by_threshold | by_mapping) & ~step & ~drifting & ~odd
    off = standing.outside | (~standing.healthy & found.excessive) | still
    steps = [
        (standing.blocked != NONE, INCONCLUSIVE, NONE),
        (standing.short, INCONCLUSIVE, REASON["too_few_pairs"]),
        (second.reverse, UNSTEADY, REASON["reverse_flow"]),
        (standing.dry, INCONCLUSIVE, REASON["no_flow"]),
        (standing.healthy, HEALTHY, REASON["within_mpe"]),
        (off & second.skewed, UNSTEADY, REASON["clock_skew"]),
        (off & still, UNSTEADY, REASON["stuck"]),
        (off & second.dropout, UNSTEADY, REASON["dropout"]),
        (off & second.coarse, INCONCLUSIVE, REASON["reference_coarse"]),
        (standing.outside & second.rough, INCONCLUSIVE, REASON["meter_cut_off"]),
        (off & second.rough, INCONCLUSIVE, REASON["meter_coarse"]),
        (steady, STEADY, NONE),
        (off & step, UNSTEADY, REASON["step"]),
        (off & drifting, UNSTEADY, REASON["drifting"]),
        (off, UNSTEADY, REASON["scatter"]),
        (np.ones_like(off), INCONCLUSIVE, REASON["undecided"]),
    ]
    holds, verdicts, reasons = zip(*steps, strict=True)
    rung = _first(np.stack(holds))
    verdict, reason = (np.array(told, dtype=np.int8)[rung] for told in (verdicts, reasons))
    reason = np.where(standing.blocked == NONE, reason, standing.blocked)
    form, some = np.full(len(off), NONE, dtype=np.int8), np.flatnonzero(verdict == STEADY)
    curve = (second.curved & by_mapping)[some]
    relation: Ints = np.where(curve, len(FORMS), found.choice.index[some])
    reason[some], form[some] = _NAMED[relation, by_threshold[some].astype(np.int8)], _FORMS[relation]
    return verdict, reason, form


@compiled
def _first(holds: Bools) -> Ints:
    """The first of the rungs that each meter stands on, of which the last holds all."""
    rungs, meters = holds.shape
    found = np.empty(meters, np.int64)
    for row in range(meters):
        found[row] = rungs - 1
        for rung in range(rungs):
            if holds[rung, row]:
                found[row] = rung
                break
    return found
