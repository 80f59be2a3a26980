"""The first opinion: the line of digits cut out along the grid, drawn in several ways, and read by the text recogniser."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transforms.display.engine import LINE, Engine
from transforms.display.glass import Grey, warp
from transforms.display.grid import Grid
from transforms.display.lattice import best_strings, log_probability
from transforms.display.strokes import Ink, straight

#: margins about the digits: above and below as a share of their height, left and right of the pitch
_ABOVE: Final = 0.22
_LEFT, _RIGHT = 0.35, 0.25
#: strings that each drawing may propose
_PROPOSED: Final = 3


def lines(cv2: Any, grey: Grey, to_picture: NDArray[np.float64], ink: Ink, grid: Grid) -> list[Grey]:
    """The digits as lines of text, dark on light: as they are, with more contrast, wider, as ink, as joined ink.

    Parameters
    ----------
    grey, to_picture
        The picture, and the homography from the view with the grid to it.
    """
    to_view, width = _line(grid, ink.level.shape, upright=False)
    plain = warp(cv2, grey, to_picture @ to_view, width, LINE)
    plain = plain if ink.dark else 255 - plain
    low, high = np.percentile(plain, (2, 98))
    stretched = np.clip((plain - low) * (255 / max(high - low, 8)), 0, 255).astype(np.uint8)
    equal = cv2.createCLAHE(2.0, (4, 4)).apply(plain)
    wide = cv2.resize(stretched, (int(width * 1.3) // 8 * 8, LINE))
    to_view, width = _line(grid, ink.level.shape, upright=True)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    level = cv2.warpPerspective(np.minimum(ink.level, 1), to_view, (width, LINE), flags=flags)
    drawn = (255 - 235 * level).astype(np.uint8)
    joined = cv2.GaussianBlur(cv2.erode(drawn, np.ones((3, 3), np.uint8)), (0, 0), 0.8)
    return [stretched, equal, wide, drawn, joined]


def opinions(
    engine: Engine, drawings: list[Grey], count: int
) -> tuple[list[NDArray[np.float32]], list[list[str]], float]:
    """Steps of the recogniser for each drawing, the strings that each proposes, and how much speaks for that many digits."""
    steps = [engine.steps(drawing) for drawing in drawings]
    proposed, shares = [], []
    for one in steps:
        strings, share = best_strings(one, count)
        proposed.append(strings[:_PROPOSED])
        shares.append(share)
    return steps, proposed, float(np.mean(shares))


def weigh(steps: list[NDArray[np.float32]], texts: list[str]) -> NDArray[np.float64]:
    """Mean log probability of each string over the drawings, none of which may say more than a little against it."""
    table = np.array([[log_probability(one, text) for text in texts] for one in steps])
    table = np.maximum(table - table.max(1, keepdims=True), -12.0)
    mean: NDArray[np.float64] = table.mean(0)
    return mean


def minus(engine: Engine, grey: Grey, to_picture: NDArray[np.float64], ink: Ink, grid: Grid) -> float:
    """How probable it is, by the recogniser, that a minus stands left of the grid."""
    to_view, width = _line(grid, ink.level.shape, upright=False, left=_LEFT + 1)
    plain = warp(engine.cv2, grey, to_picture @ to_view, width, LINE)
    return engine.minus(plain if ink.dark else 255 - plain)


def _line(grid: Grid, shape: tuple[int, ...], upright: bool, left: float = _LEFT) -> tuple[NDArray[np.float64], int]:
    """The way from a line of text to the view, leaning as the digits do or set upright, and the line's width."""
    above = _ABOVE * grid.height
    top, bottom = grid.top - above, grid.bottom + above
    begin, end = grid.left - left * grid.pitch, grid.right + _RIGHT * grid.pitch
    if not upright:
        reach = abs(grid.slant) * (bottom - top) / 2
        begin, end = begin - reach, end + reach
    width = max(int((end - begin) / (bottom - top) * LINE) // 8 * 8, LINE)
    scale = np.array([[(end - begin) / width, 0, begin], [0, (bottom - top) / LINE, top], [0, 0, 1]])
    return straight(shape, grid.slant if upright else 0.0, grid.tilt, grid.fan) @ scale, width
