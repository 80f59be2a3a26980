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


def reference_steps(samples: Samples) -> Floats:
    """The step of which all flowing readings of each meter's reference are multiples, (meters,); 0 where there is none or too
    few different readings to tell."""
    return _steps(samples.first_flowing, samples.flowing, samples.x)


def may_be_rounding(samples: Samples, step: Floats, zones: Zones, q2: Floats, model: Model, tolerance: float) -> Bools:
    """Whether some meters might be inside the permissible error, if their references rounded in their disfavour.

    What is cut off is less than a step. So what a step makes of the error of each flow zone, by the same weighted fit, is taken
    from it. Where no zone is outside, but a part of one, that must be less than the permissible error in all of them.

    Parameters
    ----------
    step
        From `reference_steps`.
    zones, q2, model
        Of the same meters; ``q2`` is the transitional flow rate in the units of the samples.
    """
    pairs = samples.first_flowing, samples.flowing, samples.x, samples.weights
    made, limit = _made(*pairs, step, q2), model.mpe * tolerance
    outside = zones.outside & (np.abs(zones.error) - made - zones.expanded > limit)
    part = ~zones.outside.any(axis=0) & (made < limit).all(axis=0)
    return np.asarray((step > 0) & ~outside.any(axis=0) & ~part)


@compiled
def _made(first_flowing: Ints, flowing: Ints, x: Floats, weights: Floats, step: Floats, q2: Floats) -> Floats:
    """What a step that is added to each reading makes of the error of each flow zone, (3, meters)."""
    found = np.zeros((3, len(step)))
    for row in range(len(step)):
        of_x, of_xx = np.zeros(3), np.zeros(3)
        for k in range(first_flowing[row], first_flowing[row + 1]):
            flow = x[flowing[k]]
            zone = int(flow >= q2[row]) + int(flow > SCALE)
            of_x[zone] += weights[k] * flow
            of_xx[zone] += weights[k] * flow * flow
        for zone in range(3):
            if of_xx[zone] > 0:
                found[zone, row] = step[row] * of_x[zone] / of_xx[zone]
    return found


@compiled
def _steps(first_flowing: Ints, flowing: Ints, x: Floats) -> Floats:
    found = np.zeros(len(first_flowing) - 1)
    for row in range(len(found)):
        shown = np.unique(x[flowing[first_flowing[row] : first_flowing[row + 1]]])
        if len(shown) < _FEWEST:
            continue
        step = shown[0]
        for value in shown:
            # Euclid's algorithm, for multiples that are rounded
            larger, smaller = value, step
            while smaller > _NEAR * step and smaller > 1.0:
                larger, smaller = smaller, abs(larger - np.rint(larger / smaller) * smaller)
            step = larger
        times = np.rint(shown / step)
        step = (times * shown).sum() / (times * times).sum()
        if step > 1 / _NEAR and np.abs(shown - times * step).max() <= _NEAR * step:
            found[row] = step
    return found
