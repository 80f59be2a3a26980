"""Stage: one stream of a batch of dumps as typed readings in a temporary table, bad rows beside it.

Two ways lead there. The fast one lets DuckDB parse whole CSV files at once; it knows no line numbers, so a file in which
it meets anything odd (a bad row, a count of rows that differs from the count of lines) is read again the careful way,
line by line, with the same rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import duckdb

from transforms.ingest.careful import read_carefully
from transforms.ingest.dumps import Dump
from transforms.ingest.fields import FileFaultError, fields_of
from transforms.ingest.lines import KEPT
from transforms.ingest.parquet import BROKEN
from transforms.ingest.rules import REASONS, marked, odd_identifier
from transforms.ingest.zones import zone_table
from transforms.sql import file_list, quote

_TABLES = """
CREATE OR REPLACE TEMP TABLE staged (
    dump INTEGER, feature_code VARCHAR, flowmeter_id VARCHAR, ts TIMESTAMP, flow DOUBLE, volume DOUBLE
);
CREATE OR REPLACE TEMP TABLE bad (dump INTEGER, line BIGINT, reason UTINYINT, detail VARCHAR, "row" VARCHAR);
"""

#: files that stand in one statement as parts of a union; more are told apart by their names, row by row
_UNION_LIMIT = 16


def stage(con: duckdb.DuckDBPyConnection, dumps: Sequence[Dump], absurd_flow_lph: float) -> None:
    """Fill ``staged`` (good readings), ``named`` (their devices) and ``bad`` from dumps of one stream; count the rows."""
    con.execute(_TABLES)
    for dump in dumps:
        _check_columns(dump)
    quick = sorted((dump for dump in dumps if _may_be_quick(dump)), key=_shape)
    for _, group in groupby(quick, key=_shape):
        _read_quickly(con, list(group), absurd_flow_lph)
    clean = _clean(con, quick) if quick else set()
    if len(clean) < len(quick):
        odd = [dump.number for dump in quick if dump.number not in clean]
        con.execute(f"DELETE FROM staged WHERE dump IN (-1, {', '.join(map(str, odd))})")
    for dump in dumps:
        if dump.number not in clean:
            _stage_carefully(con, dump, absurd_flow_lph)
    if len(clean) < len(dumps):
        _name(con)
    _account(con, dumps)


def _check_columns(dump: Dump) -> None:
    if dump.candidate.format == "csv" and dump.fault is None and dump.header:
        try:
            fields_of(dump.candidate, quote, dump.header)
        except FileFaultError as fault:
            dump.fault = fault


def _may_be_quick(dump: Dump) -> bool:
    return (
        dump.candidate.format == "csv"
        and dump.fault is None
        and dump.rows > 0
        and not dump.replaced
        and dump.facts is not None
        and dump.facts.plain
    )


def _shape(dump: Dump) -> tuple[str, tuple[str, ...]]:
    """Dumps with the same shape can be parsed by the same statement."""
    return dump.candidate.source_name or "", tuple(dump.header)


def _read_quickly(con: duckdb.DuckDBPyConnection, dumps: list[Dump], absurd_flow_lph: float) -> None:
    """Parse CSV dumps of one shape; if DuckDB gives up on one, the half without it still goes the fast way."""
    try:
        con.execute(f"INSERT INTO staged {_quick_sql(con, dumps, absurd_flow_lph)}")
    except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.IOException):
        middle = len(dumps) // 2
        if middle:
            _read_quickly(con, dumps[:middle], absurd_flow_lph)
            _read_quickly(con, dumps[middle:], absurd_flow_lph)


def _quick_sql(con: duckdb.DuckDBPyConnection, dumps: list[Dump], absurd_flow_lph: float) -> str:
    first = dumps[0]
    place = {name: position for position, name in reversed(list(enumerate(first.header)))}
    fields = fields_of(first.candidate, lambda name: f"c{place[name]}", place)
    columns = "{" + ", ".join(f"'c{position}': 'VARCHAR'" for position in range(len(first.header))) + "}"

    def parsed(files: Sequence[Dump], extra: str = "") -> str:
        paths = file_list([str(dump.text) for dump in files])
        return (
            f"read_csv({paths}, auto_detect=false, header=true, skip={first.skip_rows}, delim={quote(first.delimiter)}, "
            f"quote='\"', escape='\"', ignore_errors=true, columns={columns}{extra})"
        )

    if len(dumps) <= _UNION_LIMIT:
        parts = [f"SELECT {dump.number}::INTEGER AS dump, * FROM {parsed([dump])}" for dump in dumps]
        relation = "(" + " UNION ALL ".join(parts) + ")"
    else:
        names = ", ".join(f"({quote(str(dump.text))}, {dump.number}::INTEGER)" for dump in dumps)
        relation = (
            f"(SELECT dump, parsed.* FROM {parsed(dumps, ', filename=of_file')} AS parsed "
            f"JOIN (VALUES {names}) AS files (of_file, dump) USING (of_file))"
        )
    return marked(
        relation,
        fields,
        absurd_flow_lph=absurd_flow_lph,
        zone=zone_table(con, relation, fields),
    )


def _clean(con: duckdb.DuckDBPyConnection, quick: Sequence[Dump]) -> set[int]:
    """The dumps of which the fast way read every line as a good row."""
    counts = dict(con.sql("SELECT dump, count(*) FROM staged GROUP BY dump").fetchall())
    clean = {dump.number for dump in quick if counts.get(dump.number) == dump.rows}
    _name(con)
    odd = f"{odd_identifier('feature_code')} OR {odd_identifier('flowmeter_id')}"
    if con.sql(f"SELECT 1 FROM named WHERE {odd} LIMIT 1").fetchall():
        clean -= {number for (number,) in con.sql(f"SELECT DISTINCT dump FROM staged WHERE {odd}").fetchall()}
    return clean


def _name(con: duckdb.DuckDBPyConnection) -> None:
    """Make the table ``named``: the devices in ``staged``."""
    con.execute("CREATE OR REPLACE TEMP TABLE named AS SELECT DISTINCT feature_code, flowmeter_id FROM staged")


_GOOD = """
INSERT INTO staged
SELECT {dump}, feature_code, flowmeter_id, ts, flow, volume FROM {readings} WHERE reason = 0
"""

_BAD = """
INSERT INTO bad
SELECT {dump}, {line}, reason, detail, left(text, {kept})
FROM (SELECT line, reason, detail FROM {readings} WHERE reason <> 0) JOIN {originals} AS originals USING (line)
"""


def _stage_carefully(con: duckdb.DuckDBPyConnection, dump: Dump, absurd_flow_lph: float) -> None:
    try:
        for rows in read_carefully(con, dump, absurd_flow_lph):
            con.execute(_GOOD.format(dump=dump.number, readings=rows.readings))
            con.execute(
                _BAD.format(
                    dump=dump.number,
                    line="line" if rows.numbered else "NULL",
                    kept=KEPT,
                    readings=rows.readings,
                    originals=rows.originals,
                )
            )
    except FileFaultError as fault:
        dump.fault = fault
    except BROKEN as error:
        if dump.candidate.format != "parquet":
            raise
        con.execute(f"DELETE FROM staged WHERE dump = {dump.number}")
        con.execute(f"DELETE FROM bad WHERE dump = {dump.number}")
        dump.fault = FileFaultError("unreadable_file", str(error).splitlines()[0])
    if dump.fault is not None and not con.sql(f"SELECT 1 FROM bad WHERE dump = {dump.number} LIMIT 1").fetchall():
        con.execute(
            "INSERT INTO bad VALUES (?, NULL, ?, ?, '')",
            [dump.number, REASONS.index(dump.fault.reason), dump.fault.detail],
        )


def _account(con: duckdb.DuckDBPyConnection, dumps: Sequence[Dump]) -> None:
    by_number = {dump.number: dump for dump in dumps}
    good = con.sql(
        "SELECT dump, count(*), strftime(min(ts), '%Y-%m-%dT%H:%M:%S.%fZ'), strftime(max(ts), '%Y-%m-%dT%H:%M:%S.%fZ') "
        "FROM staged GROUP BY dump"
    ).fetchall()
    for number, rows, first, last in good:
        dump = by_number[number]
        dump.read += rows
        dump.accepted = rows
        dump.min_ts, dump.max_ts = first.replace(".000000", ""), last.replace(".000000", "")
    for number, reason, rows in con.sql("SELECT dump, reason, count(*) FROM bad GROUP BY dump, reason").fetchall():
        dump = by_number[number]
        dump.read += rows
        dump.reasons[REASONS[reason]] += rows
