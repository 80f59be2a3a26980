"""Numbers: which mark stands before decimals and which between thousands, told from the numbers of a table themselves."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

#: a number in any of the ways that exports write one
NUMBER: Final = re.compile(r"[+-]?(\d{1,3}([ '.,\u00a0\u202f]\d{3})+|\d+)?([.,]\d+)?([eE][+-]?\d+)?")
_GAP: Final = re.compile(r"\d([ '\u00a0\u202f])\d{3}")
_CLOCK: Final = re.compile(r"([01]?\d|2[0-4])[.:][0-5]\d")
_ENOUGH: Final = 0.5


def marks(rows: list[list[str]], delimiter: str) -> tuple[str, str | None, list[str]]:
    """The decimal mark, the separator of thousands (None for none), and what is in doubt about them.

    A mark before other than three digits, behind more than three, or behind a leading zero stands before decimals; one
    that occurs twice, or that only the larger whole numbers of a column have, separates thousands. Where all marks of a
    table stand before three digits and nothing else tells, that is said.
    """
    width = max(map(len, rows), default=0)
    columns = [found for k in range(width) if (found := _numbers([row[k].strip() for row in rows if k < len(row)]))]
    both = [text for texts in columns for text in texts if "," in text and "." in text]
    if both:
        last = Counter(max(",.", key=text.rfind) for text in both).most_common(1)[0][0]
        return last, "," if last == "." else ".", []
    comma, point = _role(columns, ","), _role(columns, ".")
    if comma == "decimal" and point == "decimal":
        counts = {mark: sum(mark in text for texts in columns for text in texts) for mark in ",."}
        decimal = max(",.", key=lambda mark: counts[mark])
        return decimal, None, [f"some numbers have a comma before decimals and some a point; {decimal!r} is a guess"]
    if comma == "decimal" or point == "thousands":
        return ",", "." if point in ("thousands", "either") else _gap(columns), []
    if point == "decimal" or comma == "thousands":
        return ".", "," if comma in ("thousands", "either") else _gap(columns), []
    if comma == "either":
        # where commas separate fields, those in numbers were quoted, which is an English habit
        doubt = "all commas in numbers stand before three digits: they might {}, which makes values a thousand times {}"
        if delimiter == ",":
            return ".", ",", [doubt.format("stand before decimals", "smaller")]
        return ",", None, [doubt.format("separate thousands", "larger")]
    if point == "either":
        doubt = "all points in numbers stand before three digits: they might {}, which makes values a thousand times {}"
        return ".", None, [doubt.format("separate thousands", "larger")]
    return ".", _gap(columns), []


def _numbers(texts: list[str]) -> list[str]:
    """The texts of a column that are numbers, if most are; times of day with a point are none."""
    filled = [text for text in texts if text]
    found = [text for text in filled if NUMBER.fullmatch(text)]
    if len(found) < _ENOUGH * len(filled) or all(_CLOCK.fullmatch(text) for text in found):
        return []
    return found


def _role(columns: list[list[str]], mark: str) -> str:
    """What a mark does: ``decimal``, ``thousands``, ``either``, or nothing where it does not occur."""
    roles = {_in_column(texts, mark) for texts in columns}
    return next((role for role in ("decimal", "thousands", "either") if role in roles), "")


def _in_column(texts: list[str], mark: str) -> str:
    marked = [text.lstrip("+-") for text in texts if mark in text]
    if not marked:
        return ""
    if any(text.count(mark) > 1 for text in marked):
        return "thousands"
    parts = [text.split(mark) for text in marked]
    if any(len(after) != 3 or len(before) > 3 or before in ("", "0") or before[:1] == "0" for before, after in parts):
        return "decimal"
    plain = [text for text in texts if mark not in text]
    return "thousands" if plain and len(marked) > len(plain) / 10 else "either"


def _gap(columns: list[list[str]]) -> str | None:
    """A space or an apostrophe between thousands."""
    gaps = Counter(found[1] for texts in columns for text in texts if (found := _GAP.search(text)))
    return gaps.most_common(1)[0][0] if gaps else None
