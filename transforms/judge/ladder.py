"""The ladder from evidence to verdict: can we judge, is it off at all, is it off steadily, or else how."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.fit import FORMS
from transforms.fit.lines import Floats
from transforms.judge.evidence import Bools, Model, change_that_matters
from transforms.judge.findings import Findings
from transforms.judge.second_look import SecondLook
from transforms.policy import Policy
from transforms.summarise.moments import Moments

#: share of the flowing volume that the zones with evidence must hold before a meter is called healthy
SEEN = 0.5


_FORMS = np.array((*FORMS, "curve"), dtype=object)
#: reasons of steady meters, by form and whether the differences are in the model's band
_NAMED = np.array([[f"{form}_mapping", f"{form}_in_band"] for form in _FORMS], dtype=object)


@dataclass(frozen=True)
class Standing:
    """Where each paired meter stands by its moments alone, arrays of shape (meters,).

    Attributes
    ----------
    blocked
        Why it cannot be judged whatever its readings say, None where nothing stands in the way.
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

    blocked: np.ndarray
    short: Bools
    dry: Bools
    outside: Bools
    healthy: Bools
    backwards: Bools
    doubtful: Bools


def blocked_by() -> pl.Expr:
    """Why a meter cannot be judged, whatever its readings say; null where nothing stands in the way."""
    return (
        pl.when(pl.col("model").is_null())
        .then(pl.lit("unregistered"))
        .when(pl.col("conflict"))
        .then(pl.lit("pairing_conflict"))
        .when(pl.col("n_meter") == 0)
        .then(pl.lit("meter_missing"))
        .when(pl.col("n_reference") == 0)
        .then(pl.lit("reference_missing"))
        .when(~pl.col("reference_known"))
        .then(pl.lit("reference_unregistered"))
        .when(~pl.col("reference_valid"))
        .then(pl.lit("reference_expired"))
    )


def stands_in_the_way(blocked: np.ndarray) -> Bools:
    """Where there is a reason, (meters,)."""
    return np.asarray(pl.Series(blocked.tolist(), dtype=pl.String).is_not_null().to_numpy())


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
    judgeable = ~stands_in_the_way(blocked) & ~short
    doubtful = judgeable & (backwards | (~dry & (outside | found.stuck | (~healthy & found.excessive))))
    return Standing(blocked, short, dry, outside, healthy, np.asarray(backwards), np.asarray(doubtful))


def climb(
    standing: Standing, found: Findings, second: SecondLook, model: Model, policy: Policy
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The rest of the ladder, with the second look.

    Returns
    -------
    verdict, reason, form : ndarray of object
        ``form`` is None unless the verdict is ``steady``.
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
    form = _FORMS[np.where(curve, 3, found.choice.index)]
    in_band = by_threshold & ~curve
    steps: list[tuple[Bools, str, np.ndarray | str]] = [
        (stands_in_the_way(standing.blocked), "inconclusive", standing.blocked),
        (standing.short, "inconclusive", "too_few_pairs"),
        (second.reverse, "unsteady", "reverse_flow"),
        (standing.dry, "inconclusive", "no_flow"),
        (standing.healthy, "healthy", "within_mpe"),
        (off & second.skewed, "unsteady", "clock_skew"),
        (off & still, "unsteady", "stuck"),
        (off & second.dropout, "unsteady", "dropout"),
        (steady, "steady", _NAMED[np.where(curve, 3, found.choice.index), in_band.astype(int)]),
        (off & step, "unsteady", "step"),
        (off & drifting, "unsteady", "drifting"),
        (off, "unsteady", "scatter"),
    ]
    verdict = np.full(len(form), "inconclusive", dtype=object)
    reason = np.full(len(form), "undecided", dtype=object)
    open_ = np.ones(len(form), dtype=bool)
    for holds, name, why in steps:
        now = open_ & holds
        verdict[now] = name
        reason[now] = why[now] if isinstance(why, np.ndarray) else why
        open_ &= ~holds
    form[verdict != "steady"] = None
    return verdict, reason, form
