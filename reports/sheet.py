"""A sheet to draw a chart on: few ticks, a light grid, and the marks that the charts of the reports share."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import accumulate, chain
from typing import Any

import numpy as np

from reports.picture import Floats, Label, Picture, Shape, cut
from reports.wording import number
from transforms.compiled import compiled

Span = tuple[float, float]
Line = Sequence[float] | Floats
Box = tuple[float, float, float, float]
#: the ends of the data, where the first stands in the picture, and how far they are apart there
Axis = tuple[float, float, float, float]

INK, SOFT, GRID = "#1f2a36", "#4a5663", "#d9dee3"
#: letters of a label that has room at the left edge
_SHORT = 3
GREEN, BLUE, VERMILION, GREY = "#009e73", "#0072b2", "#d55e00", "#8a939c"


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round values between two ends, about as many as asked for."""
    steps = _locator(most).tick_values(low, high)
    slack = (high - low) * 1e-6
    return [float(tick) for tick in steps if low - slack <= tick <= high + slack]


@cache
def _locator(most: int) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10])


def tick_labels(values: Sequence[float], *, plus: bool = False) -> list[str]:
    """Labels with just the decimals that the ticks need."""
    decimals = next((d for d in range(4) if all(abs(t - round(t, d)) < 1e-9 * max(1.0, abs(t)) for t in values)), 4)
    return [number(tick, decimals, plus=plus) for tick in values]


def _place(at: float, axis: Axis) -> float:
    """Where a number of the data stands along an axis in the picture."""
    low, high, begin, length = axis
    return begin + (at - low) / (high - low) * length


_compiled_place = compiled(_place)


@compiled
def _place_all(places: Floats, across: Axis, up: Axis) -> None:  # pragma: no cover - compiled
    """Put places of the data where they stand in the picture."""
    for k in range(len(places)):
        places[k, 0] = _compiled_place(places[k, 0], across)
        places[k, 1] = _compiled_place(places[k, 1], up)


class Sheet:
    """A field with a light grid and few labels, drawn straight on a picture.

    ``x`` and ``y`` are the spans of the data, ``size`` is the picture's in inches; ``box`` is the field's left, bottom, width
    and height as parts of the picture.
    """

    def __init__(self, size: Span, x: Span, y: Span, box: Box):
        width, height = (inches * 72 for inches in size)
        clip = (box[0] * width, box[1] * height, box[2] * width, box[3] * height)
        self.figure = Picture(width, height, clip)
        self.x, self.y, self.box = x, y, box
        self._axes: tuple[Axis, Axis] = (
            (float(x[0]), float(x[1]), clip[0], clip[2]),
            (float(y[0]), float(y[1]), clip[1], clip[3]),
        )

    def _placed(self, x: Line, y: Line) -> Floats:
        """Places of the data as places in the picture, shape (n, 2)."""
        places = np.empty((len(x), 2))
        places[:, 0], places[:, 1] = x, y
        _place_all(places, *self._axes)
        return places

    def grid(self, xs: Sequence[tuple[float, str]], ys: Sequence[tuple[float, str]], x_name: str, y_name: str) -> None:
        """Rules and labels at the given places, and the names of the axes at their ends."""
        (left, right), (low, high) = self.x, self.y
        rules = [[(left, y), (right, y)] for y, _ in ys] + [[(x, low), (x, high)] for x, _ in xs]
        self.marks(rules, GRID, 0.8, zorder=0)
        wide, tall = right - left, high - low
        for x, text in xs:
            # a long label at the left edge would run into the one beside the foot of the other axis
            edge = "left" if len(text) > _SHORT and x - left < 0.01 * wide else "center"
            self.text(x, low - 0.025 * tall, text, ha=edge, va="top", colour=SOFT)
        for y, text in ys:
            self.text(left - 0.012 * wide, y, text, ha="right", va="center", colour=SOFT)
        picture, (x0, y0, width, height) = self.figure, self.box
        top = min(0.995, y0 + height + 0.015)
        names = [(x0 + width, 0.012, x_name, "right"), (0.008, top, y_name, "left")]
        picture.labels += [
            Label.placed(across * picture.width, up * picture.height, name, align, "bottom", INK)
            for across, up, name, align in names
            if name
        ]

    def text(self, x: float, y: float, text: str, *, ha: str, va: str = "center", colour: str = INK) -> None:
        """A label at a place of the data; it may reach out of the field."""
        across, up = (float(_place(at, axis)) for at, axis in zip((x, y), self._axes, strict=True))
        self.figure.labels.append(Label.placed(across, up, text, ha, va, colour))

    def dots(self, x: Floats, y: Floats, colour: str, size: float = 5.0) -> None:
        """Points as round dots of a size."""
        if len(x):
            places = self._placed(x, y)
            self.figure.shapes.append(Shape([places], 3, stroke=colour, width=size, dots=True))

    def rule(self, x: Sequence[float], y: Sequence[float], style: Any = "-", width: float = 1.3) -> None:
        """A line to read the data against, behind them; ``style`` is ``-``, or (0, dashes) in widths of the line."""
        dash = () if style == "-" else tuple(each * width for each in style[1])
        lines = cut(self._placed(x, y), self.figure.clip)
        self.figure.shapes.append(Shape(lines, 2, stroke=INK, width=width, dash=dash))

    def curve(self, x: Line, y: Line, colour: str) -> None:
        """A line that was fitted to the data, before them."""
        self.figure.shapes.append(Shape(cut(self._placed(x, y), self.figure.clip), 4, stroke=colour, width=2.0))

    def marks(self, strokes: Sequence[Sequence[Span]], colour: str, width: float, zorder: float = 3) -> None:
        """Separate strokes, each from one point to another."""
        if len(strokes):
            self.figure.shapes.append(Shape(self._outlines(strokes), zorder, stroke=colour, width=width))

    def boxes(
        self, outlines: Sequence[Sequence[Span]] | Floats, colour: str, alpha: float = 1.0, zorder: float = 2
    ) -> None:
        """Filled outlines that do not overlap."""
        if len(outlines):
            shape = Shape(self._outlines(outlines), zorder, fill=colour, alpha=alpha, closed=True)
            self.figure.shapes.append(shape)

    def _outlines(self, given: Sequence[Sequence[Span]] | Floats) -> list[Floats] | Floats:
        """Outlines of the data, all placed at once; an array is of shape (outlines, places, 2)."""
        if isinstance(given, np.ndarray) or len({len(outline) for outline in given}) == 1:
            outlines = np.array(given, np.float64, order="C")
            _place_all(outlines.reshape(-1, 2), *self._axes)
            return outlines
        places = self._placed(*zip(*chain.from_iterable(given), strict=True))
        ends = list(accumulate(len(outline) for outline in given))
        return [places[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]

    def area(self, x: Line, low: Line, high: Line, colour: str, alpha: float) -> None:
        """The area between two lines, behind everything but the grid."""
        outline = np.empty((1, 2 * len(x), 2))
        outline[0, :, 0], outline[0, :, 1] = np.concatenate([x, x[::-1]]), np.concatenate([low, high[::-1]])
        self.boxes(outline, colour, alpha, zorder=1)
