"""What kind of unsteadiness it is: tests on the samples of the meters that the moments have flagged.

Every test takes `Samples` and answers for all their meters at once. Shapes are (meters, pairs) where nothing else is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    x, y, flowing = samples.x, samples.y, samples.flowing
    deviation = np.sqrt(samples.variance)
    wrong = flowing & (np.abs(y - x) > FAR * deviation)
    # Q1 is the least flow a meter must measure; below one step of a register it may show nothing and be right.
    silent = flowing & (y == 0) & (x > 2 * samples.resolution[:, None])
    shows = flowing & (y > 0)
    stretch = np.cumsum((np.diff(y, axis=1, prepend=np.nan) != 0) & samples.there, axis=1)
    meters, width = y.shape
    of = (np.arange(meters)[:, None] * (width + 1) + stretch).ravel()
    size = meters * (width + 1)

    def per_stretch(where: Bools) -> Ints:
        return np.bincount(of[where.ravel()], minlength=size).reshape(meters, width + 1)

    # A constant flow is read as one value and rightly so: the reference must have moved meanwhile.
    odd = wrong & (y != 0)
    reach = _range_per_stretch(x, odd, of, size).reshape(meters, width + 1)
    moved = reach > np.maximum(4 * samples.resolution, 0.2 * np.where(flowing, x, 0.0).max(axis=1))[:, None]
    frozen = ((per_stretch(odd) >= FEWEST) & moved).any(axis=1)
    # since when the meter shows nothing: the silent pairs after the last flowing pair with a reading
    last = np.where(shows.any(axis=1), width - 1 - np.argmax(shows[:, ::-1], axis=1), -1)
    after = np.arange(width) > last[:, None]
    n_silent = silent.sum(axis=1)
    since = (silent & after).sum(axis=1)
    # all of it at the end: as good as certain that these are not single misses
    at_end = (since >= 2 * FEWEST) & (n_silent - since <= since // 4)
    with np.errstate(divide="ignore", invalid="ignore"):
        dead = np.where(flowing.any(axis=1), n_silent / flowing.sum(axis=1), 0.0)
    dropout = (n_silent >= 2) & shows.any(axis=1)
    return np.asarray(frozen | at_end), np.asarray(dead), np.asarray(dropout)


def _range_per_stretch(x: Floats, where: Bools, of: Ints, size: int) -> Floats:
    """Largest less smallest value of each stretch, 0 for those without any."""
    chosen = where.ravel()
    lowest, highest = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(lowest, of[chosen], x.ravel()[chosen])
    np.maximum.at(highest, of[chosen], x.ravel()[chosen])
    return np.where(highest >= lowest, highest - lowest, 0.0)


def clock_test(samples: Samples, significance: float, prior_dof: float, max_lag: int) -> tuple[Ints, Bools]:
    """Clock skew: does the meter follow the reference some sampling intervals later or earlier?

    The gain is fitted at every lag, over all pairs of instants that both series have, still water included. A lag is
    believed if it leaves by far less scatter than none does, by the F ratio of the two, with Bonferroni's correction
    for the lags tried.
    """
    slots = samples.us // np.maximum(samples.interval_us[:, None], 1)
    width = int(slots.max(initial=0)) + 1
    shape = (len(samples.x), width)
    row = np.broadcast_to(np.arange(shape[0])[:, None], slots.shape)
    x, y, variance = np.zeros(shape), np.zeros(shape), np.ones(shape)
    there = np.zeros(shape, dtype=bool)
    at = (row[samples.there], slots[samples.there])
    for grid, values in ((x, samples.x), (y, samples.y), (variance, samples.variance), (there, samples.there)):
        grid[at] = values[samples.there]
    lags = [lag for lag in range(-max_lag, max_lag + 1) if abs(lag) < width]
    ratio = np.full((len(lags), shape[0]), np.inf)
    number = np.zeros((len(lags), shape[0]))
    for k, lag in enumerate(lags):
        ahead, behind = (slice(max(lag, 0), width + min(lag, 0)), slice(max(-lag, 0), width + min(-lag, 0)))
        both = there[:, ahead] & there[:, behind]
        w = both / variance[:, behind]
        a, b = x[:, behind], y[:, ahead]
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = (w * a * b).sum(axis=1) / (w * a * a).sum(axis=1)
            chi2 = (w * (b - gain[:, None] * a) ** 2).sum(axis=1)
            n = both.sum(axis=1)
            ratio[k] = np.where((n >= 6) & (gain > 0), (prior_dof + chi2) / (prior_dof + n - 1), np.inf)
        number[k] = n
    best = np.argmin(ratio, axis=0)
    here = np.arange(shape[0])
    zero = lags.index(0)
    lag = np.asarray(lags)[best]
    with np.errstate(divide="ignore", invalid="ignore"):
        f = ratio[zero] / ratio[best, here]
        dof = prior_dof + number[best, here] - 1
        p = f_survival(f, prior_dof + number[zero] - 1, dof) * max(len(lags) - 1, 1)
    # The rest may scatter more than is normal, as a skew that is no whole number of intervals makes it.
    skewed = (lag != 0) & np.isfinite(f) & (f > 10) & (p < significance)
    return np.asarray(np.where(skewed, lag, 0)), np.asarray(skewed)


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
    whole = _line_chi2(np.stack([(w * part).sum(axis=1) for part in (one, x, y, x * x, x * y, y * y)]))
    moving, slow = weighted_line(w, x, one, x * t, t, y=y)
    before, sudden, moment = _best_split(samples)
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


def _best_split(samples: Samples) -> tuple[Floats, Floats, Ints]:
    """Two gains with an offset each: change of the mean error, chi-square and moment of the best split."""
    w, x, y = samples.weights, samples.x, samples.y
    sums = np.stack([w, w * x, w * y, w * x * x, w * x * y, w * y * y])
    left = np.cumsum(sums, axis=2)
    total = left[:, :, -1:]
    right = total - left
    chi2 = _line_chi2(left) + _line_chi2(right)
    count = np.cumsum(samples.flowing, axis=1)
    allowed = (count >= SIDE) & (count[:, -1:] - count >= SIDE) & samples.flowing
    chi2 = np.where(allowed, chi2, np.inf)
    best = np.argmin(chi2, axis=1)
    here = np.arange(len(x))
    with np.errstate(divide="ignore", invalid="ignore"):
        error = [part[4, here, best] / part[3, here, best] for part in (left, right)]
    after = np.where(samples.flowing & (np.arange(x.shape[1]) > best[:, None]), samples.us, np.iinfo(np.int64).max)
    nearest = after.min(axis=1)
    moment = np.where(np.isfinite(chi2[here, best]), (samples.us[here, best] + nearest) // 2, 0)
    return np.nan_to_num(error[1] - error[0]), chi2[here, best], moment


def _line_chi2(sums: Floats) -> Floats:
    """Weighted residual sum of squares about a line, from sums of w, wx, wy, wxx, wxy, wyy."""
    w, x, y, xx, xy, yy = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        sxx, sxy, syy = xx - x * x / w, xy - x * y / w, yy - y * y / w
        chi2 = syy - np.where(sxx > 1e-9 * xx, sxy**2 / sxx, 0.0)
    return np.asarray(np.where(w > 0, np.maximum(chi2, 0.0), 0.0))
