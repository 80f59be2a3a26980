"""Whether a meter's relation to its reference moves within a window, slowly or at once: a test on samples."""

from __future__ import annotations

import numpy as np

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints
from transforms.judge.evidence import Bools
from transforms.judge.normal import COLUMNS, weighted_fit
from transforms.judge.samples import Samples
from transforms.statistics import f_limit, f_survival
from transforms.sums import pairwise

#: pairs on either side of a step
SIDE = 3
#: a changed relation must take away so much of the scatter beyond what is normal to be called the reason for it
EXPLAINS = 0.5


def change_test(
    samples: Samples, significance: float, prior_dof: float, *, sparing: bool = False
) -> tuple[Bools, Bools, Ints, Floats, Floats, Floats]:
    """Drift or step: does the relation change within the window, slowly or at once?

    Three descriptions of the flowing pairs are compared: one line for all; a line whose gain and offset move evenly with
    time (partial F test); and two lines, one before and one after a moment, the best moment of all (Quandt's test: the
    largest of the Chow tests, with Bonferroni's correction for the moments tried). Both have two parameters more than
    the first, so the one that leaves less scatter is the better name for what happens.

    Parameters
    ----------
    sparing
        Leave out what only explains why nothing was found: of those that are surely steady the P values, and of those that are
        whatever a change would leave, all else, too.

    Returns
    -------
    drifting, step : ndarray of bool
    changed_us : ndarray of int
        Time of the best moment, half way between the pairs around it [us].
    change : ndarray of float
        Change of the error, relative to the flow.
    p_drift, p_step : ndarray
        P values, NaN where there are too few pairs to ask, and where they were left out.
    """
    pairs = samples.first, samples.us, samples.x, samples.y, samples.flowing, samples.first_flowing, samples.weights
    n = np.diff(samples.first_flowing)
    rest: Floats = prior_dof + n.astype(np.float64) - 4.0
    enough, least = n >= 2 * SIDE + 2, np.full(len(n), -np.inf)
    if sparing:
        # rounding must exclude nobody
        least = np.where(enough, f_limit(2.0, rest, significance) * (1 - 1e-9), np.inf)
    whole, slow, sudden, moved, before, moment = _descriptions(*pairs, samples.widths, prior_dof, least)
    scale = (prior_dof + np.minimum(slow, sudden)) / np.maximum(rest, 1.0)
    tries = np.maximum(n - 2 * SIDE + 1, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        f_slow = (whole - slow) / 2 / ((prior_dof + slow) / rest)
        f_sudden = (whole - sudden) / 2 / ((prior_dof + sudden) / rest)
        # The scatter beyond what is normal, and how much of it the better description takes away.
        beyond = whole - (n - 2)
        explained = (whole - np.minimum(slow, sudden)) / np.maximum(beyond, 1.0)
    asked = enough & (scale > 0)
    p_slow, p_sudden = (_p(f, rest, np.flatnonzero(asked & (f >= least))) for f in (f_slow, f_sudden))
    p_sudden *= tries
    asked &= explained > EXPLAINS
    drifting = asked & (p_slow < significance) & (slow <= sudden)
    step = asked & (p_sudden < significance) & (sudden < slow)
    # A slow change is at times told a little better by a step; then both are significant and the p values decide.
    change = np.where(step, before, moved)
    found = np.asarray(drifting), np.asarray(step), np.where(step, moment, 0), np.nan_to_num(change)
    return *found, p_slow, np.minimum(p_sudden, 1.0)


def _p(f: Floats, rest: Floats, some: Ints) -> Floats:
    """P values of some of the F statistics with two degrees of freedom, NaN for the others."""
    p = np.full(len(f), np.nan)
    p[some] = f_survival(f[some], 2.0, rest[some])
    return p


@compiled
def _descriptions(
    first: Ints,
    us: Ints,
    x: Floats,
    y: Floats,
    flowing: Ints,
    first_flowing: Ints,
    weights: Floats,
    widths: Ints,
    prior_dof: float,
    least: Floats,
) -> tuple[Floats, Floats, Floats, Floats, Floats, Ints]:
    """Chi-square about one line, about one that moves evenly, and about two with the best moment between them; how far the error
    moves by the second and by the third; and that moment [us]. Each of shape (meters,).

    Where an F statistic would be below ``least`` even if a description left nothing, no other than one line is tried.
    """
    meters, most = len(widths), widths.max() if len(widths) else 0
    moment = np.zeros(meters, np.int64)
    whole, slow, sudden = np.zeros(meters), np.zeros(meters), np.zeros(meters)
    moved, before = np.zeros(meters), np.zeros(meters)
    of_x, of_y, of_us = np.zeros(most), np.zeros(most), np.zeros(most, np.int64)
    columns, root, even = np.zeros((most, COLUMNS)), np.zeros(most), np.zeros(COLUMNS)
    share, flow, room = np.zeros(most), np.zeros(most), np.zeros((COLUMNS, COLUMNS + 2))
    for row in range(meters):
        begin, end = first_flowing[row], first_flowing[row + 1]
        span = max(us[first[row + 1] - 1], np.int64(1))
        w, n = weights[begin:end], end - begin
        for i in range(n):
            k = flowing[begin + i]
            of_x[i], of_y[i], of_us[i] = x[k], y[k], us[k]
        together = _sums(w, of_x, of_y)
        whole[row] = _line_chi2(*together)
        if whole[row] / 2 / (prior_dof / (prior_dof + n - 4.0)) < least[row]:
            slow[row], sudden[row] = whole[row], whole[row]
            continue
        share[: widths[row]], flow[: widths[row]] = 0.0, 0.0
        for i in range(n):
            k = flowing[begin + i] - first[row]
            share[k], flow[k] = w[i], w[i] * of_x[i]
            root[i], t = np.sqrt(w[i]), of_us[i] / span - 0.5
            columns[i, 0], columns[i, 1] = root[i] * of_x[i], root[i]
            columns[i, 2], columns[i, 3] = root[i] * (of_x[i] * t), root[i] * t
        slow[row] = weighted_fit(columns[:n], root, of_y, even, room)
        moved[row] = even[2] + even[3] / (pairwise(flow[: widths[row]]) / pairwise(share[: widths[row]]))
        before[row], sudden[row], moment[row] = _best_split(together, w, of_x, of_y, of_us)
    return whole, slow, sudden, moved, before, moment


@compiled
def _sums(w: Floats, x: Floats, y: Floats) -> tuple[float, float, float, float, float, float]:
    """Of one meter's flowing pairs the sums of w, wx, wy, wxx, wxy, wyy."""
    a_w, a_x, a_y, a_xx, a_xy, a_yy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(len(w)):
        a_w += w[k]
        a_x += w[k] * x[k]
        a_y += w[k] * y[k]
        a_xx += w[k] * x[k] * x[k]
        a_xy += w[k] * x[k] * y[k]
        a_yy += w[k] * y[k] * y[k]
    return a_w, a_x, a_y, a_xx, a_xy, a_yy


@compiled
def _best_split(
    together: tuple[float, float, float, float, float, float], w: Floats, x: Floats, y: Floats, us: Ints
) -> tuple[float, float, np.int64]:
    """Of two gains with an offset each, before and after the best moment: change of the mean error, chi-square and the moment,
    half way between the pairs around it [us]; ``together`` are the sums of all pairs."""
    a_w, a_x, a_y, a_xx, a_xy, a_yy = together
    b_w, b_x, b_y, b_xx, b_xy, b_yy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    least, change, moment = np.inf, 0.0, np.int64(0)
    for k in range(len(w) - SIDE):
        b_w += w[k]
        b_x += w[k] * x[k]
        b_y += w[k] * y[k]
        b_xx += w[k] * x[k] * x[k]
        b_xy += w[k] * x[k] * y[k]
        b_yy += w[k] * y[k] * y[k]
        if k + 1 < SIDE:
            continue
        chi2 = _line_chi2(b_w, b_x, b_y, b_xx, b_xy, b_yy)
        chi2 += _line_chi2(a_w - b_w, a_x - b_x, a_y - b_y, a_xx - b_xx, a_xy - b_xy, a_yy - b_yy)
        if chi2 < least:
            least, moment = chi2, (us[k] + us[k + 1]) // 2
            step = (a_xy - b_xy) / (a_xx - b_xx) - b_xy / b_xx
            change = step if np.isfinite(step) else 0.0
    return change, least, moment


@compiled
def _line_chi2(w: float, x: float, y: float, xx: float, xy: float, yy: float) -> float:
    """Weighted residual sum of squares about a line, from sums of w, wx, wy, wxx, wxy, wyy."""
    if not w > 0:
        return 0.0
    sxx, sxy, syy = xx - x * x / w, xy - x * y / w, yy - y * y / w
    return float(max(syy - (sxy * sxy / sxx if sxx > 1e-9 * xx else 0.0), 0.0))
