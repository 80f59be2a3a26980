"""Coarse: by how much a reference rounds what it shows, and whether that alone could make a meter look off.

A reference in whole hundredths of a litre per second shows multiples of 36 L/h. One that cuts off what is left makes an
offset of every sound meter, half a step large, and no number of pairs averages it out.
"""

from __future__ import annotations

import numpy as np

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints
from transforms.fleet import SCALE
from transforms.judge.evidence import Bools, Model, Zones
from transforms.judge.samples import Samples

#: different flows that tell a step; and how far at most, in steps, each lies from a multiple of it. That so many flows of a
#: reference that does not round do has a chance of (2 x 0.02)^6, 4e-9, for each step that could be
_FEWEST = 6
_NEAR = 0.02
#: how many of the lowest are looked at before the others
_FIRST = 8
#: a step must be larger [units of the samples], for flows in whole units to lie that near
_LEAST = 1 / _NEAR


def reference_steps(samples: Samples) -> Floats:
    """The step of which all flowing readings of each meter's reference are multiples, (meters,); 0 where there is none or too
    few different readings to tell."""
    return _steps(samples.first_flowing, samples.flowing, samples.x)


def may_be_rounding(
    samples: Samples, rows: Ints, step: Floats, zones: Zones, q2: Floats, model: Model, tolerance: float
) -> Bools:
    """Whether some meters might be inside the permissible error, if their references rounded in their disfavour, (rows,).

    What is cut off is less than a step. So what a step makes of the error of each flow zone, by the same weighted fit, is taken
    from it. Where no zone is outside, but a part of one, that must be less than the permissible error in all of them.

    Parameters
    ----------
    rows
        The meters asked about, by their place among the samples.
    step
        Of their references, from `reference_steps`.
    zones, q2, model
        Of the same meters; ``q2`` is the transitional flow rate in the units of the samples.
    """
    pairs = samples.first_flowing, samples.flowing, samples.x, samples.weights
    made, limit = _made(rows, *pairs, step, q2), model.mpe * tolerance
    outside = zones.outside & (np.abs(zones.error) - made - zones.expanded > limit)
    part = ~zones.outside.any(axis=0) & (made < limit).all(axis=0)
    return np.asarray(~outside.any(axis=0) & ~part)


@compiled
def _made(
    rows: Ints, first_flowing: Ints, flowing: Ints, x: Floats, weights: Floats, step: Floats, q2: Floats
) -> Floats:
    """What a step that is added to each reading makes of the error of each flow zone, (3, rows)."""
    found = np.zeros((3, len(rows)))
    for i in range(len(rows)):
        of_x, of_xx = np.zeros(3), np.zeros(3)
        for k in range(first_flowing[rows[i]], first_flowing[rows[i] + 1]):
            flow = x[flowing[k]]
            zone = int(flow >= q2[i]) + int(flow > SCALE)
            of_x[zone] += weights[k] * flow
            of_xx[zone] += weights[k] * flow * flow
        for zone in range(3):
            if of_xx[zone] > 0:
                found[zone, i] = step[i] * of_x[zone] / of_xx[zone]
    return found


@compiled
def _steps(first_flowing: Ints, flowing: Ints, x: Floats) -> Floats:
    found, lowest = np.zeros(len(first_flowing) - 1), np.empty(_FIRST)
    for row in range(len(found)):
        places = flowing[first_flowing[row] : first_flowing[row + 1]]
        # a few readings of a reference that does not round leave no step: so not all need be sorted
        few = _lowest(x, places, lowest)
        if few < _FEWEST or not _common(lowest[:few]) > _LEAST:
            continue
        shown = np.unique(x[places])
        step = _common(shown)
        times = np.rint(shown / step)
        step = (times * shown).sum() / (times * times).sum()
        if step > _LEAST and np.abs(shown - times * step).max() <= _NEAR * step:
            found[row] = step
    return found


@compiled
def _lowest(x: Floats, places: Ints, lowest: Floats) -> int:
    """The lowest different flows in order, as many as there is room for, and how many these are."""
    n = 0
    for k in places:
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
