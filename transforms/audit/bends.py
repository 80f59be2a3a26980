"""Where a drift leads: how fast it goes, and when it crosses the permissible error, whenever it began.

A stretch of windows that drifts may have drifted all along, or have been level until some window: over few months the two look
much alike, but they do not lead to the same day. So the bend comes in with each place where it may be, fitted by generalised
least squares (`transforms.audit.gls` has the covariance), weighed by its probability (Smith, Biometrika 62, 1975) and against
the line by the Schwarz criterion (Kass and Raftery, JASA 90, 1995). What is said of slope and day is the median and the 95 %
interval of all of them together; that a drift goes on is taken for granted. Of a single line the interval is that of
inverse regression (Draper and Smith, Applied Regression Analysis, 3.2): the days on which the band about the line holds
the limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from transforms.audit.noise import calm
from transforms.audit.segment import LEAST
from transforms.audit.series import Floats, Ints, Series
from transforms.compiled import compiled
from transforms.statistics import student_quantile

#: days in a month, on average over the Gregorian calendar's 400 years
MONTH_DAYS = 365.2425 / 12
#: how far ahead a crossing is foretold [days]
HORIZON_DAYS = 3652.5
_Z95 = 1.959963984540054
#: halvings of the stretch of time, or of slopes, in which a quantile is looked for
_HALVINGS = 40
#: ways that are together less likely than this are left out
_UNLIKELY = 1e-5


@dataclass(frozen=True)
class Paths:
    """Where drifts lead, one entry per stretch; days since 1970, slopes per month, NaN where there is no such thing.

    ``slope``, ``crosses`` are medians, ``_low`` and ``_high`` the ends of 95 % intervals: NaN where one is open.
    """

    slope: Floats
    slope_low: Floats
    slope_high: Floats
    crosses: Floats
    crosses_low: Floats
    crosses_high: Floats


def paths(series: Series, limit: Floats, day: float) -> Paths:
    """Where each row's drift leads.

    Parameters
    ----------
    series : Series
        The windows of stretches that drift, one row each.
    limit : ndarray
        The permissible error of each [relative], above 0; it is crossed on the side to which the row drifts.
    day : float
        The day up to which something is known; crossings more than ten years later are none.
    """
    known = calm(series)
    noise, variance = known.noise, known.noise.total(series)
    quantile = student_quantile(_Z95, np.maximum((series.n - 2.0) / noise.persistence, 2.0))
    found = np.full((len(series.n), 6), np.nan)
    _follow(
        known.drawn_in.error, variance, series.day, series.calibration, series.common, series.n,
        limit, quantile / _Z95, float(day), found,
    )  # fmt: skip
    slope, slope_low, slope_high, crosses, low, high = found.T
    near = crosses <= day + HORIZON_DAYS
    return Paths(slope, slope_low, slope_high, *(np.where(near, ends, np.nan) for ends in (crosses, low, high)))


@compiled
def _follow(
    error: Floats,
    variance: Floats,
    day: Floats,
    calibration: Ints,
    common: Floats,
    n: Ints,
    limit: Floats,
    widened: Floats,
    until: float,
    found: Floats,
) -> None:
    """Fill one row of ``found`` for each series, in the order of `Paths`."""
    for row in range(len(n)):
        count = n[row]
        if count < 2 * LEAST:
            continue
        ways = _ways(
            error[row, :count], variance[row, :count], day[row, :count], calibration[row, :count], common[row, :count]
        )
        ways[:, 3:6] *= widened[row] ** 2
        origin, reach = day[row, 0], 0.0
        for k in range(len(ways)):
            reach = max(reach, abs(ways[k, 2]) + 10 * np.sqrt(ways[k, 4]))
        for nth, share in enumerate((0.5, 0.025, 0.975)):
            low, high = -reach, reach
            for _ in range(_HALVINGS):
                middle = (low + high) / 2
                if _slope_below(ways, middle) < share:
                    low = middle
                else:
                    high = middle
            found[row, nth] = (low + high) / 2 * MONTH_DAYS
        sign = 1.0 if found[row, 0] > 0 else -1.0
        target = sign * limit[row]
        first, last = -2 * HORIZON_DAYS, until - origin + 2 * HORIZON_DAYS
        for nth, share in enumerate((0.5, 0.025, 0.975)):
            low, high = first, last
            if _crossed_by(ways, low, sign, target) >= share or _crossed_by(ways, high, sign, target) < share:
                continue
            for _ in range(_HALVINGS):
                middle = (low + high) / 2
                if _crossed_by(ways, middle, sign, target) < share:
                    low = middle
                else:
                    high = middle
            found[row, 3 + nth] = origin + (low + high) / 2


@compiled
def _below(distance: float, variance: float) -> float:
    """The chance that something normal with mean 0 is below."""
    if variance <= 0:
        return 1.0 if distance >= 0 else 0.0
    chance: float = 0.5 * (1 + math.erf(distance / np.sqrt(2 * variance)))
    return chance


@compiled
def _slope_below(ways: Floats, slope: float) -> float:
    chance = 0.0
    for k in range(len(ways)):
        chance += ways[k, 6] * _below(slope - ways[k, 2], ways[k, 4])
    return chance


@compiled
def _crossed_by(ways: Floats, day: float, sign: float, target: float) -> float:
    """The chance that the limit has been crossed by a day, which is counted from the first window's."""
    chance = 0.0
    for k in range(len(ways)):
        time = day - ways[k, 0]
        if ways[k, 7] == 1 and time < 0:
            time = 0.0
        value = ways[k, 1] + time * ways[k, 2]
        variance = ways[k, 3] + 2 * time * ways[k, 5] + time * time * ways[k, 4]
        chance += ways[k, 6] * _below(sign * (value - target), variance)
    return chance


