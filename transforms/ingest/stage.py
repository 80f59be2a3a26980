"""Stage: one stream of a batch of dumps as typed readings in a temporary table, bad rows beside it.

Two ways lead there. The fast one lets DuckDB parse whole CSV files at once; it knows no line numbers, so a file in which
it meets anything odd (a bad row, a count of rows that differs from the count of lines) is read again the careful way,
line by line, with the same rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import groupby

import duckdb

from transforms.ingest.careful import Rows, read_carefully, read_chunk
from transforms.ingest.dumps import Dump
from transforms.ingest.fields import FileFaultError
from transforms.ingest.layout import Layout
from transforms.ingest.likely import likely_stamps
from transforms.ingest.lines import KEPT, chosen_lines
from transforms.ingest.mapping import fields_of
from transforms.ingest.parquet import tells_of_file
from transforms.ingest.rules import REASONS, THEIRS, Limits, marked, odd_identifier
from transforms.ingest.zones import zone_table
from transforms.sources import Source
from transforms.sql import file_list, quote

#: files that stand in one statement as parts of a union; more are told apart by their names, row by row
_UNION_LIMIT = 16
#: one row in so many may be bad if they are to be looked up one by one
_FEW = 20


def stage(con: duckdb.DuckDBPyConnection, dumps: Sequence[Dump], limits: Limits) -> None:
    """Fill ``staged`` (good readings), ``named`` (new devices) and ``bad`` from dumps of one stream; count the rows.

    Readings of a device that the dictionary knows carry its number instead of its identifiers.
    """
    for dump in dumps:
        _check_columns(dump)
    layout = Layout.of(dumps)
    con.execute(layout.tables)
    quick = sorted((dump for dump in dumps if _may_be_quick(dump)), key=_shape)
    for _, group in groupby(quick, key=_shape):
        _read_quickly(con, list(group), limits, layout)
    done = _settle_quick(con, quick, limits, layout) if quick else set()
    for dump in dumps:
        if dump.number not in done:
            _stage_carefully(con, dump, limits, layout)
    limits.known.set_clocks_right(con, dumps[0].candidate.stream)
    if len(done) < len(dumps):
        _name(con, layout)
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
        and bool(dump.header)
        and not dump.garbled
        and dump.facts is not None
        and dump.facts.plain
        and not _needs_care(dump.candidate.source)
    )


def _needs_care(source: Source | None) -> bool:
    """Whether a source's rows are not simply the file's rows, or depend on one another or on the file's name."""
    return source is not None and (
        source.named_by_file
        or source.ambiguous == "by_order"
        or any(part is not None for part in (source.wide, source.where, source.version, source.comment))
    )


def _shape(dump: Dump) -> tuple[str, tuple[str, ...]]:
    """Dumps with the same shape can be parsed by the same statement."""
    return dump.candidate.source_name or "", tuple(dump.header)


def _read_quickly(con: duckdb.DuckDBPyConnection, dumps: list[Dump], limits: Limits, layout: Layout) -> None:
    """Parse CSV dumps of one shape; if DuckDB gives up on one, the half without it still goes the fast way."""
    try:
        _insert_quick(con, dumps, limits, layout)
    except (duckdb.InvalidInputException, duckdb.ConversionException, duckdb.IOException):
        middle = len(dumps) // 2
        if middle:
            _read_quickly(con, dumps[:middle], limits, layout)
            _read_quickly(con, dumps[middle:], limits, layout)


_QUICK = """
INSERT INTO staged ({columns})
SELECT dump, known.device_no, {identifiers}, ts, {values}
FROM ({marked}) AS marked
LEFT JOIN (SELECT * FROM devices WHERE stream = {stream}) AS known ON {same}
"""


