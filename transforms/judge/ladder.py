"""The ladder from evidence to verdict: can we judge, is it off at all, is it off steadily, or else how."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

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


def blocked_by() -> pl.Expr:
    """The number of the reason why a meter cannot be judged, whatever its readings say; `NONE` where nothing stands in the
    way."""

    def reason(name: str) -> pl.Expr:
        return pl.lit(REASON[name], pl.Int8)

    return (
        pl.when(pl.col("model").is_null())
        .then(reason("unregistered"))
        .when(pl.col("conflict"))
        .then(reason("pairing_conflict"))
        .when(pl.col("n_meter") == 0)
        .then(reason("meter_missing"))
        .when(pl.col("n_reference") == 0)
        .then(reason("reference_missing"))
        .when(~pl.col("reference_known"))
        .then(reason("reference_unregistered"))
        .when(~pl.col("reference_valid"))
        .then(reason("reference_expired"))
        .otherwise(pl.lit(NONE, pl.Int8))
    )


def volume_with_evidence(found: Findings) -> Floats:
    """Flowing volume in the zones that are evidence, in the units of the moments."""
    zones = found.zones
    return np.asarray(np.where(zones.inside | zones.outside | zones.open, zones.volume, 0.0).sum(axis=0))


def stand(
    paired: pl.DataFrame, moments: Moments, found: Findings, model: Model, coverage: Floats, policy: Policy
) -> Standing:
    """The first rungs: everything that the moments decide."""
    zones, need = found.zones, policy.evidence
    blocked = paired.select(blocked_by()).to_series().to_numpy()
    seen = volume_with_evidence(found) >= SEEN * zones.volume.sum(axis=0)
    outside = np.asarray(zones.outside.any(axis=0) | found.bent)
    healthy = np.asarray(~outside & ~zones.open.any(axis=0) & zones.inside.any(axis=0) & seen & ~found.stuck)
    short = np.asarray((moments.total("n") < need.min_pairs) | (coverage < need.min_coverage))
    dry = np.asarray(found.flowing < need.min_flowing)
    lowest = np.minimum(moments.total("x_min"), moments.total("y_min"))
    backwards = lowest < -2 * model.resolution
    judgeable = (blocked == NONE) & ~short
    doubtful = judgeable & (backwards | (~dry & (outside | found.stuck | (~healthy & found.excessive))))
    return Standing(blocked, short, dry, outside, healthy, np.asarray(backwards), np.asarray(doubtful))


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
    curve = second.curved & by_mapping
    steady = standing.outside & (by_threshold | by_mapping) & ~step & ~drifting & ~odd
    off = standing.outside | (~standing.healthy & found.excessive) | still
    relation: Ints = np.where(curve, len(FORMS), found.choice.index)
    steps: list[tuple[Bools, int, Numbers | int]] = [
        (standing.blocked != NONE, INCONCLUSIVE, standing.blocked),
        (standing.short, INCONCLUSIVE, REASON["too_few_pairs"]),
        (second.reverse, UNSTEADY, REASON["reverse_flow"]),
        (standing.dry, INCONCLUSIVE, REASON["no_flow"]),
        (standing.healthy, HEALTHY, REASON["within_mpe"]),
        (off & second.skewed, UNSTEADY, REASON["clock_skew"]),
        (off & still, UNSTEADY, REASON["stuck"]),
        (off & second.dropout, UNSTEADY, REASON["dropout"]),
        (steady, STEADY, _NAMED[relation, by_threshold.astype(np.int8)]),
        (off & step, UNSTEADY, REASON["step"]),
        (off & drifting, UNSTEADY, REASON["drifting"]),
        (off, UNSTEADY, REASON["scatter"]),
    ]
    verdict = np.full(len(off), INCONCLUSIVE, dtype=np.int8)
    reason = np.full(len(off), REASON["undecided"], dtype=np.int8)
    # from the last rung to the first, each of which goes before those below it
    for holds, what, why in reversed(steps):
        verdict[holds] = what
        reason[holds] = why[holds] if isinstance(why, np.ndarray) else why
    return verdict, reason, np.where(verdict == STEADY, _FORMS[relation], NONE).astype(np.int8)
