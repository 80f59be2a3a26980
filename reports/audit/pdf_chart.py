"""Matplotlib's figures in a PDF of ReportLab: drawn as vectors, with text that can be searched."""

from __future__ import annotations

from functools import cache
from typing import Any

from reports.audit.drawn import Drawn
from reports.audit.pdf_text import SANS, load_fonts


@cache
def _classes() -> tuple[type[Any], type[Any]]:
    """The renderer and the flowable: classes of libraries that are imported only when a PDF is written."""
    from matplotlib.backend_bases import RendererBase
    from matplotlib.path import Path
    from reportlab.platypus import Flowable

    class Recorder(RendererBase):  # type: ignore[misc]
        """Notes what a figure draws, in points, so that it can be drawn as often as a layout asks for."""

        def __init__(self, width: float, height: float):
            super().__init__()
            self.width, self.height = width, height
            self.steps: list[tuple[Any, ...]] = []

        def flipy(self) -> bool:
            return False

        def get_canvas_width_height(self) -> tuple[float, float]:
            return self.width, self.height

        def points_to_pixels(self, points: Any) -> Any:
            return points

        def draw_path(self, gc: Any, path: Any, transform: Any, rgbFace: Any = None) -> None:
            stroke = gc.get_linewidth() > 0 and gc.get_rgb()[3] > 0
            if not stroke and rgbFace is None:
                return
            clip = gc.get_clip_rectangle()
            look = {
                "stroke": (*gc.get_rgb()[:3], gc.get_rgb()[3]) if stroke else None,
                "fill": None if rgbFace is None else _rgba(rgbFace, gc),
                "width": gc.get_linewidth(),
                "dashes": gc.get_dashes(),
                "cap": {"butt": 0, "round": 1, "projecting": 2}[str(gc.get_capstyle())],
                "clip": None if clip is None else clip.bounds,
            }
            self.steps.append(("path", _operations(path, transform), look))

        def draw_text(
            self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float, ismath: Any = False, mtext: Any = None
        ) -> None:
            if s:
                self.steps.append(("text", x, y, s, prop.get_size_in_points(), gc.get_rgb()[:3], angle))

    def _operations(path: Any, transform: Any) -> list[tuple[str, tuple[float, ...]]]:
        operations: list[tuple[str, tuple[float, ...]]] = []
        at = (0.0, 0.0)
        for points, code in path.iter_segments(transform, remove_nans=True, simplify=False, curves=True):
            if code == Path.MOVETO:
                operations.append(("moveTo", tuple(points)))
            elif code == Path.LINETO:
                operations.append(("lineTo", tuple(points)))
            elif code == Path.CURVE3:
                (cx, cy), (x, y) = points[:2], points[2:]
                first = (at[0] + 2 / 3 * (cx - at[0]), at[1] + 2 / 3 * (cy - at[1]))
                operations.append(("curveTo", (*first, x + 2 / 3 * (cx - x), y + 2 / 3 * (cy - y), x, y)))
            elif code == Path.CURVE4:
                operations.append(("curveTo", tuple(points)))
            elif code == Path.CLOSEPOLY:
                operations.append(("close", ()))
                continue
            at = (float(points[-2]), float(points[-1]))
        return [(name, tuple(round(float(each), 2) for each in places)) for name, places in operations]

    class Chart(Flowable):  # type: ignore[misc]
        """A recorded figure, scaled to a width [pt]."""

        def __init__(self, recorder: Recorder, width: float):
            super().__init__()
            self.steps, self.scale = recorder.steps, width / recorder.width
            self.width, self.height = width, recorder.height * self.scale

        def wrap(self, *_: float) -> tuple[float, float]:
            return self.width, self.height

        def draw(self) -> None:
            canvas = self.canv
            canvas.saveState()
            canvas.scale(self.scale, self.scale)
            for step in self.steps:
                if step[0] == "path":
                    _draw_path(canvas, *step[1:])
                else:
                    _draw_text(canvas, *step[1:])
            canvas.restoreState()

    return Recorder, Chart


def _rgba(face: Any, gc: Any) -> tuple[float, float, float, float]:
    alpha = gc.get_alpha() if gc.get_forced_alpha() else face[3] if len(face) > 3 else 1.0
    return float(face[0]), float(face[1]), float(face[2]), float(1.0 if alpha is None else alpha)


def _draw_path(canvas: Any, operations: list[tuple[str, tuple[float, ...]]], look: dict[str, Any]) -> None:
    canvas.saveState()
    if look["clip"] is not None:
        edge = canvas.beginPath()
        edge.rect(*look["clip"])
        canvas.clipPath(edge, stroke=0, fill=0)
    if look["stroke"] is not None:
        canvas.setStrokeColorRGB(*look["stroke"][:3])
        canvas.setStrokeAlpha(look["stroke"][3])
        canvas.setLineWidth(look["width"])
        canvas.setLineCap(look["cap"])
        canvas.setLineJoin(1)
        offset, dashes = look["dashes"]
        if dashes:
            canvas.setDash(list(dashes), offset or 0)
    if look["fill"] is not None:
        canvas.setFillColorRGB(*look["fill"][:3])
        canvas.setFillAlpha(look["fill"][3])
    path = canvas.beginPath()
    for name, places in operations:
        getattr(path, name)(*places)
    canvas.drawPath(path, stroke=look["stroke"] is not None, fill=look["fill"] is not None)
    canvas.restoreState()


def _draw_text(
    canvas: Any, x: float, y: float, text: str, size: float, colour: tuple[float, ...], angle: float
) -> None:
    canvas.saveState()
    canvas.translate(x, y)
    if angle:
        canvas.rotate(angle)
    canvas.setFillColorRGB(*colour)
    canvas.setFont(SANS, size)
    canvas.drawString(0, 0, text)
    canvas.restoreState()


def chart(drawn: Drawn, width: float) -> Any:
    """A chart as a flowable of this width [pt]; call it within `reports.svg.drawing`."""
    recorder_class, chart_class = _classes()
    load_fonts()
    figure = drawn.figure
    figure.dpi = 72
    recorder = recorder_class(*(float(size) * 72 for size in figure.get_size_inches()))
    figure.draw(recorder)
    return chart_class(recorder, width)
