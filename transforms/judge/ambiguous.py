"""Ambiguous: whether a relation that looks steady might as well be a gain that moves with time, or a clock that is off.

Where the flow rises and falls slowly, a moment and a flow are the same thing: a reference that lost a part of its signal at
noon makes a curve, one that lags an offset. Households draw water in bursts, which tell them apart at once.
"""

from __future__ import annotations

import numpy as np

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints
from transforms.judge.evidence import Bools
from transforms.judge.moving import SIDE
from transforms.judge.normal import COLUMNS, weighted_fit
from transforms.judge.samples import Samples

#: parameters of a gain that moves evenly, of two gains and the moment between them, and of a mean of three instants
_EVEN, _SUDDEN, _MIXED = 2, 3, 2
#: instants that a lag must leave to compare
_FEWEST = 6
#: after so many pairs it is asked whether they leave too much already
_SOME = 4
#: by how much of the squares two ways to sum them may differ, and much more
_ROUNDED = 1e-6


def ambiguous(
    samples: Samples,
    rows: Ints,
    fitted: Floats,
    parameters: Ints,
    significance: float,
    prior_dof: float,
    max_lag: int,
) -> Bools:
    """Whether time explains the flowing pairs of some meters about as well as the relation that was fitted, an offset or a curve.

    The rivals are a meter in proportion to the flow whose gain moves evenly over the window; one with two gains, before and
    after the best moment; and one without error that shows a weighted mean of three neighbouring instants of the reference,
    at every lag, as clocks that differ by any time and signals that are smoothed do. One that is no better than a gain that
    stays tells of no time. The relation stands if its likelihood, by the Schwarz criterion, is at least 1 / ``significance``
    times that of each rival: were a rival true, by Markov's inequality that would happen with no larger chance.

    Parameters
    ----------
    rows
        The meters asked about, (rows,).
    fitted
        What the relation expects the meter to show, (flowing pairs,).
    parameters
        How many the relation has, (rows,).
    """
    pairs = samples.first, samples.us, samples.x, samples.y, samples.flowing, samples.first_flowing, samples.weights
    needed = 2 * np.log(1 / significance)
    return _ambiguous(rows, *pairs, samples.interval_us, fitted, parameters, needed, prior_dof, max_lag)


def on_lines(samples: Samples, a1: Floats, a2: Floats) -> Floats:
    """What lines, one for each meter, expect its flowing pairs to show, (flowing pairs,)."""
    return _on_lines(samples.first_flowing, samples.flowing, samples.x, a1, a2)


@compiled
def _on_lines(first_flowing: Ints, flowing: Ints, x: Floats, a1: Floats, a2: Floats) -> Floats:
    fitted = np.empty(len(flowing))
    for row in range(len(a1)):
        for k in range(first_flowing[row], first_flowing[row + 1]):
            fitted[k] = a1[row] * x[flowing[k]] + a2[row]
    return fitted


