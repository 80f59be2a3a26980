"""The frame of an audit's PDF: A4, running head and foot with page numbers, table of contents and bookmarks.

The same content gives the same bytes: no date but those of the audit, and no id that chance made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from reports.audit.pdf_flowables import table_class, text_class, written
from reports.audit.pdf_tags import artifact, drawn, put_together
from reports.audit.pdf_text import BOLD, SANS, breaking_anywhere, has_chinese, load_fonts, plain, runs, safe, styles
from reports.wording import visible

MARGIN = 48.0  # [pt]
WIDTH = 595.28 - 2 * MARGIN  # of the text [pt]
_INK, _SOFT, _RULE, _HEAD = "#1f2a36", "#4a5663", "#d9dee3", "#f1f3f4"
_LONGEST_TITLE = 90
#: height of a bar of shares [pt]
_BAR = 11


def paragraph(text: object, style: str = "body") -> Any:
    """A paragraph of text from anywhere: nothing in it is markup."""
    if known := plain(text, styles()[style].fontName):
        return written("x", style, known)
    look = breaking_anywhere(style) if has_chinese(text) else styles()[style]
    return text_class()(safe(text, look.fontName), look)


def twofold(main: str, beneath: str, style: str = "right") -> Any:
    """A cell's value with what qualifies it beneath, smaller."""
    look = styles()[style]
    also = f'<br/><font name="{SANS}" size="{look.fontSize - 1.4:g}" color="{_SOFT}">{{}}</font>' if beneath else ""
    known = [plain(text, font) for text, font in ((main, look.fontName), (beneath, SANS)) if text]
    if main and all(known):
        return written("x" + also.format("x"), style, *known)
    return text_class()(safe(main, look.fontName) + also.format(safe(beneath)), look)


#: sign and colour of a standing against a limit, beside its word
_STANDINGS = {"inside": ("✓", "#00553e"), "outside": ("✕", "#a63d00"), "open": ("?", "#6b4300")}


def standing(name: str | None) -> Any:
    """How a meter or a zone stands against a limit, as a cell."""
    sign, colour = _STANDINGS.get(name or "", ("–", _SOFT))
    word = name if name in _STANDINGS else "not judged"
    return written(f'<font color="{colour}">{sign} {word}</font>', "bold")


def heading(text: object, level: int, key: str) -> Any:
    """A heading that stands in the table of contents and the bookmarks; ``key`` is unique and our own."""
    made = paragraph(text, "h1" if level == 0 else "h2")
    made.entry = (level, shortened(str(text), _LONGEST_TITLE), key)
    return made


def room(least: float = 180.0) -> Any:
    """A new page where less than so much is left [pt]: a section does not begin at the foot of a page."""
    from reportlab.platypus import CondPageBreak

    return CondPageBreak(least)


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[Any]],
    widths: Sequence[float],
    right: Sequence[int] = (),
    *,
    first: str = "cell",
) -> Any:
    """A table whose head is repeated on each page; ``widths`` are shares of the text's width, ``right`` columns of numbers.

    Cells are text, pairs of a value and what qualifies it, or flowables as they are.
    """
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import TableStyle

    def cell(value: Any, column: int) -> Any:
        if isinstance(value, tuple):
            return twofold(*value)
        if not isinstance(value, str):
            return value
        return paragraph(value, "right" if column in right else first if column == 0 else "cell")

    heads = [paragraph(name, "head-right" if column in right else "head") for column, name in enumerate(head)]
    body = [[cell(value, column) for column, value in enumerate(row)] for row in rows]
    total = sum(widths)
    made = table_class()([heads, *body], colWidths=[WIDTH * width / total for width in widths], repeatRows=1)
    made.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("BACKGROUND", (0, 0), (-1, 0), HexColor(_HEAD)),
                ("LINEBELOW", (0, 0), (-1, -1), 0.5, HexColor(_RULE)),
                ("LEFTPADDING", (0, 0), (-1, -1), 4),
                ("RIGHTPADDING", (0, 0), (-1, -1), 4),
                ("TOPPADDING", (0, 0), (-1, -1), 2.5),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
            ]
        )
    )
    made.spaceAfter = 6
    return made


def side_by_side(parts: Sequence[Any], widths: Sequence[float]) -> Any:
    """Flowables beside each other."""
    from reportlab.platypus import TableStyle

    total = sum(widths)
    made = table_class()([list(parts)], colWidths=[WIDTH * width / total for width in widths])
    made.layout = True
    padding = [(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")]
    made.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *padding]))
    return made


def share_bar(parts: Sequence[tuple[float, str]], width: float) -> Any:
    """Shares of a whole as one bar of this width [pt]; each part is its share and its colour."""
    from reportlab.graphics.shapes import Drawing, Rect
    from reportlab.lib.colors import HexColor

    drawn, at = Drawing(width, _BAR + 4), 0.0
    for part, colour in parts:
        drawn.add(Rect(at, 2, part * width, _BAR, fillColor=HexColor(colour), strokeColor=HexColor("#ffffff")))
        at += part * width
    drawn.add(Rect(0, 2, width, _BAR, fillColor=None, strokeColor=HexColor("#aab2ba"), strokeWidth=0.6))
    return drawn


def figures(pairs: Sequence[tuple[str, str]], columns: int = 4, width: float = WIDTH) -> Any:
    """Names and values in a grid of this width [pt]."""
    from reportlab.platypus import TableStyle

    cells = [[paragraph(name, "label"), paragraph(shown, "bold")] for name, shown in pairs]
    cells += [[] for _ in range(-len(cells) % columns)]
    rows = [cells[k : k + columns] for k in range(0, len(cells), columns)]
    made = table_class()(rows, colWidths=[width / columns] * columns)
    made.layout = True
    made.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 1),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
            ]
        )
    )
    made.spaceAfter = 4
    return made


