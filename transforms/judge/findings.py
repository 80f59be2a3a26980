"""Findings: all that the moments say about the paired meters of a bucket, before anybody calls it a verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import polars as pl

from transforms.fit import Choice, centre, choose_form
from transforms.fit.choose import GAIN
from transforms.fit.lines import Floats, Ints, Lines
from transforms.judge.estimate import full_errors, scattered, with_common, with_errors_in_both
from transforms.judge.evidence import (
    FLOWING,
    Bools,
    Model,
    Reference,
    Rules,
    Zones,
    bins_outside,
    change_that_matters,
    weights_of,
    zone_errors,
)
from transforms.judge.prechecks import (
    drift_p,
    lack_of_fit_p,
    mapping_test,
    stuck_test,
    threshold_test,
    told_lack,
)
from transforms.judge.relation import inspect, relate
from transforms.policy import Policy
from transforms.summarise.moments import SUMMED, Moments

#: by how much more easily a curve is tried on the samples than a line is refused by the moments
PERHAPS = 10.0


@dataclass(frozen=True)
class Findings:
    """All that was found about the paired meters of a bucket, in the units of the moments.

    ``choice`` holds the fitted lines with the uncertainty of the pairs alone (``full`` only where all meters were asked for
    details), ``published`` the same with the reference's common uncertainty in it, as verdicts and commands state them.
    ``curved`` says that a line misses the means of the flow bins, ``bent`` that the error changes with the flow and is outside
    the permissible one in some bin, by ``excess`` standard uncertainties.
    ``scatter`` is the weighted variance of a pair about the meter's relation, as a multiple of the one expected, ``dof`` its
    degrees of freedom; expected is ``relative`` times the square of the flow, and ``constant``. ``chi2`` is the weighted sum of
    squares about the line, ``lack`` the numbers of its test for lack of fit, `transforms.judge.prechecks.lack_own`, ``squares``
    the weighted sums of squares and of products of its flowing pairs, (2, meters).

    ``published``, ``slope_se``, ``curved_p``, ``drift_p``, ``r2`` and ``residual`` are those of the meters ``asked`` for details,
    (asked,); ``slope_se`` is the standard error of the slope if both parameters are free, of the pairs alone; P
    values on which nothing but an explanation rests may be NaN. ``drifting`` is false for the others.
    """

    flowing: Ints
    zones: Zones
    choice: Choice
    asked: Ints
    published: Lines
    slope_se: Floats
    threshold: Bools
    share: Floats
    mapping: Bools
    excessive: Bools
    curved: Bools
    curved_p: Floats
    bent: Bools
    excess: Floats
    drifting: Bools
    drift_p: Floats
    spread: Floats
    stuck: Bools
    scatter_ratio: Floats
    scatter: Floats
    dof: Floats
    relative: Floats
    constant: Floats
    r2: Floats
    residual: Floats
    chi2: Floats
    lack: Floats
    squares: Floats

    def places(self, rows: Ints) -> Ints:
        """Where some meters stand among those ``asked``.

        Raises
        ------
        ValueError
            If one of them was not: another meter's numbers must never be taken for its own.
        """
        places = np.searchsorted(self.asked, rows)
        if not np.array_equal(self.asked[places[places < len(self.asked)]], rows):
            raise ValueError("details of a meter are wanted that was not asked for them")
        return places

    def weights(self, moments: Moments) -> Floats:
        """Inverse of the variance expected of a pair, (bins, meters)."""
        return weights_of(moments, self.relative, self.constant)


def numbers_of(paired: pl.DataFrame, policy: Policy) -> tuple[Model, Reference]:
    """The models' and references' numbers of the paired meters, as arrays."""
    return model_of(paired), Reference(paired["reference_uncertainty"].to_numpy(), policy.reference.repeatability)


def model_of(paired: pl.DataFrame) -> Model:
    """The models' numbers of some meters, from the columns of the fleet table."""
    per_lph = paired["per_lph"].to_numpy()
    high = paired["mpe_high"].to_numpy()
    return Model(
        unit_lph=1 / per_lph,
        mpe=np.stack([paired["mpe_low"].to_numpy(), high, high]),
        band_low=paired["band_low_u"].to_numpy().astype(np.float64),
        band_high=paired["band_high_u"].to_numpy().astype(np.float64),
        proportion=paired["proportion"].to_numpy(),
        repeatability=paired["repeatability"].to_numpy(),
        resolution=paired["resolution_lph"].to_numpy() * per_lph,
    )


def find(moments: Moments, model: Model, reference: Reference, policy: Policy) -> Findings:
    """Carry out everything that the moments allow, for all meters at once."""
    found = first_findings(moments, model, reference, policy)
    return with_details(found, moments, model, reference, policy, np.arange(len(model.unit_lph)))


