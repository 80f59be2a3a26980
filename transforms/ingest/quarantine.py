"""Quarantine: the rows that could not be used, with file, line, reason and the row as it came."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from transforms.damage import legible
from transforms.ingest.careful import of_meters, read_carefully
from transforms.ingest.dumps import Dump
from transforms.ingest.known import clock_of
from transforms.ingest.lines import KEPT
from transforms.ingest.rules import NUMBER, REASONS, Limits
from transforms.ingest.store import sync
from transforms.sql import quote

#: rows as they stand in quarantine
ROWS: Final = {"file": pl.String, "line": pl.Int64, "reason": pl.String, "detail": pl.String, "row": pl.String}
_ANEW: Final = "take it away: what is set aside of its dump comes back when the lake is rebuilt from raw"

# The first line of the dump that holds each refused reading.
_REFUSED_LINES = """
INSERT INTO bad
SELECT {dump}, line, {conflicting}, detail, "row"
FROM refused_lines
QUALIFY row_number() OVER (PARTITION BY feature_code, flowmeter_id, ts, flow, volume, version ORDER BY line) = 1
"""

_FIND_REFUSED = """
SELECT {line} AS line, c.feature_code, c.flowmeter_id, c.ts, c.flow, c.volume, c.version,
    strftime(c.ts, '%Y-%m-%dT%H:%M:%S.%fZ') AS detail, left(rtrim(text, chr(13) || chr(10)), {kept}) AS "row"
FROM {shown} AS c JOIN (SELECT * FROM refused WHERE dump = {dump}) AS r
    ON c.feature_code = coalesce(r.feature_code, '') AND c.flowmeter_id = coalesce(r.flowmeter_id, '') AND c.ts = r.ts
    AND c.flow IS NOT DISTINCT FROM r.flow AND c.volume IS NOT DISTINCT FROM r.volume
    AND c.version IS NOT DISTINCT FROM r.version
JOIN {originals} AS originals USING (line)
WHERE c.reason = 0
"""

_OUT = """
SELECT {file} AS file, line, names.reason, detail, "row"
FROM (SELECT * FROM bad WHERE dump = {dump}) AS bad JOIN reason_names AS names ON names.number = bad.reason
ORDER BY line NULLS FIRST, names.reason, detail, "row"
"""

# A spreadsheet takes a cell that begins with one of these for a formula.
_SAFE = "CASE WHEN regexp_matches({cell}, '^[=+@\\t\\r-]') THEN chr(39) || {cell} ELSE {cell} END AS {cell}"


def name_of(dump: Dump, *, former: bool = False) -> str:
    """The name, without ending, of a dump's files in quarantine: nothing in it comes from the data.

    The ``former`` one is that of a dump which was read when its name told no version yet.
    """
    one = dump.candidate
    # a dump whose name tells something is another dump under another name
    told = None if former and one.version is not None else one.told_by_name
    parts = [part for part in (one.source_name, told) if part is not None]
    suffix = "-" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8] if parts else ""
    return f"{dump.sha256[:16]}-{dump.candidate.stream}{suffix}"


def set_aside(
    con: duckdb.DuckDBPyConnection, folder: Path, dumps: Sequence[Dump], *, refused: bool, limits: Limits
) -> None:
    """Write the table ``bad``, and the readings of the table ``refused``, as Parquet and as CSV for each dump."""
    wanting = [dump for dump in dumps if dump.reasons]
    if not wanting:
        return
    # Rows stand here as they came, and nobody knows what a file that landed in raw/ by mistake holds.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    con.execute("CREATE OR REPLACE TEMP TABLE reason_names (number UTINYINT, reason VARCHAR)")
    con.executemany("INSERT INTO reason_names VALUES (?, ?)", list(enumerate(REASONS)))
    for dump in wanting:
        if refused and dump.reasons["conflicting"]:
            _find_refused(con, dump, limits)
        rows = _OUT.format(file=quote(dump.candidate.file), dump=dump.number)
        con.execute(f"CREATE OR REPLACE TEMP TABLE aside AS {rows}")
        safe = ", ".join(_SAFE.format(cell=cell) for cell in ("file", "reason", "detail", '"row"'))
        base = str(folder / name_of(dump))
        con.execute(f"COPY (SELECT * FROM aside) TO {quote(base + '.parquet')} (FORMAT parquet, COMPRESSION zstd)")
        con.execute(
            f'COPY (SELECT file, line, reason, detail, "row" FROM (SELECT line, {safe} FROM aside)) '
            f"TO {quote(base + '.csv')} (FORMAT csv, HEADER)"
        )
        sync(Path(base + ".parquet"))
        sync(Path(base + ".csv"))
    sync(folder)


def _find_refused(con: duckdb.DuckDBPyConnection, dump: Dump, limits: Limits) -> None:
    """Read a dump once more for the lines of its refused readings."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE refused_lines (line BIGINT, feature_code VARCHAR, flowmeter_id VARCHAR, "
        'ts TIMESTAMP, flow DOUBLE, volume DOUBLE, version BIGINT, detail VARCHAR, "row" VARCHAR)'
    )
    for rows in read_carefully(con, dump, limits):
        line = "line" if rows.numbered else "NULL::BIGINT"
        shown = clock_of(rows.readings) if limits.known.clocks and of_meters(dump) else rows.readings
        con.execute(
            "INSERT INTO refused_lines "
            + _FIND_REFUSED.format(line=line, kept=KEPT, dump=dump.number, shown=shown, originals=rows.originals)
        )
    con.execute(_REFUSED_LINES.format(dump=dump.number, conflicting=NUMBER["conflicting"]))


def rows_aside(folder: Path, file: str | None = None) -> pl.DataFrame:
    """The rows that were set aside, of all dumps or of one file: ``file, line, reason, detail, row``.

    Raises
    ------
    MeterwrightError
        If a file in quarantine cannot be read.
    """
    frames = [pl.DataFrame(schema=ROWS)]
    for path in sorted(folder.glob("*.parquet")) if folder.is_dir() else []:
        with legible(path, _ANEW):
            rows = pl.read_parquet(path, glob=False, hive_partitioning=False)
        frames.append(rows if file is None else rows.filter(pl.col("file") == file))
    return pl.concat(frames)