def _insert_quick(con: duckdb.DuckDBPyConnection, dumps: list[Dump], limits: Limits, layout: Layout) -> None:
    text = _QUICK.format(
        columns=layout.columns,
        identifiers=", ".join(
            f"CASE WHEN known.device_no IS NULL THEN marked.{name} END" for name in layout.identifiers
        ),
        # a source that states versions goes the careful way
        values=", ".join("NULL" if name == "version" else name for name in layout.values),
        marked=_quick_sql(con, dumps, limits),
        stream=quote(dumps[0].candidate.stream),
        same=" AND ".join(f"marked.{name} = known.{name}" for name in layout.identifiers),
    )
    # DuckDB takes a CSV file for some tens of rows, and would build its hash table from the dump, not the dictionary.
    con.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'")
    try:
        con.execute(text)
    finally:
        con.execute("SET disabled_optimizers = ''")


def _quick_sql(con: duckdb.DuckDBPyConnection, dumps: list[Dump], limits: Limits, *, position: bool = False) -> str:
    first = dumps[0]
    place = {name: position for position, name in reversed(list(enumerate(first.header)))}
    fields = fields_of(first.candidate, lambda name: f"c{place[name]}", place)
    columns = "{" + ", ".join(f"'c{position}': 'VARCHAR'" for position in range(len(first.header))) + "}"

    header = str(first.candidate.source is None or first.candidate.source.header).lower()

    def parsed(files: Sequence[Dump], extra: str = "") -> str:
        paths = file_list([str(dump.text) for dump in files])
        return (
            f"read_csv({paths}, auto_detect=false, header={header}, skip={first.skip_rows}, delim={quote(first.delimiter)}, "
            f"quote={quote(first.quote)}, escape={quote(first.quote)}, ignore_errors=true, columns={columns}{extra})"
        )

    if position:
        relation = (
            f"(SELECT row_number() OVER () AS position, {first.number}::INTEGER AS dump, * FROM {parsed([first])})"
        )
    elif len(dumps) <= _UNION_LIMIT:
        parts = [f"SELECT {dump.number}::INTEGER AS dump, * FROM {parsed([dump])}" for dump in dumps]
        relation = "(" + " UNION ALL ".join(parts) + ")"
    else:
        names = ", ".join(f"({quote(str(dump.text))}, {dump.number}::INTEGER)" for dump in dumps)
        relation = (
            f"(SELECT dump, parsed.* FROM {parsed(dumps, ', filename=of_file')} AS parsed "
            f"JOIN (VALUES {names}) AS files (of_file, dump) USING (of_file))"
        )
    zone = zone_table(con, relation, fields)
    return marked(
        relation,
        fields,
        keep="position, " if position else "",
        limits=limits,
        zone=zone,
        likely=None if position or zone else likely_stamps(con, dumps, fields),
    )


def _settle_quick(con: duckdb.DuckDBPyConnection, quick: Sequence[Dump], limits: Limits, layout: Layout) -> set[int]:
    """Keep of what the fast way read that of which there is no doubt; return the numbers of those dumps."""
    counts = dict(con.sql("SELECT dump, count(*) FROM staged GROUP BY dump").fetchall())
    done = {dump.number for dump in quick if counts.get(dump.number) == dump.rows}
    _name(con, layout)
    odd = " OR ".join(map(odd_identifier, layout.identifiers))
    doubtful = limits.known.beyond(con) if quick[0].candidate.stream == "meter" else set()
    if con.sql(f"SELECT 1 FROM named WHERE {odd} LIMIT 1").fetchall():
        named_odd = (
            "SELECT DISTINCT CASE WHEN dump < 0 THEN -1 - dump ELSE dump END FROM staged "
            f"WHERE device_no IS NULL AND ({odd})"
        )
        doubtful |= {number for (number,) in con.sql(named_odd).fetchall()}
    done -= doubtful
    for dump in quick:
        good, faulty = counts.get(dump.number, 0), counts.get(-1 - dump.number, 0)
        if (
            dump.number not in doubtful
            and good + faulty == dump.rows
            and 0 < faulty <= dump.rows // _FEW
            and _set_faulty_aside(con, dump, faulty, limits)
        ):
            done.add(dump.number)
    if len(done) < len(quick) or any(number < 0 for number in counts):
        kept = ", ".join(map(str, sorted(done))) or "NULL"
        con.execute(f"DELETE FROM staged WHERE (dump IN ({kept})) IS NOT TRUE")
    return done