@compiled
def _ambiguous(
    rows: Ints,
    first: Ints,
    us: Ints,
    x: Floats,
    y: Floats,
    flowing: Ints,
    first_flowing: Ints,
    weights: Floats,
    interval_us: Ints,
    fitted: Floats,
    parameters: Ints,
    needed: float,
    prior_dof: float,
    max_lag: int,
) -> Bools:
    found, room = np.zeros(len(rows), np.bool_), np.zeros((COLUMNS, COLUMNS + 2))
    at, slots = np.zeros(0, np.int64), np.empty(len(flowing), np.int64)
    for i in range(len(rows)):
        row = rows[i]
        begin, end = first_flowing[row], first_flowing[row + 1]
        places, w, due = flowing[begin:end], weights[begin:end], fitted[begin:end]
        chi2 = 0.0
        for k in range(len(places)):
            chi2 += w[k] * (y[places[k]] - due[k]) ** 2
        own, n = parameters[i], len(places)
        if n < 2 * SIDE:
            continue
        span = max(us[first[row + 1] - 1], np.int64(1))
        plain, even = _evenly(places, w, us, x, y, span)
        sudden = _suddenly(places, w, x, y)
        found[i] = _rivals(even, _EVEN, plain, chi2, own, n, prior_dof, needed)
        found[i] |= _rivals(sudden, _SUDDEN, plain, chi2, own, n, prior_dof, needed)
        step = interval_us[row]
        if found[i] or step <= 0:
            continue
        width = us[first[row + 1] - 1] // step + 1
        if width > len(at):
            at = np.zeros(width, np.int64)
        # taken once: each slice of an array is counted as another use of it, which takes longer than what is asked at most lags
        there = at[:width]
        there[:] = -1
        for k in range(first[row], first[row + 1]):
            there[us[k] // step] = k
        for k in range(n):
            slots[k] = us[places[k]] // step
        fewest = max(_FEWEST, n // 2)
        most = _most(plain, chi2, own, fewest, n, prior_dof, needed)
        for lag in range(-max_lag, max_lag + 1):
            if _mixes(there, places, slots, w, x, y, lag, most):
                mixed, plain, same, left = _mixture(there, places, slots, w, x, y, due, lag, room)
                if left >= fewest and _rivals(mixed, _MIXED, plain, same, own, left, prior_dof, needed):
                    found[i] = True
                    break
    return found


@compiled
def _rivals(
    rival: float, its: int, plain: float, chi2: float, own: int, n: int, prior_dof: float, needed: float
) -> bool:
    """Whether a rival with so many parameters is better than a plain gain, and not surely worse than the relation."""
    better = _lead(rival, its, plain, 1, n, prior_dof) < 0
    return better and _lead(rival, its, chi2, own, n, prior_dof) < needed


@compiled
def _lead(rival: float, its: int, chi2: float, own: int, n: int, prior_dof: float) -> float:
    """By how much the Schwarz criterion of a rival is above that of the relation, for a scatter that is not known."""
    return float((prior_dof + n) * np.log((prior_dof + rival) / (prior_dof + chi2)) + (its - own) * np.log(n))


@compiled
def _evenly(places: Ints, w: Floats, us: Ints, x: Floats, y: Floats, span: int) -> tuple[float, float]:
    """Chi-square about a gain that stays, and about one that moves evenly with time."""
    xx, xt, tt, xy, ty, yy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(len(places)):
        flow, shown = x[places[k]], y[places[k]]
        moved = flow * (us[places[k]] / span - 0.5)
        xx += w[k] * flow * flow
        xt += w[k] * flow * moved
        tt += w[k] * moved * moved
        xy += w[k] * flow * shown
        ty += w[k] * moved * shown
        yy += w[k] * shown * shown
    left, rest = tt - xt * xt / xx, ty - xt * xy / xx
    plain = max(yy - xy * xy / xx, 0.0)
    return plain, max(plain - (rest * rest / left if left > 1e-12 * tt else 0.0), 0.0)


@compiled
def _suddenly(places: Ints, w: Floats, x: Floats, y: Floats) -> float:
    """Chi-square about two gains, before and after the best moment."""
    xx, xy, yy = 0.0, 0.0, 0.0
    for k in range(len(places)):
        flow, shown = x[places[k]], y[places[k]]
        xx += w[k] * flow * flow
        xy += w[k] * flow * shown
        yy += w[k] * shown * shown
    least, a_xx, a_xy = yy - xy * xy / xx, 0.0, 0.0
    for k in range(len(places) - SIDE):
        flow = x[places[k]]
        a_xx += w[k] * flow * flow
        a_xy += w[k] * flow * y[places[k]]
        if k + 1 >= SIDE:
            least = min(least, yy - a_xy * a_xy / a_xx - (xy - a_xy) * (xy - a_xy) / (xx - a_xx))
    return max(least, 0.0)


@compiled
def _most(plain: float, chi2: float, own: int, fewest: int, n: int, prior_dof: float, needed: float) -> float:
    """A chi-square that no mean of three instants may have to be a rival: not that of a gain that stays, nor one that is surely
    worse than the relation, with however many pairs left between the fewest and all."""
    more = own - _MIXED
    apart = max(needed + more * np.log(n if more > 0 else fewest), 0.0)
    return float(min(plain, (prior_dof + chi2) * np.exp(apart / (prior_dof + fewest)) - prior_dof))


@compiled
def _mixes(at: Ints, places: Ints, slots: Ints, w: Floats, x: Floats, y: Floats, lag: int, most: float) -> bool:
    """Whether the best weighted mean of three instants around some lag may leave less than ``most``.

    By sums that round a little differently, as the pairs come: what some of them leave, all of them leave at least.
    """
    aa, ab, bb, ay, by, yy, n = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0
    for k in range(len(places)):
        slot = slots[k] - lag
        if slot < 1 or slot + 1 >= len(at) or at[slot - 1] < 0 or at[slot] < 0 or at[slot + 1] < 0:
            continue
        middle = x[at[slot]]
        before, after, above = x[at[slot - 1]] - middle, x[at[slot + 1]] - middle, y[places[k]] - middle
        aa += w[k] * before * before
        ab += w[k] * before * after
        bb += w[k] * after * after
        ay += w[k] * before * above
        by += w[k] * after * above
        yy += w[k] * above * above
        n += 1
        if n % _SOME == 0 and _least(aa, ab, bb, ay, by, yy) > most:
            return False
    return not _least(aa, ab, bb, ay, by, yy) > most


@compiled
def _least(aa: float, ab: float, bb: float, ay: float, by: float, yy: float) -> float:
    """What two columns leave of a third at least, by their products, where that can be told from how these round."""
    spread = aa * bb - ab * ab
    if not spread > _ROUNDED * aa * bb:
        return 0.0
    return float(yy - (bb * ay * ay - 2 * ab * ay * by + aa * by * by) / spread - _ROUNDED * yy)


@compiled
def _mixture(
    at: Ints,
    places: Ints,
    slots: Ints,
    w: Floats,
    x: Floats,
    y: Floats,
    due: Floats,
    lag: int,
    room: Floats,
) -> tuple[float, float, float, int]:
    """Chi-square about the best weighted mean of three instants of the reference around some lag, those about a gain and about
    the relation at the same pairs, and how many these are.

    ``at`` holds the place of the pair of each slot of time, -1 where there is none.
    """
    columns, (root, shown, above) = np.zeros((len(places), COLUMNS)), np.zeros((3, len(places)))
    n, same, xx, xy, yy = 0, 0.0, 0.0, 0.0, 0.0
    for k in range(len(places)):
        slot = slots[k] - lag
        if slot < 1 or slot + 1 >= len(at) or at[slot - 1] < 0 or at[slot] < 0 or at[slot + 1] < 0:
            continue
        flow, middle = x[places[k]], x[at[slot]]
        root[n], shown[n] = np.sqrt(w[k]), y[places[k]]
        for j in range(2):
            columns[n, j] = root[n] * (x[at[slot + 2 * j - 1]] - middle)
        above[n] = shown[n] - middle
        xx += w[k] * flow * flow
        xy += w[k] * flow * shown[n]
        yy += w[k] * shown[n] * shown[n]
        same += w[k] * (shown[n] - due[k]) ** 2
        n += 1
    plain = max(yy - xy * xy / xx, 0.0) if n else 0.0
    return weighted_fit(columns[:n], root[:n], above[:n], np.zeros(COLUMNS), room), plain, same, n
