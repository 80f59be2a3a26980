"""The careful way: a text dump line by line, so that every bad row is known with its line and its reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import duckdb
import pyarrow as pa

from transforms.ingest.dumps import Dump
from transforms.ingest.fields import Fields
from transforms.ingest.frames import FRAME_KEYS, read_frames
from transforms.ingest.json_keys import JsonKeys, json_pointer, pointer_list
from transforms.ingest.lines import line_chunks
from transforms.ingest.mapping import fields_of
from transforms.ingest.parquet import parquet_rows
from transforms.ingest.rules import NUMBER, Limits, judged
from transforms.ingest.wide import spread
from transforms.ingest.zones import forget_order, settle_order, zone_table
from transforms.sql import quote


@dataclass(frozen=True)
class Rows:
    """Relations of one chunk of a dump.

    Attributes
    ----------
    readings : str
        line, feature_code, flowmeter_id, ts, flow, volume, version, detail, reason: a row per reading.
    originals : str
        line, text: what came.
    numbered : bool
        Whether ``line`` is the number of a line in the file.
    """

    readings: str
    originals: str
    numbered: bool = True


_CHUNK: Final = Rows("careful_rows", "careful_lines")

_CSV_LINES = """
CREATE OR REPLACE TEMP TABLE careful_lines AS
SELECT line, text, f, len(f) AS n_fields, CASE
        WHEN fault <> 0 THEN fault
        WHEN len(f) <> {columns} THEN {wrong_column_count}
        ELSE 0
    END::UTINYINT AS pre
FROM (
    SELECT line, text, fault, coalesce(fields, string_split(rtrim(text, chr(13) || chr(10)), {delimiter})) AS f
    FROM line_chunk
    WHERE {counts}
)
"""

_JSON_LINES = """
CREATE OR REPLACE TEMP TABLE careful_lines AS
SELECT line, text, f, f[-1] IS NOT NULL AND pre = 0 AS framed, 0 AS n_fields, pre
FROM (
    SELECT line, text, f, CASE
            WHEN fault <> 0 THEN fault
            WHEN f IS NULL OR NOT starts_with(ltrim(text, {blank}), {begins}) THEN {bad_json}
            ELSE 0
        END::UTINYINT AS pre
    FROM (
        SELECT line, text, fault, TRY(json_extract_string(text, {pointers})) AS f
        FROM line_chunk
        WHERE {counts}
    )
)
"""

# A line whose records are an array: each of them may also speak of what stands beside the array.
_JSON_RECORDS = """
CREATE OR REPLACE TEMP TABLE careful_lines AS
SELECT line, text, items, CASE
        WHEN fault <> 0 THEN fault
        WHEN items IS NULL THEN {bad_json}
        ELSE 0
    END::UTINYINT AS pre
FROM (
    SELECT line, text, fault, CASE json_type(found) WHEN 'ARRAY' THEN json_extract(found, '$[*]') END AS items
    FROM (
        SELECT line, text, fault, TRY(coalesce(json_extract(text, {literal}), json_extract(text, {path}))) AS found
        FROM line_chunk
        WHERE {counts}
    )
)
"""

_RECORDS = """(
    SELECT line, TRY(json_extract_string(item, {pointers})) AS f, json_extract_string(text, {top}) AS t, 0 AS n_fields, pre
    FROM (SELECT line, text, pre, unnest(items) AS item FROM careful_lines WHERE pre = 0)
    UNION ALL
    SELECT line, NULL, NULL, 0, pre FROM careful_lines WHERE pre <> 0
)"""

_ROWS = """
CREATE OR REPLACE TEMP TABLE careful_rows AS
SELECT line, feature_code, flowmeter_id, ts, flow, volume, version,
    CASE pre
        WHEN 0 THEN detail
        WHEN {wrong_column_count} THEN concat(n_fields, ' fields, expected ', {columns})
        ELSE ''
    END AS detail,
    CASE pre WHEN 0 THEN reason ELSE pre END::UTINYINT AS reason
FROM ({judged})
"""

_FAULTY_LINES = """
CREATE OR REPLACE TEMP TABLE careful_lines AS
SELECT line, text FROM line_chunk WHERE {counts}
"""

_FAULTY_ROWS = """
CREATE OR REPLACE TEMP TABLE careful_rows AS
SELECT line, '' AS feature_code, '' AS flowmeter_id, NULL::TIMESTAMP AS ts, NULL::DOUBLE AS flow,
    NULL::DOUBLE AS volume, NULL::BIGINT AS version, {detail} AS detail, {reason}::UTINYINT AS reason