@compiled
def _ways(error: Floats, variance: Floats, day: Floats, calibration: Ints, common: Floats) -> Floats:
    """The line, and each place of a bend after a level; those that are hardly likely are left out.

    Columns: where it bends [days from the first window], the level there, the slope per day, their variances and covariance,
    the probability, and whether what comes before is level (1) or not (0).
    """
    count = len(error)
    places = count - 2 * LEAST + 1
    ways = np.zeros((1 + places, 8))
    runs, edge = 1, np.zeros(count + 1, dtype=np.int64)
    for k in range(1, count):
        if calibration[k] != calibration[k - 1]:
            edge[runs] = k
            runs += 1
    edge[runs] = count
    shift = np.mean(error)
    # running sums of w, wt, wtt, wy, wty, wyy, times from the first window on
    sums = np.zeros((count + 1, 6))
    for k in range(count):
        w, t, y = 1 / variance[k], day[k] - day[0], error[k] - shift
        for nth, term in enumerate((w, w * t, w * t * t, w * y, w * t * y, w * y * y)):
            sums[k + 1, nth] = sums[k, nth] + term
    rest, log = np.zeros(len(ways)), np.zeros(len(ways))
    for way in range(len(ways)):
        at = 0 if way == 0 else LEAST + way - 1
        bend = (day[count - 1] - day[0]) / 2 if way == 0 else (day[at] + day[at - 1]) / 2 - day[0]
        a11, a12, a22, b1, b2, square = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for run in range(runs):
            begin, end = edge[run], edge[run + 1]
            # before the bend windows tell of the level alone
            first = min(max(at, begin), end)
            w, wy, wyy = sums[end, 0] - sums[begin, 0], sums[end, 3] - sums[begin, 3], sums[end, 5] - sums[begin, 5]
            own, ownt, owntt = (
                sums[end, 0] - sums[first, 0], sums[end, 1] - sums[first, 1], sums[end, 2] - sums[first, 2]
            )  # fmt: skip
            owny, ownty = sums[end, 3] - sums[first, 3], sums[end, 4] - sums[first, 4]
            wt, wtt, wty = ownt - bend * own, owntt - 2 * bend * ownt + bend * bend * own, ownty - bend * owny
            shared = common[begin] ** 2
            shared /= 1 + shared * w
            a11 += w - shared * w * w
            a12 += wt - shared * w * wt
            a22 += wtt - shared * wt * wt
            b1 += wy - shared * w * wy
            b2 += wty - shared * wt * wy
            square += wyy - shared * wy * wy
        det = a11 * a22 - a12 * a12
        if not det > 0:
            rest[way], log[way] = np.inf, -np.inf
            continue
        level, slope = (a22 * b1 - a12 * b2) / det, (a11 * b2 - a12 * b1) / det
        ways[way, 0], ways[way, 1], ways[way, 2] = bend, level + shift, slope
        ways[way, 3], ways[way, 4], ways[way, 5] = a22 / det, a11 / det, -a12 / det
        ways[way, 7] = at > 0
        rest[way] = square - level * b1 - slope * b2
        log[way] = -(rest[way] + np.log(det)) / 2
    _weigh(ways, rest, log, np.log(count))
    likely: Floats = ways[ways[:, 6] > _UNLIKELY / count]
    likely[:, 6] /= likely[:, 6].sum()
    return likely


@compiled
def _weigh(ways: Floats, rest: Floats, log: Floats, price: float) -> None:
    """Probabilities: of bends by place, and between bend and line, which has a parameter less, by the Schwarz criterion."""
    bends = np.exp(log[1:] - np.max(log[1:]))
    gain = (rest[0] - np.min(rest[1:]) - price) / 2
    line = 1 / (1 + np.exp(min(gain, 700.0)))
    ways[0, 6] = line
    ways[1:, 6] = (1 - line) * bends / bends.sum()
