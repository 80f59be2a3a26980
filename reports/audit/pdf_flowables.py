"""ReportLab's paragraphs and tables, made quick for long lists: laid out once a width, and drawn in the last pass only.

A document is laid out several times until page numbers and the table of contents agree. Each pass asks every cell for its
size more than once, and ReportLab breaks its lines anew each time; here a paragraph remembers them. What passes draw that
only find out where things stand is thrown away, so it is not drawn.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from reports.audit.pdf_text import styles


@cache
def text_class() -> type[Any]:
    """A paragraph that remembers its lines."""
    from reportlab.platypus import Paragraph

    class Text(Paragraph):  # type: ignore[misc]
        laid_out: tuple[float, tuple[float, float]] | None = None

        def wrap(self, width: float, height: float) -> tuple[float, float]:
            if self.laid_out is None or self.laid_out[0] != width or not hasattr(self, "blPara"):
                self.laid_out = width, super().wrap(width, height)
            return self.laid_out[1]

        def draw(self) -> None:
            if not drafting(self.canv):
                super().draw()

    return Text


@cache
def table_class() -> type[Any]:
    """A table that is drawn in the last pass only, and remembers the heights of its rows."""
    from reportlab.platypus import Table

    class Grid(Table):  # type: ignore[misc]
        def _calc_height(self, *arguments: Any, **named: Any) -> None:
            super()._calc_height(*arguments, **named)
            # as if they had been given; what is left of the table on the next page takes them over
            self._argH = list(self._rowHeights)

        def draw(self) -> None:
            if not drafting(self.canv):
                super().draw()

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
    return text_class()("", styles()[style], frags=pieces)


@cache
def _parsed(markup: str, style: str) -> list[Any]:
    return list(text_class()(markup, styles()[style]).frags)
