"""ReportLab's paragraphs and tables, made quick for long lists: laid out once a width, and drawn in the last pass only.

A document is laid out several times until page numbers and the table of contents agree. Each pass asks every cell for its
size more than once, and ReportLab breaks its lines anew each time; here a paragraph remembers them. What passes draw that
only find out where things stand is thrown away, so it is not drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from reports.audit.pdf_tags import Element, artifact, drawn, part, tags_of
from reports.audit.pdf_text import styles

#: what paragraphs of a style are, if not mere paragraphs
_ROLES = {"title": "H1", "h1": "H2", "h2": "H3"}

#: what ReportLab knows of a paragraph's lines, which is kept
_LINES = ("width", "height", "frags", "blPara", "laid_out", "_wrapWidths", "_width_max")


@cache
def text_class() -> type[Any]:
    """A paragraph that remembers its lines."""
    from reportlab.platypus import Paragraph

    class Text(Paragraph):  # type: ignore[misc]
        #: the width that it was laid out for and the size that it took, None before
        laid_out: Any = None
        #: what it says and how, the same as others' that look the same; None where nobody else does
        same: tuple[str, ...] | None = None

        def wrap(self, width: float, height: float) -> tuple[float, float]:
            if self.laid_out is None or self.laid_out[0] != width or not hasattr(self, "blPara"):
                known = _memory(self.canv).lines
                if self.same and (self.same, width) in known:
                    self.__dict__.update(known[self.same, width])
                else:
                    self.laid_out = width, super().wrap(width, height)
                    known[self.same, width] = {name: self.__dict__[name] for name in _LINES if name in self.__dict__}
            size: tuple[float, float] = self.laid_out[1]
            return size

        def draw(self) -> None:
            if drafting(self.canv):
                return
            with drawn(self.canv, _ROLES.get(self.style.name, "P")):
                known, code = _memory(self.canv).drawn, self.canv._code
                if self.same and (self.same, self.width) in known:
                    code += known[self.same, self.width]
                else:
                    begin = len(code)
                    super().draw()
                    known[self.same, self.width] = code[begin:]

    return Text


@dataclass
class _Memory:
    """By what texts say and how wide they are: their lines, and the operators that draw them from their corner."""

    lines: dict[Any, dict[str, Any]] = field(default_factory=dict)
    drawn: dict[Any, list[str]] = field(default_factory=dict)


def _memory(canvas: Any) -> _Memory:
    """What is remembered while a canvas is drawn on: operators name fonts as the document of this pass does."""
    if not hasattr(canvas, "memory"):
        canvas.memory = _Memory()
    found: _Memory = canvas.memory
    return found


@cache
def table_class() -> type[Any]:
    """A table that is drawn in the last pass only, and remembers the heights of its rows."""
    from reportlab.platypus import Table

    class Grid(Table):  # type: ignore[misc]
        #: side by side only, and no table of numbers with heads
        layout = False

        def _calc_height(self, *arguments: Any, **named: Any) -> None:
            super()._calc_height(*arguments, **named)
            # as if they had been given; what is left of the table on the next page takes them over
            self._argH = list(self._rowHeights)

        def draw(self) -> None:
            if drafting(self.canv):
                return
            with part(self.canv, "Div" if self.layout else "Table"):
                self._drawn_rows: list[Any] = []
                super().draw()

        def _drawBkgrnd(self) -> None:
            with artifact(self.canv):
                super()._drawBkgrnd()

        def _drawLines(self) -> None:
            with artifact(self.canv):
                super()._drawLines()

        def _drawCell(self, value: Any, style: Any, pos: Any, size: Any) -> None:
            if self.layout:
                super()._drawCell(value, style, pos, size)
                return
            tags = tags_of(self.canv)
            if pos[1] not in self._drawn_rows[-1:]:
                self._drawn_rows.append(pos[1])
                tags.open[-1].parts.append(Element("TR"))
            tags.open.append(tags.open[-1].parts[-1])
            head = self.repeatRows and len(self._drawn_rows) <= self.repeatRows
            with part(self.canv, "TH" if head else "TD"):
                super()._drawCell(value, style, pos, size)
            tags.open.pop()

    return Grid


def drafting(canvas: Any) -> bool:
    """Whether a pass only finds out where things stand."""
    return bool(getattr(canvas, "drafting", False))


def written(markup: str, style: str, *texts: str) -> Any:
    """A paragraph by a pattern of ReportLab's markup, whose texts are put in as they are.

    Parameters
    ----------
    markup : str
        Our own, with an ``x`` for each text; it is parsed once.
    texts : str
        Text that the style's font has all characters of; nothing in it is markup.
    """
    waiting = iter(texts)
    pieces = [
        piece.clone(text=next(waiting)) if piece.text == "x" else piece.clone() for piece in _parsed(markup, style)
    ]
    made = text_class()("", styles()[style], frags=pieces)
    made.same = (markup, style, *texts)
    return made


@cache
def _parsed(markup: str, style: str) -> list[Any]:
    return list(text_class()(markup, styles()[style]).frags)
