"""How a text export is written: its encoding, and for CSV what separates, quotes, groups and comments."""

from __future__ import annotations

import codecs
from typing import Any, Final

from transforms.faults import shown
from transforms.sources.keys import Keys

CSV_KEYS: Final = ("delimiter", "quote", "decimal", "thousands", "header", "skip_rows")
TEXT_KEYS: Final = ("encoding", "comment")
DIALECT_KEYS: Final = (*CSV_KEYS, *TEXT_KEYS, "missing")
_SKIP_LIMIT: Final = 10_000
_GROUPERS: Final = (",", ".", " ", "'", "\u2019", "_")
_COMMENT_LENGTH: Final = 16


def read_dialect(keys: Keys, kind: str) -> dict[str, Any]:
    """Read the keys of a dialect as the attributes of a source; ``kind`` is its format, empty where that is wrong."""
    for key in CSV_KEYS if kind and kind != "csv" else ():
        # numbers may stand as text in any format
        if key in keys and key not in ("decimal", "thousands"):
            keys.fault(key, f" is for CSV, but format = {shown(kind)}; remove the key")
    for key in TEXT_KEYS if kind == "parquet" else ():
        if key in keys:
            keys.fault(key, " is for text, but format = 'parquet'; remove the key")
    delimiter = keys.text("delimiter", ",")
    if len(delimiter) != 1 or delimiter in '"\r\n' or not delimiter.isascii():
        keys.fault("delimiter", f" = {shown(delimiter)}; give one character such as ',', ';' or '\\t'")
    decimal = keys.text("decimal", ".")
    if decimal not in (".", ","):
        keys.fault("decimal", f" = {shown(decimal)}; give '.' or ','")
    elif decimal == delimiter and kind in ("csv", ""):
        keys.fault("delimiter", f" and decimal are both {shown(decimal)}; give the file's delimiter")
    quote = keys.text("quote", '"')
    if quote and (len(quote) != 1 or quote in "\r\n" or not quote.isascii() or quote == delimiter):
        keys.fault("quote", f" = {shown(quote)}; give one character such as '\"', or '' where nothing is quoted")
    return {
        "delimiter": delimiter,
        "decimal": decimal,
        "quote": quote,
        "thousands": _thousands(keys, decimal),
        "encoding": _encoding(keys),
        "skip_rows": keys.number("skip_rows", 0, _SKIP_LIMIT),
        "header": keys.flag("header", True),
        "comment": _comment(keys),
        "missing": keys.texts("missing", "the texts that stand for a missing value, such as ['-', '-9999']"),
    }


def _thousands(keys: Keys, decimal: str) -> str | None:
    if "thousands" not in keys:
        return None
    value = keys.text("thousands", " ")
    if value not in _GROUPERS:
        keys.fault("thousands", f" = {shown(value)}; give one of {', '.join(map(repr, _GROUPERS))}")
    elif value == decimal:
        keys.fault("thousands", f" and decimal are both {shown(value)}; give both as the file has them")
    return value


def _comment(keys: Keys) -> str | None:
    if "comment" not in keys:
        return None
    value = keys.text("comment", "#")
    if not value.strip() or not value.isprintable() or len(value) > _COMMENT_LENGTH:
        keys.fault("comment", f" = {shown(value)}; give what such lines begin with, '#' for example")
    return value


def _encoding(keys: Keys) -> str:
    value = keys.text("encoding", "utf-8")
    try:
        "1,2".encode(value)
        return codecs.lookup(value).name
    except (LookupError, UnicodeError, ValueError):
        keys.fault("encoding", f" = {shown(value)} is not known; give for example utf-8, latin-1 or utf-16")
    return "utf-8"
