"""Sort: a batch's staged readings, identifiers become numbers, in the order of the files to be written.

Nearly always `transforms.ingest.order` can do it; else DuckDB does, and the readings are in the table ``sorted``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import duckdb
import pyarrow as pa

from transforms.ingest.dumps import Dump
from transforms.ingest.layout import VALUES, identifiers_of
from transforms.ingest.order import Fetched, Ordered, fetch
from transforms.ingest.part import Part
from transforms.ingest.versions import Versions
from transforms.sql import quote

#: rows of a Parquet file that stand together
ROW_GROUP: Final = 122_880

_DEVICES = """
SELECT {columns} FROM {staged} WHERE device_no IS NOT NULL
UNION ALL
SELECT {columns}
FROM (SELECT * EXCLUDE (device_no) FROM {staged} WHERE device_no IS NULL)
JOIN (SELECT {key}, device_no FROM devices WHERE stream = {stream}) USING ({key})
"""

_NUMBERED = """
SELECT ((ts::DATE - DATE '1970-01-01') * {n_buckets} + bucket)::INTEGER AS part, device_no, ts, {values}
FROM ({devices}) JOIN (SELECT device_no, bucket FROM devices) USING (device_no)
"""

# What a row itself says of its version goes before what the name of its dump says.
_WITH_VERSIONS = """(
    SELECT * EXCLUDE (stated, version), coalesce(stated, version) AS version
    FROM (SELECT {stated} FROM staged) JOIN dump_versions USING (dump)
)"""

# Equal keys are neighbours.
_SORTED = "CREATE OR REPLACE TEMP TABLE sorted AS {numbered} ORDER BY part, device_no, ts"

_PARTS = """
SELECT part, count(*), min(ts), max(ts), min(device_no), max(device_no), {flow}, {volume}, {version}
FROM sorted GROUP BY part ORDER BY part
"""

_BUCKETS = "SELECT bucket::BIGINT AS bucket FROM devices ORDER BY device_no"


@dataclass(frozen=True)
class Sorting:
    """How the readings in ``staged`` were sorted.

    Attributes
    ----------
    stream : str
        ``meter`` or ``flowmeter``.
    n_buckets : int
        Of the lake.
    values : tuple of str
        ``flow``, ``volume`` and ``version``: those that any reading has. An empty column would have to be sorted as well.
    staged : str
        SQL: the staged readings, with their versions.
    ordered : Ordered or None
        The sorted readings; None where they are in the table ``sorted``.
    """

    stream: str
    n_buckets: int
    values: tuple[str, ...]
    staged: str = "staged"
    ordered: Ordered | None = None

    def numbered(self, *more: str) -> str:
        """SQL: part, device_no, ts, the values and ``more`` of every reading in ``staged``."""
        return _NUMBERED.format(
            n_buckets=self.n_buckets, values=", ".join([*self.values, *more]), devices=self._devices(*more)
        )

    def _devices(self, *more: str) -> str:
        columns = ", ".join(["device_no", "ts", *self.values, *(name for name in more if " " not in name)])
        key = ", ".join(identifiers_of(self.stream))
        return _DEVICES.format(columns=columns, key=key, stream=quote(self.stream), staged=self.staged)

    def make_table(self, con: duckdb.DuckDBPyConnection) -> None:
        """Make the table ``sorted``."""
        con.execute(_SORTED.format(numbered=self.numbered()))

    def in_table(self, values: tuple[str, ...]) -> Sorting:
        """The same, but for the readings: they are in the table ``sorted`` now, with these values."""
        return replace(self, ordered=None, values=values)

    def parts(self, con: duckdb.DuckDBPyConnection) -> list[Part]:
        """What becomes one file each."""
        if self.ordered is not None:
            return self.ordered.parts(self.stream, self.n_buckets)
        counts = {name: f"count({name}) > 0" if name in self.values else "false" for name in VALUES}
        counts["version"] = str("version" in self.values)
        found = con.sql(_PARTS.format(**counts)).fetchall()
        return [Part.of(number, self.stream, self.n_buckets, *rest) for number, *rest in found]

    def tables(self, con: duckdb.DuckDBPyConnection | None, part: Part) -> Iterator[pa.Table]:
        """The readings of a part, piece by piece; ``con`` is needed where they are in the table ``sorted``."""
        if self.ordered is not None:
            yield from self.ordered.tables(part.number, ROW_GROUP)
        elif con is not None:
            of_part = f"SELECT * EXCLUDE (part) FROM sorted WHERE part = {part.number}"
            with con.sql(of_part).to_arrow_reader(ROW_GROUP) as reader:
                yield from (pa.Table.from_batches([batch]) for batch in reader)


@dataclass(frozen=True)
class Staged:
    """The readings in ``staged``: how they are to be sorted, and themselves where that may be done in memory."""

    sorting: Sorting
    versions: Versions
    fetched: Fetched | None

    def ordered(self) -> Sorting | None:
        """Sorted in memory, for which no database is needed; None where that cannot be done."""
        ordered = self.fetched.in_order() if self.fetched is not None else None
        return None if ordered is None else replace(self.sorting, ordered=ordered)

    def in_database(self, con: duckdb.DuckDBPyConnection, ordered: Sorting | None) -> Sorting:
        """What `transforms.ingest.settle` can work with: of readings that could not be ordered, the table ``sorted``."""
        if self.versions:
            con.register("versions_of_dumps", self.versions.by_dump())
            con.execute("CREATE OR REPLACE TEMP TABLE dump_versions AS SELECT * FROM versions_of_dumps")
            con.unregister("versions_of_dumps")
        if ordered is not None:
            return ordered
        self.sorting.make_table(con)
        return self.sorting


def fetch_staged(con: duckdb.DuckDBPyConnection, stream: str, n_buckets: int, dumps: Sequence[Dump]) -> Staged:
    """Fetch ``staged``, the readings of some dumps, to be sorted: devices as numbers, in the order of the files to be
    written."""
    there = [name for name in con.sql("SELECT * FROM staged LIMIT 0").columns if name in VALUES]
    has = con.sql(f"SELECT {', '.join(f'count({name}) > 0' for name in there)} FROM staged").fetchall()[0]
    values = tuple(name for name, filled in zip(there, has, strict=True) if filled) or ("flow",)
    versions = Versions.of(dumps)
    sorting = Sorting(stream, n_buckets, values)
    fetched = None
    if "version" not in values:
        buckets = con.sql(_BUCKETS).fetchnumpy()["bucket"]
        more = ["dump"] if versions.several else []
        fetched = fetch(con, sorting._devices(*more), values, buckets, n_buckets, versions)
    stated = "version" in there
    return Staged(_with_versions(sorting, stated=stated) if versions else sorting, versions, fetched)


def _with_versions(sorting: Sorting, *, stated: bool) -> Sorting:
    """The sorting with the versions that the names of dumps tell; ``stated`` is whether rows may tell theirs."""
    return replace(
        sorting,
        values=(*(name for name in sorting.values if name != "version"), "version"),
        staged=_WITH_VERSIONS.format(stated="* RENAME (version AS stated)" if stated else "*, NULL::BIGINT AS stated"),
    )
