"""Where on a picture the display may be: quadrilaterals as wide as displays are, and their view from the front.

Thresholds and edges give contours; what is a convex quadrilateral with sides of 1.8 to 9 and holds strokes may be a
display's glass. `cv2` is an argument throughout: it belongs to an extra, and is imported once, by the engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]

#: long side at which displays are looked for [pixels]
_SEARCH: Final = 960
#: long side against short side of a display's glass
_WIDE: Final = (1.8, 9.0)
#: least area of a display, as a share of the picture's
_LEAST_AREA: Final = 0.004
#: height of the view from the front [pixels]
VIEW_HEIGHT: Final = 96


@dataclass(frozen=True)
class Glass:
    """A part of a picture that may be a display.

    Attributes
    ----------
    corners
        Top left, top right, bottom right, bottom left [pixels of the picture].
    """

    corners: NDArray[np.float32]

    @property
    def sides(self) -> tuple[float, float]:
        """Width and height, as means of opposite sides [pixels]."""
        a, b, c, d = self.corners
        return (_far(a, b) + _far(d, c)) / 2, (_far(a, d) + _far(b, c)) / 2

    @property
    def area(self) -> float:
        """Width times height [pixels squared]."""
        width, height = self.sides
        return width * height


def find(cv2: Any, grey: Grey, most: int = 4) -> list[Glass]:
    """Parts of a picture that may be a display, the likeliest first.

    Parameters
    ----------
    grey
        The picture, at any size.
    most
        How many to give at most.
    """
    scale = min(1.0, _SEARCH / max(grey.shape))
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey
    small = cv2.GaussianBlur(small, (0, 0), 1.2)
    strokes = _strokes(cv2, small)
    found: list[tuple[float, Glass]] = []
    # Noise and faint edges vanish at half the size; small displays are clear at the full one.
    half = cv2.resize(small, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    for plane, zoom in ((small, 1), (half, 2)):
        for outline in _outlines(cv2, plane):
            glass = _quadrilateral(cv2, outline * zoom, small.shape)
            if glass is not None:
                found.append((_merit(cv2, glass, strokes), glass))
    found.sort(key=lambda pair: -pair[0])
    chosen: list[Glass] = []
    for merit, glass in found:
        if merit > 0 and not any(_same(glass, other) for other in chosen):
            chosen.append(glass)
        if len(chosen) == most:
            break
    return [Glass((glass.corners / np.float32(scale)).astype(np.float32)) for glass in chosen]


def about_text(corners: NDArray[np.float32]) -> Glass | None:
    """The part of a picture about a line of text, with the margins of a display; None if it is no wide line."""
    glass = Glass(_ordered(corners))
    width, height = glass.sides
    if height < 8 or width < 1.3 * height:
        return None
    centre = glass.corners.mean(0)
    along, down = (glass.corners[1] - glass.corners[0]) / width, (glass.corners[3] - glass.corners[0]) / height
    reach = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32)
    x, y = width / 2 + 0.5 * height, height / 2 + 0.2 * height
    return Glass((centre + reach[:, :1] * x * along + reach[:, 1:] * y * down).astype(np.float32))


def to_picture(cv2: Any, glass: Glass, width: int, height: int) -> NDArray[np.float64]:
    """The homography from the view from the front, ``width`` by ``height``, to the picture."""
    front = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix: NDArray[np.float64] = cv2.getPerspectiveTransform(front, glass.corners)
    return matrix


def view(cv2: Any, grey: Grey, glass: Glass) -> tuple[Grey, NDArray[np.float64]]:
    """The display from the front, `VIEW_HEIGHT` high, and the homography from there to the picture."""
    width, height = glass.sides
    across = int(np.clip(VIEW_HEIGHT * width / max(height, 1), VIEW_HEIGHT, VIEW_HEIGHT * 10))
    matrix = to_picture(cv2, glass, across, VIEW_HEIGHT)
    return warp(cv2, grey, matrix, across, VIEW_HEIGHT), matrix


def inside(matrix: NDArray[np.float64], shape: tuple[int, ...], frame: tuple[int, int, int, int]) -> Glass:
    """The glass without a frame that reaches into its view, see `strokes.frame`; ``matrix`` leads to the picture."""
    left, top, right, bottom = frame[0], frame[1], shape[1] - frame[2], shape[0] - frame[3]
    corners = np.array([[left, top, 1], [right, top, 1], [right, bottom, 1], [left, bottom, 1]], np.float64) @ matrix.T
    return Glass((corners[:, :2] / corners[:, 2:]).astype(np.float32))


def warp(cv2: Any, grey: Grey, matrix: NDArray[np.float64], width: int, height: int) -> Grey:
    """A view of the picture: ``matrix`` leads from the view to the picture."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen: Grey = cv2.warpPerspective(grey, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return seen


