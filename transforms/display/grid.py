"""The grid: where N digits of equal pitch stand on a display's view, found without recognising any of them.

A grid is worth what it explains: over the segments of the best digit of every cell, ink above one half counts for it and
below one half against it. All N cells must hold a digit, so a digit that glare hides costs as much as one that is not there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.display.strokes import Ink, Plane, lean, straightened

#: forms of digits and the segments lit in each (a top, b c right, d bottom, e f left, g middle); some displays draw 6 and 9
#: without a tail and 7 with a hook
FORMS: Final = (
    ("0", "abcdef"), ("1", "bc"), ("2", "abged"), ("3", "abgcd"), ("4", "fgbc"), ("5", "afgcd"), ("6", "afgedc"),
    ("6", "fgedc"), ("7", "abc"), ("7", "abcf"), ("8", "abcdefg"), ("9", "abcdfg"), ("9", "abcfg"),
)  # fmt: skip
#: forms by segments, 1 where lit
LIT: Final = np.array([[segment in lit for segment in "abcdefg"] for _, lit in FORMS], np.float32)
#: the digit of each form
DIGIT: Final = np.array([int(digit) for digit, _ in FORMS])

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


@dataclass(frozen=True)
class Grid:
    """N cells on a view that has been straightened; lengths in pixels of the view.

    Attributes
    ----------
    count, left, pitch, width
        Number of cells, left edge of the first digit, distance between digits, width of a digit.
    top, bottom, stroke
        Of the digits, and the thickness of their segments.
    slant, tilt, fan
        How the view was straightened (`strokes.straight`).
    decimals, small
        Size of the last ``decimals`` digits against the others.
    """

    count: int
    left: float
    pitch: float
    width: float
    top: float
    bottom: float
    stroke: float
    slant: float = 0.0
    tilt: float = 0.0
    fan: float = 0.0
    decimals: int = 0
    small: float = 1.0

    @property
    def height(self) -> float:
        """Of a digit."""
        return self.bottom - self.top

    def scales(self, extra: int = 0) -> NDArray[np.float64]:
        """Size of each digit against the first; ``extra`` more cells on both sides."""
        sizes = np.ones(self.count + 2 * extra)
        if self.decimals:
            sizes[extra + self.count - self.decimals :] = self.small
        return sizes

    @property
    def right(self) -> float:
        """Right edge of the last digit."""
        return float(boxes([self])[0, -1, 1, 2])


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


def segments(plane: Plane, grid: Grid, extra: int = 0, core: float = 0.8) -> NDArray[np.float64]:
    """Mean of a plane over each segment of each cell (and its two holes, last): cells by 9.

    Parameters
    ----------
    plane
        A view that has been straightened as the grid says.
    extra
        Cells to add left and right of the grid.
    core
        Share of a segment's length that is looked at: its ends meet other segments.
    """
    return _means(_integral(plane), boxes([grid], extra, core)[0])


def boxes(grids: list[Grid], extra: int = 0, core: float = 0.8) -> NDArray[np.float64]:
    """Corners (x0, y0, x1, y1) of the segments and holes of each cell: grids of one count by cells by 9 by 4."""
    scales = np.array([grid.scales(extra) for grid in grids])
    pitch, width, left, bottom, height, stroke = np.array(
        [(g.pitch, g.width, g.left, g.bottom, g.height, g.stroke) for g in grids]
    ).T[..., None]
    starts = np.cumsum(scales * pitch, 1) - scales * pitch
    x0 = left - starts[:, extra, None] + starts + (scales - 1) * (pitch - width) / 2
    w, h, t = width * scales, height * scales, stroke * np.sqrt(scales)
    x1, y1 = x0 + w, np.broadcast_to(bottom, x0.shape)
    y0 = y1 - h
    middle = (y0 + y1) / 2
    inset = (1 - core) / 2
    side = np.minimum(1.5 * t, 0.38 * w)
    near, far = x0 + t * 0.6 + inset * (w - t), x1 - t * 0.6 - inset * (w - t)
    upper = (y0 + t * 0.6 + inset * h / 2, middle - t * 0.2 - inset * h / 2)
    lower = (middle + t * 0.2 + inset * h / 2, y1 - t * 0.6 - inset * h / 2)
    return np.stack([
        np.stack([near, y0, far, y0 + t], -1), np.stack([x1 - t, upper[0], x1, upper[1]], -1),
        np.stack([x1 - t, lower[0], x1, lower[1]], -1), np.stack([near, y1 - t, far, y1], -1),
        np.stack([x0, lower[0], x0 + t, lower[1]], -1), np.stack([x0, upper[0], x0 + t, upper[1]], -1),
        np.stack([near, middle - t / 2, far, middle + t / 2], -1),
        np.stack([x0 + side, y0 + 1.5 * t, x1 - side, middle - 0.9 * t], -1),
        np.stack([x0 + side, middle + 0.9 * t, x1 - side, y1 - 1.5 * t], -1),
    ], 2)  # fmt: skip


def _integral(plane: Plane) -> NDArray[np.float64]:
    total = np.zeros((plane.shape[0] + 2, plane.shape[1] + 2))
    total[1:-1, 1:-1] = plane.cumsum(0, dtype=np.float64).cumsum(1)
    total[-1], total[:, -1] = total[-2], total[:, -2]
    return total


def _means(total: NDArray[np.float64], parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over boxes whose edges lie between pixels; what lies outside the plane counts as no ink."""
    high, wide = total.shape[0] - 2, total.shape[1] - 2
    x, y = np.minimum(np.maximum(parts[..., ::2], 0), wide), np.minimum(np.maximum(parts[..., 1::2], 0), high)
    i, j = x.astype(np.intp), y.astype(np.intp)
    u, v = (x - i)[..., None, :], (y - j)[..., :, None]
    at = j[..., :, None] * total.shape[1] + i[..., None, :]
    flat = total.ravel()
    left, right = flat[at], flat[at + 1]
    upper = left + u * (right - left)
    left, right = flat[at + total.shape[1]], flat[at + total.shape[1] + 1]
    sums = upper + v * (left + u * (right - left) - upper)
    inside = sums[..., 1, 1] - sums[..., 0, 1] - sums[..., 1, 0] + sums[..., 0, 0]
    area = np.maximum(parts[..., 2] - parts[..., 0], 1.0) * np.maximum(parts[..., 3] - parts[..., 1], 1.0)
    result: NDArray[np.float64] = inside / area
    return result


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
    gains = (2 * _means(total, parts) - 1) * area
    worth: NDArray[np.float64] = (gains @ LIT.T).max(-1).sum(-1)
    return worth


def _refined(cv2: Any, level: Plane, grid: Grid) -> tuple[float, Grid]:
    """The best grid in the neighbourhood: the best of all single moves, again and again, in ever smaller steps."""

    def plane(g: Grid) -> NDArray[np.float64]:
        return _integral(np.minimum(straightened(cv2, level, g.slant, g.tilt, g.fan), 1.0))

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
