"""Coarse: by how much a reference rounds what it shows, and whether that alone could make a meter look off.

A reference in whole hundredths of a litre per second shows multiples of 36 L/h. One that cuts off what is left makes an
offset of every sound meter, half a step large, and no number of pairs averages it out. However it rounds, the pairs of a sound
meter scatter by what is left, which at small flows is more than any meter does. A meter whose readings are exported in larger
steps than its model shows looks off in the same way; but not where its flows are what a register advanced by: what that cuts
off of one flow it adds to the next.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints
from transforms.fleet import SCALE
from transforms.judge.evidence import FLOWING, ZONES, Bools, Model, Zones
from transforms.judge.samples import Samples
from transforms.statistics import chi_square_limit
from transforms.summarise.moments import BINS, Moments

#: flows that tell a step, and how many of them are different; and how far at most, in steps, each lies from a multiple of it.
#: That so many different flows of a reference that does not round do has a chance of (2 x 0.02)^5, 1e-7, for each step that
#: could be
_FEWEST, _OF_THEM = 6, 5
_NEAR = 0.02
#: so few different flows tell it as well, where so many readings say what another one has said, to the last digit, as hardly any
#: do of a reference that does not round
_DIFFERENT, _REPEATS = 2, 2
#: how many of the lowest are looked at before the others
_FIRST = 8
#: a meter rounds more than its model does whose steps are larger than so many resolutions
_LARGER = 1.5
#: what it shows are multiples of its resolution anyway, so that more flows are needed the less larger its steps are: by chance
#: they may be multiples of the larger ones with this probability at most
_CHANCE = 1e-2
#: the zone of each bin that flows
_ZONE_OF_BIN = np.array([zone for zone, bins in enumerate(ZONES) for _ in range(bins.start, bins.stop)])
#: a step must be larger [units of the samples], for flows in whole units to lie that near
_LEAST = 1 / _NEAR


def reference_steps(samples: Samples) -> Floats:
    """The step of which all flowing readings of each meter's reference are multiples, (meters,); 0 where there is none, or too
    few readings to tell."""
    return _steps(samples.first_flowing, samples.flowing, samples.x, np.zeros(len(samples.meter_no)))[0]


def meter_steps(samples: Samples) -> Floats:
    """The step of which all that each meter shows while water flows are multiples, (meters,), where it is larger than its model
    has it; 0 where it is not, or where none is told."""
    return _larger_steps(samples.first_flowing, samples.flowing, samples.y, samples.resolution)


def reference_steps_of(first: Ints, flows: Floats) -> Floats:
    """`reference_steps` of flows in one list, where those of each meter begin, and one more, (meters + 1,)."""
    return _steps(first, np.arange(len(flows)), flows, np.zeros(len(first) - 1))[0]


def meter_steps_of(first: Ints, flows: Floats, resolution: Floats) -> Floats:
    """`meter_steps` of flows in one list."""
    return _larger_steps(first, np.arange(len(flows)), flows, resolution)


def _larger_steps(first: Ints, places: Ints, flows: Floats, resolution: Floats) -> Floats:
    step, different = _steps(first, places, flows, _LARGER * resolution)
    told = different * np.log(np.where(step > 0, step / resolution, 1.0)) >= -np.log(_CHANCE)
    return np.asarray(np.where(told, step, 0.0))


class Made(NamedTuple):
    """What a step that is added to each reading makes of the error of each flow zone, (3, meters), and of each bin that flows,
    (bins, meters)."""

    zones: Floats
    bins: Floats


def made_of_samples(samples: Samples, rows: Ints, step: Floats, q2: Floats) -> Made:
    """What a step, of their references or their own, makes of the errors of some meters.

    Parameters
    ----------
    rows
        The meters, by their place among the samples.
    q2
        Their transitional flow rate in the units of the samples.
    """
    pairs = samples.first_flowing, samples.flowing, samples.x, samples.weights
    return _made(*_by_bin(rows, *pairs, q2), step)


def made_of_sums(moments: Moments, weights: Floats, step: Floats) -> Made:
    """The same of all meters by their sums, with ``weights`` of shape (bins, meters)."""
    of_x, of_xx = (weights[FLOWING] * moments.by_bin(name, FLOWING) for name in ("sx", "sxx"))
    return _made(of_x, of_xx, step)


def _made(of_x: Floats, of_xx: Floats, step: Floats) -> Made:
    """From weighted sums of flows and of their squares by bin that flows."""
    zones = [np.flatnonzero(zone == _ZONE_OF_BIN) for zone in range(len(ZONES))]
    by_zone = (np.stack([some[bins].sum(axis=0) for bins in zones]) for some in (of_x, of_xx))
    return Made(_ratio(step, *by_zone), _ratio(step, of_x, of_xx))


def _ratio(step: Floats, of_x: Floats, of_xx: Floats) -> Floats:
    return np.asarray(np.where(of_xx > 0, step * of_x / np.where(of_xx > 0, of_xx, 1.0), 0.0))


def may_be_rounding(made: Made, zones: Zones, model: Model, tolerance: float) -> Bools:
    """Whether some meters might be inside the permissible error, if they or their references rounded in their disfavour, (rows,).

    What is cut off is less than a step. So what a step makes of the error of each flow zone, by the same weighted fit, is taken
    from it. Where no zone is outside, but a part of one, that must be less than the permissible error in all of its bins.

    Parameters
    ----------
    made
        From `made_of_samples` or `made_of_sums`.
    zones, model
        Of the same meters.
    """
    limit = model.mpe * tolerance
    outside = (zones.outside & (np.abs(zones.error) - made.zones - zones.expanded > limit)).any(axis=0)
    part = ~zones.outside.any(axis=0) & (made.bins < limit[_ZONE_OF_BIN]).all(axis=0)
    return np.asarray(~outside & ~part)


def explained_by_rounding(
    samples: Samples, rows: Ints, step: Floats, own: Floats, model: Model, tolerance: float, significance: float
) -> Bools:
    """Whether the pairs of some meters are what sound meters show that round so, beside references that do, (rows,).

    A sound meter has an error inside the permissible one, and scatters by its own normal variance and by that of what is
    rounded, a twelfth of the step's square. On average a reference that rounds to the nearest step leaves nothing, one that cuts
    off leaves half a step, and where flows repeat either may leave as much as it can. So a gain and an offset within these
    limits are fitted, and what they leave is asked by the chi-square test. It tells of scatter; few pairs that scatter much show
    no small error, which `may_be_rounding` is for.

    Parameters
    ----------
    rows
        As for `made_of_samples`.
    step, own
        The steps of the references and of the meters, as if each flow were rounded once; 0 where none is told, but not both.
    model
        Of the same meters; the permissible error is the narrowest of all zones.
    """
    limit = model.mpe.min(axis=0) * tolerance
    pairs = samples.first_flowing, samples.flowing, samples.x, samples.y, samples.weights
    chi2, n = _left(rows, *pairs, step, own, limit)
    dof = n.astype(np.float64) - 2.0
    return np.asarray((dof >= 1) & (chi2 <= chi_square_limit(dof, significance)))


@compiled
def _left(
    rows: Ints,
    first_flowing: Ints,
    flowing: Ints,
    x: Floats,
    y: Floats,
    weights: Floats,
    step: Floats,
    own: Floats,
    limit: Floats,
) -> tuple[Floats, Ints]:
    """The least chi-square about an error and an offset that a sound meter and rounding may have, and the number of pairs."""
    found, many = np.zeros(len(rows)), np.zeros(len(rows), np.int64)
    for i in range(len(rows)):
        w, wx, wxx, wr, wxr, wrr = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(first_flowing[rows[i]], first_flowing[rows[i] + 1]):
            of_x, rest = x[flowing[k]], y[flowing[k]] - x[flowing[k]]
            weight = 1.0 / (1.0 / weights[k] + (step[i] ** 2 + own[i] ** 2) / 12)
            w += weight
            wx += weight * of_x
            wxx += weight * of_x * of_x
            wr += weight * rest
            wxr += weight * of_x * rest
            wrr += weight * rest * rest
            many[i] += 1
        if many[i] == 0:
            continue
        low, high, most = -step[i] / 2 - own[i], step[i] + own[i] / 2, limit[i]
        free = w * wxx - wx * wx
        if free > 1e-9 * w * wxx:
            gain, offset = (w * wxr - wx * wr) / free, (wxx * wr - wx * wxr) / free
            if abs(gain) <= most and low <= offset <= high:
                found[i] = wrr - gain * wxr - offset * wr
                continue
        # the sum of squares is a bowl: where its lowest point is outside, the best is on an edge
        best = np.inf
        for gain in (-most, most):
            offset = min(max((wr - gain * wx) / w, low), high)
            best = min(best, _about(gain, offset, w, wx, wxx, wr, wxr, wrr))
        for offset in (low, high):
            gain = min(max((wxr - offset * wx) / wxx, -most), most)
            best = min(best, _about(gain, offset, w, wx, wxx, wr, wxr, wrr))
        found[i] = best
    return found, many


@compiled
def _about(gain: float, offset: float, w: float, wx: float, wxx: float, wr: float, wxr: float, wrr: float) -> float:
    """The weighted sum of squares that a gain and an offset leave, from sums of w, wx, wxx, wr, wxr, wrr."""
    square = gain * gain * wxx + 2 * gain * offset * wx + offset * offset * w
    return float(wrr - 2 * (gain * wxr + offset * wr) + square)


@compiled
def _by_bin(
    rows: Ints, first_flowing: Ints, flowing: Ints, x: Floats, weights: Floats, q2: Floats
) -> tuple[Floats, Floats]:
    """Weighted sums of the flows of some meters and of their squares by bin, (bins that flow, rows)."""
    of_x, of_xx = np.zeros((BINS - 1, len(rows))), np.zeros((BINS - 1, len(rows)))
    for i in range(len(rows)):
        for k in range(first_flowing[rows[i]], first_flowing[rows[i] + 1]):
            flow = x[flowing[k]]
            above = int(flow >= 31_623) + int(flow >= 100_000) + int(flow >= 316_228) + int(flow >= SCALE)
            of_bin = 1 + above if flow >= q2[i] else 0
            of_x[of_bin, i] += weights[k] * flow
            of_xx[of_bin, i] += weights[k] * flow * flow
    return of_x, of_xx


@compiled
def _steps(first_flowing: Ints, flowing: Ints, x: Floats, than: Floats) -> tuple[Floats, Ints]:
    """The steps that are larger ``than`` that, 0 where there is none, and how many different flows tell them."""
    meters = len(first_flowing) - 1
    found, different, lowest = np.zeros(meters), np.zeros(meters, np.int64), np.empty(_FIRST)
    for row in range(meters):
        places = flowing[first_flowing[row] : first_flowing[row + 1]]
        # a few readings that are not rounded so leave no step: so not all need be sorted
        few, least_step = _lowest(x, places, lowest), max(_LEAST, than[row])
        least = _DIFFERENT if len(places) >= few + _REPEATS else _OF_THEM
        if len(places) < _FEWEST or few < least or not _common(lowest[:few]) > least_step:
            continue
        shown = np.unique(x[places])
        shown = shown[shown > 0]
        step = _common(shown)
        times = np.rint(shown / step)
        # a multiple is always shown in the same way; flows that hardly differ are no multiples of one another
        if times[0] < 1 or np.any(times[1:] == times[:-1]):
            continue
        step = (times * shown).sum() / (times * times).sum()
        if step > least_step and np.abs(shown - times * step).max() <= _NEAR * step:
            found[row], different[row] = step, len(shown)
    return found, different


@compiled
def _lowest(x: Floats, places: Ints, lowest: Floats) -> int:
    """The lowest different flows in order, as many as there is room for, and how many these are; nothing, or less, is none."""
    n = 0
    for k in places:
        if not x[k] > 0:
            continue
        if n == len(lowest) and x[k] >= lowest[n - 1]:
            continue
        at = n
        while at > 0 and lowest[at - 1] > x[k]:
            at -= 1
        if at > 0 and lowest[at - 1] == x[k]:
            continue
        n = min(n + 1, len(lowest))
        for i in range(n - 1, at, -1):
            lowest[i] = lowest[i - 1]
        lowest[at] = x[k]
    return n


@compiled
def _common(shown: Floats) -> float:
    """A step of which all flows are multiples, by Euclid's algorithm for multiples that are rounded, the lowest first; or one
    too small to be told."""
    step = shown[0]
    for value in shown:
        larger, smaller = value, step
        while smaller > _NEAR * step and smaller > 1.0:
            larger, smaller = smaller, abs(larger - np.rint(larger / smaller) * smaller)
        step = larger
        if not step > _LEAST:
            break
    return float(step)
