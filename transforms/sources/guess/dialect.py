"""The dialect of a CSV file: delimiter, lines to skip, whether there is a header, decimal comma, separator of thousands."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

_DELIMITERS: Final = (",", ";", "\t", "|")
_SKIP_LIMIT: Final = 60
_LINES: Final = 5_000
#: a number in any of the ways that exports write one
NUMBER: Final = re.compile(r"[+-]?(\d{1,3}([ '.,\u00a0\u202f]\d{3})+|\d+)?([.,]\d+)?([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written; ``names`` is empty where it has no header."""

    delimiter: str
    skip_rows: int
    names: list[str]
    decimal: str = "."
    thousands: str | None = None
    reasons: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def split_lines(text: str, whole: bool) -> list[str]:
    """The lines of a text; the last one is left out where it may be cut off. Blank ones at the end do not count."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not whole and len(lines) > 1:
        lines.pop()
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def dialect_of(lines: list[str]) -> tuple[Dialect, list[list[str]]]:
    """The dialect of some lines, and their rows without what stands above them."""
    few = lines[:_LINES]
    best = max(_DELIMITERS, key=lambda delimiter: _regular(few, delimiter))
    rows = list(csv.reader(lines, delimiter=best))
    width = _usual(rows[min(_SKIP_LIMIT, len(rows) // 2) :])
    skip = next((k for k, row in enumerate(rows) if len(row) == width), 0)
    body = rows[skip:]
    reasons = [f"the delimiter {best!r} cuts most lines into {width} fields"]
    header = bool(body) and _is_header(body)
    names = [name.strip() for name in body[0]] if header else []
    if skip:
        reasons.append(f"{skip} lines stand above the table")
    reasons.append("its first line holds names" if header else "its first line holds values, so it has no header")
    data = [row for row in (body[1:] if header else body) if row]
    decimal, thousands, doubts = _numbers(data[:_LINES], best)
    if decimal == ",":
        reasons.append("numbers are written with a decimal comma")
    if thousands:
        reasons.append(f"{thousands!r} stands between thousands")
    return Dialect(best, skip, names, decimal, thousands, reasons, doubts), data


def _regular(lines: list[str], delimiter: str) -> tuple[float, int]:
    """How well a delimiter cuts lines alike: the share of lines of the commonest width, nothing where that is 1."""
    rows = list(csv.reader(lines, delimiter=delimiter))
    width, count = Counter(map(len, rows)).most_common(1)[0]
    return (count / len(rows), width) if width > 1 else (0.0, 0)


def _usual(rows: list[list[str]]) -> int:
    return Counter(map(len, rows)).most_common(1)[0][0] if rows else 0


def _is_header(body: list[list[str]]) -> bool:
    """The first row is a header if none of its fields is a value where others have values, and all have some name."""
    first, rest = body[0], body[1:200]
    if not all(name.strip() for name in first) or len(set(first)) < len(first):
        return False
    if not rest:
        return not any(_is_value(text) for text in first)
    columns = [k for k in range(len(first)) if sum(_is_value(row[k]) for row in rest if k < len(row)) > len(rest) / 2]
    return not any(_is_value(first[k]) for k in columns)


def _is_value(text: str) -> bool:
    """Whether a text is a number, or a date or time that begins with one."""
    text = text.strip()
    return bool(text) and (bool(NUMBER.fullmatch(text)) or bool(re.match(r"\d{1,4}[-/.:]\d{1,2}[-/.:]", text)))


def _numbers(rows: list[list[str]], delimiter: str) -> tuple[str, str | None, list[str]]:
    """The decimal mark and the separator of thousands, from fields that are numbers, and what is in doubt about them."""
    fields = [text.strip() for row in rows for text in row if NUMBER.fullmatch(text.strip()) and text.strip()]
    both = [text for text in fields if "," in text and "." in text]
    if both:
        last = Counter(max(",.", key=text.rfind) for text in both).most_common(1)[0][0]
        return last, "," if last == "." else ".", []
    commas = [text for text in fields if "," in text]
    points = [text for text in fields if "." in text]
    if commas and points and delimiter == ",":
        return ".", ",", []
    if commas and not points:
        triples = all(re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+", text) for text in commas)
        if triples and delimiter == ",":
            return ".", ",", []
        doubts = ["all commas in numbers stand before three digits: they might separate thousands"] if triples else []
        return ",", None, doubts
    gaps = [found[1] for text in fields if (found := re.search(r"\d([ '\u00a0\u202f])\d{3}", text))]
    if gaps:
        return ("," if commas else "."), Counter(gaps).most_common(1)[0][0], []
    return ".", None, []
