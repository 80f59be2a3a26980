"""The dialect of a CSV file: delimiter, lines to skip, whether a line names the columns, how numbers are written."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from transforms.sources.guess.numbers import NUMBER, marks
from transforms.sources.guess.words import unit_of

_DELIMITERS: Final = (",", ";", "\t", "|")
_SKIP_LIMIT: Final = 60
_LINES: Final = 5_000
_DATE: Final = re.compile(r"\d{1,4}[-/.:]\d{1,2}[-/.:]")


@dataclass(frozen=True)
class Dialect:
    """How a CSV file is written.

    Attributes
    ----------
    names
        The columns' names; empty where no line names them, so that they go by position.
    labels
        What stands above each column, in one line or several; empty texts where nothing does.
    above
        The lines above the table.
    """

    delimiter: str
    skip_rows: int
    names: list[str]
    labels: list[str] = field(default_factory=list)
    above: list[str] = field(default_factory=list)
    decimal: str = "."
    thousands: str | None = None
    reasons: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Rows:
    """Rows of a table with the lines of the file that they end on."""

    cells: list[list[str]]
    lines: list[int]


def split_lines(text: str, whole: bool) -> list[str]:
    """The lines of a text; the last one is left out where it may be cut off. Blank ones at the end do not count."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not whole and len(lines) > 1:
        lines.pop()
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def dialect_of(lines: list[str]) -> tuple[Dialect, Rows]:
    """The dialect of some lines, and their rows without what stands above them."""
    best = max(_DELIMITERS, key=lambda delimiter: _regular(lines[:_LINES], delimiter))
    rows = _cut(lines, best)
    width = _usual(rows.cells[min(_SKIP_LIMIT, len(rows.cells) // 2) :])
    reasons = [f"the delimiter {best!r} cuts most lines into {width} fields"]
    first = next((k for k, row in enumerate(rows.cells) if len(row) == width), 0)
    begin, header = _begin(rows.cells, first, width)
    top = rows.cells[first:begin] if not header else rows.cells[begin - 1 : begin]
    names = [name.strip() for name in top[0]] if header else []
    above, line = ([0, 0, *rows.lines][begin + at] for at in (0, 1))
    skip = above if header else line
    labels = [" ".join(row[k].strip() for row in top if k < len(row)).strip() for k in range(width)]
    if skip:
        reasons.append(f"{skip} lines stand above the table")
    if header:
        reasons.append(f"line {line} holds names" if skip else "its first line holds names")
    elif top:
        reasons.append("the lines above the table name no column alone, so columns are given by their positions")
    else:
        reasons.append("its first line holds values, so it has no header")
    data = [(row, at) for row, at in zip(rows.cells[begin:], rows.lines[begin:], strict=True) if row]
    decimal, thousands, doubts = marks([row for row, _ in data[:_LINES]], best)
    if decimal == ",":
        reasons.append("numbers are written with a decimal comma")
    if thousands:
        reasons.append(f"{thousands!r} stands between thousands")
    titles = [text for text in lines[:skip] if text.strip()]
    dialect = Dialect(best, skip, names, labels, titles, decimal, thousands, reasons, doubts)
    return dialect, Rows([row for row, _ in data], [at for _, at in data])


def _cut(lines: list[str], delimiter: str) -> Rows:
    reader = csv.reader(lines, delimiter=delimiter)
    cells, ends = [], []
    for row in reader:
        cells.append(row)
        ends.append(reader.line_num)
    return Rows(cells, ends)


def _regular(lines: list[str], delimiter: str) -> tuple[float, int]:
    """How well a delimiter cuts lines alike: the share of lines of the commonest width, nothing where that is 1."""
    rows = list(csv.reader(lines, delimiter=delimiter))
    width, count = Counter(map(len, rows)).most_common(1)[0]
    return (count / len(rows), width) if width > 1 else (0.0, 0)


def _usual(rows: list[list[str]]) -> int:
    return Counter(map(len, rows)).most_common(1)[0][0] if rows else 0


def _begin(rows: list[list[str]], first: int, width: int) -> tuple[int, bool]:
    """Where the values begin, and whether the row before them names the columns, each by a name of its own.

    A line of units below the names is no value: it stays among the rows.
    """
    body = rows[first : first + 400]
    rest = [row for row in body[len(body) // 2 :] if len(row) == width]
    telling = [k for k in range(width) if sum(is_value(row[k]) for row in rest) > len(rest) / 2]
    # a wide table's names may be numbers, so that only its dates tell names from values
    dated = [k for k in telling if sum(bool(_DATE.match(row[k].strip())) for row in rest) > len(rest) / 2]
    empty = {k for k in range(width) if not any(k < len(row) and row[k].strip() for row in body)}
    for k, row in enumerate(body[: _SKIP_LIMIT + 1]):
        if len(row) != width:
            continue
        values = sum(is_value(row[at]) for at in dated or telling)
        if values > len(dated or telling) / 2:
            return first + k, False
        names = [name.strip() for at, name in enumerate(row) if at not in empty]
        good = values == 0 and all(names) and len(set(names)) == len(names)
        if good and _values_follow(body, k, dated or telling):
            return first + k + 1, True
        if not telling:
            break
    return first, False


def _values_follow(body: list[list[str]], place: int, telling: list[int]) -> bool:
    """Whether the row behind a place holds values, or units and then values; nothing behind it is as good."""
    for row in body[place + 1 : place + 4]:
        if not row or not any(text.strip() for text in row):
            continue
        if any(at < len(row) and is_value(row[at]) for at in telling):
            return True
        if not any(unit_of(text.strip("[]() ")) for text in row if text.strip()):
            return False
    return not telling or place + 1 >= len(body)


def is_value(text: str) -> bool:
    """Whether a text is a number, or a date or time that begins with one."""
    text = text.strip()
    return bool(text) and (bool(NUMBER.fullmatch(text)) or bool(_DATE.match(text)))
