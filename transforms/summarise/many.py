"""Moments of many meters in many windows at once, from pairs that lie on a grid of time or in a list.

The same sums as ``moments.sql`` takes of one window. Most pairs of a household are still water; they count, and are
otherwise left out before anything is summed. Sums of whole numbers below 2^53 are exact in floating point, too, whatever
the order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transforms.summarise.moments import BINS, SUMS, Moments

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: borders of the bins between Q2 and Q3: half decades, in millionths of Q3
HALF_DECADES = (31_623.0, 100_000.0, 316_228.0)
#: below this, sums in floating point are exact
_EXACT = 2.0**53

HIGHEST, LOWEST = np.iinfo(np.int64).max, np.iinfo(np.int64).min


@dataclass(frozen=True)
class Kinds:
    """Numbers of the model of each row [millionths of Q3], ``per_lph`` [1/(L/h)], arrays of shape (rows,)."""

    per_lph: Floats
    q1: Floats
    q2: Floats
    q3: Floats
    top: Floats
    band_low: Floats
    band_high: Floats


@dataclass(frozen=True)
class Flowing:
    """Pairs, in the units of the moments, without those at which nothing flows in either device.

    ``row`` and ``part`` say where each belongs; ``count`` how many pairs each row has, the still ones included.
    """

    row: Ints
    part: Ints
    x: Floats
    y: Floats
    count: Ints


def from_grid(q: Floats, q_meter: Floats, kinds: Kinds, us: Ints, part_us: int) -> Flowing:
    """The pairs of a grid.

    Parameters
    ----------
    q, q_meter
        Flows of reference and meter [L/h], (rows, slots), NaN where there is none.
    us
        Instants since the window's start [us], (rows, slots) or (1, slots).
    part_us
        Length of a part of a window [us].
    """
    width = q.shape[1]
    # what is not zero in both, NaN included; still water needs no arithmetic
    at = np.flatnonzero((q != 0) | (q_meter != 0))
    row = at // width
    part = us // part_us
    slot = at - row * width
    of = part[0, slot] if len(part) == 1 else part[row, slot]
    per_lph, top = kinds.per_lph[row], kinds.top[row]
    x, y = np.rint(q.reshape(-1)[at] * per_lph), np.rint(q_meter.reshape(-1)[at] * per_lph)
    # comparisons with NaN are false, as a pair without one of its readings is none
    pair = (np.abs(x) <= top) & (np.abs(y) <= top)
    # a meter that is not registered has no scale, and so no pairs
    count = np.where(np.isnan(kinds.per_lph), 0, width)
    if pair.all():
        return Flowing(row, of, x, y, count)
    count = count - np.where(count > 0, np.bincount(row[~pair], minlength=len(q)), 0)
    return Flowing(row[pair], of[pair], x[pair], y[pair], count)


def from_list(row: Ints, us: Ints, q: Floats, q_meter: Floats, kinds: Kinds, part_us: int) -> Flowing:
    """The pairs of a list, flows in L/h; ``row`` says whose they are."""
    x, y = np.rint(q * kinds.per_lph[row]), np.rint(q_meter * kinds.per_lph[row])
    pair = (np.abs(x) <= kinds.top[row]) & (np.abs(y) <= kinds.top[row])
    flows = pair & ((x != 0) | (y != 0))
    count = np.bincount(row[pair], minlength=len(kinds.per_lph))
    return Flowing(row[flows], us[flows] // part_us, x[flows], y[flows], count)


def together(first: Flowing, second: Flowing) -> Flowing:
    """The pairs of both."""
    columns = {
        name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in ("row", "part", "x", "y")
    }
    return Flowing(**columns, count=first.count + second.count)


def bin_of(x: Floats, q1: Floats, q2: Floats, q3: Floats) -> Ints:
    """The flow bin of reference flows, as ``moments.sql`` has it."""
    upper = np.full(x.shape, 2, dtype=np.int64)
    for border in (*HALF_DECADES, q3):
        upper += x >= border
    return np.where(x < q1, 0, np.where(x < q2, 1, upper))


def moments_of(pairs: Flowing, kinds: Kinds, parts: int) -> Moments:
    """Sum pairs by row, part and flow bin; still water counts in bin 0 of the first part.

    What does not flow is judged by the window only, so that all of bin 0 may stand in one part. So may the counts of
    differences and the extremes, for all bins of a zone.
    """
    rows = len(kinds.per_lph)
    row, x, y = pairs.row, pairs.x, pairs.y
    of_bin = bin_of(x, kinds.q1[row], kinds.q2[row], kinds.q3[row])
    flows = of_bin > 0
    part = pairs.part * flows
    cell = (part * BINS + of_bin) * rows + row
    cells = parts * BINS * rows
    most = max([1.0, *(float(np.abs(flow).max(initial=0.0)) for flow in (x, y))])
    exact = most * most * max(int(pairs.count.max(initial=0)), 1) < _EXACT
    values: dict[str, Ints] = {"n": np.bincount(cell, minlength=cells)}
    for name, terms in (("sx", x), ("sy", y), ("sxx", x * x), ("sxy", x * y), ("syy", y * y)):
        values[name] = _sum(cell, terms, cells, exact)
    shaped = {name: array.reshape(parts, BINS, rows) for name, array in values.items()}
    still = pairs.count - np.bincount(row, minlength=rows)
    shaped["n"][0, 0] += still
    shaped |= _differences(row[flows], (y - x)[flows], kinds)
    for name, of, worst, keep in (
        ("x_min", x, HIGHEST, np.minimum),
        ("y_min", y, HIGHEST, np.minimum),
        ("x_max", x, LOWEST, np.maximum),
        ("y_max", y, LOWEST, np.maximum),
    ):
        extreme = np.full(BINS * rows, worst, dtype=np.int64)
        keep.at(extreme, of_bin * rows + row, of.astype(np.int64))
        shaped[name] = extreme.reshape(1, BINS, rows)
        shaped[name][0, 0] = np.where(still > 0, keep(shaped[name][0, 0], 0), shaped[name][0, 0])
    return Moments({name: shaped[name] for name in (*SUMS, "x_min", "y_min", "x_max", "y_max")})


def _differences(row: Ints, difference: Floats, kinds: Kinds) -> dict[str, Ints]:
    """How many flowing pairs lie above, below, and in the band on either side; told in the first bin that flows.

    Two counts travel in one number: they are far smaller than 2^26, and their sum is exact.
    """
    rows, many = len(kinds.per_lph), 2.0**26
    low, high = kinds.band_low[row], kinds.band_high[row]
    size = np.abs(difference)
    above = difference > 0
    inside = (size >= low) & (size <= high)
    # a band that begins at zero holds a difference of zero on both sides
    both = inside & (difference == 0)
    found = {}
    for names, up, down in (
        (("n_above", "n_below"), above, difference < 0),
        (("n_band_above", "n_band_below"), inside & (above | both), inside & ~above),
    ):
        counts = np.bincount(row, weights=up + many * down, minlength=rows).astype(np.int64)
        for name, count in zip(names, (counts % int(many), counts // int(many)), strict=True):
            array = np.zeros((1, BINS, rows), dtype=np.int64)
            array[0, 1] = count
            found[name] = array
    return found


def _sum(cell: Ints, terms: Floats, cells: int, exact: bool) -> Ints:
    """Exact sums of whole numbers by cell."""
    if exact:
        return np.bincount(cell, weights=terms, minlength=cells).astype(np.int64)
    whole = np.zeros(cells, dtype=np.int64)
    np.add.at(whole, cell, terms.astype(np.int64))
    return whole
