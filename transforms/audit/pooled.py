"""Pooled moments: the sums of many windows added up, and what they say of a meter's relation over a stretch of time.

The formulas are those that judge a single window (`transforms.judge`), on sums that are still exact. What many windows add
is that they differ from each other by more than their pairs scatter, and stay so for some time: standard errors are those
of clustered data (`transforms.audit.cells`), the clusters being windows or blocks of windows, whichever say more, and never
less than the pairs' own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from transforms.audit.cells import SUMS, TERMS, Scores, added_up, clustered
from transforms.audit.consumption import Weighted, mixed, weighted_error
from transforms.audit.listed import Listed
from transforms.audit.series import Floats, Ints
from transforms.fit import Choice, centre
from transforms.fit.choose import GAIN, LINE, OFFSET
from transforms.fit.lines import Centred, Lines, fit_gain, fit_line, fit_offset
from transforms.judge.estimate import standard_errors, with_common
from transforms.judge.evidence import (
    FLOWING,
    ZONES,
    Model,
    Reference,
    Rules,
    Zones,
    expected_variance,
    zone_errors,
    zone_sums,
)
from transforms.judge.findings import numbers_of
from transforms.judge.prechecks import lack_of_fit_test
from transforms.policy import Policy
from transforms.statistics import f_survival
from transforms.summarise.moments import BINS, Moments
from transforms.summarise.moments import SUMS as ALL_SUMS

#: windows of a block at most, and blocks of a group at least as far as its windows go round
_LARGEST, _BLOCKS = 14, 6
_FLOWS = np.arange(BINS) >= FLOWING.start


@dataclass(frozen=True)
class Pooled:
    """The moments of groups of windows, one entry per group as the last axis.

    Attributes
    ----------
    listed
        The windows.
    group_of
        Group of each window, rising but for -1, which leaves it out.
    moments
        Sums over all windows of each group.
    model, reference
        The numbers of the groups' models and references.
    weights
        Inverse of the variance expected of a pair, shape (bins, groups).
    windows
        How many windows with moments each group has.
    """

    listed: Listed
    group_of: Ints
    moments: Moments
    model: Model
    reference: Reference
    weights: Floats
    windows: Ints

    def sums(self, bins: slice = slice(None)) -> dict[str, Ints]:
        """Sums by bin and group."""
        return {name: self.moments.by_bin(name, bins) for name in SUMS}

    @property
    def dof(self) -> Floats:
        """Degrees of freedom of standard errors of clustered data; correlated windows are worth fewer."""
        return np.maximum((self.windows - 2) / np.clip(self.windows // _BLOCKS, 1, _LARGEST), 1.0)

    def clustered(self, scores: Scores) -> tuple[Floats, Floats]:
        """See `transforms.audit.cells.clustered`."""
        size = np.clip(self.windows // _BLOCKS, 1, _LARGEST)
        return clustered(self.listed.cells, self.group_of, size, scores)


def pool(windows: Listed, group_of: Ints, meter: Ints, uncertainty: Floats, policy: Policy) -> Pooled:
    """Add up moments.

    Parameters
    ----------
    group_of : ndarray
        Group of each window, rising but for -1, which leaves it out.
    meter : ndarray
        The meter of each group.
    uncertainty : ndarray
        The reference's standard uncertainty in each group [relative].
    """
    known = windows.meters[meter].with_columns(reference_uncertainty=pl.Series(2 * uncertainty))
    model, reference = numbers_of(known, policy)
    summed = added_up(windows.cells, group_of, len(meter))
    values: dict[str, Ints] = dict(zip(SUMS, summed.sums, strict=True))
    # readings that never differ: their variance is zero, exactly
    same = values["n"] * values["syy"] == values["sy"] * values["sy"]
    extremes = {"x_min": np.zeros_like(same), "x_max": ~same, "y_min": np.zeros_like(same), "y_max": ~same}
    full = {**values, **{name: np.zeros_like(values["n"]) for name in ALL_SUMS if name not in values}}
    full |= {name: flag.astype(np.int64) for name, flag in extremes.items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = 1 / expected_variance(values["sxx"] / np.maximum(values["n"], 1), model, reference)
    moments = Moments({name: array[None] for name, array in full.items()})
    return Pooled(windows, group_of, moments, model, reference, weights, summed.windows)


class Combination:
    """Scores being put together: the coefficients of each, by group and flow bin."""

    def __init__(self, groups: int, many: int) -> None:
        self.terms = np.zeros((groups, BINS, many, len(TERMS)))
        self.weight = np.zeros((groups, BINS, many))

    def put(self, score: int, weight: Floats, **terms: Floats | float) -> None:
        """Set one score: weights (bins, groups) and the coefficients of its sums, which broadcast to that."""
        self.weight[:, :, score] = np.nan_to_num(weight).T
        for name, values in terms.items():
            self.terms[:, :, score, TERMS.index(name)] = np.broadcast_to(np.nan_to_num(values), weight.shape).T

    def scores(self) -> Scores:
        return Scores(self.terms, self.weight)


def variances(alone: Floats, together: Floats, rows: tuple[int, ...], shown: tuple[int, ...] = ()) -> Floats:
    """Variances by blocks where those of all ``rows`` are not less than by windows; shape (shown or rows, groups)."""
    blocks = np.all([together[k] >= alone[k] for k in rows], axis=0)
    kept = list(shown or rows)
    return np.where(blocks, together[kept], alone[kept])


@dataclass(frozen=True)
class Relations:
    """What pooled moments say of each group: its zones' errors, its line, and its error as a ratio of volumes and as ``weighted``
    by how this customer draws water.

    ``ratio`` is sum(q') / sum(q) - 1 over flowing pairs, ``ratio_se`` its standard error without the reference's;
    ``lines`` have the reference's uncertainty in them, and flows in the unit of the moments.
    """

    zones: Zones
    choice: Choice
    lines: Lines
    ratio: Floats
    ratio_se: Floats
    weighted: Weighted


def relate(pooled: Pooled, policy: Policy, profile: Floats) -> Relations:
    """Judge each group as `transforms.judge` judges a window, with standard errors of clustered data.

    Parameters
    ----------
    profile : ndarray
        Volume by flow bin over the whole span of the meter of each group, any unit, shape (bins, groups).
    """
    judge, weights = policy.judge, pooled.weights
    sums = pooled.sums(FLOWING)
    inverse = centre(sums, weights[FLOWING], 1.0, judge.prior_pairs)
    choice = _choose(pooled, inverse, judge.significance)
    fit = lack_of_fit_test(sums, weights[FLOWING], choice.lines, judge.form_significance, judge.prior_pairs)
    rules = Rules(policy.evidence.min_zone_pairs, judge.coverage_factor, policy.tolerance)
    of_zones = zone_sums(pooled.moments, weights)
    zones = zone_errors(of_zones, pooled.moments, pooled.model, pooled.reference, fit.scatter, fit.dof, rules)
    sure = standard_errors(choice, sums, weights[FLOWING], fit.scatter, pooled.model, pooled.reference)
    total = sums["sx"].sum(axis=0).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = sums["sy"].sum(axis=0) / total
    n, sx, sy = (pooled.moments.by_bin(name).astype(np.float64) for name in ("n", "sx", "sy"))
    mix = mixed(n, sx, sy, profile, rules.min_pairs)
    # of the line, of each zone, of the ratio and of the mix of flows, in one pass over the cells
    put_together = Combination(len(total), 4 + len(ZONES))
    _put_line(put_together, pooled, sure)
    for z, bins in enumerate(ZONES):
        inside = (np.arange(BINS) >= bins.start) & (np.arange(BINS) < bins.stop)
        gain = np.nan_to_num(1 + zones.error[z])
        put_together.put(2 + z, np.where(inside[:, None], weights, 0.0), sxy=1.0, sxx=-gain)
    put_together.put(2 + len(ZONES), np.where(_FLOWS[:, None], np.ones_like(weights), 0.0), sy=1.0, sx=-ratio)
    put_together.put(3 + len(ZONES), mix.per_x, sy=1.0, sx=-mix.ratio)
    alone, together = pooled.clustered(put_together.scores())
    of_ratio, of_mix = (variances(alone, together, (k + len(ZONES),))[0] for k in (2, 3))
    zones = judged_zones(zones, _zone_standard(pooled, alone, together), pooled, rules)
    sure = _with_errors(sure, *_line_errors(pooled, choice.index, alone, together))
    level = inverse.x / np.maximum(inverse.w, np.finfo(np.float64).tiny) + inverse.c
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(of_ratio) / total
    weighted = weighted_error(mix, of_mix, pooled.reference.uncertainty / 2)
    return Relations(zones, choice, with_common(sure, level, pooled.reference), ratio - 1, spread, weighted)


def _zone_standard(pooled: Pooled, alone: Floats, together: Floats) -> Floats:
    """Standard error of each zone's error from the differences between windows, shape (3, groups)."""
    xx = pooled.weights * pooled.moments.by_bin("sxx")
    variance = np.stack([variances(alone, together, (2 + z,))[0] for z in range(len(ZONES))])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(variance) / np.stack([xx[bins].sum(axis=0) for bins in ZONES]))