def contents() -> Any:
    """The table of contents."""
    made = _contents()(dotsMinLevel=0)
    made.levelStyles = [styles()["toc-0"], styles()["toc-1"]]
    return made


@cache
def _contents() -> type[Any]:
    from reportlab.platypus import Table
    from reportlab.platypus.tableofcontents import TableOfContents

    class Entries(Table):  # type: ignore[misc]
        def draw(self) -> None:
            with drawn(self.canv, "TOC"):
                super().draw()

    class Contents(TableOfContents):  # type: ignore[misc]
        def wrap(self, width: float, height: float) -> tuple[float, float]:
            size: tuple[float, float] = super().wrap(width, height)
            self._table.__class__ = Entries
            return size

    return Contents


def _entry(flowable: Any) -> tuple[int, str, str]:
    """Level, text and key of a heading in the table of contents; of any other flowable no key."""
    found: tuple[int, str, str] = getattr(flowable, "entry", (0, "", ""))
    return found


@cache
def _template() -> type[Any]:
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import BaseDocTemplate, Frame, PageTemplate

    class Document(BaseDocTemplate):  # type: ignore[misc]
        """A pass that finds out where things stand, and one that draws: the number of pages and those in the table of
        contents are of the pass before."""

        def __init__(self, file: str, head: str, foot: str, words: str, made: datetime, **settings: Any):
            super().__init__(file, invariant=1, pageCompression=1, **settings)
            self.head, self.foot, self.words, self.pages, self.passes = head, foot, words, 0, 0
            self.made = made
            frame = Frame(MARGIN, 50, WIDTH, 841.89 - 50 - 52, 0, 0, 0, 0, id="body")
            self.addPageTemplates(PageTemplate("page", [frame], onPage=self.running))

        def beforeDocument(self) -> None:
            self.passes += 1
            # ReportLab knows the clock or a date of its own; the document's is that of what it tells
            stamp, utc = self.canv._doc._timeStamp, self.made.astimezone(UTC)
            stamp.YMDhms = utc.timetuple()[:6]
            self.canv.showOutline()

        def running(self, canvas: Any, _: Any) -> None:
            canvas.drafting = self.passes == 1
            if not canvas.drafting:
                with artifact(canvas):
                    self.frame_of(canvas)

        def frame_of(self, canvas: Any) -> None:
            canvas.saveState()
            canvas.setStrokeColor(HexColor(_RULE))
            canvas.setLineWidth(0.6)
            canvas.line(MARGIN, 841.89 - 42, MARGIN + WIDTH, 841.89 - 42)
            canvas.line(MARGIN, 42, MARGIN + WIDTH, 42)
            canvas.setFillColor(HexColor(_SOFT))
            _line(canvas, MARGIN, 841.89 - 36, self.head, 7.2, BOLD)
            _line(canvas, MARGIN, 31, self.foot, 6.6, SANS)
            number = self.words.format(page=canvas.getPageNumber(), pages=max(self.pages, canvas.getPageNumber()))
            _line(canvas, MARGIN + WIDTH - _length(number, 7.2, SANS), 31, number, 7.2, SANS)
            canvas.restoreState()

        def afterFlowable(self, flowable: Any) -> None:
            level, text, key = _entry(flowable)
            if not key:
                return
            self.canv.bookmarkPage(key)
            self.canv.addOutlineEntry(text, key, level, closed=level == 0)
            self.notify("TOCEntry", (level, safe(text), self.page, key))

        def _allSatisfied(self) -> bool:
            done = self.passes > 1 and bool(super()._allSatisfied())
            if done:
                put_together(self.canv)
            return done

        def afterPage(self) -> None:
            self.pages = max(self.pages, self.page)

    return Document


def _length(text: str, size: float, font: str) -> float:
    from reportlab.pdfbase.pdfmetrics import stringWidth

    return float(sum(stringWidth(part, name, size) for name, part in runs(text, font)))


def _line(canvas: Any, x: float, y: float, text: str, size: float, font: str) -> None:
    for name, part in runs(text, font):
        canvas.setFont(name, size)
        canvas.drawString(x, y, part)
        x += canvas.stringWidth(part, name, size)


@contextmanager
def _binary() -> Iterator[None]:
    """Streams as bytes: as text, which ReportLab prefers, they are a quarter larger and slow to write."""
    from reportlab import rl_config

    before = rl_config.useA85
    rl_config.useA85 = 0
    try:
        yield
    finally:
        rl_config.useA85 = before


def write_document(
    file: Path,
    story: list[Any],
    *,
    title: str,
    head: str,
    foot: str,
    made: datetime,
    language: str = "en",
    words: str = "Page {page} of {pages}",
) -> None:
    """Lay the flowables out and write the file; ``made`` is the date that it bears."""
    load_fonts()
    document = _template()(
        str(file),
        shortened(head, 110),
        shortened(foot, 110),
        words,
        made,
        pagesize=(595.28, 841.89),
        title=visible(title),
        author="Meterwright",
        subject=visible(head),
        creator="Meterwright",
        lang=language,
        displayDocTitle=1,
    )
    # the contents take their room from the first pass on
    entries = [(level, safe(text), 0, key) for level, text, key in map(_entry, story) if key]
    for part in story:
        if part.isIndexing():
            part.addEntries(entries)
    with _binary():
        document.multiBuild(story)


def shortened(text: str, most: int = 48) -> str:
    """A text of any length, cut to what a cell or a line has room for."""
    shown = visible(text)
    return shown if len(shown) <= most else shown[:most] + "…"