def first_findings(moments: Moments, model: Model, reference: Reference, policy: Policy) -> Findings:
    """What tells the meters in order from those in doubt; of the rest, `with_details`, there is nothing yet."""
    judge = policy.judge
    relation = relate(moments, model, reference, policy)
    chi2, index, lines = relation.chi2, relation.index, relation.lines
    variances = relation.relative, relation.constant
    fit = told_lack(relation.lack, chi2, lines.dof, judge.form_significance, judge.prior_pairs)
    rules = Rules(policy.evidence.min_zone_pairs, judge.coverage_factor, policy.tolerance)
    zones = zone_errors(relation.zones, moments, model, reference, fit.scatter, fit.dof, rules)
    meters = len(index)
    varies, excess = np.flatnonzero(fit.curved | (index != GAIN)), np.full(meters, -np.inf)
    excess[varies] = bins_outside(moments, model, reference, variances, fit.scatter, fit.dof, rules, varies)
    threshold, share = threshold_test(moments, model, policy.threshold.mode)
    mapping, excessive = mapping_test(replace(lines, chi2=chi2), judge.significance)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = chi2 / lines.dof
    nothing = np.zeros(0)
    unknown = Lines(*[nothing] * len(Lines.__dataclass_fields__))
    return Findings(
        flowing=moments.total("n", FLOWING),
        zones=zones,
        choice=Choice(index, lines, relation.full or unknown),
        asked=np.zeros(0, dtype=np.int64),
        published=unknown,
        slope_se=nothing,
        threshold=threshold,
        share=share,
        mapping=mapping,
        excessive=excessive,
        curved=fit.curved,
        curved_p=nothing,
        bent=excess > -np.inf,
        excess=excess,
        drifting=np.zeros(meters, dtype=bool),
        drift_p=nothing,
        spread=relation.spread,
        stuck=stuck_test(moments, model),
        scatter_ratio=np.sqrt(ratio),
        scatter=fit.scatter,
        dof=fit.dof,
        relative=relation.relative,
        constant=relation.constant,
        r2=nothing,
        residual=nothing,
        chi2=chi2,
        lack=relation.lack,
        squares=relation.squares,
    )


def with_details(
    found: Findings, moments: Moments, model: Model, reference: Reference, policy: Policy, rows: Ints
) -> Findings:
    """The same with what is asked only of some meters: parameters as they are published, and whether they drift."""
    if not len(rows):
        return found
    judge, whole = policy.judge, len(rows) == len(found.flowing)
    if not whole:
        model, reference = picked(model, rows), picked(reference, rows)
    index, lines = found.choice.index[rows], picked(found.choice.lines, rows)
    scatter, spread = found.scatter[rows], found.spread[rows]
    # whether the relation moves is asked where the parts differ by enough to matter
    matters = spread > change_that_matters(model, policy.tolerance)
    asked = matters | whole
    seen = inspect(moments, rows, lines, asked, found.relative[rows], found.constant[rows], policy)
    choice = Choice(index, lines, seen.full)
    if policy.fit.estimator == "errors_in_both":
        sums = {name: moments.by_bin(name, FLOWING)[:, rows] for name in SUMMED}
        weights = found.weights(moments)[FLOWING, rows]
        used = choose_form(centre(sums, weights, 1.0, judge.prior_pairs), judge.form_significance)
        _, used_weights = with_errors_in_both(used, sums, model, reference)
        choice = replace(choice, full=picked(found.choice.full, rows))
        full = full_errors(choice, sums, used_weights, model, reference)
    else:
        full = seen.full
    sure = scattered(choice, full, scatter)
    p = np.full(len(rows), np.nan)
    # P values above those that count only explain
    level, of_form = (1.0, 1.0) if whole else (judge.significance / 2, PERHAPS * judge.form_significance)
    p[asked] = drift_p(seen.drift[:, asked], found.chi2[rows][asked], lines.dof[asked], level)
    curved_p = lack_of_fit_p(found.lack.take(rows, axis=1), judge.prior_pairs, of_form)
    drifting = (p < judge.significance / 2) & matters
    with np.errstate(divide="ignore", invalid="ignore"):
        r2 = np.where(seen.total > 0, 1 - seen.squares / seen.total, np.nan)
        residual = np.sqrt(seen.squares / lines.dof)
    published = with_common(sure, seen.level, reference)
    found.drifting[rows] = drifting
    return replace(
        found,
        choice=choice if whole else found.choice,
        asked=rows,
        published=published,
        slope_se=np.sqrt(scatter) * full.a1_se,
        curved_p=curved_p,
        drift_p=p,
        r2=r2,
        residual=residual,
    )


T = TypeVar("T", Model, Reference, Lines, Zones)


def picked(numbers: T, rows: Ints) -> T:
    """Arrays over meters, of some of the meters; what is one number for all stays."""
    told: dict[str, Any] = {name: getattr(numbers, name) for name in numbers.__dataclass_fields__}
    some: dict[str, Any] = {
        name: value.take(rows, axis=-1) if isinstance(value, np.ndarray) else value for name, value in told.items()
    }
    return type(numbers)(**some)
