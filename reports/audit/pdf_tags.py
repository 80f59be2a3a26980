"""Tags of a PDF: what is a heading, a paragraph, a cell of which row, a picture and what it shows, in the order of reading.

Screen readers and programs that take text out of a PDF go by the structure tree (ISO 32000-1, 14.7 and 14.8). ReportLab
draws without one, so each flowable marks what it draws, and the tree is put together when the last page is done. What says
nothing, such as rules, backgrounds and the running head, is marked as an artifact.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

#: roles whose content is theirs, whatever is drawn in them
_CELLS = {"TH", "TD"}


@dataclass
class Element:
    """A part of the document: its role, its parts, and the marks of what was drawn of it, as page and number."""

    role: str
    alt: str = ""
    parts: list[Element] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not self.marks and all(part.empty for part in self.parts)


class Tags:
    """The structure of a document while it is drawn."""

    def __init__(self) -> None:
        self.open = [Element("Document")]
        #: of each page the element that each mark belongs to
        self.pages: dict[int, list[Element]] = {}

    def mark(self, page: int) -> int:
        """A new mark on a page for the element that is open."""
        own = self.pages.setdefault(page, [])
        own.append(self.open[-1])
        self.open[-1].marks.append((page, len(own) - 1))
        return len(own) - 1


def tags_of(canvas: Any) -> Tags:
    """The tags of the document that a canvas draws."""
    if not hasattr(canvas, "tags"):
        canvas.tags = Tags()
    found: Tags = canvas.tags
    return found


@contextmanager
def part(canvas: Any, role: str, alt: str = "") -> Iterator[None]:
    """What is drawn within is part of a new element."""
    tags = tags_of(canvas)
    made = Element(role, alt)
    tags.open[-1].parts.append(made)
    tags.open.append(made)
    try:
        yield
    finally:
        tags.open.pop()


@contextmanager
def drawn(canvas: Any, role: str, alt: str = "") -> Iterator[None]:
    """What is drawn within, on one page, is an element of its own, or within a cell the cell's."""
    if tags_of(canvas).open[-1].role in _CELLS:
        with _marked(canvas):
            yield
    else:
        with part(canvas, role, alt), _marked(canvas):
            yield


@contextmanager
def _marked(canvas: Any) -> Iterator[None]:
    tags = tags_of(canvas)
    number = tags.mark(canvas.getPageNumber())
    canvas._code.append(f"/{tags.open[-1].role} <</MCID {number}>> BDC")
    try:
        yield
    finally:
        canvas._code.append("EMC")


@contextmanager
def artifact(canvas: Any) -> Iterator[None]:
    """What is drawn within says nothing."""
    canvas._code.append("/Artifact BMC")
    try:
        yield
    finally:
        canvas._code.append("EMC")


def put_together(canvas: Any) -> None:
    """Write the structure into the document, when all its pages are drawn."""
    tags, document = tags_of(canvas), canvas._doc
    pages = document.Pages.pages
    numbers = [_number(document, page) for page in pages]
    root = _object()()
    known: dict[int, int] = {}
    whole = _written(tags.open[0], _number(document, root), numbers, document, known)
    nums = []
    for page, owners in sorted(tags.pages.items()):
        nums.append(f"{page - 1} [{' '.join(f'{known[id(owner)]} 0 R' for owner in owners)}]")
        there = pages[page - 1]
        there.__NoDefault__ = [*type(there).__NoDefault__, "StructParents", "Tabs"]
        there.StructParents, there.Tabs = page - 1, "/S"
    root.text = (
        f"<</Type /StructTreeRoot /K {whole} 0 R /ParentTree <</Nums [{' '.join(nums)}]>>"
        f" /ParentTreeNextKey {len(pages)}>>"
    )
    document._catalog.StructTreeRoot = root
    document._catalog.MarkInfo = _object()("<</Marked true>>")


def _written(element: Element, parent: int, pages: list[int], document: Any, known: dict[int, int]) -> int:
    """The number of the element as an object of the document, its parts after it."""
    made = _object()()
    known[id(element)] = own = _number(document, made)
    parts = [_written(each, own, pages, document, known) for each in element.parts if not each.empty]
    kids = [*(str(number) for _, number in element.marks), *(f"{number} 0 R" for number in parts)]
    on = f" /Pg {pages[element.marks[0][0] - 1]} 0 R" if element.marks else ""
    alt = f" /Alt {_text(element.alt)}" if element.alt else ""
    made.text = f"<</S /{element.role} /P {parent} 0 R{on}{alt} /K [{' '.join(kids)}]>>"
    return own


def _number(document: Any, made: Any) -> int:
    document.Reference(made)
    return int(document.idToObjectNumberAndVersion[made.__InternalName__][0])


def _text(said: str) -> str:
    """A text string of PDF: UTF-16 as hexadecimal digits, which nothing in it can end."""
    return f"<FEFF{said.encode('utf-16-be').hex().upper()}>"


@cache
def _object() -> type[Any]:
    """An object whose text is put together here: thousands of ReportLab's dictionaries take seconds to write."""
    from reportlab.pdfbase.pdfdoc import PDFObject

    class Written(PDFObject):  # type: ignore[misc]
        __RefOnly__ = 1

        def __init__(self, text: str = "") -> None:
            self.text = text

        def format(self, _: Any) -> bytes:
            return self.text.encode("ascii")

    return Written
