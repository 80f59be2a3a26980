"""Likely stamps: the time stamps that dumps repeat most, looked up before the dumps are parsed.

A fleet reports at the same instants, so a few texts stand in millions of rows, and to look one up takes half of the time
that it takes to read it. Some lines from all over a file show them. A text that they do not show is read as ever: what is
found here makes a difference to the time only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import duckdb
import polars as pl

from transforms.ingest.dumps import Dump
from transforms.ingest.fields import Fields
from transforms.ingest.stamps import instant
from transforms.sql import quote

#: the table: ``likely_text``, ``likely_ts``
LIKELY: Final = "likely_stamps"
#: bytes of a dump that is worth it
_LARGE: Final = 4 << 20
#: pieces of a dump that are looked at, and their bytes
_PIECES: Final = 256
_PIECE: Final = 1 << 12
#: a text must stand in so many lines, on average
_REPEATED: Final = 8

_LOOK = """
CREATE OR REPLACE TEMP TABLE {likely} AS
SELECT stamp AS likely_text, {instant} AS likely_ts
FROM (SELECT DISTINCT {stamp} AS stamp FROM (SELECT {columns} FROM (SELECT string_split(line, {delimiter}) AS f FROM lines_seen)))
WHERE likely_ts IS NOT NULL
"""


def likely_stamps(con: duckdb.DuckDBPyConnection, dumps: Sequence[Dump], fields: Fields) -> str | None:
    """Make the table `LIKELY` for CSV dumps of one shape, whose columns ``fields`` calls c0, c1 and so on.

    Returns
    -------
    str or None
        The table's name; None where it would be no use.
    """
    lines = [line for dump in dumps for line in _some_lines(dump)]
    if not lines:
        return None
    first = dumps[0]
    columns = ", ".join(
        f"trim(f[{place + 1}], {quote(first.quote or ' ')}) AS c{place}" for place in range(len(first.header))
    )
    # a table of PyArrow's own making would import pandas first
    con.register("lines_seen", pl.DataFrame({"line": lines}).to_arrow())
    con.execute(
        _LOOK.format(
            likely=LIKELY,
            instant=instant(fields, None),
            stamp=fields.stamp,
            columns=columns,
            delimiter=quote(first.delimiter),
        )
    )
    con.unregister("lines_seen")
    (found,) = con.sql(f"SELECT count(*) FROM {LIKELY}").fetchall()[0]
    return LIKELY if 0 < found <= len(lines) // _REPEATED else None


def _some_lines(dump: Dump) -> Iterator[str]:
    """Whole lines from pieces all over a large dump."""
    size = dump.text.stat().st_size if dump.text else 0
    if dump.text is None or size < _LARGE:
        return
    yield from _pieces(dump.text, size)


def _pieces(path: Path, size: int) -> Iterator[str]:
    with path.open("rb", buffering=0) as file:
        for number in range(_PIECES):
            file.seek(number * size // _PIECES)
            # the first line begins before the piece, and the last ends after it
            yield from (line.decode("utf-8", "replace").rstrip("\r") for line in file.read(_PIECE).split(b"\n")[1:-1])
