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
    per_lph, top = kinds.per_lph[:, None], kinds.top[:, None]
    x, y = np.rint(q * per_lph), np.rint(q_meter * per_lph)
    # comparisons with NaN are false, as a pair without one of its readings is none
    pair = (np.abs(x) <= top) & (np.abs(y) <= top)
    count = pair.sum(axis=1)
    at = np.flatnonzero(pair & ((x != 0) | (y != 0)))
    row = at // q.shape[1]
    part = us // part_us
    slot = at - row * q.shape[1]
    of = part[0, slot] if len(part) == 1 else part[row, slot]
    return Flowing(row, of, x.reshape(-1)[at], y.reshape(-1)[at], count)


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

    What does not flow is judged by the window only, so that all of bin 0 may stand in one part.
    """
    rows = len(kinds.per_lph)
    row, x, y = pairs.row, pairs.x, pairs.y
    of_bin = bin_of(x, kinds.q1[row], kinds.q2[row], kinds.q3[row])
    part = np.where(of_bin > 0, pairs.part, 0)
    cell = (part * BINS + of_bin) * rows + row
    cells = parts * BINS * rows
    difference = y - x
    low, high = kinds.band_low[row], kinds.band_high[row]
    values: dict[str, Ints] = {"n": np.bincount(cell, minlength=cells)}
    for name, terms in (("sx", x), ("sy", y), ("sxx", x * x), ("sxy", x * y), ("syy", y * y)):
        values[name] = _sum(cell, terms, cells)
    for name, holds in (
        ("n_above", difference > 0),
        ("n_below", difference < 0),
        ("n_band_above", (difference >= low) & (difference <= high)),
        ("n_band_below", (difference <= -low) & (difference >= -high)),
    ):
        values[name] = np.bincount(cell[holds], minlength=cells)
    shaped = {name: array.reshape(parts, BINS, rows) for name, array in values.items()}
    still = pairs.count - np.bincount(row, minlength=rows)
    shaped["n"][0, 0] += still
    by_window = of_bin * rows + row
    for name, of, worst, keep in (
        ("x_min", x, HIGHEST, np.minimum),
        ("y_min", y, HIGHEST, np.minimum),
        ("x_max", x, LOWEST, np.maximum),
        ("y_max", y, LOWEST, np.maximum),
    ):
        extreme = np.full(BINS * rows, worst, dtype=np.int64)
        keep.at(extreme, by_window, of.astype(np.int64))
        shaped[name] = extreme.reshape(1, BINS, rows)
        shaped[name][0, 0] = np.where(still > 0, keep(shaped[name][0, 0], 0), shaped[name][0, 0])
    return Moments({name: shaped[name] for name in (*SUMS, "x_min", "y_min", "x_max", "y_max")})


def _sum(cell: Ints, terms: Floats, cells: int) -> Ints:
    """Exact sums of whole numbers by cell."""
    found = np.bincount(cell, weights=terms, minlength=cells)
    if found.size and np.abs(found).max() >= _EXACT:
        whole = np.zeros(cells, dtype=np.int64)
        np.add.at(whole, cell, terms.astype(np.int64))
        return whole
    return found.astype(np.int64)
