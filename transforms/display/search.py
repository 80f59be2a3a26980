"""The search for the grid: where N digits stand on a display's view, found without recognising any of them.

A grid is worth what it explains: over the segments of the best digit of every cell, ink above one half counts for it and
below one half against it. All N cells must hold a digit, so a digit that glare hides costs as much as one that is not there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.display.grid import LIT, Grid, boxes, integral, means
from transforms.display.strokes import Ink, Plane, lean, straightened

#: least height of the digits, as a share of the view's
_LEAST_TALL: Final = 0.36
#: cell widths against the pitch, and strokes against the digits' height, that the first search tries
_WIDTHS: Final = (0.6, 0.7, 0.8)
_STROKE: Final = 0.13
#: what the first search finds explains at least this share, or there are no digits
_HOPELESS: Final = 0.15
#: size of small decimals that the first search tries
_SMALL: Final = 0.8
#: steps of the refinement, as shares of the digits' height
_STEPS: Final = (0.06, 0.03, 0.015)


def fit(cv2: Any, ink: Ink, count: int, decimals: int) -> tuple[Grid, float] | None:
    """The grid of ``count`` cells that explains the ink best, and the share of ink in its rows that it explains."""
    slant = lean(cv2, ink.level)
    plane = straightened(cv2, ink.level, slant)
    best: list[tuple[float, Grid]] = []
    for top, bottom in _rows(plane):
        start = Grid(count, 0.0, 0.0, 0.0, top, bottom, _STROKE * (bottom - top), slant)
        best += _search(plane, start)
        if 0 < decimals < count:
            best += _search(plane, replace(start, decimals=decimals, small=_SMALL))
    if not best:
        return None
    best.sort(key=lambda pair: -pair[0])
    if best[0][0] < _HOPELESS * _reachable(plane, best[0][1]):
        return None
    fitted = [_refined(cv2, ink.level, grid) for _, grid in best[:2]]
    # Smaller decimals have one more freedom; they must explain visibly more.
    gain, grid = max(fitted, key=lambda pair: pair[0] * (0.97 if pair[1].small < 1 else 1.0))
    reachable = _reachable(straightened(cv2, ink.level, grid.slant, grid.tilt, grid.fan), grid)
    return grid, gain / max(reachable, 1.0)


def _reachable(plane: Plane, grid: Grid) -> float:
    """What a grid between those rows could explain at most: all their ink, but for the view's ends [pixels]."""
    side = int(0.15 * len(plane))
    rows = plane[max(int(grid.top), 0) : int(np.ceil(grid.bottom)), side:-side]
    return float(np.maximum(2 * np.minimum(rows, 1) - 1, 0).sum())


