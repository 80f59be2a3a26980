"""Findings: all that the moments say about the paired meters of a bucket, before anybody calls it a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from transforms.fit import Choice, centre, choose_form
from transforms.fit.lines import Floats, Ints, residual_sum
from transforms.judge.evidence import FLOWING, Bools, Model, Reference, Zones, scatter_expected, zone_errors
from transforms.judge.prechecks import drift_test, mapping_test, stuck_test, threshold_test
from transforms.policy import Policy
from transforms.summarise.moments import SUMS, Moments

#: level of the partial F test at which a form with one parameter is refused
FORM_SIGNIFICANCE = 0.01


@dataclass(frozen=True)
class Findings:
    """All that was found about the paired meters of a bucket, in the units of the moments."""

    flowing: Ints
    zones: Zones
    choice: Choice
    threshold: Bools
    share: Floats
    mapping: Bools
    drifting: Bools
    spread: Floats
    stuck: Bools
    scatter_ratio: Floats
    excessive: Bools
    r2: Floats
    residual: Floats


def numbers_of(paired: pl.DataFrame, policy: Policy) -> tuple[Model, Reference]:
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
    expected = scatter_expected(moments, model, reference)
    weights = 1 / expected
    sums = _flowing_sums(moments)
    rounding = model.resolution**2 / 12
    inverse = centre(sums, weights[FLOWING], rounding)
    plain = centre(sums, np.ones_like(weights[FLOWING]), rounding)
    used = inverse if policy.fit.estimator == "weighted" else plain
    choice = choose_form(used, FORM_SIGNIFICANCE)
    lines = choice.lines
    # Goodness of fit is always told with weights: how much scatter is normal differs from bin to bin.
    told = replace(lines, chi2=residual_sum(inverse, lines.a1, lines.a2))
    zones = zone_errors(
        moments,
        model,
        reference,
        min_pairs=policy.evidence.min_zone_pairs,
        factor=policy.judge.coverage_factor,
        tolerance=policy.tolerance,
    )
    threshold, share = threshold_test(moments, model, policy.threshold.mode)
    mapping = mapping_test(told, policy.judge.significance)
    drifting, spread = drift_test(
        moments, weights, told, policy.judge.significance, model.mpe[1] * policy.tolerance / 2
    )
    residual_squares = residual_sum(plain, lines.a1, lines.a2)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = plain.yy - plain.y**2 / plain.w
        r2 = np.where(total > 0, 1 - residual_squares / total, np.nan)
        residual = np.sqrt(residual_squares / lines.dof)
        ratio = told.chi2 / told.dof
    return Findings(
        flowing=sums["n"].sum(axis=0),
        zones=zones,
        choice=choice,
        threshold=threshold,
        share=share,
        mapping=mapping,
        drifting=drifting,
        spread=spread,
        stuck=stuck_test(moments, model),
        scatter_ratio=np.sqrt(ratio),
        excessive=(told.dof >= 1) & ~mapping,
        r2=r2,
        residual=residual,
    )
