"""Curves: regimes whose relation no line tells, with the points that do.

Over a whole regime the mean of each flow bin is known well, so that a bend shows in the bins' means (the test for lack of fit,
Draper and Smith, Applied Regression Analysis, 2.1). Here the standard error of a mean is that of clustered data, because
windows differ and stay alike (`transforms.audit.cells`). A short regime shows too little for that: there it counts what its
windows' own verdicts say, which rest on single pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from transforms.audit.pooled import Combination, Pooled, Relations, variances
from transforms.audit.series import Bools, Floats, Ints
from transforms.judge.evidence import FLOWING
from transforms.policy import Policy
from transforms.statistics import f_survival
from transforms.summarise.moments import BINS

#: a bend matters if the best line misses a bin's mean by this share of the permissible error at least
SHARE_OF_MPE = 0.5
#: pairs that a bin needs for a point, and points that tell a bend from a line
LEAST_PAIRS, LEAST_POINTS = 10, 3
_FLOWING = np.arange(BINS) >= FLOWING.start


@dataclass(frozen=True)
class Curves:
    """Which groups are curves, and their points.

    ``curved`` is of shape (groups,); ``q_lph``, ``q_meter_lph`` are mean flows by bin [L/h], shape (bins, groups), NaN where a
    bin holds too few pairs.
    """

    curved: Bools
    q_lph: Floats
    q_meter_lph: Floats

    def points(self, group: int) -> list[list[float]]:
        """The points of one group, rising, to nine digits."""
        there = np.isfinite(self.q_lph[:, group])
        pairs = zip(self.q_lph[there, group], self.q_meter_lph[there, group], strict=True)
        return [[float(f"{value:.9g}") for value in pair] for pair in pairs]


def find_curves(pooled: Pooled, relations: Relations, asked: Bools, said: Floats, policy: Policy) -> Curves:
    """Find the groups that are curves.

    Parameters
    ----------
    asked : ndarray of bool
        The groups that are off and steady.
    said : ndarray
        Share of each group's steady windows whose verdict is a curve.
    """
    n, sx, sy = (pooled.moments.by_bin(name).astype(np.float64) for name in ("n", "sx", "sy"))
    known = _FLOWING[:, None] & (n >= LEAST_PAIRS) & (sx > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        q, q_meter = (np.where(known, total / n, np.nan) for total in (sx, sy))
    unit = pooled.model.unit_lph
    rises = _rises(q_meter) & (known.sum(axis=0) >= LEAST_POINTS)
    some = asked & rises
    curved = some & (said > 0.5)
    rest = some & ~curved
    if rest.any():
        curved |= rest & _misses(pooled, relations, rest, known, policy)
    return Curves(curved, q * unit, q_meter * unit)


def _rises(values: Floats) -> Bools:
    """Whether the values known rise along the first axis."""
    highest = np.fmax.accumulate(values, axis=0)
    before = np.vstack([np.full_like(values[:1], np.nan), highest[:-1]])
    return np.asarray(~((values <= before) & np.isfinite(before)).any(axis=0))


def _misses(pooled: Pooled, relations: Relations, some: Bools, known: Bools, policy: Policy) -> Bools:
    """Whether the line with both parameters free misses the mean of a bin, by enough to matter and for certain."""
    n, sx, sy = (pooled.moments.by_bin(name).astype(np.float64) for name in ("n", "sx", "sy"))
    line = relations.choice.full
    missed = sy - line.a1 * sx - line.a2 * n
    scores = Combination(len(some), BINS)
    with np.errstate(divide="ignore", invalid="ignore"):
        level = line.a2 + missed / n
    for b in range(BINS):
        # about the bin's own mean: by how much windows differ, not by how much the line misses
        scores.put(b, np.where((np.arange(BINS) == b)[:, None] & known, 1.0, 0.0), sy=1.0, sx=-line.a1, n=-level[b])
    groups: Ints = np.where(np.append(some, False)[pooled.group_of], pooled.group_of, -1)
    alone, together = replace(pooled, group_of=groups).clustered(scores.scores())
    variance = np.stack([variances(alone, together, (b,))[0] for b in range(BINS)])
    with np.errstate(divide="ignore", invalid="ignore"):
        own = n / pooled.weights
        ratio = missed**2 / np.fmax(variance, own)
        limit = np.where(np.arange(BINS)[:, None] == FLOWING.start, pooled.model.mpe[0], pooled.model.mpe[1])
        large = np.abs(missed / sx) > SHARE_OF_MPE * policy.tolerance * limit
        p = f_survival(np.nan_to_num(ratio), 1.0, pooled.dof[None])
    bins = np.maximum(known.sum(axis=0), 1)
    return np.asarray((known & large & (p < policy.judge.form_significance / bins)).any(axis=0))
