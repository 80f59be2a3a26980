"""A sheet to draw a chart on: few ticks, a light grid, and the marks that the charts of the reports share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reports.wording import number

Floats = NDArray[np.float64]
Span = tuple[float, float]
Box = tuple[float, float, float, float]

INK, SOFT, GRID = "#1f2a36", "#4a5663", "#d9dee3"
GREEN, BLUE, VERMILION, GREY = "#009e73", "#0072b2", "#d55e00", "#8a939c"


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round values between two ends, about as many as asked for."""
    from matplotlib.ticker import MaxNLocator

    steps = MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    slack = (high - low) * 1e-6
    return [float(tick) for tick in steps if low - slack <= tick <= high + slack]


def tick_labels(values: Sequence[float], unit: str = "", *, plus: bool = False) -> list[str]:
    """Labels with just the decimals that the ticks need."""
    decimals = next((d for d in range(4) if all(abs(t - round(t, d)) < 1e-9 * max(1.0, abs(t)) for t in values)), 4)
    return [number(tick, decimals, plus=plus) + unit for tick in values]


class Sheet:
    """A field with a light grid and few labels, drawn straight on a figure: Matplotlib's axes cost more than the data.

    ``x`` and ``y`` are the spans of the data; ``box`` is the field's left, bottom, width and height in the figure.
    """

    def __init__(self, size: Span, x: Span, y: Span, box: Box):
        from matplotlib.figure import Figure
        from matplotlib.transforms import Bbox, BboxTransform, TransformedBbox

        self.figure = Figure(figsize=size)
        self.x, self.y, self.box = x, y, box
        self._field = TransformedBbox(Bbox.from_bounds(*box), self.figure.transFigure)
        self._place = BboxTransform(Bbox.from_extents(x[0], y[0], x[1], y[1]), self._field)

    def _add(self, artist: Any) -> None:
        artist.set_transform(self._place)
        artist.set_clip_box(self._field)
        self.figure.add_artist(artist, clip=False)

    def grid(self, xs: Sequence[tuple[float, str]], ys: Sequence[tuple[float, str]], x_name: str, y_name: str) -> None:
        """Rules and labels at the given places, and the names of the axes at their ends."""
        (left, right), (low, high) = self.x, self.y
        rules = [[(left, y), (right, y)] for y, _ in ys] + [[(x, low), (x, high)] for x, _ in xs]
        self.marks(rules, GRID, 0.8, zorder=0)
        wide, tall = right - left, high - low
        for x, text in xs:
            self.text(x, low - 0.025 * tall, text, ha="center", va="top", colour=SOFT)
        for y, text in ys:
            self.text(left - 0.012 * wide, y, text, ha="right", va="center", colour=SOFT)
        x0, y0, width, height = self.box
        self.figure.text(x0 + width, 0.012, x_name, ha="right", va="bottom", color=INK)
        self.figure.text(0.008, min(0.995, y0 + height + 0.015), y_name, ha="left", va="bottom", color=INK)

    def text(self, x: float, y: float, text: str, *, ha: str, va: str = "center", colour: str = INK) -> None:
        """A label at a place of the data; it may reach out of the field."""
        self.figure.text(x, y, text, ha=ha, va=va, color=colour, transform=self._place)

    def dots(self, x: Floats, y: Floats, colour: str, size: float = 5.0) -> None:
        """Points as one path of zero-length round strokes: a tenth of the bytes of one element a point."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        if len(x) == 0:
            return
        vertices = np.repeat(np.column_stack([x, y]), 2, axis=0)
        codes = np.tile([Path.MOVETO, Path.LINETO], len(x)).astype(np.uint8)
        self._add(PathPatch(Path(vertices, codes), fill=False, ec=colour, lw=size, capstyle="round", zorder=3))

    def rule(self, x: Sequence[float], y: Sequence[float], style: Any = "-", width: float = 1.3) -> None:
        """A line to read the data against, behind them."""
        self._line(x, y, INK, style, width, zorder=2)

    def curve(self, x: Sequence[float], y: Sequence[float], colour: str) -> None:
        """A line that was fitted to the data, before them."""
        self._line(x, y, colour, "-", 2.0, zorder=4)

    def _line(self, x: Sequence[float], y: Sequence[float], *look: Any, zorder: float) -> None:
        from matplotlib.lines import Line2D

        colour, style, width = look
        self._add(Line2D(x, y, color=colour, linestyle=style, linewidth=width, zorder=zorder))

    def marks(self, strokes: Sequence[Sequence[Span]], colour: str, width: float, zorder: float = 3) -> None:
        """Separate strokes, each from one point to another."""
        self._outlined(strokes, False, fill=False, ec=colour, lw=width, zorder=zorder)

    def boxes(self, outlines: Sequence[Sequence[Span]], colour: str, alpha: float = 1.0, zorder: float = 2) -> None:
        """Filled outlines that do not overlap."""
        self._outlined(outlines, True, fc=colour, alpha=alpha, lw=0, zorder=zorder)

    def _outlined(self, outlines: Sequence[Sequence[Span]], close: bool, **look: Any) -> None:
        """Any number of outlines as one path, which costs a tenth of one element for each."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        if len(outlines) == 0:
            return
        vertices: list[Span] = []
        codes: list[Any] = []
        for outline in outlines:
            vertices.extend(outline)
            codes += [Path.MOVETO, *[Path.LINETO] * (len(outline) - 1)]
            if close:
                vertices.append(outline[0])
                codes.append(Path.CLOSEPOLY)
        self._add(PathPatch(Path(vertices, codes), **look))

    def area(self, x: Sequence[float], low: Sequence[float], high: Sequence[float], colour: str, alpha: float) -> None:
        """The area between two lines, behind everything but the grid."""
        outline = [*zip(x, low, strict=True), *zip(reversed(x), reversed(high), strict=True)]
        self.boxes([outline], colour, alpha, zorder=1)
