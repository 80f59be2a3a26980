"""Parquet dumps: columns that have types already, whichever they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import duckdb

from transforms.ingest.dumps import Dump
from transforms.ingest.fields import FileFaultError
from transforms.ingest.mapping import UNITS, columns_of, fields_of, names_read
from transforms.ingest.rules import Limits, judged
from transforms.ingest.wide import spread, wide_columns
from transforms.ingest.zones import zone_table
from transforms.sql import file_list

_INTEGERS: Final = frozenset(
    {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"}
)
_FLOATS: Final = frozenset({"FLOAT", "DOUBLE"})
_ZONED: Final = frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS WITH TIME ZONE", "TIMESTAMPTZ_NS"})
_TEXTS: Final = frozenset({"VARCHAR", "UUID"})
#: errors that tell of the file, not of us
BROKEN: Final = (
    duckdb.InvalidInputException,
    duckdb.IOException,
    duckdb.ConversionException,
    duckdb.SerializationException,
    duckdb.NotImplementedException,
    duckdb.OutOfRangeException,
)


def tells_of_file(error: duckdb.Error) -> bool:
    """Whether an error tells of the file, not of us; what the Parquet reader's own parser finds has no class of its own."""
    return isinstance(error, BROKEN) or type(error) is duckdb.Error


def identifier(name: str) -> str:
    """A column's name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def parquet_rows(con: duckdb.DuckDBPyConnection, dump: Dump, limits: Limits) -> tuple[str, str]:
    """Relations of a Parquet dump's readings, and of its rows as they came.

    Returns
    -------
    str
        SELECT of line (position of the row), feature_code, flowmeter_id, ts, flow, volume, version, detail, reason.
    str
        SELECT of line, text.

    Raises
    ------
    FileFaultError
        If the file cannot be read, or lacks a column, or a column has a type that cannot hold what it should.
    """
    if dump.text is None:
        raise FileFaultError("unreadable_file", "there is no copy of it")
    file = f"read_parquet({file_list([dump.text])}, file_row_number=true)"
    try:
        types = {name: kind for name, kind, *_ in con.sql(f"DESCRIBE SELECT * FROM {file}").fetchall()}
    except duckdb.Error as error:
        if not tells_of_file(error):
            raise
        raise FileFaultError("unreadable_file", str(error).splitlines()[0]) from None
    del types["file_row_number"]
    roles = {name: canonical for canonical, column in columns_of(dump.candidate).items() for name in column.names}
    numeric = _values_are_numbers(types, roles)

    def expression(name: str) -> str:
        return _expression(name, types[name], roles.get(name, ""), numeric)

    fields = fields_of(dump.candidate, expression, types)
    stamps = [name for name in columns_of(dump.candidate)["timestamp"].names if name in types]
    relation = f"(SELECT *, file_row_number AS line FROM {file})"
    source = dump.candidate.source
    if source is not None and source.wide is not None:
        cells = [replace(cell, place=place) for place, cell in enumerate(wide_columns(source, list(types)), start=1)]
        texts = ", ".join(_expression(cell.name, types[cell.name], source.wide.value, numeric=False) for cell in cells)
        kept = ", ".join(["line", *map(identifier, sorted(names_read(dump.candidate)))])
        relation = spread(con, f"(SELECT *, [{texts}] AS f FROM {relation})", cells, kept=kept)
        numeric = False
    fields = replace(
        fields,
        typed_value=numeric,
        typed_stamp=len(stamps) == 1 and types[stamps[0]] in _ZONED,
    )
    rows = judged(relation, fields, keep="line", limits=limits, zone=zone_table(con, relation, fields))
    shown = ", ".join(f"{identifier(name)} := {identifier(name)}::VARCHAR" for name in types)
    text = f"SELECT file_row_number AS line, to_json(struct_pack({shown}))::VARCHAR AS text FROM {file}"
    return f"({rows})", f"({text})"


def _values_are_numbers(types: dict[str, str], roles: dict[str, str]) -> bool:
    kinds = [_plain(kind) for name, kind in types.items() if roles.get(name) in UNITS]
    return all(kind in _INTEGERS | _FLOATS | {"DECIMAL"} for kind in kinds)


def _plain(kind: str) -> str:
    return (
        "VARCHAR" if kind.startswith("ENUM") else kind.split("(", maxsplit=1)[0] if kind.startswith("DECIMAL") else kind
    )


def _expression(name: str, kind: str, role: str, numeric: bool) -> str:
    """The column as text, or as instant or number where it is one."""
    column, plain = identifier(name), _plain(kind)
    if role == "timestamp":
        if plain in _ZONED:
            return f"{column}::TIMESTAMPTZ::TIMESTAMP"
        if plain in _FLOATS:
            return f"try_cast({column} AS DECIMAL(25, 6))::VARCHAR"
        _expect(name, kind, plain in _TEXTS | _INTEGERS or plain.startswith(("TIMESTAMP", "DATE", "TIME", "DECIMAL")))
        return f"{column}::TIMESTAMP::VARCHAR" if plain.startswith("TIMESTAMP") else f"{column}::VARCHAR"
    if role in UNITS:
        _expect(name, kind, plain in _TEXTS | _INTEGERS | _FLOATS | {"DECIMAL"})
        return f"{column}::DOUBLE" if numeric else f"{column}::VARCHAR"
    _expect(name, kind, not role or plain in _TEXTS | _INTEGERS)
    return f"{column}::VARCHAR"


def _expect(name: str, kind: str, fits: bool) -> None:
    if not fits:
        raise FileFaultError("wrong_type", f"column {name!r} is {kind}")
