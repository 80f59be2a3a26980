"""What kind of unsteadiness it is: tests on the samples of the meters that the moments have flagged.

Every test takes `Samples` and answers for all their meters at once. Shapes are (meters, pairs) where nothing else is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints
from transforms.judge.evidence import Bools
from transforms.judge.samples import Samples, weighted_line
from transforms.statistics import f_survival

#: a difference of so many standard deviations is none that repeatability and resolution make
FAR = 5.0
#: readings of one value in a row, or readings of zero while water flows, from which on a meter is said to do so
FEWEST = 3
#: pairs on either side of a step
SIDE = 3
#: a changed relation must take away so much of the scatter beyond what is normal to be called the reason for it
EXPLAINS = 0.5


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


def change_test(
    samples: Samples, significance: float, prior_dof: float
) -> tuple[Bools, Bools, Ints, Floats, Floats, Floats]:
    """Drift or step: does the relation change within the window, slowly or at once?

    Three descriptions of the flowing pairs are compared: one line for all; a line whose gain and offset move evenly with
    time (partial F test); and two lines, one before and one after a moment, the best moment of all (Quandt's test: the
    largest of the Chow tests, with Bonferroni's correction for the moments tried). Both have two parameters more than
    the first, so the one that leaves less scatter is the better name for what happens.

    Returns
    -------
    drifting, step : ndarray of bool
    changed_us : ndarray of int
        Time of the best moment, half way between the pairs around it [us].
    change : ndarray of float
        Change of the error, relative to the flow.
    p_drift, p_step : ndarray
        P values, NaN where there are too few pairs to ask.
    """
    w, x, y = samples.weights, samples.x, samples.y
    one = np.ones_like(x)
    span = np.maximum((samples.us * samples.there).max(axis=1, keepdims=True), 1)
    t = samples.us / span - 0.5
    n = samples.flowing.sum(axis=1)
    moving, slow = weighted_line(w, x, one, x * t, t, y=y)
    whole, before, sudden, moment = _best_split(w, x, y, samples.flowing, samples.us)
    rest = prior_dof + n - 4.0
    scale = (prior_dof + np.minimum(slow, sudden)) / np.maximum(rest, 1.0)
    tries = np.maximum(n - 2 * SIDE + 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        p_slow = f_survival((whole - slow) / 2 / ((prior_dof + slow) / rest), 2.0, rest)
        p_sudden = f_survival((whole - sudden) / 2 / ((prior_dof + sudden) / rest), 2.0, rest) * tries
        level = (w * x).sum(axis=1) / w.sum(axis=1)
        moved = moving[:, 2] + moving[:, 3] / level
        # The scatter beyond what is normal, and how much of it the better description takes away.
        beyond = whole - (n - 2)
        explained = (whole - np.minimum(slow, sudden)) / np.maximum(beyond, 1.0)
    asked = (n >= 2 * SIDE + 2) & (scale > 0)
    enough = asked & (explained > EXPLAINS)
    drifting = enough & (p_slow < significance) & (slow <= sudden)
    step = enough & (p_sudden < significance) & (sudden < slow)
    # A slow change is at times told a little better by a step; then both are significant and the p values decide.
    change = np.where(step, before, moved)
    p_drift, p_step = np.where(asked, p_slow, np.nan), np.where(asked, np.minimum(p_sudden, 1.0), np.nan)
    return np.asarray(drifting), np.asarray(step), np.where(step, moment, 0), np.nan_to_num(change), p_drift, p_step


@compiled
def _best_split(w: Floats, x: Floats, y: Floats, flowing: Bools, us: Ints) -> tuple[Floats, Floats, Floats, Ints]:
    """Chi-square about one line; and of two gains with an offset each, before and after the best moment: change of the mean
    error, chi-square and the moment, half way between the pairs around it [us]."""
    meters, width = x.shape
    whole, change, least = np.zeros(meters), np.zeros(meters), np.full(meters, np.inf)
    moment = np.zeros(meters, np.int64)
    total, left = np.zeros(6), np.zeros(6)
    for row in range(meters):
        total[:] = 0.0
        n = 0
        for k in range(width):
            _add_to(total, w[row, k], x[row, k], y[row, k])
            n += flowing[row, k]
        whole[row] = _line_chi2(total)
        left[:] = 0.0
        count, waits = 0, False
        for k in range(width):
            if not flowing[row, k]:
                continue
            if waits:
                moment[row] = (moment[row] + us[row, k]) // 2
                waits = False
            _add_to(left, w[row, k], x[row, k], y[row, k])
            count += 1
            if count < SIDE or n - count < SIDE:
                continue
            right = total - left
            chi2 = _line_chi2(left) + _line_chi2(right)
            if chi2 < least[row]:
                least[row], moment[row], waits = chi2, us[row, k], True
                one, other = left[4] / left[3], right[4] / right[3]
                change[row] = other - one if np.isfinite(other - one) else 0.0
    return whole, change, least, moment


@compiled
def _add_to(sums: Floats, w: float, x: float, y: float) -> None:
    sums[0] += w
    sums[1] += w * x
    sums[2] += w * y
    sums[3] += w * x * x
    sums[4] += w * x * y
    sums[5] += w * y * y


@compiled
def _line_chi2(sums: Floats) -> float:
    """Weighted residual sum of squares about a line, from sums of w, wx, wy, wxx, wxy, wyy."""
    w, x, y, xx, xy, yy = sums
    if not w > 0:
        return 0.0
    sxx, sxy, syy = xx - x * x / w, xy - x * y / w, yy - y * y / w
    return float(max(syy - (sxy * sxy / sxx if sxx > 1e-9 * xx else 0.0), 0.0))
