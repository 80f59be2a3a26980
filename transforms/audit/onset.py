"""Onset: when a change came, with an interval.

Given the stretches on either side and flat priors for their levels and slopes, the probability of a place goes with
exp(-RSS / 2) / sqrt(det) (Chernoff and Zacks, Ann. Math. Stat. 35, 1964; Smith, Biometrika 62, 1975); the interval holds
the most probable places. Where a drift begins or ends without a jump, the same is done for a line that bends there (Bacon
and Watts, Biometrika 58, 1971). The sums of squares are those of generalised least squares (`gls`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.audit.changes import inner_edges
from transforms.audit.costs import PrefixSums
from transforms.audit.gls import bend_fit, every_place, jump_fit, parts_of
from transforms.audit.segment import LEAST, Stretches
from transforms.audit.series import Bools, Floats, Ints, Series

#: probability that the interval of a date holds
PROBABILITY = 0.97
_AT_ONCE = 64


@dataclass(frozen=True)
class Onsets:
    """When the changes between neighbouring stretches of a row came, in windows of the row.

    ``left`` is the number of the stretch that ends there. ``place`` is the first window after the change, ``low`` and
    ``high`` bound it. ``bends`` is 1 where a drift begins there without a jump, 2 where one ends, else 0.
    """

    left: Ints
    place: Ints
    low: Ints
    high: Ints
    bends: Ints


def date_changes(stretches: Stretches, series: Series, sums: PrefixSums) -> Onsets:
    """Date each change between two stretches of a row.

    Parameters
    ----------
    stretches, sums
        From `settle`.
    series : Series
        Errors with outliers drawn in.
    """
    left = inner_edges(stretches)
    place, low, high = (np.zeros(len(left), dtype=np.int64) for _ in range(3))
    bends = np.zeros(len(left), dtype=np.int64)
    for begin in range(0, len(left), _AT_ONCE):
        some = slice(begin, begin + _AT_ONCE)
        k = left[some]
        row, first, last = stretches.row[k], stretches.first[k], stretches.last[k + 1]
        parts = parts_of(series, sums, row, first, last, *every_place(first, last))
        drifts = (stretches.drifts[k], stretches.drifts[k + 1])
        jump = jump_fit(parts, *drifts)
        begin_bent, end_bent = (bend_fit(parts, np.full(len(k), ends)) for ends in (False, True))
        # a bend takes the place of a jump where what it says of both sides may be so
        usable = (np.full(len(k), True), ~drifts[0], ~drifts[1])
        free = ((3 + drifts[0].astype(np.int64) + drifts[1]).astype(np.float64), 3.0, 3.0)
        chosen, place[some], own_low, own_high = _averaged(
            (jump, begin_bent, end_bent), usable, free, (last - first).astype(np.float64)
        )
        place[some] += first + LEAST
        low[some] = np.minimum(first + LEAST + own_low, place[some])
        high[some] = np.maximum(first + LEAST + own_high, place[some])
        bends[some] = chosen
    return _in_order(Onsets(left, place, low, high, bends), stretches)


def _in_order(onsets: Onsets, stretches: Stretches) -> Onsets:
    """The same, changes that would overtake their neighbours put back to where the stretches have them."""
    left, edge = onsets.left, stretches.first[onsets.left + 1]
    next_to = left[1:] == left[:-1] + 1
    crossed = next_to & (onsets.place[1:] < onsets.place[:-1] + LEAST)
    back = np.append(crossed, False) | np.append(False, crossed)
    place = np.where(back, edge, onsets.place)
    return Onsets(left, place, np.minimum(onsets.low, place), np.maximum(onsets.high, place), onsets.bends)


def with_bends(stretches: Stretches, onsets: Onsets) -> Stretches:
    """The stretches on their final places, those that drift by the way in which they begin or end included."""
    first, last, drifts = stretches.first.copy(), stretches.last.copy(), stretches.drifts.copy()
    first[onsets.left + 1] = last[onsets.left] = onsets.place
    drifts[onsets.left + 1] |= onsets.bends == 1
    drifts[onsets.left] |= onsets.bends == 2
    return Stretches(stretches.row, first, last, drifts)


def _averaged(
    models: tuple[tuple[Floats, Floats], ...], usable: tuple[Bools, ...], free: tuple[Floats | float, ...], n: Floats
) -> tuple[Ints, Ints, Ints, Ints]:
    """The best model of each change, its place, and the interval of the place averaged over the models.

    Models are weighed by the Schwarz criterion (Kass and Raftery, JASA 90, 1995).

    Parameters
    ----------
    models
        RSS and log probability of each place under each model, shape (changes, places).
    usable
        Whether a model comes into question.
    free
        Free parameters of each model.
    n
        Windows that they are fitted to.
    """
    scores = np.stack(
        [
            np.where(may, -(rest.min(axis=1) + count * np.log(n)) / 2, -np.inf)
            for (rest, _), may, count in zip(models, usable, free, strict=True)
        ]
    )
    chosen = scores.argmax(axis=0)
    weights = np.exp(scores - scores.max(axis=0))
    together = np.zeros(models[0][0].shape)
    for (_, log), weight in zip(models, weights, strict=True):
        p = np.exp(log - log.max(axis=1, keepdims=True))
        together += weight[:, None] * p / p.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        low, high = most_probable(np.log(together))
    place = np.choose(chosen, [rest.argmin(axis=1) for rest, _ in models])
    return chosen, place, low, high


def most_probable(log: Floats) -> tuple[Ints, Ints]:
    """First and last of the most probable places that together have `PROBABILITY`."""
    p = np.exp(log - log.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    order = np.argsort(-p, axis=1, kind="stable")
    running = np.cumsum(np.take_along_axis(p, order, axis=1), axis=1)
    needed = (running < PROBABILITY).sum(axis=1) + 1
    chosen = np.arange(p.shape[1])[None, :] < needed[:, None]
    return np.where(chosen, order, p.shape[1]).min(axis=1), np.where(chosen, order, -1).max(axis=1)
