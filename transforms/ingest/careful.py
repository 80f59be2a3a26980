"""The careful way: a text dump line by line, so that every bad row is known with its line and its reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import duckdb
import pyarrow as pa

from transforms.ingest.dumps import Dump
from transforms.ingest.fields import Fields, fields_of
from transforms.ingest.frames import FRAME_KEYS, read_frames
from transforms.ingest.lines import line_chunks
from transforms.ingest.parquet import parquet_rows
from transforms.ingest.rules import NUMBER, judged
from transforms.ingest.zones import zone_table
from transforms.sql import quote


@dataclass(frozen=True)
class Rows:
    """Relations of one chunk of a dump.

    Attributes
    ----------
    readings : str
        line, feature_code, flowmeter_id, ts, flow, volume, detail, reason: a row per reading.
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
SELECT line, text, f, CASE
        WHEN fault <> 0 THEN fault
        WHEN len(f) <> {columns} THEN {wrong_column_count}
        ELSE 0
    END::UTINYINT AS pre
FROM (
    SELECT line, text, fault, coalesce(fields, string_split(rtrim(text, chr(13) || chr(10)), {delimiter})) AS f
    FROM line_chunk
    WHERE fault <> 0 OR trim(text, {blank}) <> ''
)
"""

_JSON_LINES = """
CREATE OR REPLACE TEMP TABLE careful_lines AS
SELECT line, text, f, f[-1] IS NOT NULL AND pre = 0 AS framed, pre
FROM (
    SELECT line, text, f, CASE
            WHEN fault <> 0 THEN fault
            WHEN f IS NULL OR NOT starts_with(ltrim(text, {blank}), '{{') THEN {bad_json}
            ELSE 0
        END::UTINYINT AS pre
    FROM (
        SELECT line, text, fault, TRY(json_extract_string(text, [{pointers}])) AS f
        FROM line_chunk
        WHERE fault <> 0 OR trim(text, {blank}) <> ''
    )
)
"""

_ROWS = """
CREATE OR REPLACE TEMP TABLE careful_rows AS
SELECT line, feature_code, flowmeter_id, ts, flow, volume,
    CASE pre
        WHEN 0 THEN detail
        WHEN {wrong_column_count} THEN concat(len(f), ' fields, expected ', {columns})
        ELSE ''
    END AS detail,
    CASE pre WHEN 0 THEN reason ELSE pre END::UTINYINT AS reason
FROM ({judged})
"""

_FAULTY_LINES = """
CREATE OR REPLACE TEMP TABLE careful_lines AS
SELECT line, text FROM line_chunk WHERE fault <> 0 OR trim(text, {blank}) <> ''
"""

_FAULTY_ROWS = """
CREATE OR REPLACE TEMP TABLE careful_rows AS
SELECT line, '' AS feature_code, '' AS flowmeter_id, NULL::TIMESTAMP AS ts, NULL::DOUBLE AS flow,
    NULL::DOUBLE AS volume, {detail} AS detail, {reason}::UTINYINT AS reason
FROM careful_lines
"""

_BLANK: Final = "' ' || chr(9) || chr(13) || chr(10)"


def read_carefully(con: duckdb.DuckDBPyConnection, dump: Dump, absurd_flow_lph: float) -> Iterator[Rows]:
    """Read one chunk of a dump after the other; each is good until the next is asked for.

    Raises
    ------
    FileFaultError
        If a Parquet dump turns out to be unusable as a whole.
    """
    if dump.candidate.format == "parquet":
        if dump.fault is None and dump.size:
            yield Rows(*parquet_rows(con, dump, absurd_flow_lph), numbered=False)
        return
    if dump.text is None:
        return
    for chunk in line_chunks(
        dump.text,
        first_line=dump.first_line,
        columns=len(dump.header) if dump.candidate.format == "csv" and dump.fault is None else 0,
        delimiter=dump.delimiter,
        replaced=dump.replaced,
    ):
        yield read_chunk(con, dump, chunk, absurd_flow_lph)


def read_chunk(con: duckdb.DuckDBPyConnection, dump: Dump, chunk: pa.Table, absurd_flow_lph: float) -> Rows:
    """Read some lines of a text dump, as `transforms.ingest.lines` gives them."""
    con.register("line_chunk", chunk)
    if dump.fault is not None:
        con.execute(_FAULTY_LINES.format(blank=_BLANK))
        con.execute(_FAULTY_ROWS.format(detail=quote(dump.fault.detail), reason=NUMBER[dump.fault.reason]))
    elif dump.candidate.format == "csv":
        _csv_rows(con, dump, len(dump.header), absurd_flow_lph)
    else:
        _json_rows(con, dump, absurd_flow_lph)
    con.unregister("line_chunk")
    return _CHUNK


def _csv_rows(con: duckdb.DuckDBPyConnection, dump: Dump, columns: int, absurd_flow_lph: float) -> None:
    con.execute(
        _CSV_LINES.format(
            columns=columns,
            delimiter=quote(dump.delimiter),
            wrong_column_count=NUMBER["wrong_column_count"],
            blank=_BLANK,
        )
    )
    place = {name: position for position, name in reversed(list(enumerate(dump.header, start=1)))}
    fields = fields_of(dump.candidate, lambda name: f"f[{place[name]}]", place)
    _typed_rows(con, "careful_lines", fields, columns, absurd_flow_lph)


def _json_rows(con: duckdb.DuckDBPyConnection, dump: Dump, absurd_flow_lph: float) -> None:
    names: list[str] = []

    def expression(name: str) -> str:
        if name not in names:
            names.append(name)
        return f"f[{names.index(name) + 1}]"

    fields = fields_of(dump.candidate, expression, None)
    con.execute(_JSON_LINES.format(pointers=_pointers([*names, "runs"]), bad_json=NUMBER["bad_json"], blank=_BLANK))
    _typed_rows(con, "(SELECT * FROM careful_lines WHERE NOT framed)", fields, len(names), absurd_flow_lph)
    if con.sql("SELECT 1 FROM careful_lines WHERE framed LIMIT 1").fetchall():
        framed = (
            f"(SELECT line, json_extract_string(text, [{_pointers(FRAME_KEYS)}]) AS f FROM careful_lines WHERE framed)"
        )
        con.execute(f"INSERT INTO careful_rows {read_frames(con, framed, dump.candidate, absurd_flow_lph)}")


def _pointers(names: Iterable[str]) -> str:
    return ", ".join(quote(json_pointer(name)) for name in names)


def json_pointer(name: str) -> str:
    """The JSON pointer of a key, whatever its letters (RFC 6901)."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _typed_rows(
    con: duckdb.DuckDBPyConnection, relation: str, fields: Fields, columns: int, absurd_flow_lph: float
) -> None:
    typed = judged(
        relation,
        fields,
        keep="line, f, pre",
        absurd_flow_lph=absurd_flow_lph,
        zone=zone_table(con, relation, fields),
    )
    con.execute(_ROWS.format(judged=typed, wrong_column_count=NUMBER["wrong_column_count"], columns=columns))
