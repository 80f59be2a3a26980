"""Patterns: the time stamp formats and regular expressions of sources, in DuckDB's words, and those it cannot carry out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import duckdb

from transforms.errors import RegistryError
from transforms.sources import EPOCHS, EXCEL, Source
from transforms.sql import quote

#: what the C library's strptime knows and DuckDB's does not
_ABBREVIATIONS: Final = {
    "%T": "%H:%M:%S",
    "%F": "%Y-%m-%d",
    "%R": "%H:%M",
    "%D": "%m/%d/%y",
    "%e": "%d",
    "%k": "%H",
    "%l": "%I",
}


def strptime_pattern(pattern: str | None) -> str | None:
    """A strptime pattern in DuckDB's words; None stays None."""
    if pattern is None or pattern in EPOCHS:
        return pattern
    for short, long in _ABBREVIATIONS.items():
        pattern = pattern.replace(short, long)
    return pattern


def check_patterns(con: duckdb.DuckDBPyConnection, sources: Iterable[Source]) -> None:
    """Refuse time stamp formats that cannot be carried out.

    Raises
    ------
    RegistryError
        Naming the source and the format.
    """
    for source in sources:
        for canonical, column in source.columns.items():
            if column.pattern is not None:
                _check_expression(con, source, f"columns.{canonical}", column.pattern)
        if source.version is not None and source.version.pattern is not None:
            _check_expression(con, source, "version", source.version.pattern)
        pattern = source.columns["timestamp"].format if "timestamp" in source.columns else None
        if pattern is None or pattern in EPOCHS or pattern == EXCEL:
            continue
        try:
            con.sql(f"SELECT try_strptime('', {quote(strptime_pattern(pattern) or '')})").fetchall()
        except duckdb.Error:
            raise RegistryError(
                f"registry/sources.toml [sources.{source.name}] columns.timestamp.format = {pattern!r} has a part that is "
                "not known; use %Y %m %d %H %M %S %f %z and the like"
            ) from None


def _check_expression(con: duckdb.DuckDBPyConnection, source: Source, key: str, pattern: str) -> None:
    try:
        con.sql(f"SELECT regexp_extract('', {quote(pattern)}, 1)").fetchall()
    except duckdb.Error as error:
        raise RegistryError(
            f"registry/sources.toml [sources.{source.name}] {key}.pattern = {pattern!r} is no regular expression that is "
            f"known here ({str(error).splitlines()[0]}); write it more simply"
        ) from None
