"""The grid: N cells of equal pitch on a display's view, where the segments of each lie, and how much ink they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transforms.display.strokes import Plane

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


def segments(plane: Plane, grid: Grid, extra: int = 0) -> NDArray[np.float64]:
    """Mean of a plane over each segment of each cell (and its two holes, last): cells by 9.

    Parameters
    ----------
    plane
        A view that has been straightened as the grid says.
    extra
        Cells to add left and right of the grid.
    """
    return means(integral(plane), boxes([grid], extra)[0])


def boxes(grids: list[Grid], extra: int = 0, core: float = 0.8) -> NDArray[np.float64]:
    """Corners (x0, y0, x1, y1) of the segments and holes of each cell: grids of one count by cells by 9 by 4.

    ``core`` is the share of a segment's length that is looked at: its ends meet other segments.
    """
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


def integral(plane: Plane) -> NDArray[np.float64]:
    """Sums of a plane from its corner, for `means`."""
    total = np.zeros((plane.shape[0] + 2, plane.shape[1] + 2))
    total[1:-1, 1:-1] = plane.cumsum(0, dtype=np.float64).cumsum(1)
    total[-1], total[:, -1] = total[-2], total[:, -2]
    return total


def means(total: NDArray[np.float64], parts: NDArray[np.float64]) -> NDArray[np.float64]:
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
