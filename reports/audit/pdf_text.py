"""Text in a PDF: the fonts, which come with Matplotlib and ReportLab, and names from outside made harmless.

DejaVu is embedded, so that the file looks the same everywhere. What it lacks of Chinese and Japanese is set in
STSong-Light, a font that PDF readers bring with them; what neither has is written as its code point.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from reports.wording import THIN, visible

SANS, BOLD, SERIF, MONO, CHINESE = (
    "Meterwright-Sans",
    "Meterwright-Bold",
    "Meterwright-Serif",
    "Meterwright-Mono",
    "STSong-Light",
)
_NO_BREAK = "\u00a0"
_FILES = {
    SANS: "DejaVuSans.ttf",
    BOLD: "DejaVuSans-Bold.ttf",
    SERIF: "DejaVuSerif-Bold.ttf",
    MONO: "DejaVuSansMono.ttf",
}
#: blocks that STSong-Light covers: punctuation and kana, ideographs, full-width forms
_CHINESE_BLOCKS = ((0x3000, 0x30FF), (0x4E00, 0x9FA5), (0xFF01, 0xFF5E))


@cache
def load_fonts() -> None:
    """Make the fonts known to ReportLab; without effect the second time."""
    import matplotlib as mpl
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    for name, file in _FILES.items():
        pdfmetrics.registerFont(TTFont(name, str(folder / file)))
    pdfmetrics.registerFont(UnicodeCIDFont(CHINESE))
    pdfmetrics.registerFontFamily(SANS, normal=SANS, bold=BOLD, italic=SANS, boldItalic=BOLD)


@cache
def _signs(font: str) -> frozenset[str]:
    """The characters that a font has."""
    from reportlab.pdfbase import pdfmetrics

    load_fonts()
    return frozenset(map(chr, pdfmetrics.getFont(font).face.charToGlyph))


def runs(text: object, font: str = SANS) -> Iterator[tuple[str, str]]:
    """(font, part) of a text, such that each font has what its part needs; control characters are written out."""
    pieces = [_place(sign, font) for sign in visible(text)]
    for name, group in groupby(pieces, key=lambda piece: piece[0]):
        yield name, "".join(part for _, part in group)


@cache
def _place(sign: str, font: str) -> tuple[str, str]:
    if sign == THIN:  # ReportLab breaks lines at it
        return font, _NO_BREAK
    if sign in _signs(font):
        return font, sign
    point = ord(sign)
    if any(low <= point <= high for low, high in _CHINESE_BLOCKS):
        return CHINESE, sign
    return font, f"[U+{point:04X}]"


def plain(text: object, font: str = SANS) -> str:
    """A text that one font has all characters of, as that font has it; empty where it needs others, or trimming."""
    shown = visible(text).replace(THIN, _NO_BREAK)
    return shown if shown == shown.strip() and _signs(font).issuperset(shown) else ""


def has_chinese(text: object) -> bool:
    """Whether lines of a text may break between any two characters."""
    return any(low <= ord(sign) <= high for sign in str(text) for low, high in _CHINESE_BLOCKS)


def safe(text: object, font: str = SANS) -> str:
    """A text as ReportLab's paragraphs want it: nothing in it is markup, and every character has a font."""
    parts = [
        escape(part) if name == font else f'<font name="{name}">{escape(part)}</font>'
        for name, part in runs(text, font)
    ]
    return "".join(parts)


@cache
def styles() -> dict[str, Any]:
    """The paragraph styles by name."""
    from reportlab.lib.colors import HexColor
    from reportlab.lib.enums import TA_RIGHT
    from reportlab.lib.styles import ParagraphStyle

    load_fonts()
    ink, soft = HexColor("#1f2a36"), HexColor("#4a5663")
    body = ParagraphStyle("body", fontName=SANS, fontSize=8.6, leading=12.4, textColor=ink, spaceAfter=5)
    cell = ParagraphStyle("cell", body, fontSize=7.4, leading=9.6, spaceAfter=0)
    return {
        "body": body,
        "cell": cell,
        "right": ParagraphStyle("right", cell, alignment=TA_RIGHT),
        "head": ParagraphStyle("head", cell, fontName=BOLD, textColor=soft, fontSize=6.9),
        "head-right": ParagraphStyle(
            "head-right", cell, fontName=BOLD, textColor=soft, fontSize=6.9, alignment=TA_RIGHT
        ),
        "bold": ParagraphStyle("bold", cell, fontName=BOLD),
        "mono": ParagraphStyle("mono", cell, fontName=MONO, fontSize=7),
        "small": ParagraphStyle("small", body, fontSize=7.2, leading=10, textColor=soft),
        "label": ParagraphStyle("label", cell, fontSize=6.8, leading=8.6, textColor=soft),
        "lead": ParagraphStyle("lead", body, fontSize=10.6, leading=15.4, spaceAfter=6),
        "verdict": ParagraphStyle(
            "verdict", body, fontName=BOLD, fontSize=13, leading=19, spaceBefore=4, spaceAfter=10
        ),
        "key-grey": ParagraphStyle("key-grey", cell, textColor=HexColor("#5d6670")),
        "key-blue": ParagraphStyle("key-blue", cell, textColor=HexColor("#0072b2")),
        "eyebrow": ParagraphStyle("eyebrow", body, fontSize=8.4, textColor=soft, spaceAfter=2),
        "title": ParagraphStyle("title", body, fontName=SERIF, fontSize=20, leading=25, spaceAfter=9),
        "h1": ParagraphStyle(
            "h1", body, fontName=SERIF, fontSize=14, leading=18, spaceBefore=14, spaceAfter=5, keepWithNext=1
        ),
        "contents": ParagraphStyle(
            "contents", body, fontName=BOLD, fontSize=9.6, leading=13, spaceBefore=8, spaceAfter=3
        ),
        "h2": ParagraphStyle(
            "h2", body, fontName=BOLD, fontSize=9.6, leading=13, spaceBefore=8, spaceAfter=3, keepWithNext=1
        ),
        "toc-0": ParagraphStyle("toc-0", body, fontSize=9, leading=14),
        "toc-1": ParagraphStyle("toc-1", body, fontSize=7.8, leading=11.4, leftIndent=12, textColor=soft),
    }


@cache
def breaking_anywhere(name: str) -> Any:
    """A style for text without spaces between words."""
    from reportlab.lib.styles import ParagraphStyle

    return ParagraphStyle(f"{name}-anywhere", styles()[name], wordWrap="CJK")
