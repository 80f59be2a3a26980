"""Fields: where each canonical column stands in a dump, as SQL expressions over the dump's own columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

import duckdb

from transforms.errors import RegistryError
from transforms.ingest.discover import Candidate
from transforms.sources import EPOCHS, Column, Source
from transforms.sql import quote
from transforms.units import FLOW_TO_LPH, VOLUME_TO_L

_PLAIN: Final = {
    "meter": ("feature_code", "timestamp", "flow_lph", "volume_l"),
    "flowmeter": ("feature_code", "flowmeter_id", "timestamp", "flow_lph", "volume_l"),
}


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


class FileFaultError(Exception):
    """A dump as a whole cannot be used: a reason code and what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Fields:
    """SQL expressions (text, or null) of one dump's readings, and how their text is to be understood.

    Attributes
    ----------
    feature_code, flowmeter_id, stamp, flow, volume : str or None
        Expressions of type VARCHAR; None where the dump has no such column.
    flow_factor, volume_factor : float
        Factor from the dump's unit to L/h and to L.
    decimal : str
        ``.`` or ``,``.
    pattern : str or None
        strptime pattern of the time stamp, one of ``sources.EPOCHS``, or None for ISO 8601 or an epoch.
    timezone : str or None
        IANA name or offset of stamps without an offset.
    typed_stamp, typed_value : bool
        Whether the expressions are a TIMESTAMP in UTC and a DOUBLE already, not text.
    """

    feature_code: str | None
    flowmeter_id: str | None
    stamp: str
    flow: str | None
    volume: str | None
    flow_factor: float = 1.0
    volume_factor: float = 1.0
    decimal: str = "."
    pattern: str | None = None
    timezone: str | None = None
    typed_stamp: bool = False
    typed_value: bool = False


def columns_of(candidate: Candidate) -> dict[str, Column]:
    """Where the canonical columns of a dump come from: the source's mapping, or the plain names."""
    if candidate.source is not None and candidate.source.columns:
        return candidate.source.columns
    return {name: Column(names=(name,)) for name in _PLAIN[candidate.stream]}


def names_read(candidate: Candidate) -> set[str]:
    """The dump's own column names that are looked at."""
    return {name for column in columns_of(candidate).values() for name in column.names}


def fields_of(candidate: Candidate, expression: Callable[[str], str], present: Collection[str] | None) -> Fields:
    """Build the expressions for one dump.

    Parameters
    ----------
    candidate : Candidate
        The dump.
    expression : callable
        SQL text of the dump's column with a given name.
    present : collection of str or None
        The columns that the dump has; None where each record says for itself.

    Raises
    ------
    FileFaultError
        ``missing_column``, if a column is absent that no reading can do without.
    """
    source = candidate.source
    columns = columns_of(candidate)
    mapped = source is not None and bool(source.columns)

    def sql(canonical: str) -> str | None:
        column = columns.get(canonical)
        if column is None:
            return None
        if column.value is not None:
            return quote(column.value)
        absent = [name for name in column.names if present is not None and name not in present]
        if absent and mapped:
            raise FileFaultError("missing_column", f"no column {absent[0]!r}")
        return None if absent else " || ' ' || ".join(expression(name) for name in column.names)

    stamp, flow, volume = sql("timestamp"), sql("flow_lph"), sql("volume_l")
    feature_code, flowmeter_id = sql("feature_code"), sql("flowmeter_id")
    if stamp is None:
        raise FileFaultError("missing_column", "no column 'timestamp'")
    if flow is None and volume is None:
        raise FileFaultError("missing_column", "neither 'flow_lph' nor 'volume_l'")
    if feature_code is None and flowmeter_id is None:
        wanted = (
            "no column 'feature_code'" if candidate.stream == "meter" else "neither 'feature_code' nor 'flowmeter_id'"
        )
        raise FileFaultError("missing_column", wanted)
    return Fields(
        feature_code,
        flowmeter_id,
        stamp,
        flow,
        volume,
        flow_factor=FLOW_TO_LPH[_unit(columns, "flow_lph") or "L/h"],
        volume_factor=VOLUME_TO_L[_unit(columns, "volume_l") or "L"],
        decimal=source.decimal if source else ".",
        pattern=strptime_pattern(columns["timestamp"].format),
        timezone=source.timezone if source else None,
    )


def _unit(columns: dict[str, Column], canonical: str) -> str | None:
    return columns[canonical].unit if canonical in columns else None


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
        pattern = source.columns["timestamp"].format if "timestamp" in source.columns else None
        if pattern is None or pattern in EPOCHS:
            continue
        try:
            con.sql(f"SELECT try_strptime('', {quote(strptime_pattern(pattern) or '')})").fetchall()
        except duckdb.Error:
            raise RegistryError(
                f"registry/sources.toml [sources.{source.name}] columns.timestamp.format = {pattern!r} has a part that is "
                "not known; use %Y %m %d %H %M %S %f %z and the like"
            ) from None