def _strokes(cv2: Any, grey: Grey) -> NDArray[np.float32]:
    """Where thin things are, dark or light, with the picture's usual noise taken off."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (13, 13))
    dark = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, kernel)
    light = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, kernel)
    thin = np.maximum(dark, light).astype(np.float32)
    strokes: NDArray[np.float32] = np.maximum(thin - np.float32(np.median(thin)) * 2, 0)
    return strokes


def _outlines(cv2: Any, grey: Grey) -> Iterator[NDArray[np.int32]]:
    """Contours of what several thresholds and Canny's edges set apart."""
    _, otsu = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    local = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 101, 4)
    middle = float(np.median(grey))
    masks = [otsu, 255 - otsu, local, 255 - local]
    kernel = np.ones((3, 3), np.uint8)
    for low, high in ((0.25 * middle, 0.6 * middle), (10, 30)):
        masks.append(cv2.dilate(cv2.Canny(grey, low, high), kernel))
    for mask in masks:
        contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        yield from (contour for contour in contours if len(contour) >= 4)


def _quadrilateral(cv2: Any, outline: NDArray[np.int32], shape: tuple[int, ...]) -> Glass | None:
    area = cv2.contourArea(outline)
    if area < _LEAST_AREA * 0.5 * shape[0] * shape[1]:
        return None
    hull = cv2.convexHull(outline)
    if not _LEAST_AREA * shape[0] * shape[1] < cv2.contourArea(hull) < 0.9 * shape[0] * shape[1]:
        return None
    length = cv2.arcLength(hull, True)
    for tolerance in (0.015, 0.025, 0.04, 0.06):
        corners = cv2.approxPolyDP(hull, tolerance * length, True)
        if len(corners) <= 4:
            break
    if len(corners) != 4 or cv2.contourArea(corners) < 0.75 * cv2.contourArea(hull):
        return None
    glass = Glass(_ordered(corners.reshape(4, 2).astype(np.float32)))
    width, height = glass.sides
    return glass if height >= 12 and _WIDE[0] <= width / height <= _WIDE[1] else None


def _ordered(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Top left first, then clockwise, for a display that is turned by less than 45 degrees."""
    by_angle = corners[np.argsort(np.arctan2(*(corners - corners.mean(0)).T[::-1]))]
    edges = np.roll(by_angle, -1, 0) - by_angle
    first = int(np.argmax(edges[:, 0] / (np.hypot(*edges.T) + 1e-6)))
    return np.roll(by_angle, -first, 0).astype(np.float32)


def _merit(cv2: Any, glass: Glass, strokes: NDArray[np.float32]) -> float:
    """How much it looks like a display: strokes inside, more of them than just inside its edge."""
    width, height = glass.sides
    columns = int(np.clip(48 * width / height, 48, 480))
    seen = warp(cv2, strokes, to_picture(cv2, glass, columns, 48), columns, 48)  # type: ignore[arg-type]
    core = seen[8:40, 4:-4]
    busy = float((core > 8).mean())
    edge = float(np.concatenate([seen[:3].ravel(), seen[-3:].ravel()]).mean())
    middle = float(core.mean())
    if busy < 0.02:
        return 0.0
    # Digits have bars across as well as upright ones; barcodes have not.
    across, upright = (float(np.abs(np.diff(core, axis=axis)).mean()) for axis in (0, 1))
    bars = min(1.0, 1.6 * across / (upright + 1e-6))
    return float(bars * min(busy, 0.35) * np.sqrt(glass.area) * middle / (middle + edge + 1.0))


def _same(one: Glass, other: Glass) -> bool:
    """Whether two lie so close that reading both would be reading twice."""
    reach = 0.06 * max(one.sides[0], other.sides[0])
    return bool(np.abs(one.corners - other.corners).max() < max(reach, 4.0))


def _far(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.hypot(*(a - b)))
