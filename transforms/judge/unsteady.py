"""What kind of unsteadiness it is: tests on the samples of the meters that the moments have flagged.

Every test takes `Samples` and answers for all their meters at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints
from transforms.judge.clock import clock_test
from transforms.judge.evidence import Bools
from transforms.judge.moving import change_test
from transforms.judge.samples import Samples

#: a difference of so many standard deviations is none that repeatability and resolution make
FAR = 5.0
#: readings of one value in a row, or readings of zero while water flows, from which on a meter is said to do so
FEWEST = 3


@dataclass(frozen=True)
class Kinds:
    """What was found about each meter, arrays of shape (meters,).

    Attributes
    ----------
    stuck, dropout, reverse, skewed, drifting, step
        What it looks like.
    lag
        By how many sampling intervals the meter comes after the reference (negative: before), 0 where clocks agree.
    dead
        Share of the flowing pairs at which the meter shows nothing.
    changed_us
        When a step happened, since the window's start [us].
    change
        By how much the relative error moves: over the window for a drift, at once for a step.
    p_drift, p_step
        P values of the two, NaN where there are too few pairs to ask.
    """

    stuck: Bools
    dropout: Bools
    reverse: Bools
    skewed: Bools
    drifting: Bools
    step: Bools
    lag: Ints
    dead: Floats
    changed_us: Ints
    change: Floats
    p_drift: Floats
    p_step: Floats


def kinds_of(
    samples: Samples, scattered: Bools, significance: float, prior_dof: float, max_lag: int, *, sparing: bool = False
) -> Kinds:
    """Carry out every test on some meters.

    Parameters
    ----------
    scattered
        Which of them scatter more about their line than is normal, (meters,): a clock that is off makes that, so the
        others need no look at their lags.
    sparing
        As for `change_test`.
    """
    lag, skewed = np.zeros(len(scattered), dtype=np.int64), np.zeros(len(scattered), dtype=bool)
    rows = np.flatnonzero(scattered)
    if len(rows):
        lag[rows], skewed[rows] = clock_test(samples, rows, significance, prior_dof, max_lag)
    reverse = reverse_test(samples)
    frozen, dead, dropout = stillness(samples)
    drifting, step, changed_us, change, p_drift, p_step = change_test(samples, significance, prior_dof, sparing=sparing)
    skewed &= ~reverse
    stuck = frozen & ~skewed
    return Kinds(
        stuck=stuck,
        dropout=dropout & ~stuck & ~skewed,
        reverse=reverse,
        skewed=skewed,
        drifting=drifting,
        step=step,
        lag=np.where(skewed, lag, 0),
        dead=dead,
        changed_us=changed_us,
        change=change,
        p_drift=p_drift,
        p_step=p_step,
    )


def reverse_test(samples: Samples) -> Bools:
    """Reverse flow: the meter or the reference runs backwards, by more than a step of its register, more than once."""
    return _backwards(samples.first, samples.x, samples.y, samples.resolution)


@compiled
def _backwards(first: Ints, x: Floats, y: Floats, resolution: Floats) -> Bools:
    found = np.zeros(len(resolution), np.bool_)
    for row in range(len(resolution)):
        readings = 0
        for k in range(first[row], first[row + 1]):
            readings += min(x[k], y[k]) < -2 * resolution[row]
        found[row] = readings >= 2
    return found


def stillness(samples: Samples) -> tuple[Bools, Floats, Bools]:
    """Readings that stand still while water flows.

    Returns
    -------
    stuck : ndarray of bool
        One and the same reading over a stretch in which the reference says something else at several flowing pairs;
        a reading of zero must last to the end of the window, or for all of it.
    dead : ndarray of float
        Share of the flowing pairs at which the meter shows nothing.
    dropout : ndarray of bool
        The meter shows nothing now and then, and something in between.
    """
    known = samples.relative, samples.rounding, samples.resolution
    return _stillness(samples.first, samples.x, samples.y, samples.flowing, samples.first_flowing, *known)


@compiled
def _stillness(
    first: Ints,
    x: Floats,
    y: Floats,
    flowing: Ints,
    first_flowing: Ints,
    relative: Floats,
    rounding: Floats,
    resolution: Floats,
) -> tuple[Bools, Floats, Bools]:
    meters = len(resolution)
    stuck, dropout, dead = np.zeros(meters, np.bool_), np.zeros(meters, np.bool_), np.zeros(meters)
    for row in range(meters):
        some = flowing[first_flowing[row] : first_flowing[row + 1]]
        largest, last, n_silent = 0.0, -1, 0
        for k in some:
            largest = max(largest, x[k])
            last = k if y[k] > 0 else last
        # A constant flow is read as one value and rightly so: the reference must have moved meanwhile.
        least = max(4 * resolution[row], 0.2 * largest)
        since, count, low, high, before = 0, 0, np.inf, -np.inf, first[row]
        for k in some:
            # the stretch ends with another reading, be it of still water
            while before < k and y[before] == y[k]:
                before += 1
            if before < k:
                count, low, high = 0, np.inf, -np.inf
            before = k
            if y[k] != 0:
                if abs(y[k] - x[k]) > FAR * np.sqrt(relative[row] * x[k] ** 2 + rounding[row]):
                    count += 1
                    low, high = min(low, x[k]), max(high, x[k])
                    stuck[row] |= count >= FEWEST and high - low > least
            elif x[k] > 2 * resolution[row]:
                # Q1 is the least flow a meter must measure; below one step of a register it may show nothing and be right.
                n_silent += 1
                since += k > last
        # all of it at the end: as good as certain that these are not single misses
        stuck[row] |= since >= 2 * FEWEST and n_silent - since <= since // 4
        dead[row] = n_silent / len(some) if len(some) else 0.0
        dropout[row] = n_silent >= 2 and last >= 0
    return stuck, dead, dropout
