"""Generalised least squares of a change: what it leaves of the windows around it, for one or all of its places at once.

The error of the reference is the same in all windows of one calibration and another in those of the next, which may look
like a change, a drift or a bend. With variances 1 / w of the windows and u^2 in common, the inverse of the covariance is
W - sum over calibrations of u^2 / (1 + u^2 sum w) (w w') (Sherman and Morrison 1950), so prefix sums are all it takes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.audit.costs import PrefixSums
from transforms.audit.segment import LEAST
from transforms.audit.series import Bools, Floats, Ints, Series


@dataclass(frozen=True)
class Parts:
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

    def take(self, some: Ints) -> Parts:
        axis = {"inside": 0, "time": 0, "shared": 0}
        return Parts(
            **{name: np.take(getattr(self, name), some, axis.get(name, 1)) for name in self.__dataclass_fields__}
        )


def every_place(first: Ints, last: Ints) -> tuple[Ints, Bools]:
    """All places that leave `LEAST` windows on either side, and where they are any; shape (changes, places)."""
    count = last - first - 2 * LEAST + 1
    place = first[:, None] + LEAST + np.arange(int(count.max()))[None, :]
    inside = place <= (last - LEAST)[:, None]
    return np.where(inside, place, (first + LEAST)[:, None]), inside


def parts_of(series: Series, sums: PrefixSums, row: Ints, first: Ints, last: Ints, place: Ints, inside: Bools) -> Parts:
    """Take the sums for changes at some places within the windows [first, last) of some rows."""
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
    return Parts(inside, at - begin, end - at, middle - low, high - middle, shared, time)


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


def jump_fit(parts: Parts, drifts_before: Bools, drifts_after: Bools) -> tuple[Floats, Floats]:
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


def bend_fit(parts: Parts, ends: Bools) -> tuple[Floats, Floats]:
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


def whole_fit(parts: Parts) -> tuple[Floats, Floats]:
    """RSS of one level and of one line over both sides, shape (changes,)."""
    w, wt, wtt, wy, wty, wyy = (parts.before + parts.after)[:, :, 0]
    own_w, own_t, _, own_y, _, _ = (parts.own_before + parts.own_after)[:, :, 0]
    shared = parts.shared
    square = wyy - (shared * own_y**2).sum(axis=1)
    a11, a12, a22 = (
        w - (shared * own_w**2).sum(axis=1),
        wt - (shared * own_w * own_t).sum(axis=1),
        wtt - (shared * own_t**2).sum(axis=1),
    )
    b1, b2 = wy - (shared * own_w * own_y).sum(axis=1), wty - (shared * own_t * own_y).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        level = square - b1**2 / a11
        line = level - (b2 - a12 * b1 / a11) ** 2 / (a22 - a12**2 / a11)
    return level, line
