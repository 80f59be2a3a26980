"""A row of seven-segment digits as a coverage mask: polygons with slant, weight, gaps, ghosts, and small decimals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

#: segments of each character; the usual seven
LIT = {
    "0": "abcdef", "1": "bc", "2": "abged", "3": "abgcd", "4": "fgbc", "5": "afgcd", "6": "afgedc", "7": "abc",
    "8": "abcdefg", "9": "abcdfg", "-": "g", " ": "",
}  # fmt: skip
#: how some displays differ: 6 and 9 without a tail, 7 with a hook
_VARIANTS = {"6": "fgedc", "9": "abcfg", "7": "abcf"}
_DSEG = Path("/usr/share/fonts/truetype/dseg")
_HEIGHT = 160


@dataclass(frozen=True)
class Hand:
    """How a display draws digits; lengths are shares of the digits' height.

    Attributes
    ----------
    width, pitch
        Of a digit without its slant, and from one digit to the next.
    stroke, gap
        Thickness of a segment, and the space between two of them.
    slant
        How far the top leans to the right.
    pointed
        Segments end in points, otherwise bluntly.
    small
        Size of the decimals against that of the other digits.
    variants
        Characters drawn in their other form.
    ghost
        How dark a segment is that is off, as a share of one that is on.
    font
        Name of a DSEG font that draws instead, or "".
    """

    width: float = 0.55
    pitch: float = 0.72
    stroke: float = 0.12
    gap: float = 0.02
    slant: float = 0.08
    pointed: bool = True
    small: float = 1.0
    variants: str = ""
    ghost: float = 0.0
    font: str = ""


def fonts() -> list[str]:
    """The DSEG fonts with seven segments that are installed; none where the package is not."""
    return sorted(p.name for p in _DSEG.glob("DSEG7*-*.ttf") if "SEGG" not in p.name)


def row(text: str, decimals: int, hand: Hand) -> NDArray[np.float32]:
    """Coverage of a row of digits, 0 to 1, tight about its cells; the point stands where ``decimals`` says."""
    return _typeset(text, decimals, hand) if hand.font else _drawn(text, decimals, hand)


def _drawn(text: str, decimals: int, hand: Hand) -> NDArray[np.float32]:
    sizes = [_HEIGHT * (hand.small if k >= len(text) - decimals else 1.0) for k in range(len(text))]
    lean = hand.slant * _HEIGHT
    total = int(np.ceil(sum(size * hand.pitch for size in sizes) + lean))
    lit = np.zeros((_HEIGHT, total), np.uint8)
    ghosts = np.zeros_like(lit)
    x = 0.0
    for k, (character, size) in enumerate(zip(text, sizes, strict=True)):
        on = _VARIANTS[character] if character in hand.variants else LIT[character]
        left = x + (hand.pitch - hand.width) / 2 * size
        for segment in "abcdefg":
            corners = _segment(segment, hand) * size + (left, _HEIGHT - size)
            corners[:, 0] += hand.slant * (_HEIGHT - corners[:, 1])
            _fill(lit if segment in on else ghosts, corners)
        x += hand.pitch * size
        if decimals and k == len(text) - decimals - 1:
            half = hand.stroke * size * 0.55
            centre = np.array([x, _HEIGHT - half])
            square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half + centre
            square[:, 0] += hand.slant * (_HEIGHT - square[:, 1])
            _fill(lit, square)
    return np.maximum(lit, ghosts * np.float32(hand.ghost)).astype(np.float32) / 255


def _segment(name: str, hand: Hand) -> NDArray[np.float64]:
    """Corners of one segment of a digit that is 1 high and upright, y downwards."""
    w, t, g = hand.width, hand.stroke, hand.gap
    point = t / 2 if hand.pointed else 0.0
    if name in "agd":
        y = {"a": t / 2, "g": 0.5, "d": 1 - t / 2}[name]
        a, b = t / 2 + g, w - t / 2 - g
        if not hand.pointed:
            a, b = (a + t / 2, b - t / 2) if name == "g" else (a - t / 2 + g, b + t / 2 - g)
        return np.array([[a, y], [a + point, y - t / 2], [b - point, y - t / 2], [b, y], [b - point, y + t / 2],
                         [a + point, y + t / 2]])  # fmt: skip
    x = t / 2 if name in "fe" else w - t / 2
    a, b = (t / 2 + g, 0.5 - g) if name in "fb" else (0.5 + g, 1 - t / 2 - g)
    if not hand.pointed:
        a, b = (a + t / 2, b) if name in "fb" else (a, b - t / 2)
    return np.array([[x, a], [x + t / 2, a + point], [x + t / 2, b - point], [x, b], [x - t / 2, b - point],
                     [x - t / 2, a + point]])  # fmt: skip


def _fill(mask: NDArray[np.uint8], corners: NDArray[np.float64]) -> None:
    cv2.fillPoly(mask, [np.round(corners * 16).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4)


@cache
def _font(name: str) -> object:
    from PIL import ImageFont

    return ImageFont.truetype(str(_DSEG / name), _HEIGHT)


def _typeset(text: str, decimals: int, hand: Hand) -> NDArray[np.float32]:
    from PIL import Image, ImageDraw

    shown = f"{text[:-decimals]}.{text[-decimals:]}" if decimals else text
    shown = shown.replace(" ", "!")  # in DSEG the blank of a digit's width
    font = _font(hand.font)
    left, top, right, bottom = font.getbbox("".join("8" if c not in "." else c for c in shown))  # type: ignore[attr-defined]
    size = (int(right - left) + 8, int(bottom - top) + 8)

    def draw(what: str) -> NDArray[np.float32]:
        canvas = Image.new("L", size, 0)
        ImageDraw.Draw(canvas).text((4 - left, 4 - top), what, fill=255, font=font)  # type: ignore[arg-type]
        return np.asarray(canvas, np.float32) / 255

    lit = draw(shown)
    return np.maximum(lit, draw("".join("8" if c != "." else c for c in shown)) * hand.ghost) if hand.ghost else lit