def _rows(plane: Plane) -> list[tuple[float, float]]:
    """Likely tops and bottoms of the digits: three bars, and nothing just above and below."""
    height, wide = plane.shape
    profile = plane[:, int(0.12 * wide) : -int(0.08 * wide)].mean(1)
    total = np.concatenate([[0.0], profile.cumsum()])
    step = max(height // 32, 1)
    top, bottom = (
        a.ravel().astype(np.float64)
        for a in np.meshgrid(np.arange(0, height // 2, step), np.arange(height // 2, height + 1, step), indexing="ij")
    )
    tall = bottom - top
    top, bottom, tall = (a[tall >= _LEAST_TALL * height] for a in (top, bottom, tall))

    def mean(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        i, j = np.clip(a, 0, height - 1).astype(np.intp), np.clip(np.ceil(b), 1, height).astype(np.intp)
        return (total[j] - total[i]) / np.maximum(j - i, 1)  # type: ignore[no-any-return]

    t, edge = _STROKE * tall, 0.1 * tall
    bars = mean(top, top + t) + mean((top + bottom - t) / 2, (top + bottom + t) / 2) + mean(bottom - t, bottom)
    outside = mean(top - edge, top - 1) + mean(bottom + 1, bottom + edge)
    rated = bars + mean(top, bottom) - 1.5 * outside
    chosen: list[tuple[float, float]] = []
    for k in np.argsort(-rated, kind="stable"):
        if all(abs(top[k] - a) + abs(bottom[k] - b) > 0.07 * height for a, b in chosen):
            chosen.append((float(top[k]), float(bottom[k])))
        if len(chosen) == 4:
            break
    return chosen


def _search(plane: Plane, start: Grid) -> list[tuple[float, Grid]]:
    """The three best grids between two rows, over all places, pitches and widths at once."""
    tall, wide, count, t = start.height, plane.shape[1], start.count, start.stroke
    scales = start.scales()
    pitches = np.arange(0.5 * tall, min(1.05 * tall, 1.04 * wide / (scales.sum() - 0.3)), 0.025 * tall)
    lefts = np.arange(-0.05 * tall, wide - 0.5 * tall * (scales.sum() - 1), 0.07 * tall)
    if not len(pitches) or not len(lefts):
        return []
    pitch, share, left = (a.ravel() for a in np.meshgrid(pitches, _WIDTHS, lefts, indexing="ij"))
    fits = left + pitch * (scales.sum() - 1) + pitch * share <= wide + 0.08 * tall
    pitch, width, left = pitch[fits], (pitch * share)[fits], left[fits]
    if not len(pitch):
        return []
    ink = np.concatenate([np.zeros((plane.shape[0], 1)), (2 * np.minimum(plane, 1.0) - 1).cumsum(1)], 1)
    begin = np.cumsum(scales) - scales
    worth = np.zeros(len(pitch))
    for size in np.unique(scales):
        mine = scales == size
        x = left[:, None] + pitch[:, None] * begin[mine] + (size - 1) * (pitch - width)[:, None] / 2
        worth += _explained(ink, x, width[:, None] * size, start.bottom - size * tall, start.bottom, t)
    order = np.argsort(-worth, kind="stable")[:400]
    chosen: list[int] = []
    for k in order:
        if all(abs(left[k] - left[c]) + count / 2 * abs(pitch[k] - pitch[c]) > 0.15 * tall for c in chosen):
            chosen.append(int(k))
        if len(chosen) == 2:
            break
    return [(float(worth[k]), replace(start, left=float(left[k]), pitch=float(pitch[k]), width=float(width[k])))
            for k in chosen]  # fmt: skip


def _explained(
    ink: NDArray[np.float64], x: NDArray[np.float64], w: NDArray[np.float64], top: float, bottom: float, t: float
) -> NDArray[np.float64]:
    """What the best digits of cells between two rows explain; ``ink`` is summed along the rows, x is grids by cells."""
    wide, middle = ink.shape[1] - 1, (top + bottom) / 2

    def edge(at: NDArray[np.float64]) -> NDArray[np.intp]:
        return np.clip(np.rint(at), 0, wide).astype(np.intp)

    left, left_in, right_in, right = edge(x), edge(x + t), edge(x + w - t), edge(x + w)

    def over(a: float, b: float, i: NDArray[np.intp], j: NDArray[np.intp]) -> NDArray[np.float64]:
        rows = ink[int(max(a, 0)) : int(min(np.ceil(b), len(ink)))].sum(0)
        gain: NDArray[np.float64] = rows[j] - rows[i]
        return gain

    upper, lower = (top + t, middle - t / 2), (middle + t / 2, bottom - t)
    gains = np.stack(
        [over(top, top + t, left, right), over(*upper, right_in, right), over(*lower, right_in, right),
         over(bottom - t, bottom, left, right), over(*lower, left, left_in), over(*upper, left, left_in),
         over(middle - t / 2, middle + t / 2, left_in, right_in)], -1)  # fmt: skip
    worth: NDArray[np.float64] = (gains @ LIT.T.astype(np.float64)).max(-1).sum(-1)
    return worth


def _worths(total: NDArray[np.float64], grids: list[Grid]) -> NDArray[np.float64]:
    """What each of some grids of one count explains [pixels]."""
    parts = boxes(grids, 0, 1.0)[:, :, :7]
    area = np.maximum(parts[..., 2] - parts[..., 0], 0) * np.maximum(parts[..., 3] - parts[..., 1], 0)
    gains = (2 * means(total, parts) - 1) * area
    worth: NDArray[np.float64] = (gains @ LIT.T).max(-1).sum(-1)
    return worth


def _refined(cv2: Any, level: Plane, grid: Grid) -> tuple[float, Grid]:
    """The best grid in the neighbourhood: the best of all single moves, again and again, in ever smaller steps."""

    def plane(g: Grid) -> NDArray[np.float64]:
        return integral(np.minimum(straightened(cv2, level, g.slant, g.tilt, g.fan), 1.0))

    total = plane(grid)
    best = float(_worths(total, [grid])[0])
    for step in _STEPS:
        for name, by in (("slant", step), ("tilt", step / 3), ("fan", 2 * step)):
            for sign in (1, -1):
                moved = replace(grid, **{name: getattr(grid, name) + sign * by})
                other = plane(moved)
                value = float(_worths(other, [moved])[0])
                if value > best and _sane(moved):
                    best, grid, total = value, moved, other
                    break
        for _ in range(8):
            moves = [moved for moved in _moves(grid, step * grid.height) if _sane(moved)]
            if not moves:
                break
            values = _worths(total, moves)
            k = int(values.argmax())
            if values[k] <= best:
                break
            best, grid = float(values[k]), moves[k]
    return best, grid


def _moves(grid: Grid, d: float) -> list[Grid]:
    """Grids one move away, by ``d`` pixels."""
    last = max(grid.count - 1, 1)
    changes: list[dict[str, float]] = [
        {"left": d}, {"pitch": d / last}, {"left": d, "pitch": -d / last}, {"width": d}, {"left": d, "width": -d},
        {"left": d / 2, "width": -d}, {"top": d}, {"bottom": d}, {"top": d, "bottom": d}, {"stroke": d / 3},
    ]  # fmt: skip
    if grid.small < 1:
        changes.append({"small": d / grid.height / 2})
    return [
        replace(grid, **{name: getattr(grid, name) + sign * by for name, by in change.items()})
        for change in changes
        for sign in (1, -1)
    ]


def _sane(grid: Grid) -> bool:
    tall = grid.height
    return (
        tall > 8
        and 0.6 <= grid.small <= 1
        and 0.38 * tall <= grid.width <= 0.8 * tall
        and 1.08 * grid.width <= grid.pitch <= 1.9 * grid.width
        and 0.06 * tall <= grid.stroke <= 0.22 * tall
        and abs(grid.tilt) < 0.12
        and abs(grid.fan) < 0.5
    )
