"""Findings: all that the moments say about the paired meters of a bucket, before anybody calls it a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from transforms.fit import Choice, centre, choose_form
from transforms.fit.choose import GAIN
from transforms.fit.lines import Floats, Ints, Lines, residual_sum
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
from transforms.judge.prechecks import drift_test, lack_of_fit_test, mapping_test, stuck_test, threshold_test
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
    ``weights`` (bins, meters) the inverse of the latter.
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
    judge = policy.judge
    expected = scatter_expected(moments, model, reference)
    weights = 1 / expected
    sums = _flowing_sums(moments)
    n = sums["n"].sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_expected = (sums["n"] * expected[FLOWING]).sum(axis=0) / n
    inverse = centre(sums, weights[FLOWING], 1.0, judge.prior_pairs)
    ones = np.ones_like(weights[FLOWING])
    plain = centre(sums, ones, mean_expected, judge.prior_pairs)
    used, used_weights = (plain, ones) if policy.fit.estimator == "ordinary" else (inverse, weights[FLOWING])
    choice = choose_form(used, judge.form_significance)
    if policy.fit.estimator == "errors_in_both":
        choice, used_weights = with_errors_in_both(choice, sums, model, reference)
    lines = choice.lines
    # Goodness of fit is always told with weights: how much scatter is normal differs from bin to bin.
    told = replace(lines, chi2=residual_sum(inverse, lines.a1, lines.a2))
    fit = lack_of_fit_test(sums, weights[FLOWING], told, judge.form_significance, judge.prior_pairs)
    known = (moments, model, reference, weights, fit.scatter, fit.dof)
    rules = Rules(policy.evidence.min_zone_pairs, judge.coverage_factor, policy.tolerance)
    zones = zone_errors(*known, rules)
    varies = fit.curved | (choice.index != GAIN)
    outside, p_bins = bins_outside(*known, rules)
    sure = standard_errors(choice, sums, used_weights, fit.scatter, model, reference)
    threshold, share = threshold_test(moments, model, policy.threshold.mode)
    mapping, excessive = mapping_test(told, judge.significance)
    drifting, spread, drift_p = drift_test(
        moments, weights, told, judge.significance, change_that_matters(model, policy.tolerance)
    )
    residual_squares = residual_sum(plain, lines.a1, lines.a2)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = plain.yy - plain.y**2 / plain.w
        r2 = np.where(total > 0, 1 - residual_squares / total, np.nan)
        residual = np.sqrt(residual_squares / lines.dof)
        ratio = told.chi2 / told.dof
        level = used.x / used.w + used.c
    return Findings(
        flowing=n,
        zones=zones,
        choice=choice,
        published=with_common(sure, level, reference),
        threshold=threshold,
        share=share,
        mapping=mapping,
        excessive=excessive,
        curved=fit.curved,
        curved_p=fit.p,
        perhaps_curved=fit.perhaps,
        bent=varies & outside,
        p_within=np.minimum(zones.p_within.min(axis=0) * len(zones.p_within), np.where(varies, p_bins, 1.0)),
        drifting=drifting,
        drift_p=drift_p,
        spread=spread,
        stuck=stuck_test(moments, model),
        scatter_ratio=np.sqrt(ratio),
        scatter=fit.scatter,
        weights=weights,
        r2=r2,
        residual=residual,
    )