def _set_faulty_aside(con: duckdb.DuckDBPyConnection, dump: Dump, faulty: int, limits: Limits) -> bool:
    """Find the lines of a dump's few bad rows, and read those lines the careful way.

    Every record is one line here, since there are as many of the ones as of the others; so a record's position tells
    its line. That is checked: all lines found this way must turn out to be bad.
    """
    con.execute("SET preserve_insertion_order = true")
    marked_rows = _quick_sql(con, [dump], limits, position=True)
    found = con.sql(f"SELECT position FROM ({marked_rows}) WHERE dump < 0").fetchall()
    con.execute("SET preserve_insertion_order = false")
    lines = [position + dump.first_line - 1 for (position,) in found]
    chunk = chosen_lines(dump.text, lines, dump.quote) if dump.text else None
    if chunk is None or chunk.num_rows != faulty:
        return False
    rows = read_chunk(con, dump, chunk, limits)
    (judged_bad,) = con.sql(f"SELECT count(*) FILTER (reason <> 0) FROM {rows.readings}").fetchall()[0]
    if judged_bad != faulty:
        return False
    _insert_bad(con, dump, rows)
    return True


def _name(con: duckdb.DuckDBPyConnection, layout: Layout) -> None:
    """Make the table ``named``: the devices in ``staged`` that the dictionary does not know."""
    flowmeter_id = "flowmeter_id" if "flowmeter_id" in layout.identifiers else "'' AS flowmeter_id"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE named AS "
        f"SELECT DISTINCT feature_code, {flowmeter_id} FROM staged WHERE device_no IS NULL"
    )


_GOOD = """
INSERT INTO staged ({columns})
SELECT {dump}, NULL, {identifiers}, ts, {values} FROM {readings} WHERE reason = 0
"""

_BAD = """
INSERT INTO bad
SELECT {dump}, {line}, reason, detail, left(rtrim(text, chr(13) || chr(10)), {kept})
FROM (SELECT line, reason, detail FROM {readings} WHERE reason NOT IN (0, {theirs})) JOIN {originals} AS originals USING (line)
"""


def _stage_carefully(con: duckdb.DuckDBPyConnection, dump: Dump, limits: Limits, layout: Layout) -> None:
    good = partial(
        _GOOD.format,
        columns=layout.columns,
        identifiers=", ".join(layout.identifiers),
        values=", ".join(layout.values),
        dump=dump.number,
    )
    try:
        for rows in read_carefully(con, dump, limits):
            con.execute(good(readings=rows.readings))
            if dump.candidate.source is not None and dump.candidate.source.where is not None:
                others = con.sql(f"SELECT count(*) FROM {rows.readings} WHERE reason = {THEIRS}").fetchall()
                dump.others += int(others[0][0])
            _insert_bad(con, dump, rows)
    except FileFaultError as fault:
        dump.fault = fault
    except duckdb.Error as error:
        if dump.candidate.format != "parquet" or not tells_of_file(error):
            raise
        con.execute(f"DELETE FROM staged WHERE dump = {dump.number}")
        con.execute(f"DELETE FROM bad WHERE dump = {dump.number}")
        dump.fault = FileFaultError("unreadable_file", str(error).splitlines()[0])
    if dump.fault is not None and not con.sql(f"SELECT 1 FROM bad WHERE dump = {dump.number} LIMIT 1").fetchall():
        con.execute(
            "INSERT INTO bad VALUES (?, NULL, ?, ?, '')",
            [dump.number, REASONS.index(dump.fault.reason), dump.fault.detail],
        )


def _insert_bad(con: duckdb.DuckDBPyConnection, dump: Dump, rows: Rows) -> None:
    line = "line" if rows.numbered else "NULL"
    con.execute(
        _BAD.format(
            dump=dump.number, line=line, kept=KEPT, readings=rows.readings, originals=rows.originals, theirs=THEIRS
        )
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
