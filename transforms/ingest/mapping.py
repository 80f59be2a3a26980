"""Mapping: from what a source says of a dump's columns, or from the plain names, to the `Fields` of that dump."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from transforms.ingest.calendars import as_readable, readable_pattern
from transforms.ingest.discover import Candidate
from transforms.ingest.fields import Fields, FileFaultError
from transforms.ingest.patterns import strptime_pattern
from transforms.sources import PULLED, Choice, Column
from transforms.sql import quote
from transforms.units import FLOW_TO_LPH, VOLUME_TO_L

_LATER_VERSION: Final = re.compile(r"~v\d+(?=[^/]*$)")
UNITS: Final = ("flow_lph", "volume_l")
_PLAIN: Final = {
    "meter": ("feature_code", "timestamp", "flow_lph", "volume_l"),
    "flowmeter": ("feature_code", "flowmeter_id", "timestamp", "flow_lph", "volume_l"),
}


def columns_of(candidate: Candidate) -> dict[str, Column]:
    """Where the canonical columns of a dump come from: the source's mapping, or the plain names."""
    if candidate.source is not None and candidate.source.columns:
        return candidate.source.columns
    return {name: Column(names=(name,)) for name in _PLAIN[candidate.stream]}


def names_read(candidate: Candidate) -> frozenset[str]:
    """The dump's own column names that are looked at, those of a wide layout aside."""
    if candidate.source is not None and candidate.source.columns:
        return candidate.source.names_read
    return frozenset(_PLAIN[candidate.stream])


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
        ``missing_column``, if a column is absent that no reading can do without; ``bad_file_name``, if the file's name
        lacks what the source takes from it.
    """
    columns = columns_of(candidate)
    source = candidate.source if candidate.source is not None and candidate.source.columns else None
    find = _Finder(candidate, expression, present)
    stamp, flow, volume = (find.column(name, columns) for name in ("timestamp", "flow_lph", "volume_l"))
    feature_code, flowmeter_id = (find.column(name, columns) for name in ("feature_code", "flowmeter_id"))
    if stamp is None:
        raise FileFaultError("missing_column", "no column 'timestamp'")
    if flow is None and volume is None:
        raise FileFaultError("missing_column", "neither 'flow_lph' nor 'volume_l'")
    if feature_code is None and flowmeter_id is None:
        wanted = (
            "no column 'feature_code'" if candidate.stream == "meter" else "neither 'feature_code' nor 'flowmeter_id'"
        )
        raise FileFaultError("missing_column", wanted)
    stamp = as_readable(stamp, columns["timestamp"])
    plain = Fields(feature_code, flowmeter_id, stamp, flow, volume)
    if source is None:
        return plain
    return replace(
        plain,
        flow_factor=_factor(columns.get("flow_lph"), FLOW_TO_LPH, "L/h"),
        volume_factor=_factor(columns.get("volume_l"), VOLUME_TO_L, "L"),
        flow_unit=find.unit(columns.get("flow_lph"), FLOW_TO_LPH),
        volume_unit=find.unit(columns.get("volume_l"), VOLUME_TO_L),
        decimal=source.decimal,
        thousands=source.thousands,
        pattern=strptime_pattern(readable_pattern(columns["timestamp"])),
        timezone=source.timezone,
        ambiguous=source.ambiguous,
        skipped=source.skipped,
        later_s="later_s" if source.wide and source.wide.names == "time" else None,
        shift_s=source.label_s + source.shift_s,
        theirs=find.not_among(source.where),
        flagged=find.not_among(source.status),
        version=find.version(source.version),
        wide=source.wide is not None,
    )


@dataclass(frozen=True)
class _Finder:
    """Finds a dump's columns, and what else a source may take in place of one."""

    candidate: Candidate
    expression: Callable[[str], str]
    present: Collection[str] | None

    def column(self, canonical: str, columns: dict[str, Column]) -> str | None:
        """SQL of the text of a canonical column; None where the dump has none."""
        column, source = columns.get(canonical), self.candidate.source
        if column is None:
            return None
        if source is not None and source.wide is not None and canonical in (source.wide.names, source.wide.value):
            found: str | None = "wide_name" if canonical == source.wide.names else "wide_cell"
        else:
            found = self.text(column)
        if found is None:
            return None
        if canonical in UNITS and source is not None and source.missing:
            found = f"CASE WHEN NOT ({_among(found, source.missing)}) THEN {found} END"
        return _identifier(found, column) if column.pattern or column.pad or column.prefix else found

    def text(self, column: Column) -> str | None:
        """SQL of what stands in a column's place."""
        if column.value is not None:
            return quote(column.value)
        parts = [quote(taken_from_name(self.candidate, column.file))] if column.file else []
        for name in column.names:
            if self.present is not None and name not in self.present:
                if self.candidate.source is None or not self.candidate.source.columns:
                    return None
                raise FileFaultError("missing_column", f"no column {name!r}")
            parts.append(self.expression(name))
        return " || ' ' || ".join(parts)

    def named(self, name: str) -> str:
        return str(self.text(Column(names=(name,))))

    def not_among(self, choice: Choice | None) -> str | None:
        """SQL: whether a row's text is none of those that are wanted."""
        if choice is None:
            return None
        texts = ", ".join(quote(text) for text in choice.texts)
        return f"coalesce(trim({self.named(choice.name)}::VARCHAR), '') NOT IN ({texts})"

    def unit(self, column: Column | None, known: dict[str, float]) -> tuple[str, dict[str, float]] | None:
        if column is None or column.unit_column is None:
            return None
        units = {unit: unit for unit in (VOLUME_TO_L if column.per_s else known)} | column.units
        return self.named(column.unit_column), {
            theirs: _factor(replace(column, unit=ours), known, ours) for theirs, ours in units.items()
        }

    def version(self, column: Column | None) -> str | None:
        found = None if column is None else self.text(column)
        if found is None or column is None or column.pattern is None:
            return found
        return f"nullif(regexp_extract({found}, {quote(column.pattern)}, 1), '')"


