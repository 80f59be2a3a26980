"""What kind of unsteadiness it is: tests on the samples of the meters that the moments have flagged.

Every test takes `Samples` and answers for all their meters at once. Shapes are (meters, pairs) where nothing else is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints
from transforms.judge.evidence import Bools
from transforms.judge.moving import change_test
from transforms.judge.samples import Samples
from transforms.statistics import f_survival

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


def kinds_of(samples: Samples, scattered: Bools, significance: float, prior_dof: float, max_lag: int) -> Kinds:
    """Carry out every test on some meters.

    Parameters
    ----------
    scattered
        Which of them scatter more about their line than is normal, (meters,): a clock that is off makes that, so the
        others need no look at their lags.
    """
    lag, skewed = np.zeros(len(scattered), dtype=np.int64), np.zeros(len(scattered), dtype=bool)
    rows = np.flatnonzero(scattered)
    if len(rows):
        lag[rows], skewed[rows] = clock_test(samples.pick(rows), significance, prior_dof, max_lag)
    reverse = reverse_test(samples)
    frozen, dead, dropout = stillness(samples)
    drifting, step, changed_us, change, p_drift, p_step = change_test(samples, significance, prior_dof)
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
    back = np.minimum(samples.x, samples.y) < -2 * samples.resolution[:, None]
    return np.asarray((back & samples.there).sum(axis=1) >= 2)


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
    return _stillness(samples.x, samples.y, samples.there, samples.flowing, samples.variance, samples.resolution)


@compiled
def _stillness(
    x: Floats, y: Floats, there: Bools, flowing: Bools, variance: Floats, resolution: Floats
) -> tuple[Bools, Floats, Bools]:
    meters, width = x.shape
    stuck, dropout, dead = np.zeros(meters, np.bool_), np.zeros(meters, np.bool_), np.zeros(meters)
    for row in range(meters):
        largest, last, n_flowing, n_silent = 0.0, -1, 0, 0
        for k in range(width):
            if flowing[row, k]:
                n_flowing += 1
                largest = max(largest, x[row, k])
                last = k if y[row, k] > 0 else last
        # A constant flow is read as one value and rightly so: the reference must have moved meanwhile.
        least = max(4 * resolution[row], 0.2 * largest)
        since, count, low, high = 0, 0, np.inf, -np.inf
        for k in range(width):
            if not there[row, k]:
                continue
            if k == 0 or y[row, k] != y[row, k - 1]:
                count, low, high = 0, np.inf, -np.inf
            if not flowing[row, k]:
                continue
            if y[row, k] != 0:
                if abs(y[row, k] - x[row, k]) > FAR * np.sqrt(variance[row, k]):
                    count += 1
                    low, high = min(low, x[row, k]), max(high, x[row, k])
                    stuck[row] |= count >= FEWEST and high - low > least
            elif x[row, k] > 2 * resolution[row]:
                # Q1 is the least flow a meter must measure; below one step of a register it may show nothing and be right.
                n_silent += 1
                since += k > last
        # all of it at the end: as good as certain that these are not single misses
        stuck[row] |= since >= 2 * FEWEST and n_silent - since <= since // 4
        dead[row] = n_silent / n_flowing if n_flowing else 0.0
        dropout[row] = n_silent >= 2 and last >= 0
    return stuck, dead, dropout


def clock_test(samples: Samples, significance: float, prior_dof: float, max_lag: int) -> tuple[Ints, Bools]:
    """Clock skew: does the meter follow the reference some sampling intervals later or earlier?

    The gain is fitted at every lag, over all pairs of instants that both series have, still water included. A lag is
    believed if it leaves by far less scatter than none does, by the F ratio of the two, with Bonferroni's correction
    for the lags tried.
    """
    slots = samples.us // np.maximum(samples.interval_us[:, None], 1)
    lag, f, first, second, tried = _best_lag(
        slots, samples.there, samples.x, samples.y, samples.variance, prior_dof, max_lag
    )
    # The rest may scatter more than is normal, as a skew that is no whole number of intervals makes it.
    skewed = (lag != 0) & np.isfinite(f) & (f > 10)
    some = np.flatnonzero(skewed)
    p = f_survival(f[some], first[some], second[some]) * np.maximum(tried[some] - 1, 1)
    skewed[some] = p < significance
    return np.where(skewed, lag, 0), skewed


@compiled
def _best_lag(
    slots: Ints, there: Bools, x: Floats, y: Floats, variance: Floats, prior_dof: float, max_lag: int
) -> tuple[Ints, Floats, Floats, Floats, Ints]:
    """The lag that leaves the least scatter, none's scatter over it with the degrees of freedom of both, and how many lags
    were tried, each of shape (meters,)."""
    meters, pairs = x.shape
    best_lag, tried = np.zeros(meters, np.int64), np.zeros(meters, np.int64)
    f, first, second = np.zeros(meters), np.zeros(meters), np.zeros(meters)
    at = np.full(slots.max() + 1 if slots.size else 1, -1, np.int64)
    for row in range(meters):
        at[:] = -1
        width = 0
        for k in range(pairs):
            if there[row, k]:
                at[slots[row, k]] = k
                width = max(width, slots[row, k] + 1)
        least, none, dof, dof_none = np.inf, np.inf, 0.0, 0.0
        for lag in range(-max_lag, max_lag + 1):
            if abs(lag) >= width:
                continue
            tried[row] += 1
            ab, aa, n = 0.0, 0.0, 0
            for behind in range(max(-lag, 0), width - max(lag, 0)):
                k, ahead = at[behind], at[behind + lag]
                if k >= 0 and ahead >= 0:
                    n += 1
                    ab += x[row, k] * y[row, ahead] / variance[row, k]
                    aa += x[row, k] * x[row, k] / variance[row, k]
            ratio = np.inf
            if n >= 6 and aa > 0 and ab > 0:
                gain, chi2 = ab / aa, 0.0
                for behind in range(max(-lag, 0), width - max(lag, 0)):
                    k, ahead = at[behind], at[behind + lag]
                    if k >= 0 and ahead >= 0:
                        chi2 += (y[row, ahead] - gain * x[row, k]) ** 2 / variance[row, k]
                ratio = (prior_dof + chi2) / (prior_dof + n - 1)
            if ratio < least:
                least, best_lag[row], dof = ratio, lag, prior_dof + n - 1
            if lag == 0:
                none, dof_none = ratio, prior_dof + n - 1
        f[row] = none / least if least < np.inf else np.nan
        first[row], second[row] = dof_none, dof
    return best_lag, f, first, second, tried
