"""Mixes of flows: changes that are no change of the meter, because water was only drawn in another way.

The error over a window is an average over its flows. Of a meter whose error depends on the flow it moves with the flows: a
household that is away leaves the small ones. So neighbouring stretches are held against each other at equal flows, bin by
bin, and are one where no change is left.
"""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from transforms.audit.cells import SUMS, added_up
from transforms.audit.history import SHARE_OF_MPE, Cuts
from transforms.audit.listed import Listed
from transforms.audit.series import Bools, Floats, Ints
from transforms.judge.evidence import FLOWING
from transforms.policy import Policy

#: a change is none of the meter's where less than this share of what matters is left of it at equal flows
_LEFT = 0.5
#: share of the volume of one of two stretches, at least, that must have flowed in bins of flow that both know
_KNOWN = 0.5


def without_mixes(cuts: Cuts, windows: Listed, mpe: Floats, policy: Policy) -> Cuts:
    """The stretches with those made one between which only the mix of flows changed.

    Parameters
    ----------
    cuts : Cuts
        The stretches of all meters.
    windows : Listed
        What was cut.
    mpe : ndarray
        Maximum permissible error from Q2 to Q4 of each meter.
    policy : Policy
        Everything that decides.
    """
    left = _found(cuts, windows)
    if not len(left):
        return cuts
    sums = _sums(cuts, windows)
    least = _LEFT * SHARE_OF_MPE * policy.tolerance * mpe[cuts.meter]
    while len(left):
        moved = np.abs(at_equal_flows(sums[..., left], sums[..., left + 1], policy.evidence.min_zone_pairs))
        order = np.lexsort((moved, cuts.meter[left]))
        # the least of each meter goes; then the rest is looked at anew
        first = order[np.diff(cuts.meter[left][order], prepend=-1) != 0]
        drop = left[first[moved[first] < least[left[first]]]]
        if not len(drop):
            break
        sums[..., drop] += sums[..., drop + 1]
        keep = np.ones(len(cuts.meter), dtype=np.bool_)
        keep[drop + 1] = False
        last = cuts.last.copy()
        last[drop] = cuts.last[drop + 1]
        cuts = _only(replace(cuts, last=last), keep)
        sums, least = sums[..., keep], least[keep]
        left = _found(cuts, windows)
    return cuts


def at_equal_flows(before: Ints, after: Ints, least_pairs: int) -> Floats:
    """By how much the error of pairs of stretches differs at equal flows [relative]; infinite where they have too few in common.

    What a straight line through both leaves is compared, for within a bin the flows may move as well.

    Parameters
    ----------
    before, after : ndarray
        `SUMS` by bin of the two stretches of each pair, shape (6, bins, pairs).
    least_pairs : int
        Pairs of readings that a bin must have on both sides.
    """
    sides = [dict(zip(SUMS, side[:, FLOWING].astype(np.float64), strict=True)) for side in (before, after)]
    gain, offset = _line({name: sides[0][name] + sides[1][name] for name in SUMS})
    common = (sides[0]["n"] >= least_pairs) & (sides[1]["n"] >= least_pairs)
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = ((s["sy"] - gain * s["sx"] - offset * s["n"]) / s["sx"] for s in sides)
        weight = np.where(common, sides[0]["sx"] * sides[1]["sx"] / (sides[0]["sx"] + sides[1]["sx"]), 0.0)
        moved = np.where(common, weight * (second - first), 0.0).sum(axis=0) / weight.sum(axis=0)
        known = np.max([np.where(common, s["sx"], 0.0).sum(axis=0) / s["sx"].sum(axis=0) for s in sides], axis=0)
    return np.where(known >= _KNOWN, moved, np.inf)


def _line(sums: dict[str, Floats]) -> tuple[Floats, Floats]:
    """Gain and offset of a line through bins whose scatter grows with the flow; through zero where there is a single flow."""
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.nan_to_num(sums["n"] / sums["sxx"], posinf=0.0)
        w, x, y, xx, xy = ((weight * sums[name]).sum(axis=0) for name in ("n", "sx", "sy", "sxx", "sxy"))
        spread = w * xx - x * x
        flat = ~(spread > 1e-6 * w * xx)
        gain = np.where(flat, xy / xx, (w * xy - x * y) / spread)
        return gain, np.where(flat, 0.0, (y - gain * x) / w)


def _found(cuts: Cuts, windows: Listed) -> Ints:
    """The stretches after which the search found a change of a meter that is steady, and not drifting, on both sides."""
    altered = windows.altered[cuts.first]
    calm = ~cuts.unsteady & ~cuts.drifts
    both = calm[:-1] & calm[1:] & (cuts.meter[:-1] == cuts.meter[1:]) & (altered[:-1] == altered[1:])
    return np.flatnonzero(both)


def _sums(cuts: Cuts, windows: Listed) -> Ints:
    """`SUMS` of each stretch by bin, over the windows that tell of its relation."""
    number = np.arange(1, len(cuts.meter) + 1)
    edges = np.zeros(len(windows.meter) + 1, dtype=np.int64)
    np.add.at(edges, cuts.first, number)
    np.add.at(edges, cuts.last + 1, -number)
    tells = windows.usable & (windows.unsteady != 1)
    group_of = np.where(tells, np.cumsum(edges[:-1]) - 1, -1)
    return added_up(windows.cells, group_of, len(cuts.meter)).sums


def _only(cuts: Cuts, keep: Bools) -> Cuts:
    return replace(cuts, **{one.name: getattr(cuts, one.name)[keep] for one in fields(cuts) if one.name != "calm"})


__all__ = ["at_equal_flows", "without_mixes"]