def judged_zones(zones: Zones, standard: Floats, pooled: Pooled, rules: Rules) -> Zones:
    """The zones with the larger of two standard errors, and what then is inside, outside or open."""
    larger = np.fmax(zones.standard, standard)
    expanded = np.sqrt(zones.expanded**2 + (rules.factor * larger) ** 2 - (rules.factor * zones.standard) ** 2)
    limit = pooled.model.mpe * rules.tolerance
    enough = zones.n >= rules.min_pairs
    with np.errstate(invalid="ignore"):
        outside = enough & (np.abs(zones.error) - expanded > limit)
        inside = enough & (np.abs(zones.error) + expanded <= limit)
    return replace(
        zones, standard=larger, expanded=expanded, inside=inside, outside=outside, open=enough & ~inside & ~outside
    )


def _choose(pooled: Pooled, sums: Centred, significance: float) -> Choice:
    """A gain unless the clusters refuse it, else an offset unless they refuse that, else the line.

    As `transforms.fit.choose_form`, whose F test takes pairs as independent; here Wald's test with the standard errors of
    clustered data asks whether the second parameter is needed. The level is that of verdicts, not that of forms: over many
    windows a bend is soon significant that no single window needs.
    """
    offset, gain, line = fit_offset(sums), fit_gain(sums), fit_line(sums)
    clusters = pooled.windows
    put_together = Combination(len(clusters), 2)
    _put_line(put_together, pooled, line)
    everywhere = np.full(len(clusters), LINE)
    full = _with_errors(line, *_line_errors(pooled, everywhere, *pooled.clustered(put_together.scores())))
    dof = pooled.dof
    possible = (clusters > 2) & np.isfinite(line.a1) & (line.a1 > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        no_gain = possible & (f_survival(np.nan_to_num((full.a2 / full.a2_se) ** 2), 1.0, dof) < significance)
        no_offset = possible & (f_survival(np.nan_to_num(((full.a1 - 1) / full.a1_se) ** 2), 1.0, dof) < significance)
    index = np.where(~no_gain, GAIN, np.where(~no_offset, OFFSET, LINE))
    picked = {
        name: np.choose(index, [getattr(form, name) for form in (offset, gain, line)])
        for name in Lines.__dataclass_fields__
    }
    return Choice(index, Lines(**picked), line)


def _with_errors(lines: Lines, a1_se: Floats, a2_se: Floats) -> Lines:
    """The lines with the larger of their standard errors and given ones."""
    return replace(lines, a1_se=np.fmax(lines.a1_se, a1_se), a2_se=np.fmax(lines.a2_se, a2_se))


def _put_line(scores: Combination, pooled: Pooled, lines: Lines) -> None:
    """The first two scores: those whose sums are zero at the fitted offset and slope."""
    weight = np.where(_FLOWS[:, None], pooled.weights, 0.0)
    scores.put(0, weight, sy=1.0, sx=-lines.a1, n=-lines.a2)
    scores.put(1, weight, sxy=1.0, sxx=-lines.a1, sx=-lines.a2)


def _line_errors(pooled: Pooled, index: Ints, alone: Floats, together: Floats) -> tuple[Floats, Floats]:
    """Standard errors of a1 and a2 of clustered data (the sandwich of the fit), 0 where the form fixes one."""
    both = len(alone) - 1
    of_offset, of_slope, of_both = variances(alone, together, (0, 1), (0, 1, both))
    sums: Mapping[str, Ints] = pooled.sums(FLOWING)
    w, x, xx = ((pooled.weights[FLOWING] * sums[name]).sum(axis=0) for name in ("n", "sx", "sxx"))
    with np.errstate(divide="ignore", invalid="ignore"):
        det = w * xx - x**2
        full1 = (x**2 * of_offset - 2 * w * x * of_both + w**2 * of_slope) / det**2
        full2 = (xx**2 * of_offset - 2 * xx * x * of_both + x**2 * of_slope) / det**2
        slope = np.sqrt(np.select([index == LINE, index == GAIN], [full1, of_slope / xx**2], 0.0))
        offset = np.sqrt(np.select([index == LINE, index == OFFSET], [full2, of_offset / w**2], 0.0))
    return slope, offset
