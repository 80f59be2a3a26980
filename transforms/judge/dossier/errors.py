"""Whether a meter is off: the error of each flow zone against the maximum permissible error, uncertainty counted."""

from __future__ import annotations

import numpy as np

from transforms.fit.choose import GAIN
from transforms.judge.dossier.check import Check, Question, percent, times
from transforms.judge.evidence import ZONE_NAMES
from transforms.judge.ladder import SEEN, volume_with_evidence
from transforms.judge.precision import keep_open
from transforms.judge.worked import Worked
from transforms.policy import Policy

STAGE = "is it off"
_BETWEEN = {"q1_q2": "Q1 to Q2", "q2_q3": "Q2 to Q3", "q3_q4": "Q3 to Q4"}
_SHARE = Question(
    "evidence_share", "Volume with evidence", "Do the zones with evidence hold enough of the water?", STAGE
)
_BINS = Question("flow_bins", "Error of single flow bins", "Is some narrower range of flows outside?", STAGE)


def zone_question(name: str) -> Question:
    """What is asked of one zone."""
    between = _BETWEEN[name]
    return Question(
        f"error_{name}",
        f"Error of indication {between.replace(' to ', '-')}",
        f"Is it inside the permissible error from {between}?",
        STAGE,
    )


def is_it_off(worked: Worked | None, stopped: str, policy: Policy) -> list[Check]:
    """The zones, the share of the volume that they tell of, and, for relations that bend, the single flow bins.

    Parameters
    ----------
    stopped
        Why nothing was asked; empty where it was.
    """
    zones = [zone_question(name) for name in ZONE_NAMES]
    if stopped or worked is None:
        return [question.not_evaluated(f"not asked: {stopped}") for question in (*zones, _SHARE, _BINS)]
    checks = [_zone(question, z, worked, policy) for z, question in enumerate(zones)]
    found = worked.found
    share = float(volume_with_evidence(found)[0] / max(found.zones.volume[:, 0].sum(), 1.0))
    checks.append(
        _SHARE.told(
            share >= SEEN,
            f"{percent(share)} of the flowing volume; a healthy meter needs {percent(SEEN)}",
            (),
            ("inconclusive",),
            value=100 * share,
            limit=100 * SEEN,
            unit="%",
        )
    )
    if not found.curved[0] and found.choice.index[0] == GAIN:
        checks.append(_BINS.not_evaluated("not asked: the error does not change with the flow"))
    elif found.bent[0]:
        checks.append(
            _BINS.failed("the error changes with the flow, and one flow bin is outside by itself", "steady", "unsteady")
        )
    else:
        checks.append(_BINS.passed("the error changes with the flow, but no single flow bin is shown to be outside"))
    return checks


def _zone(question: Question, z: int, worked: Worked, policy: Policy) -> Check:
    zones = worked.found.zones
    n, error, expanded = int(zones.n[z, 0]), float(zones.error[z, 0]), float(zones.expanded[z, 0])
    limit = float(worked.model.mpe[z, 0]) * policy.tolerance
    least = policy.evidence.min_zone_pairs
    if n == 0:
        return question.not_evaluated("no water flowed in this zone", limit=100 * limit, unit="%")
    if n < least:
        return question.not_evaluated(
            f"only {times(n, 'pair')} in this zone; {least} are needed", limit=100 * limit, unit="%"
        )
    numbers: dict[str, float | str | None] = {"value": 100 * error, "limit": 100 * limit, "unit": "%"}
    seen = f"{percent(error, plus=True)} ± {percent(expanded)}, {times(n, 'pair')}, limit ±{percent(limit)}"
    if zones.outside[z, 0]:
        return question.failed(f"{seen}: outside", "steady", "unsteady", **numbers)
    if zones.inside[z, 0]:
        return question.passed(f"{seen}: inside", "healthy", **numbers)
    if zones.open[z, 0]:
        return question.open(f"{seen}: neither shown inside nor outside", "inconclusive", **numbers)
    return question.not_evaluated(
        f"{seen}: known less well than the limit is wide, so this zone is no evidence", **numbers
    )


def what_it_would_take(worked: Worked, needed: int | None, policy: Policy) -> str:
    """For an open question: how much flow would settle it, or why none would. The judge's own number, in words."""
    found, standing = worked.found, worked.standing
    if standing.dry[0]:
        return (
            f"about {times(policy.evidence.min_flowing, 'flowing pair')} would let it be judged; "
            f"it has {int(found.flowing[0])}"
        )
    if needed:
        return f"about {times(needed, 'flowing pair')} in all would settle it; it has {int(found.flowing[0])}"
    zones = found.zones
    few = zones.n[:, 0] < policy.evidence.min_zone_pairs
    blocking = [int(zone) for zone in np.flatnonzero(keep_open(zones)[:, 0])]
    if not blocking:  # each zone with evidence is inside, but together they hold too little of the water
        unsure = np.where(zones.inside[:, 0], -1.0, zones.volume[:, 0])
        blocking = [int(np.argmax(unsure))]
    # of the zones that keep it open, one that no flow settles or that holds too few pairs to tell
    main = min(blocking, key=lambda zone: (not few[zone], _room(worked, zone, policy)[0]))
    between, n = _BETWEEN[ZONE_NAMES[main]], int(zones.n[main, 0])
    if few[main]:
        return f"more flow from {between}: it has {times(n, 'pair')} there"
    room, known = _room(worked, main, policy)
    if room <= known:
        return (
            f"no amount of flow from {between} would settle it: the error is {percent(room)} from the limit, and the "
            f"reference itself is known to ±{percent(known)} only; a better reference or the next windows may"
        )
    return f"from {between} it would take more flow than a window can hold"


def _room(worked: Worked, zone: int, policy: Policy) -> tuple[float, float]:
    """How far a zone's error is from its limit, and how well the reference is known, both relative."""
    limit = float(worked.model.mpe[zone, 0]) * policy.tolerance
    known = policy.judge.coverage_factor * float(worked.reference.uncertainty[0]) / 2
    return abs(limit - abs(float(worked.found.zones.error[zone, 0]))), known
