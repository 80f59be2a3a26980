"""Changes: each put to the window that fits best, and kept only if it matters.

A change matters if it moves the error by more than a share of the permissible one, and explains more than its price with the
calibrations of the reference counted, whose errors are common to all windows of one and differ from one to the next.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from transforms.audit.costs import PrefixSums, prefix_sums
from transforms.audit.gls import jump_fit, parts_of, whole_fit
from transforms.audit.segment import LEAST, Prices, Stretches, drifting
from transforms.audit.series import Bools, Floats, Ints, Series
from transforms.compiled import compiled

#: standard deviations by which a window must miss the regimes on both sides to be taken for a mixture of them
_APART = 2.5
#: factor on the variance of a window that is not to count
_SAYS_NOTHING = 1e8
_ROUNDS = 2
_AT_ONCE = 256


def inner_edges(stretches: Stretches) -> Ints:
    """Numbers of the stretches after which another one of the same row follows."""
    return np.flatnonzero(stretches.row[1:] == stretches.row[:-1])


def settle(
    stretches: Stretches, series: Series, variance: Floats, sums: PrefixSums, price: Prices, least_shift: Floats
) -> tuple[Stretches, PrefixSums]:
    """Put each change to its window and drop those that do not matter.

    Parameters
    ----------
    stretches : Stretches
        From `segment`.
    series, variance, sums, price
        What they were found with.
    least_shift : ndarray
        By how much a change must move the error [relative], one entry per row.

    Returns
    -------
    Stretches
    sums : PrefixSums
        With variances that are immense for windows within which a change came.
    """
    mixed = _mixed(stretches, series, variance)
    if mixed.any():
        variance = np.where(mixed, _SAYS_NOTHING * variance, variance)
        sums = prefix_sums(series, variance)
    while len(inner := inner_edges(stretches)):
        stretches = _refined(stretches, series, variance, sums, price)
        excess = _excess(stretches, series, sums, price, least_shift, inner)
        row = stretches.row[inner]
        # the least of each row goes, if it does not matter; then the rest is looked at anew
        order = np.lexsort((excess, row))
        least = order[np.concatenate([[True], row[order][1:] != row[order][:-1]])]
        drop = inner[least[excess[least] < 0]]
        if not len(drop):
            break
        stretches = _with_drifts(_merged(stretches, drop), series, variance, sums, price)
    return _with_drifts(stretches, series, variance, sums, price), sums


def _with_drifts(stretches: Stretches, series: Series, variance: Floats, sums: PrefixSums, price: Prices) -> Stretches:
    """The same stretches, with those that drift by more than noise and the reference's calibrations explain."""
    drifts = drifting(series, sums, price, stretches.row, stretches.first, stretches.last)
    found = replace(stretches, drifts=drifts)
    return replace(found, drifts=drifts & _beyond_calibration(found, series, variance, sums, price))


def _mixed(stretches: Stretches, series: Series, variance: Floats) -> Bools:
    """Windows next to a change that lie between the regimes on its sides, told from both: the change came within them."""
    found = np.zeros(series.error.shape, dtype=np.bool_)
    left = inner_edges(stretches)
    row, edge = stretches.row[left], stretches.first[left + 1]
    before = _median_of(series, row, np.maximum(edge - 1 - LEAST, stretches.first[left]), edge - 1)
    after = _median_of(series, row, edge + 1, np.minimum(edge + 1 + LEAST, stretches.last[left + 1]))
    for place in (edge - 1, edge):
        error, spread = series.error[row, place], _APART * np.sqrt(variance[row, place])
        between = (error - before) * (after - error) > 0
        apart = np.minimum(np.abs(error - before), np.abs(error - after)) > spread
        found[row[between & apart], place[between & apart]] = True
    return found


def _median_of(series: Series, row: Ints, first: Ints, last: Ints) -> Floats:
    """Medians of the windows [first, last), at most `LEAST` of them."""
    place = first[:, None] + np.arange(LEAST)[None, :]
    inside = place < last[:, None]
    values = np.where(inside, series.error[row[:, None], np.minimum(place, series.error.shape[1] - 1)], np.nan)
    return np.asarray(np.nanmedian(values, axis=1)) if len(row) else np.zeros(0)


def _beyond_calibration(
    stretches: Stretches, series: Series, variance: Floats, sums: PrefixSums, price: Prices
) -> Bools:
    """Whether a drift is more than the reference's calibrations explain, which differ from one to the next."""
    found = np.zeros(len(stretches.row), dtype=np.bool_)
    some = np.flatnonzero(stretches.drifts)
    row, first, last = stretches.row[some], stretches.first[some], stretches.last[some]
    cost = sums.between(first, last, row)
    columns = np.arange(series.error.shape[1])[None, :]
    time = (series.day[row] - sums.origin[row, None]) / sums.unit[row, None] - cost.middle[:, None]
    inside = (columns >= first[:, None]) & (columns < last[:, None])
    share = np.where(inside, time / variance[row], 0.0) / cost.spread[:, None]
    common = common_variance(share, series.common[row], series.calibration[row])
    found[some] = cost.slope**2 > price.slope[row] * (1 / cost.spread + common)
    return found


