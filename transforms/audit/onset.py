"""Onset: when a change came, with an interval.

Given the stretches on either side and flat priors for their levels and slopes, the probability of a place goes with
exp(-RSS / 2) / sqrt(det) (Chernoff and Zacks, Ann. Math. Stat. 35, 1964; Smith, Biometrika 62, 1975); the interval holds
the most probable places. Where a drift begins or ends without a jump, the same is done for a line that bends there (Bacon
and Watts, Biometrika 58, 1971). The sums of squares are those of generalised least squares: the error of the reference is
the same in all windows of one calibration and another in those of the next, which may look like a change or a bend.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.audit.changes import inner_edges
from transforms.audit.costs import PrefixSums, prefix_sums
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


def date_changes(stretches: Stretches, series: Series, variance: Floats) -> Onsets:
    """Date each change between two stretches of a row.

    Parameters
    ----------
    stretches, variance
        From `settle`.
    series : Series
        Errors with outliers drawn in.
    """
    sums = prefix_sums(series, variance)
    left = inner_edges(stretches)
    place, low, high = (np.zeros(len(left), dtype=np.int64) for _ in range(3))
    bends = np.zeros(len(left), dtype=np.int64)
    for begin in range(0, len(left), _AT_ONCE):
        some = slice(begin, begin + _AT_ONCE)
        k = left[some]
        row, first, last = stretches.row[k], stretches.first[k], stretches.last[k + 1]
        parts = parts_of(series, sums, row, first, last)
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


@dataclass(frozen=True)
class _Parts:
    """Sums of w, wt, wtt, wy, wty, wyy over what lies before and after each place, whole and by calibration.

    ``before``, ``after`` are of shape (6, changes, places), ``own_before``, ``own_after`` (6, changes, places,
    calibrations), ``shared`` is u^2 / (1 + u^2 W) of each calibration, ``time`` the time at each place.
    """

    inside: Bools
    before: Floats
    after: Floats
    own_before: Floats
    own_after: Floats
    shared: Floats
    time: Floats

    def take(self, some: Ints) -> _Parts:
        axis = {"inside": 0, "time": 0, "shared": 0}
        return _Parts(
            **{name: np.take(getattr(self, name), some, axis.get(name, 1)) for name in self.__dataclass_fields__}
        )


def parts_of(series: Series, sums: PrefixSums, row: Ints, first: Ints, last: Ints) -> _Parts:
    count = last - first - 2 * LEAST + 1
    place = first[:, None] + LEAST + np.arange(int(count.max()))[None, :]
    inside = place <= (last - LEAST)[:, None]
    place = np.where(inside, place, (first + LEAST)[:, None])
    running = sums.sums
    at = running[:, row[:, None], place]
    begin, end = running[:, row, first][:, :, None], running[:, row, last][:, :, None]
    edge, uncertainty = _calibrations(series, row, first, last)
    cut = np.clip(place[:, :, None], edge[:, None, :-1], edge[:, None, 1:])
    middle = running[:, row[:, None, None], cut]
    low, high = (running[:, row[:, None], e][:, :, None, :] for e in (edge[:, :-1], edge[:, 1:]))
    weight = (high - low)[0, :, 0]
    shared = uncertainty**2 / (1 + uncertainty**2 * weight)
    time = ((series.day[row[:, None], place] + series.day[row[:, None], place - 1]) / 2 - sums.origin[row, None]) / (
        sums.unit[row, None]
    )
    return _Parts(inside, at - begin, end - at, middle - low, high - middle, shared, time)


def _calibrations(series: Series, row: Ints, first: Ints, last: Ints) -> tuple[Ints, Floats]:
    """Edges of the runs of windows of one calibration within [first, last), and the reference's uncertainty in each.

    Shapes (changes, runs + 1) and (changes, runs); runs beyond the last are empty.
    """
    width = series.error.shape[1]
    columns = np.arange(width)[None, :]
    inside = (columns > first[:, None]) & (columns < last[:, None])
    own = series.calibration[row]
    new = inside & (own != np.roll(own, 1, axis=1))
    runs = int(new.sum(axis=1).max()) + 1 if len(row) else 1
    edge = np.repeat(last[:, None], runs + 1, axis=1)
    edge[:, 0] = first
    which, at = np.nonzero(new)
    nth = np.cumsum(new, axis=1)[which, at]
    edge[which, nth] = at
    begin = np.minimum(edge[:, :-1], width - 1)
    return edge, series.common[row[:, None], begin]


def jump_fit(parts: _Parts, drifts_before: Bools, drifts_after: Bools) -> tuple[Floats, Floats]:
    """RSS and log probability of each place for a level or line before and another after it."""
    shape = parts.inside.shape
    matrix, vector = np.zeros((*shape, 4, 4)), np.zeros((*shape, 4))
    y_own = parts.own_before[3] + parts.own_after[3]
    square = parts.before[5] + parts.after[5] - (parts.shared[:, None] * y_own**2).sum(axis=2)
    columns = []
    for first, (whole, own, drifts) in enumerate(
        ((parts.before, parts.own_before, drifts_before), (parts.after, parts.own_after, drifts_after))
    ):
        on = drifts[:, None]
        level, slope = 2 * first, 2 * first + 1
        matrix[..., level, level] = whole[0]
        matrix[..., level, slope] = matrix[..., slope, level] = np.where(on, whole[1], 0.0)
        matrix[..., slope, slope] = np.where(on, whole[2], 1.0)
        vector[..., level], vector[..., slope] = whole[3], np.where(on, whole[4], 0.0)
        columns += [own[0], np.where(on[..., None], own[1], 0.0)]
    own_columns = np.stack(columns, axis=-1)
    weighted = own_columns * parts.shared[:, None, :, None]
    matrix -= np.einsum("btci,btcj->btij", weighted, own_columns)
    vector -= np.einsum("btci,btc->bti", weighted, y_own)
    return _solved(matrix, vector, square, parts.inside)


def bend_fit(parts: _Parts, ends: Bools) -> tuple[Floats, Floats]:
    """The same for a level that turns into a line without a jump, or where ``ends`` is true for a line into a level."""
    shape = parts.inside.shape
    on = ends[:, None]
    t = parts.time

    def bent(before: Floats, after: Floats, time: Floats, where: Bools) -> tuple[Floats, Floats, Floats]:
        w, wt, wtt, wy, wty, _ = np.where(where, before, after)
        return wt - time * w, wtt - 2 * time * wt + time**2 * w, wty - time * wy

    z, zz, zy = bent(parts.before, parts.after, t, on)
    own_z, _, _ = bent(parts.own_before, parts.own_after, t[..., None], on[..., None])
    own_w, own_y = (parts.own_before[k] + parts.own_after[k] for k in (0, 3))
    matrix, vector = np.zeros((*shape, 2, 2)), np.zeros((*shape, 2))
    matrix[..., 0, 0] = parts.before[0] + parts.after[0]
    matrix[..., 0, 1] = matrix[..., 1, 0] = z
    matrix[..., 1, 1] = zz
    vector[..., 0], vector[..., 1] = parts.before[3] + parts.after[3], zy
    own_columns = np.stack([own_w, own_z], axis=-1)
    weighted = own_columns * parts.shared[:, None, :, None]
    matrix -= np.einsum("btci,btcj->btij", weighted, own_columns)
    vector -= np.einsum("btci,btc->bti", weighted, own_y)
    square = parts.before[5] + parts.after[5] - (parts.shared[:, None] * own_y**2).sum(axis=2)
    return _solved(matrix, vector, square, parts.inside)


def _solved(matrix: Floats, vector: Floats, square: Floats, inside: Bools) -> tuple[Floats, Floats]:
    """RSS and log probability from the normal equations; infinite where there is no place."""
    scale = np.sqrt(np.maximum(np.diagonal(matrix, axis1=-2, axis2=-1), 1e-300))
    even = matrix / (scale[..., :, None] * scale[..., None, :])
    even += 1e-12 * np.eye(matrix.shape[-1])
    right = vector / scale
    solution = np.linalg.solve(even, right[..., None])[..., 0]
    rest = square - (solution * right).sum(axis=-1)
    _, det = np.linalg.slogdet(even)
    det = det + 2 * np.log(scale).sum(axis=-1)
    return np.where(inside, rest, np.inf), np.where(inside, -(rest + det) / 2, -np.inf)


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
