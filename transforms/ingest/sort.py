"""Sort: a batch's staged readings, identifiers become numbers, in the order of the files to be written.

Nearly always `transforms.ingest.order` can do it; else DuckDB does, and the readings are in the table ``sorted``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import duckdb

from transforms.ingest.dumps import Dump
from transforms.ingest.layout import VALUES, identifiers_of
from transforms.ingest.order import Ordered, in_order
from transforms.ingest.part import Part
from transforms.ingest.versions import Versions
from transforms.sql import quote

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

    def rows(self, con: duckdb.DuckDBPyConnection, parts: Sequence[Part]) -> Iterator[str]:
        """SQL: the relation of the readings of each part; it is good until the next is asked for."""
        if self.ordered is None:
            yield from (f"(SELECT * FROM sorted WHERE part = {part.number})" for part in parts)
            return
        with ThreadPoolExecutor(1) as pool:
            # the next part is put together while one is written
            tables = [partial(self.ordered.table, part.number) for part in parts]
            ahead = pool.submit(tables[0])
            for following in [*tables[1:], None]:
                table = ahead.result()
                if following is not None:
                    ahead = pool.submit(following)
                con.register("readings_of_part", table)
                yield "readings_of_part"
                con.unregister("readings_of_part")


def sort_staged(con: duckdb.DuckDBPyConnection, stream: str, n_buckets: int, dumps: Sequence[Dump]) -> Sorting:
    """Sort ``staged``, the readings of some dumps: devices as numbers, in the order of the files to be written."""
    there = [name for name in con.sql("SELECT * FROM staged LIMIT 0").columns if name in VALUES]
    has = con.sql(f"SELECT {', '.join(f'count({name}) > 0' for name in there)} FROM staged").fetchall()[0]
    values = tuple(name for name, filled in zip(there, has, strict=True) if filled) or ("flow",)
    versions = Versions.of(dumps)
    sorting = Sorting(stream, n_buckets, values)
    ordered = None
    if "version" not in values:
        buckets = con.sql(_BUCKETS).fetchnumpy()["bucket"]
        more = ["dump"] if versions.several else []
        ordered = in_order(con, sorting._devices(*more), values, buckets, n_buckets, versions)
    if versions:
        sorting = _with_versions(con, sorting, versions, stated="version" in there)
    if ordered is None:
        sorting.make_table(con)
    return replace(sorting, ordered=ordered)


def _with_versions(con: duckdb.DuckDBPyConnection, sorting: Sorting, versions: Versions, *, stated: bool) -> Sorting:
    """The sorting with the versions that the names of dumps tell; ``stated`` is whether rows may tell theirs."""
    con.register("versions_of_dumps", versions.by_dump())
    con.execute("CREATE OR REPLACE TEMP TABLE dump_versions AS SELECT * FROM versions_of_dumps")
    con.unregister("versions_of_dumps")
    return replace(
        sorting,
        values=(*(name for name in sorting.values if name != "version"), "version"),
        staged=_WITH_VERSIONS.format(stated="* RENAME (version AS stated)" if stated else "*, NULL::BIGINT AS stated"),
    )