FROM careful_lines
"""

_BLANK: Final = "' ' || chr(9) || chr(13) || chr(10)"


def read_carefully(con: duckdb.DuckDBPyConnection, dump: Dump, limits: Limits) -> Iterator[Rows]:
    """Read one chunk of a dump after the other; each is good until the next is asked for.

    Raises
    ------
    FileFaultError
        If a Parquet dump turns out to be unusable as a whole.
    """
    source = dump.candidate.source
    if source is not None and source.ambiguous == "by_order" and dump.fault is None:
        # which row of a doubled hour is the first can only be told when all of them have been seen
        forget_order(con)
        for _ in _chunks(con, dump, limits):
            pass
        settle_order(con)
    for rows in _chunks(con, dump, limits):
        yield replace(rows, readings=limits.known.judged(rows.readings, NUMBER)) if of_meters(dump) else rows


def of_meters(dump: Dump) -> bool:
    """Whether a dump's readings are the meters' own."""
    return dump.candidate.stream == "meter"


def _chunks(con: duckdb.DuckDBPyConnection, dump: Dump, limits: Limits) -> Iterator[Rows]:
    if dump.candidate.format == "parquet":
        if dump.fault is None and dump.size:
            yield Rows(*parquet_rows(con, dump, limits), numbered=False)
        return
    if dump.text is None:
        return
    for chunk in line_chunks(
        dump.text,
        first_line=dump.first_line,
        columns=len(dump.header) if dump.candidate.format == "csv" and dump.fault is None else 0,
        delimiter=dump.delimiter,
        quote=dump.quote,
        replaced=dump.garbled,
    ):
        yield read_chunk(con, dump, chunk, limits)


def read_chunk(con: duckdb.DuckDBPyConnection, dump: Dump, chunk: pa.Table, limits: Limits) -> Rows:
    """Read some lines of a text dump, as `transforms.ingest.lines` gives them."""
    con.register("line_chunk", chunk)
    if dump.fault is not None:
        con.execute(_FAULTY_LINES.format(counts=_counts(dump)))
        con.execute(_FAULTY_ROWS.format(detail=quote(dump.fault.detail), reason=NUMBER[dump.fault.reason]))
    elif dump.candidate.format == "csv":
        _csv_rows(con, dump, limits)
    elif (
        dump.candidate.source is not None
        and dump.candidate.source.records is not None
        and not dump.candidate.is_document
    ):
        _record_rows(con, dump, dump.candidate.source.records, limits)
    else:
        _json_rows(con, dump, limits)
    con.unregister("line_chunk")
    return replace(_CHUNK, numbered=not dump.candidate.is_document)


def _counts(dump: Dump) -> str:
    """SQL: whether a line counts as a row; blank ones and comments do not."""
    counts = f"(fault <> 0 OR trim(text, {_BLANK}) <> '')"
    return counts if dump.comment is None else f"{counts} AND NOT starts_with(text, {quote(dump.comment)})"


def _csv_rows(con: duckdb.DuckDBPyConnection, dump: Dump, limits: Limits) -> None:
    columns = len(dump.header)
    con.execute(
        _CSV_LINES.format(
            columns=columns,
            delimiter=quote(dump.delimiter),
            wrong_column_count=NUMBER["wrong_column_count"],
            counts=_counts(dump),
        )
    )
    place = {name: position for position, name in reversed(list(enumerate(dump.header, start=1)))}
    if not dump.wide:
        fields = fields_of(dump.candidate, lambda name: f"f[{place[name]}]", place)
        _typed_rows(con, "careful_lines", fields, columns, limits)
        return
    kept: dict[str, str] = {}

    def expression(name: str) -> str:
        return kept.setdefault(name, f"c{place[name]}")

    fields = fields_of(dump.candidate, expression, place)
    columns_kept = "".join(f", f[{place[name]}] AS {alias}" for name, alias in kept.items())
    relation = spread(con, "careful_lines", dump.wide, kept=f"line, n_fields, pre{columns_kept}", usable="pre = 0")
    _typed_rows(con, relation, fields, columns, limits)


def _json_rows(con: duckdb.DuckDBPyConnection, dump: Dump, limits: Limits) -> None:
    # a document's records are laid out as pairs of the record and what stands around it
    document = dump.candidate.is_document
    keys = JsonKeys(record="/0", top="/1") if document else JsonKeys()
    fields = fields_of(dump.candidate, keys.expression, None)
    cells = ", ".join(keys.expression(column.name) for column in dump.wide)
    pointers = pointer_list([*keys.record, json_pointer("runs")])
    con.execute(
        _JSON_LINES.format(
            pointers=pointers,
            begins=quote("[" if document else "{"),
            bad_json=NUMBER["bad_json"],
            blank=_BLANK,
            counts=_counts(dump),
        )
    )
    relation = "(SELECT * FROM careful_lines WHERE NOT framed)"
    if dump.wide:
        relation = spread(
            con,
            f"(SELECT line, n_fields, pre, f AS record, [{cells}] AS f FROM {relation})",
            dump.wide,
            kept="line, n_fields, pre, record",
            usable="pre = 0",
        )
        relation = f"(SELECT * RENAME (record AS f) FROM {relation})"
    _typed_rows(con, relation, fields, 0, limits)
    if con.sql("SELECT 1 FROM careful_lines WHERE framed LIMIT 1").fetchall():
        framed = (
            f"(SELECT line, json_extract_string(text, {pointer_list(map(json_pointer, FRAME_KEYS))}) AS f "
            "FROM careful_lines WHERE framed)"
        )
        con.execute(f"INSERT INTO careful_rows {read_frames(con, framed, dump.candidate, limits)}")


def _record_rows(con: duckdb.DuckDBPyConnection, dump: Dump, records: str, limits: Limits) -> None:
    keys = JsonKeys(apart=True)
    fields = fields_of(dump.candidate, keys.expression, None)
    con.execute(
        _JSON_RECORDS.format(
            literal=quote(json_pointer(records)),
            path=quote(json_pointer(*records.split("."))),
            bad_json=NUMBER["bad_json"],
            counts=_counts(dump),
        )
    )
    relation = _RECORDS.format(pointers=pointer_list(keys.record), top=pointer_list(keys.top))
    _typed_rows(con, relation, fields, 0, limits)


def _typed_rows(con: duckdb.DuckDBPyConnection, relation: str, fields: Fields, columns: int, limits: Limits) -> None:
    typed = judged(relation, fields, keep="line, n_fields, pre", limits=limits, zone=zone_table(con, relation, fields))
    con.execute(_ROWS.format(judged=typed, wrong_column_count=NUMBER["wrong_column_count"], columns=columns))
