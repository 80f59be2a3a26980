"""A picture: outlines and labels in points, upwards from its lower left corner, for whoever writes it as SVG or PDF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: of all labels [pt], and how far their baseline lies below the middle, the top and above the bottom, in sizes
LABEL_SIZE = 11.0
_BASELINES = {"center": -0.36, "top": -0.76, "bottom": 0.24, "baseline": 0.0}


@dataclass(frozen=True)
class Shape:
    """Outlines that look alike. Colours are ``#rrggbb``; lengths in points.

    ``outlines`` are arrays of places (n, 2), or one array (outlines, n, 2) where all have as many; with ``dots`` each place
    is a round dot as wide as ``width``. ``layer`` says what lies over what; among equals the later ones do. All are clipped
    to the picture's field.
    """

    outlines: Sequence[Floats] | Floats
    layer: float
    stroke: str | None = None
    width: float = 0.0
    dash: tuple[float, ...] = ()
    fill: str | None = None
    alpha: float = 1.0
    closed: bool = False
    dots: bool = False


@dataclass(frozen=True)
class Label:
    """A text at a place; ``align`` is left, center or right."""

    x: float
    y: float
    text: str
    align: str
    colour: str

    @classmethod
    def placed(cls, x: float, y: float, text: str, align: str, across: str, colour: str) -> Label:
        """A label whose middle, top or bottom (``across``) lies at the place."""
        return cls(x, y + _BASELINES[across] * LABEL_SIZE, text, align, colour)


@dataclass
class Picture:
    """Size [pt], the field that shapes are clipped to (left, bottom, width, height), shapes and labels."""

    width: float
    height: float
    clip: tuple[float, float, float, float]
    shapes: list[Shape] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)

    def layered(self) -> list[Shape]:
        """The shapes in the order in which they are drawn."""
        return sorted(self.shapes, key=lambda shape: shape.layer)


def cut(line: Floats, field: tuple[float, float, float, float]) -> list[Floats]:
    """The parts of a line that lie in a field (left, bottom, width, height), after Liang and Barsky.

    A clip path alone would hide the rest, too, but what reaches far out still counts where the size of a page is measured.
    """
    low = np.array(field[:2])
    high = low + np.array(field[2:])
    if ((line >= low) & (line <= high)).all():
        return [line]
    parts: list[list[Floats]] = []
    for begin, end in pairwise(line):
        span = _inside(begin, end, low, high)
        if span is None:
            continue
        first, last = (begin + share * (end - begin) for share in span)
        if parts and np.array_equal(parts[-1][-1], first):
            parts[-1].append(last)
        else:
            parts.append([first, last])
    return [np.array(part) for part in parts]


def _inside(begin: Floats, end: Floats, low: Floats, high: Floats) -> tuple[float, float] | None:
    """The shares of the way from one place to another between which it runs inside; None if it never does."""
    first, last = 0.0, 1.0
    for start, step, bottom, top in zip(begin, end - begin, low, high, strict=True):
        if step == 0:
            if not bottom <= start <= top:
                return None
            continue
        enters, leaves = sorted(((bottom - start) / step, (top - start) / step))
        first, last = max(first, float(enters)), min(last, float(leaves))
    return (first, last) if first < last else None
