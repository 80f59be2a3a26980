"""Wide: layouts with many readings in a row become a row a reading, each with the name of its column.

A cell that is empty is no reading, since not every meter reports at every time; a row of nothing but empty cells counts
as one row without a value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from transforms.ingest.fields import FileFaultError
from transforms.sources import Source
from transforms.sources.layout import seconds_of_day

#: no identifier and no time is longer; longer names are not even compared with a pattern
_NAME_LENGTH = 128

_SPREAD = """(
    WITH cells AS (
        SELECT {kept}, unnest(f) AS wide_cell, generate_subscripts(f, 1) AS place FROM {relation} WHERE {usable}
    ),
    filled AS (
        SELECT * EXCLUDE (place) FROM cells JOIN wide_columns USING (place) WHERE trim(wide_cell) <> ''
    )
    SELECT * FROM filled
    UNION ALL BY NAME
    SELECT {kept}, NULL::VARCHAR AS wide_cell, '' AS wide_name, 0::BIGINT AS later_s
    FROM {relation} ANTI JOIN (SELECT DISTINCT line FROM filled) AS found USING (line)
)"""


@dataclass(frozen=True)
class WideColumn:
    """A column of readings: where it stands (from 1), its name, and how far after the row's stamp it stands [s]."""

    place: int
    name: str
    later_s: int = 0


def wide_columns(source: Source, header: Sequence[str]) -> tuple[WideColumn, ...]:
    """The columns of readings among a dump's columns.

    Raises
    ------
    FileFaultError
        ``missing_column``, if there are none, or one whose name should be a time of day is not.
    """
    if source.wide is None:
        return ()
    wide = source.wide
    patterns = [re.compile("".join(_LOOSE.get(letter, re.escape(letter)) for letter in text)) for text in wide.columns]
    places = [
        (place, name)
        for place, name in enumerate(header, start=1)
        if name and len(name) <= _NAME_LENGTH and name not in source.names_read and any(_fits(patterns, name))
    ]
    if not places:
        raise FileFaultError("missing_column", f"no column {wide.columns[0]!r}")
    if wide.names != "time":
        return tuple(WideColumn(place, name) for place, name in places)
    if wide.step_s is not None:
        return tuple(
            WideColumn(place, name, wide.first_s + number * wide.step_s) for number, (place, name) in enumerate(places)
        )
    found = [(place, name, seconds_of_day(name)) for place, name in places]
    odd = next((name for _, name, seconds in found if seconds is None), None)
    if odd is not None:
        raise FileFaultError("missing_column", f"the name of column {odd!r} is no time of day such as 00:15")
    return tuple(WideColumn(place, name, seconds or 0) for place, name, seconds in found)


_LOOSE = {"*": ".*", "?": "."}


def _fits(patterns: Iterable[re.Pattern[str]], name: str) -> Iterable[bool]:
    return (pattern.fullmatch(name) is not None for pattern in patterns)


def spread(
    con: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[WideColumn], *, kept: str, usable: str = "true"
) -> str:
    """SQL of a relation's cells, a row each.

    Parameters
    ----------
    con : DuckDBPyConnection
        Where the table ``wide_columns`` is made.
    relation : str
        With ``line`` and the list ``f`` of a row's texts.
    columns : sequence of WideColumn
        Their places are those in ``f``.
    kept : str
        Expressions over the relation that are passed on, ``line`` first.
    usable : str
        Condition of the rows whose cells are looked at; the others pass as one row.

    Returns
    -------
    str
        SELECT of ``kept``, ``wide_name``, ``wide_cell`` and ``later_s``.
    """
    table = pa.table(
        {
            "place": [column.place for column in columns],
            "wide_name": [column.name for column in columns],
            "later_s": pa.array([column.later_s for column in columns], pa.int64()),
        }
    )
    con.register("wide_listed", table)
    con.execute("CREATE OR REPLACE TEMP TABLE wide_columns AS SELECT * FROM wide_listed")
    con.unregister("wide_listed")
    return _SPREAD.format(kept=kept, relation=relation, usable=usable)
