"""Whether a meter's clock is off: does it follow its reference some sampling intervals later or earlier?"""

from __future__ import annotations

import numpy as np

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints
from transforms.judge.evidence import Bools
from transforms.judge.samples import Samples
from transforms.statistics import f_survival

#: a lag is believed only if none leaves so many times its scatter
LAGGING = 10.0
#: by how much of the squares two ways to sum them may differ, and much more
_ROUNDED = 1e-9


def clock_test(samples: Samples, rows: Ints, significance: float, prior_dof: float, max_lag: int) -> tuple[Ints, Bools]:
    """Clock skew: do some of the meters follow their reference some sampling intervals later or earlier?

    The gain is fitted at every lag, over all pairs of instants that both series have, still water included. A lag is
    believed if it leaves by far less scatter than none does, by the F ratio of the two, with Bonferroni's correction
    for the lags tried.
    """
    known = samples.first, samples.us, samples.x, samples.y, samples.relative, samples.rounding, samples.interval_us
    lag, f, first, second, tried = _best_lag(rows, *known, prior_dof, max_lag)
    # The rest may scatter more than is normal, as a skew that is no whole number of intervals makes it.
    skewed = (lag != 0) & np.isfinite(f) & (f > LAGGING)
    some = np.flatnonzero(skewed)
    p = f_survival(f[some], first[some], second[some]) * np.maximum(tried[some] - 1, 1)
    skewed[some] = p < significance
    return np.where(skewed, lag, 0), skewed


@compiled
def _best_lag(
    rows: Ints,
    first: Ints,
    us: Ints,
    x: Floats,
    y: Floats,
    relative: Floats,
    rounding: Floats,
    interval_us: Ints,
    prior_dof: float,
    max_lag: int,
) -> tuple[Ints, Floats, Floats, Floats, Ints]:
    """The lag that leaves the least scatter, none's scatter over it with the degrees of freedom of both, and how many lags
    were tried, each of shape (rows,); 0 where no lag can leave so much less scatter that it would be believed."""
    best_lag, tried = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
    f, none_dof, best_dof = np.zeros(len(rows)), np.zeros(len(rows)), np.zeros(len(rows))
    at = np.zeros(0, np.int64)
    for i in range(len(rows)):
        row, step = rows[i], interval_us[rows[i]]
        begin, pairs = first[row], first[row + 1] - first[row]
        if step <= 0:
            continue
        width = us[begin + pairs - 1] // step + 1
        if width > len(at):
            at = np.zeros(width, np.int64)
        there = at[:width]
        there[:] = -1
        for k in range(begin, begin + pairs):
            there[us[k] // step] = k
        if not _may_lag(there, x, y, relative[row], rounding[row], prior_dof, max_lag):
            continue
        least, none = np.inf, np.inf
        for lag in range(-max_lag, max_lag + 1):
            if abs(lag) >= width:
                continue
            tried[i] += 1
            ratio, dof = _scatter(there, x, y, relative[row], rounding[row], lag, prior_dof)
            if ratio < least:
                least, best_lag[i], best_dof[i] = ratio, lag, dof
            if lag == 0:
                none, none_dof[i] = ratio, dof
        f[i] = none / least if least < np.inf else np.nan
    return best_lag, f, none_dof, best_dof, tried


@compiled
def _scatter(
    at: Ints, x: Floats, y: Floats, relative: float, rounding: float, lag: int, prior_dof: float
) -> tuple[float, float]:
    """Scatter about the best gain at some lag, and its degrees of freedom; ``at`` holds the place of the pair of each slot of
    time, -1 where there is none."""
    ab, aa, n = 0.0, 0.0, 0
    slots = range(max(-lag, 0), len(at) - max(lag, 0))
    for slot in slots:
        k, ahead = at[slot], at[slot + lag]
        if k >= 0 and ahead >= 0:
            n += 1
            variance = relative * x[k] ** 2 + rounding
            ab += x[k] * y[ahead] / variance
            aa += x[k] * x[k] / variance
    dof = prior_dof + n - 1
    if not (n >= 6 and aa > 0 and ab > 0):
        return np.inf, dof
    gain, chi2 = ab / aa, 0.0
    for slot in slots:
        k, ahead = at[slot], at[slot + lag]
        if k >= 0 and ahead >= 0:
            chi2 += (y[ahead] - gain * x[k]) ** 2 / (relative * x[k] ** 2 + rounding)
    return (prior_dof + chi2) / dof, dof


@compiled
def _may_lag(at: Ints, x: Floats, y: Floats, relative: float, rounding: float, prior_dof: float, max_lag: int) -> bool:
    """Whether some lag might leave `LAGGING` times less scatter than none, by sums over all lags at once, which round a little
    differently."""
    lags, width = 2 * max_lag + 1, len(at)
    n, ab, aa, bb = np.zeros(lags), np.zeros(lags), np.zeros(lags), np.zeros(lags)
    there, ahead = np.zeros(width + lags), np.zeros(width + lags)
    for slot in range(width):
        if at[slot] >= 0:
            there[slot + max_lag], ahead[slot + max_lag] = 1.0, y[at[slot]]
    for slot in range(width):
        if at[slot] < 0:
            continue
        flow = x[at[slot]]
        weight = 1 / (relative * flow * flow + rounding)
        once, twice = weight * flow, weight * flow * flow
        for lag in range(lags):
            n[lag] += there[slot + lag]
            ab[lag] += once * ahead[slot + lag]
            aa[lag] += twice * there[slot + lag]
            bb[lag] += weight * (ahead[slot + lag] * ahead[slot + lag])
    none = max_lag
    most = (prior_dof + bb[none] - ab[none] * ab[none] / aa[none] + _ROUNDED * bb[none]) / (prior_dof + n[none] - 1)
    for lag in range(lags):
        if lag == none or n[lag] < 6:
            continue
        chi2 = max(bb[lag] - ab[lag] * ab[lag] / aa[lag] - _ROUNDED * bb[lag], 0.0)
        # not the other way round: what is not a number is looked at closely
        if not (prior_dof + chi2) / (prior_dof + n[lag] - 1) * LAGGING >= most:
            return True
    return False
