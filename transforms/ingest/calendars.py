"""Stamps that strptime cannot read as they stand: months in other languages, and the day numbers of spreadsheets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from transforms.sources import EXCEL, Column
from transforms.sql import quote

#: how `as_readable` writes the day numbers of spreadsheets
EXCEL_PATTERN: Final = "%Y-%m-%d %H:%M:%S"
#: 1970-01-01 in days since 1899-12-30, from where spreadsheets count
_EXCEL_1970: Final = 25_569


def as_readable(stamp: str, column: Column) -> str:
    """SQL: the text of a stamp as `readable_pattern` reads it; the same expression for most columns."""
    if column.format == EXCEL:
        # to whole seconds: a quarter of an hour is no short decimal fraction of a day
        days = f"try_cast(replace(trim(({stamp})::VARCHAR), ',', '.') AS DECIMAL(18, 9))"
        seconds = f"round(({days} - {_EXCEL_1970}) * 86400)::BIGINT"
        written = f"strftime(make_timestamp({seconds} * 1000000), {quote(EXCEL_PATTERN)})"
        return f"CASE WHEN {days} BETWEEN 1 AND 100000 THEN {written} END"
    return _numbered(stamp, column.months) if column.months else stamp


def readable_pattern(column: Column) -> str | None:
    """The format with which the texts of `as_readable` are read."""
    if column.format == EXCEL:
        return EXCEL_PATTERN
    if column.months and column.format:
        return column.format.replace("%B", "%m").replace("%b", "%m")
    return column.format


def _numbered(stamp: str, months: Sequence[str]) -> str:
    """SQL: a text with the name of a month replaced by its number; where several fit, the longest counts."""
    by_length = sorted({month.lower() for month in months}, key=lambda month: (-len(month), month))
    listed = "|".join("".join(f"[{sign}]" if sign in ".*+?()|{}" else sign for sign in month) for month in by_length)
    name = f"regexp_extract(lower({stamp}), {quote(f'({listed})')}, 1)"
    names = "[" + ", ".join(quote(month.lower()) for month in months) + "]"
    number = f"lpad(list_position({names}, {name})::VARCHAR, 2, '0')"
    return f"CASE WHEN {name} <> '' THEN replace(lower({stamp}), {name}, {number}) ELSE {stamp} END"
