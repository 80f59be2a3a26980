"""Ink: how much of a stroke each pixel of a display's view is, whatever the light, the contrast and the colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

#: how far a frame may reach into the view, as a share of its height
_FRAME: Final = 0.24


@dataclass(frozen=True)
class Ink:
    """A view of a display as strokes.

    Attributes
    ----------
    level
        0 glass, about 1 a lit segment; local contrast taken out.
    washed
        0 to 1: how far light on the glass has taken the contrast away, so that nothing there means nothing.
    dark
        Whether strokes are darker than the glass.
    contrast
        Of strokes against the glass [grey levels].
    noise
        Of the view [grey levels].
    """

    level: Plane
    washed: Plane
    dark: bool
    contrast: float
    noise: float


def inks(cv2: Any, view: NDArray[np.uint8]) -> list[Ink]:
    """The view as dark strokes and as light ones, the likelier first; one only if the other is far fainter."""
    share = _darker(cv2, view)
    both = [(share, _ink(cv2, view, dark=True)), (1 - share, _ink(cv2, view, dark=False))]
    both.sort(key=lambda pair: -pair[0] * pair[1].contrast)
    # Glare can mislead the order, so it decides nothing more than what is tried first.
    least = 0.45 * max(ink.contrast for _, ink in both)
    return [ink for _, ink in both if ink.contrast >= least]


def _darker(cv2: Any, view: NDArray[np.uint8]) -> float:
    """How much of what differs from the glass above and below the digits is darker than it, 0 to 1.

    Between dark strokes the glass looks like light strokes, and the other way round; beside them it does not.
    """
    height = view.shape[0]
    rows = np.r_[int(0.05 * height) : int(0.14 * height), int(0.86 * height) : int(0.95 * height)]
    ring = np.median(view[rows].astype(np.float32), axis=0, keepdims=True)
    glass = cv2.GaussianBlur(ring, (0, 0), 0.3 * height)
    core = view[int(0.2 * height) : int(0.8 * height)].astype(np.float32) - glass
    below, above = float(np.maximum(-core, 0).sum()), float(np.maximum(core, 0).sum())
    return below / max(below + above, 1e-6)


def _ink(cv2: Any, view: NDArray[np.uint8], dark: bool) -> Ink:
    height = view.shape[0]
    smooth = cv2.GaussianBlur(view, (0, 0), 1.0)
    size = int(0.32 * height) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    way = cv2.MORPH_CLOSE if dark else cv2.MORPH_OPEN
    ground = cv2.GaussianBlur(cv2.morphologyEx(smooth, way, kernel), (0, 0), 0.03 * height).astype(np.float32)
    raw = (ground - smooth if dark else smooth - ground).astype(np.float32)
    raw = np.maximum(raw, 0)
    noise = float(np.median(np.abs(view.astype(np.float32) - smooth))) * 1.48
    core = raw[height // 8 : -height // 8]
    contrast = float(np.percentile(core, 94))
    reach = int(0.55 * height) | 1
    local = cv2.dilate(cv2.GaussianBlur(raw, (0, 0), 1.5), np.ones((reach, reach), np.uint8))
    local = cv2.GaussianBlur(local, (0, 0), 0.3 * height)
    floor = max(0.4 * contrast, 2.5 * noise, 3.0)
    level = np.minimum(raw / np.maximum(local * 0.9, floor), 1.3)
    # Of the darker part: a large spot of light must not pass for the usual glass.
    usual = float(np.percentile(ground, 20))
    room = (255 - ground) / max(255 - usual, 8.0)
    washed = np.clip((0.45 - room) / 0.35, 0, 1) if usual < 235 else np.zeros_like(ground)
    return Ink(level.astype(np.float32), washed.astype(np.float32), dark, contrast, noise)


def frame(ink: Ink) -> tuple[int, int, int, int]:
    """How far a frame about the glass reaches into the view: from the left, top, right and bottom [pixels].

    A frame is a bar from end to end near an edge; bars of digits leave gaps, and none is at the ends.
    """
    level = np.minimum(ink.level, 1.0)
    height = len(level)
    reach, end = int(_FRAME * height), max(int(0.06 * height), 2)
    rows = (level.mean(1) > 0.55) & (np.minimum(level[:, :end].mean(1), level[:, -end:].mean(1)) > 0.35)
    columns = (level.mean(0) > 0.7) & (np.minimum(level[:end].mean(0), level[-end:].mean(0)) > 0.5)

    def depth(bars: NDArray[np.bool_]) -> int:
        found = np.flatnonzero(bars[:reach])
        return int(found[-1]) + 3 if len(found) else 0

    return depth(columns), depth(rows), depth(columns[::-1]), depth(rows[::-1])


def lean(cv2: Any, level: Plane) -> float:
    """How far strokes lean to the right, as a share of the height: at this shear columns differ most."""
    height = level.shape[0]
    band = level[int(0.15 * height) : int(0.85 * height)]
    best, chosen = -1.0, 0.0
    for slant in np.arange(-0.2, 0.42, 0.03):
        profile = straightened(cv2, band, float(slant)).mean(0)
        worth = float(np.square(np.diff(profile)).sum())
        if worth > best:
            best, chosen = worth, float(slant)
    return chosen


def straight(shape: tuple[int, ...], slant: float, tilt: float = 0.0, fan: float = 0.0) -> NDArray[np.float64]:
    """The way from a view in which digits stand upright and equally large to one in which they do not.

    Parameters
    ----------
    shape
        Height and width of both.
    slant, tilt
        How far digits lean to the right, and their row climbs to the left, each as a share.
    fan
        How much smaller the right end is than the left one, as a share: what is left of the perspective.
    """
    height, width = shape[:2]
    centre = np.array([[1, 0, width / 2], [0, 1, height / 2], [0, 0, 1]])
    away = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    matrix: NDArray[np.float64] = centre @ np.array([[1, -slant, 0], [tilt, 1, 0], [fan / width, 0, 1]]) @ away
    return matrix


def straightened(cv2: Any, plane: Plane, slant: float, tilt: float = 0.0, fan: float = 0.0) -> Plane:
    """The view with digits upright, see `straight`."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    height, width = plane.shape
    result: Plane = cv2.warpPerspective(plane, straight(plane.shape, slant, tilt, fan), (width, height), flags=flags)
    return result
