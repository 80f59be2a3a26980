"""Whether a meter's relation to its reference moves within a window, slowly or at once: a test on samples.

Shapes are (meters, pairs) where nothing else is said.
"""

from __future__ import annotations

import numpy as np

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints
from transforms.judge.evidence import Bools
from transforms.judge.samples import Samples, weighted_line
from transforms.statistics import f_survival

#: pairs on either side of a step
SIDE = 3
#: a changed relation must take away so much of the scatter beyond what is normal to be called the reason for it
EXPLAINS = 0.5


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
