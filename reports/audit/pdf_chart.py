"""Pictures in a PDF of ReportLab: vectors, with text that can be searched."""

from __future__ import annotations

from functools import cache
from typing import Any

from reports.audit.drawn import Drawn
from reports.audit.pdf_flowables import drafting
from reports.audit.pdf_tags import drawn
from reports.audit.pdf_text import SANS, load_fonts
from reports.paths import pdf_path
from reports.picture import LABEL_SIZE, Label, Picture, Shape


@cache
def _flowable() -> type[Any]:
    """The flowable: its base is imported only when a PDF is written."""
    from reportlab.platypus import Flowable

    class Chart(Flowable):  # type: ignore[misc]
        """A picture, scaled to a width [pt]."""

        def __init__(self, picture: Picture, width: float, alt: str):
            super().__init__()
            self.alt = alt
            self.picture, self.scale = picture, width / picture.width
            self.width, self.height = width, picture.height * self.scale

        def wrap(self, *_: float) -> tuple[float, float]:
            return self.width, self.height

        def draw(self) -> None:
            canvas = self.canv
            if drafting(canvas):
                return
            with drawn(canvas, "Figure", self.alt):
                canvas.saveState()
                canvas.scale(self.scale, self.scale)
                canvas.saveState()
                field = canvas.beginPath()
                field.rect(*self.picture.clip)
                canvas.clipPath(field, stroke=0, fill=0)
                for shape in self.picture.layered():
                    _draw(canvas, shape)
                canvas.restoreState()
                for label in self.picture.labels:
                    _write(canvas, label)
                canvas.restoreState()

    return Chart


def _draw(canvas: Any, shape: Shape) -> None:
    from reportlab.lib.colors import HexColor
    from reportlab.pdfgen.pathobject import PDFPathObject

    canvas.saveState()
    if shape.stroke is not None:
        canvas.setStrokeColor(HexColor(shape.stroke))
        canvas.setStrokeAlpha(shape.alpha)
        canvas.setLineWidth(shape.width)
        canvas.setLineJoin(1)
        canvas.setLineCap(1 if shape.dots else 0)
        if shape.dash:
            canvas.setDash(list(shape.dash))
    if shape.fill is not None:
        canvas.setFillColor(HexColor(shape.fill))
        canvas.setFillAlpha(shape.alpha)
    path = PDFPathObject(code=[pdf_path(shape)])
    canvas.drawPath(path, stroke=shape.stroke is not None, fill=shape.fill is not None)
    canvas.restoreState()


def _write(canvas: Any, label: Label) -> None:
    from reportlab.lib.colors import HexColor

    canvas.setFillColor(HexColor(label.colour))
    canvas.setFont(SANS, LABEL_SIZE)
    put = {"left": canvas.drawString, "center": canvas.drawCentredString, "right": canvas.drawRightString}
    put[label.align](label.x, label.y, label.text)


def chart(given: Drawn, width: float) -> Any:
    """A chart as a flowable of this width [pt]."""
    load_fonts()
    return _flowable()(given.figure, width, f"{given.title}. {given.description}")