def _merged(stretches: Stretches, left: Ints) -> Stretches:
    keep = np.ones(len(stretches.row), dtype=np.bool_)
    keep[left + 1] = False
    last = stretches.last.copy()
    last[left] = stretches.last[left + 1]
    return Stretches(stretches.row[keep], stretches.first[keep], last[keep], stretches.drifts[keep])


def _refined(stretches: Stretches, series: Series, variance: Floats, sums: PrefixSums, price: Prices) -> Stretches:
    """Every second change at a time, each moved to the best window between its neighbours."""
    inner = inner_edges(stretches)
    for _ in range(_ROUNDS):
        first, last, drifts = stretches.first.copy(), stretches.last.copy(), stretches.drifts
        for turn in (0, 1):
            some = inner[turn::2]
            for begin in range(0, len(some), _AT_ONCE):
                left = some[begin : begin + _AT_ONCE]
                row = stretches.row[left]
                rest = _left_over(row, first[left], last[left + 1], drifts[left], drifts[left + 1], sums)
                place = first[left] + LEAST + rest.argmin(axis=1)
                last[left], first[left + 1] = place, place
        stretches = _with_drifts(replace(stretches, first=first, last=last), series, variance, sums, price)
    return stretches


def _left_over(row: Ints, first: Ints, last: Ints, drifts_left: Bools, drifts_right: Bools, sums: PrefixSums) -> Floats:
    """What is left if the change is at first + LEAST, first + LEAST + 1, …; infinite beyond last - LEAST."""
    count = last - first - 2 * LEAST + 1
    place = first[:, None] + LEAST + np.arange(int(count.max()))[None, :]
    inside = place <= (last - LEAST)[:, None]
    place = np.where(inside, place, (first + LEAST)[:, None])
    before, after = (
        sums.between(begin, end, row[:, None]) for begin, end in ((first[:, None], place), (place, last[:, None]))
    )
    rest = np.where(drifts_left[:, None], before.line, before.level)
    rest += np.where(drifts_right[:, None], after.line, after.level)
    return np.where(inside, rest, np.inf)


def _excess(
    stretches: Stretches, series: Series, sums: PrefixSums, price: Prices, least_shift: Floats, left: Ints
) -> Floats:
    """By how much more each change explains, and moves the error, than it must; below zero: it does not matter."""
    found = np.zeros(len(left))
    for begin in range(0, len(left), _AT_ONCE):
        k = left[begin : begin + _AT_ONCE]
        row, first, last = stretches.row[k], stretches.first[k], stretches.last[k + 1]
        place = stretches.first[k + 1][:, None]
        drifts = (stretches.drifts[k], stretches.drifts[k + 1])
        parts = parts_of(series, sums, row, first, last, place, np.ones_like(place, dtype=np.bool_))
        apart = jump_fit(parts, *drifts)[0][:, 0] + price.slope[row] * (drifts[0].astype(np.float64) + drifts[1])
        level, line = whole_fit(parts)
        saved = np.minimum(level, line + price.slope[row]) - apart
        shift = _shift(stretches, series, sums, k)
        found[begin : begin + _AT_ONCE] = np.minimum(saved / price.change[row], shift / least_shift[row]) - 1
    return found


def _shift(stretches: Stretches, series: Series, sums: PrefixSums, left: Ints) -> Floats:
    """By how much a change moves the error: the levels' difference, or where a side drifts twice the farthest that
    the sides lie from one line through both."""
    row = stretches.row[left]
    before, after = (sums.between(stretches.first[k], stretches.last[k], row) for k in (left, left + 1))
    whole = sums.between(stretches.first[left], stretches.last[left + 1], row)
    farthest = np.zeros(len(left))
    for k, cost in ((left, before), (left + 1, after)):
        slope = np.where(stretches.drifts[k], cost.slope, 0.0)
        for edge in (stretches.first[k], stretches.last[k] - 1):
            t = (series.day[row, edge] - sums.origin[row]) / sums.unit[row]
            own = cost.mean + slope * (t - cost.middle)
            farthest = np.maximum(farthest, np.abs(own - whole.mean - whole.slope * (t - whole.middle)))
    either = stretches.drifts[left] | stretches.drifts[left + 1]
    return np.where(either, 2 * farthest, np.abs(after.mean - before.mean))


def common_variance(share: Floats, common: Floats, calibration: Ints) -> Floats:
    """Variance of a weighted sum of windows whose errors are the same for one calibration, independent for two.

    Parameters
    ----------
    share : ndarray
        Weight of each window in the sum, shape (rows, windows).
    common : ndarray
        Standard uncertainty of the reference in each window [relative].
    calibration : ndarray
        Which calibration each window rests on; negative for no window.
    """
    return _common_variance(share, common, calibration)


@compiled
def _common_variance(share: Floats, common: Floats, calibration: Ints) -> Floats:
    rows, width = share.shape
    found = np.zeros(rows)
    known, part = np.zeros(width, dtype=np.int64), np.zeros(width)
    for row in range(rows):
        count, at = 0, 0
        for k in range(width):
            own = calibration[row, k]
            if own < 0:
                continue
            # windows of one calibration mostly follow each other
            if count == 0 or known[at] != own:
                at = 0
                while at < count and known[at] != own:
                    at += 1
                if at == count:
                    known[at], part[at] = own, 0.0
                    count += 1
            part[at] += share[row, k] * common[row, k]
        for at in range(count):
            found[row] += part[at] ** 2
    return found
