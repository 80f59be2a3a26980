"""Pooled moments: the sums of many windows added up, and what they say of a meter's relation over a stretch of time.

The formulas are those that judge a single window (`transforms.judge`), on sums that are still exact. What many windows add
is that they differ from each other by more than their pairs scatter, and stay so for some time: standard errors are those
of clustered data (Liang and Zeger, Biometrika 73, 1986), the clusters being windows or blocks of windows that follow each
other, whichever say more, and never less than the pairs' own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.audit.places import Located
from transforms.fit import Choice, centre
from transforms.fit.choose import GAIN, LINE, OFFSET
from transforms.fit.lines import Centred, Lines, fit_gain, fit_line, fit_offset
from transforms.judge.estimate import standard_errors, with_common
from transforms.judge.evidence import FLOWING, ZONES, Model, Reference, Rules, Zones, expected_variance, zone_errors
from transforms.judge.findings import numbers_of
from transforms.judge.prechecks import lack_of_fit_test
from transforms.policy import Policy
from transforms.statistics import f_survival
from transforms.summarise.moments import BINS, SUMS, Moments

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_SUMS = ("n", "sx", "sy", "sxx", "sxy", "syy")
#: windows of a block at most, and blocks of a group at least as far as its windows go round
_LARGEST, _BLOCKS = 14, 6


@dataclass(frozen=True)
class Pooled:
    """The moments of groups of windows, one entry per group as the last axis.

    Attributes
    ----------
    moments
        Sums over all windows of each group.
    model, reference
        The numbers of the groups' models and references.
    weights
        Inverse of the variance expected of a pair, shape (bins, groups).
    group, window, place
        Of each row of ``rows``: its group, its window (numbers without gaps), its flow bin.
    owner, block
        Of each window: its group, its block of windows.
    rows
        ``n, sx, sy, sxx, sxy`` of each window and bin.
    """

    moments: Moments
    model: Model
    reference: Reference
    weights: Floats
    group: Ints
    window: Ints
    owner: Ints
    block: Ints
    place: Ints
    rows: dict[str, Floats]

    @property
    def groups(self) -> int:
        return int(self.weights.shape[1])

    def sums(self, bins: slice = slice(None)) -> dict[str, Ints]:
        """Sums by bin and group."""
        return {name: self.moments.by_bin(name, bins) for name in _SUMS}

    def by_group(self, values: Floats) -> Floats:
        """Sum values of rows over each group."""
        return np.bincount(self.group, weights=values, minlength=self.groups).astype(np.float64)

    def windows(self) -> Ints:
        """How many windows each group has."""
        return np.bincount(self.owner, minlength=self.groups)

    def clustered(self, scores: list[Floats]) -> Floats:
        """Variance of sums of scores over each group, shape (scores, scores, groups).

        Scores are values of rows whose sum over a group is zero at the estimate.
        """
        by_window = [np.bincount(self.window, weights=score, minlength=len(self.owner)) for score in scores]
        alone = self._products(by_window, self.owner)
        owner = self.owner[np.flatnonzero(np.diff(self.block, prepend=-1))]
        by_block = [np.bincount(self.block, weights=score, minlength=len(owner)) for score in by_window]
        together = self._products(by_block, owner)
        larger = np.array([together[k, k] >= alone[k, k] for k in range(len(scores))]).all(axis=0)
        return np.where(larger, together, alone)

    def _products(self, scores: Sequence[npt.NDArray[Any]], owner: Ints) -> Floats:
        count = np.bincount(owner, minlength=self.groups)
        found = [[np.bincount(owner, weights=a * b, minlength=self.groups) for b in scores] for a in scores]
        return np.asarray(np.array(found, dtype=np.float64) * count / np.maximum(count - 1, 1))


def pool(located: Located, group_of: Ints, groups: pl.DataFrame, fleet: pl.DataFrame, policy: Policy) -> Pooled:
    """Add up moments.

    Parameters
    ----------
    located : Located
        Moments with their windows.
    group_of : ndarray
        Group of each window, rising but for -1, which leaves it out.
    groups : DataFrame
        ``group`` (0, 1, … without gaps, sorted), ``feature_code``, ``reference_uncertainty`` (relative, k = 1).
    fleet : DataFrame
        The fleet table.
    """
    known = groups.join(fleet, on="feature_code", how="left", maintain_order="left").with_columns(
        reference_uncertainty=2 * pl.col("reference_uncertainty")
    )
    model, reference = numbers_of(known, policy)
    chosen = located.take(group_of >= 0)
    moments, group = chosen.frame, group_of[chosen.window]
    place = moments["bin"].to_numpy().astype(np.int64)
    summed = moments.select(*_SUMS, cell=pl.Series(group * BINS + place)).group_by("cell").agg(pl.col(_SUMS).sum())
    values: dict[str, Ints] = {}
    for name in _SUMS:
        total = np.zeros(BINS * groups.height, dtype=np.int64)
        total[summed["cell"].to_numpy()] = summed[name].to_numpy()
        values[name] = np.ascontiguousarray(total.reshape(groups.height, BINS).T)
    # readings that never differ: their variance is zero, exactly
    same = values["n"] * values["syy"] == values["sy"] * values["sy"]
    extremes = {"x_min": np.zeros_like(same), "x_max": ~same, "y_min": np.zeros_like(same), "y_max": ~same}
    missing = [name for name in SUMS if name not in values]
    full = {**values, **{name: np.zeros_like(values["n"]) for name in missing}}
    full |= {name: flag.astype(np.int64) for name, flag in extremes.items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = 1 / expected_variance(values["sxx"] / np.maximum(values["n"], 1), model, reference)
    window = _numbered(chosen.window)
    owner = group[np.flatnonzero(np.diff(window, prepend=-1))]
    count = np.bincount(owner, minlength=groups.height)
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    size = np.clip(count // _BLOCKS, 1, _LARGEST)[owner]
    return Pooled(
        moments=Moments({name: array[None] for name, array in full.items()}),
        model=model,
        reference=reference,
        weights=weights,
        group=group,
        window=window,
        owner=owner,
        block=_numbered(owner, rank // size),
        place=place,
        rows={name: moments[name].to_numpy().astype(np.float64) for name in _SUMS[:-1]},
    )


def _numbered(*values: Ints) -> Ints:
    """Numbers without gaps for combinations of values, which come sorted."""
    new = np.zeros(len(values[0]), dtype=np.bool_)
    for value in values:
        new[1:] |= value[1:] != value[:-1]
    return np.cumsum(new)


@dataclass(frozen=True)
class Relations:
    """What pooled moments say of each group: its zones' errors, its line, and its error as a ratio of volumes.

    ``ratio`` is sum(q') / sum(q) - 1 over flowing pairs, ``ratio_se`` its standard error without the reference's;
    ``lines`` have the reference's uncertainty in them, and flows in the unit of the moments.
    """

    zones: Zones
    choice: Choice
    lines: Lines
    ratio: Floats
    ratio_se: Floats
    windows: Ints


def relate(pooled: Pooled, policy: Policy, tolerance: float | None = None) -> Relations:
    """Judge each group as `transforms.judge` judges a window, with standard errors of clustered data.

    Parameters
    ----------
    tolerance : float, optional
        Factor on the maximum permissible errors, the policy's unless given.
    """
    judge, weights = policy.judge, pooled.weights
    sums = pooled.sums(FLOWING)
    inverse = centre(sums, weights[FLOWING], 1.0, judge.prior_pairs)
    choice = _choose(pooled, inverse, judge.significance)
    fit = lack_of_fit_test(sums, weights[FLOWING], choice.lines, judge.form_significance, judge.prior_pairs)
    rules = Rules(policy.evidence.min_zone_pairs, judge.coverage_factor, tolerance or policy.tolerance)
    zones = zone_errors(pooled.moments, pooled.model, pooled.reference, weights, fit.scatter, fit.dof, rules)
    zones = judged_zones(zones, zone_standard(pooled, zones), pooled, rules)
    sure = standard_errors(choice, sums, weights[FLOWING], fit.scatter, pooled.model, pooled.reference)
    sure = _with_errors(sure, *_line_errors(pooled, choice.index, sure))
    level = inverse.x / np.maximum(inverse.w, np.finfo(np.float64).tiny) + inverse.c
    flowing = pooled.place >= FLOWING.start
    sx, sy = (np.where(flowing, pooled.rows[name], 0.0) for name in ("sx", "sy"))
    total = pooled.by_group(sx)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = pooled.by_group(sy) / total
        spread = np.sqrt(pooled.clustered([sy - ratio[pooled.group] * sx])[0, 0]) / total
    return Relations(
        zones,
        choice,
        with_common(sure, level, pooled.reference),
        ratio - 1,
        spread,
        pooled.windows(),
    )


def zone_standard(pooled: Pooled, zones: Zones) -> Floats:
    """Standard error of each zone's error from the differences between windows, shape (3, groups)."""
    found = np.zeros(zones.error.shape)
    weight = pooled.weights[pooled.place, pooled.group]
    for z, bins in enumerate(ZONES):
        inside = (pooled.place >= bins.start) & (pooled.place < bins.stop)
        xx = np.where(inside, weight * pooled.rows["sxx"], 0.0)
        xy = np.where(inside, weight * pooled.rows["sxy"], 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            score = xy - np.nan_to_num(1 + zones.error[z])[pooled.group] * xx
            found[z] = np.sqrt(pooled.clustered([score])[0, 0]) / pooled.by_group(xx)
    return found


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
    everywhere = np.full(pooled.groups, LINE)
    full = _with_errors(line, *_line_errors(pooled, everywhere, line))
    clusters = pooled.windows()
    # correlated windows are worth fewer
    dof = np.maximum((clusters - 2) / np.clip(clusters // _BLOCKS, 1, _LARGEST), 1.0)
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


def _line_errors(pooled: Pooled, index: Ints, lines: Lines) -> tuple[Floats, Floats]:
    """Standard errors of a1 and a2 of clustered data (the sandwich of the fit), 0 where the form fixes one."""
    flowing = pooled.place >= FLOWING.start
    weight = np.where(flowing, pooled.weights[pooled.place, pooled.group], 0.0)
    n, sx, sy, sxx, sxy = (weight * pooled.rows[name] for name in _SUMS[:-1])
    a1, a2 = (np.nan_to_num(values)[pooled.group] for values in (lines.a1, lines.a2))
    meat = pooled.clustered([sy - a1 * sx - a2 * n, sxy - a1 * sxx - a2 * sx])
    w, x, xx = (pooled.by_group(values) for values in (n, sx, sxx))
    with np.errstate(divide="ignore", invalid="ignore"):
        det = w * xx - x**2
        full1 = (x**2 * meat[0, 0] - 2 * w * x * meat[0, 1] + w**2 * meat[1, 1]) / det**2
        full2 = (xx**2 * meat[0, 0] - 2 * xx * x * meat[0, 1] + x**2 * meat[1, 1]) / det**2
        slope = np.sqrt(np.select([index == LINE, index == GAIN], [full1, meat[1, 1] / xx**2], 0.0))
        offset = np.sqrt(np.select([index == LINE, index == OFFSET], [full2, meat[0, 0] / w**2], 0.0))
    return slope, offset