def _among(text: str, texts: Collection[str]) -> str:
    """SQL: whether a text is one of some, as letters or, whatever its decimals, as a number."""
    numbers = ", ".join(f"try_cast({quote(one)} AS DOUBLE)" for one in texts)
    return (
        f"coalesce(trim({text}::VARCHAR) IN ({', '.join(map(quote, texts))}), false) "
        f"OR coalesce(try_cast({text}::VARCHAR AS DOUBLE) IN ({numbers}), false)"
    )


def _identifier(text: str, column: Column) -> str:
    """SQL: an identifier cut out of a text, filled up and prefixed; nothing stays nothing."""
    found = f"coalesce(trim({text}), '')"
    if column.pattern:
        found = f"regexp_extract({found}, {quote(column.pattern)}, 1)"
    shaped = f"lpad({found}, greatest(length({found}), {column.pad})::INTEGER, '0')" if column.pad else found
    return f"CASE WHEN {found} <> '' THEN {quote(column.prefix)} || {shaped} ELSE '' END"


def taken_from_name(candidate: Candidate, pattern: str) -> str:
    """What a pattern's group takes from a file's path below raw/. Rust's engine takes time linear in the path.

    Raises
    ------
    FileFaultError
        ``bad_file_name``, where the pattern is not found.
    """
    # a later version of a fetched file is told by us, not by its name at its place
    name = _LATER_VERSION.sub("", candidate.file) if candidate.file.startswith(f"{PULLED}/") else candidate.file
    found = pl.Series([name]).str.extract(pattern, 1)[0]
    if not found:
        raise FileFaultError("bad_file_name", f"the file's name does not have what {pattern!r} takes from it")
    return str(found)


def _factor(column: Column | None, known: dict[str, float], ours: str) -> float:
    """The factor of a column's unit; over an interval, that of its volume by the interval's length."""
    if column is None:
        return 1.0
    if column.per_s:
        return column.factor * VOLUME_TO_L[column.unit or "L"] * 3600.0 / column.per_s
    return column.factor * known[column.unit or ours]
