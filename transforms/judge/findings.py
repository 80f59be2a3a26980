"""Findings: all that the moments say about the paired meters of a bucket, before anybody calls it a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import polars as pl

from transforms.fit import Choice, centre, choose_form
from transforms.fit.choose import GAIN
from transforms.fit.lines import Centred, Floats, Ints, Lines, residual_sum
from transforms.judge.estimate import standard_errors, with_common, with_errors_in_both
from transforms.judge.evidence import (
    FLOWING,
    Bools,
    Model,
    Reference,
    Rules,
    Zones,
    bins_outside,
    change_that_matters,
    scatter_expected,
    zone_errors,
)
from transforms.judge.prechecks import (
    drift_test,
    lack_of_fit_test,
    mapping_test,
    parts_spread,
    stuck_test,
    threshold_test,
)
from transforms.policy import Policy
from transforms.summarise.moments import SUMS, Moments


@dataclass(frozen=True)
class Findings:
    """All that was found about the paired meters of a bucket, in the units of the moments.

    ``choice`` holds the fitted lines with the uncertainty of the pairs alone, ``published`` the same with the reference's
    common uncertainty in it, as verdicts and commands state them. ``curved`` says that a line misses the means of the
    flow bins, ``bent`` that the error changes with the flow and is outside the permissible one in some bin. ``p_within``
    is how likely a meter just at its limit would look so far off, corrected for the zones and bins looked at.
    ``scatter`` is the weighted variance of a pair about the meter's relation, as a multiple of the one expected,
    ``weights`` (bins, meters) the inverse of the latter, ``chi2`` the weighted sum of squares about the line.

    ``published``, ``drifting``, ``drift_p``, ``r2`` and ``residual`` are NaN or false for meters that were not asked.
    """

    flowing: Ints
    zones: Zones
    choice: Choice
    published: Lines
    threshold: Bools
    share: Floats
    mapping: Bools
    excessive: Bools
    curved: Bools
    curved_p: Floats
    perhaps_curved: Bools
    bent: Bools
    p_within: Floats
    drifting: Bools
    drift_p: Floats
    spread: Floats
    stuck: Bools
    scatter_ratio: Floats
    scatter: Floats
    weights: Floats
    r2: Floats
    residual: Floats
    chi2: Floats


def numbers_of(paired: pl.DataFrame, policy: Policy) -> tuple[Model, Reference]:
    """The models' and references' numbers of the paired meters, as arrays."""
    per_lph = paired["per_lph"].to_numpy()
    high = paired["mpe_high"].to_numpy()
    model = Model(
        unit_lph=1 / per_lph,
        mpe=np.stack([paired["mpe_low"].to_numpy(), high, high]),
        band_low=paired["band_low_u"].to_numpy().astype(np.float64),
        band_high=paired["band_high_u"].to_numpy().astype(np.float64),
        proportion=paired["proportion"].to_numpy(),
        repeatability=paired["repeatability"].to_numpy(),
        resolution=paired["resolution_lph"].to_numpy() * per_lph,
    )
    return model, Reference(paired["reference_uncertainty"].to_numpy(), policy.reference.repeatability)


def _flowing_sums(moments: Moments) -> Mapping[str, Ints]:
    return {name: moments.by_bin(name, FLOWING) for name in SUMS}


def find(moments: Moments, model: Model, reference: Reference, policy: Policy) -> Findings:
    """Carry out everything that the moments allow, for all meters at once."""
    found = first_findings(moments, model, reference, policy)
    return with_details(found, moments, model, reference, policy, np.arange(len(model.unit_lph)))


def first_findings(moments: Moments, model: Model, reference: Reference, policy: Policy) -> Findings:
    """What tells the meters in order from those in doubt; of the rest, `with_details`, there is nothing yet."""
    judge = policy.judge
    expected = scatter_expected(moments, model, reference)
    weights = 1 / expected
    sums = _flowing_sums(moments)
    n = sums["n"].sum(axis=0)
    inverse = centre(sums, weights[FLOWING], 1.0, judge.prior_pairs)
    used = _plain(sums, expected, judge.prior_pairs) if policy.fit.estimator == "ordinary" else inverse
    choice = choose_form(used, judge.form_significance)
    if policy.fit.estimator == "errors_in_both":
        choice, _ = with_errors_in_both(choice, sums, model, reference)
    # Goodness of fit is always told with weights: how much scatter is normal differs from bin to bin.
    told = replace(choice.lines, chi2=residual_sum(inverse, choice.lines.a1, choice.lines.a2))
    fit = lack_of_fit_test(sums, weights[FLOWING], told, judge.form_significance, judge.prior_pairs)
    rules = Rules(policy.evidence.min_zone_pairs, judge.coverage_factor, policy.tolerance)
    zones = zone_errors(moments, model, reference, weights, fit.scatter, fit.dof, rules)
    varies = fit.curved | (choice.index != GAIN)
    bent, p_bins = np.zeros(len(n), dtype=bool), np.ones(len(n))
    some = np.flatnonzero(varies)
    if len(some):
        known = (moments.pick(some), picked(model, some), picked(reference, some), weights[:, some])
        bent[some], p_bins[some] = bins_outside(*known, fit.scatter[some], fit.dof[some], rules)
    threshold, share = threshold_test(moments, model, policy.threshold.mode)
    mapping, excessive = mapping_test(told, judge.significance)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = told.chi2 / told.dof
    nothing = np.full(len(n), np.nan)
    return Findings(
        flowing=n,
        zones=zones,
        choice=choice,
        published=replace(choice.lines, **{name: nothing.copy() for name in Lines.__dataclass_fields__}),
        threshold=threshold,
        share=share,
        mapping=mapping,
        excessive=excessive,
        curved=fit.curved,
        curved_p=fit.p,
        perhaps_curved=fit.perhaps,
        bent=bent,
        p_within=np.minimum(zones.p_within.min(axis=0) * len(zones.p_within), p_bins),
        drifting=np.zeros(len(n), dtype=bool),
        drift_p=nothing.copy(),
        spread=parts_spread(moments, choice.lines),
        stuck=stuck_test(moments, model),
        scatter_ratio=np.sqrt(ratio),
        scatter=fit.scatter,
        weights=weights,
        r2=nothing.copy(),
        residual=nothing.copy(),
        chi2=told.chi2,
    )


def with_details(
    found: Findings, moments: Moments, model: Model, reference: Reference, policy: Policy, rows: Ints
) -> Findings:
    """The same with what is asked only of some meters: parameters as they are published, and whether they drift."""
    if not len(rows):
        return found
    judge, whole = policy.judge, len(rows) == len(found.flowing)
    if not whole:
        moments, model, reference = moments.pick(rows), picked(model, rows), picked(reference, rows)
    weights, scatter, spread = found.weights[:, rows], found.scatter[rows], found.spread[rows]
    lines = picked(found.choice.lines, rows)
    choice = Choice(found.choice.index[rows], lines, picked(found.choice.full, rows))
    sums = _flowing_sums(moments)
    plain = _plain(sums, 1 / weights, judge.prior_pairs)
    used, used_weights = plain, np.ones_like(weights[FLOWING])
    if policy.fit.estimator != "ordinary":
        used, used_weights = centre(sums, weights[FLOWING], 1.0, judge.prior_pairs), weights[FLOWING]
    if policy.fit.estimator == "errors_in_both":
        _, used_weights = with_errors_in_both(choose_form(used, judge.form_significance), sums, model, reference)
    sure = standard_errors(choice, sums, used_weights, scatter, model, reference)
    told = replace(lines, chi2=found.chi2[rows])
    p = drift_test(moments, weights, told)
    drifting = (p < judge.significance / 2) & (spread > change_that_matters(model, policy.tolerance))
    squares = residual_sum(plain, lines.a1, lines.a2)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = plain.yy - plain.y**2 / plain.w
        r2 = np.where(total > 0, 1 - squares / total, np.nan)
        residual = np.sqrt(squares / lines.dof)
        level = used.x / used.w + used.c
    published = with_common(sure, level, reference)
    details: dict[str, Any] = {"drifting": drifting, "drift_p": p, "r2": r2, "residual": residual}
    if whole:
        return replace(found, published=published, **details)
    for name, values in details.items():
        getattr(found, name)[rows] = values
    for name in Lines.__dataclass_fields__:
        getattr(found.published, name)[rows] = getattr(published, name)
    return found


T = TypeVar("T", Model, Reference, Lines)


def picked(numbers: T, rows: Ints) -> T:
    """Arrays over meters, of some of the meters; what is one number for all stays."""
    told: dict[str, Any] = {name: getattr(numbers, name) for name in numbers.__dataclass_fields__}
    some: dict[str, Any] = {
        name: value[..., rows] if isinstance(value, np.ndarray) else value for name, value in told.items()
    }
    return type(numbers)(**some)


def _plain(sums: Mapping[str, Ints], expected: Floats, prior_dof: float) -> Centred:
    """The sums without weights."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (sums["n"] * expected[FLOWING]).sum(axis=0) / sums["n"].sum(axis=0)
    return centre(sums, np.ones_like(expected[FLOWING]), mean, prior_dof)
