"""Settle: of several readings of one device at one instant, which counts.

Equal readings are duplicates. Different ones contradict each other, and none of them may be used: the first (in a batch
the smallest, else the one that the lake has) stays in the lake, the others go to quarantine as ``conflicting``, and the
key goes to the list of conflicts, which `match` leaves out. The list keeps the refused values too, so that the same
value coming once more is known as a duplicate: the totals depend neither on the order of the dumps nor on their cut.

Where a source says which version a reading is of, all this is asked of each version by itself. The lake has one reading
of each version, and the highest counts; whichever came first, all versions but one are counted as ``replaced``. A
reading without a version is older than any with one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from transforms.errors import LakeError
from transforms.ingest.dumps import Dump
from transforms.ingest.layout import VALUES
from transforms.ingest.part import Part
from transforms.ingest.sort import Sorting
from transforms.lake import REMEDY, Lake, LakeFile
from transforms.sql import file_list

_IN_LAKE = """
CREATE OR REPLACE TEMP TABLE in_lake AS
SELECT device_no, ts, flow, volume, version FROM {lake} SEMI JOIN {instants} USING (device_no, ts)
"""

_NEIGHBOURS = """
SELECT DISTINCT device_no, ts
FROM (
    SELECT device_no, ts, lag(device_no) OVER () AS device_before, lag(ts) OVER () AS ts_before FROM sorted
)
WHERE device_no = device_before AND ts = ts_before
"""

# Every distinct reading of a contested instant: what the lake has, what was refused before, what comes now.
_RULED = """
CREATE OR REPLACE TEMP TABLE ruled AS
WITH
incoming AS (
    SELECT device_no, ts, flow, volume, version, min(dump) AS dump, any_value(part) AS part
    FROM ({numbered}) SEMI JOIN contested USING (device_no, ts)
    GROUP BY device_no, ts, flow, volume, version
),
seen AS (
    SELECT device_no, ts, flow, volume, version FROM in_lake
    UNION
    SELECT device_no, ts, flow, volume, version FROM conflicts SEMI JOIN contested USING (device_no, ts)
)
SELECT incoming.*,
    CASE
        WHEN seen.device_no IS NOT NULL THEN 'duplicate'
        WHEN held.device_no IS NOT NULL THEN 'conflicting'
        WHEN row_number() OVER (PARTITION BY incoming.device_no, incoming.ts, incoming.version
            ORDER BY incoming.flow NULLS LAST, incoming.volume NULLS LAST) > 1 THEN 'conflicting'
        ELSE 'accepted'
    END AS ruling
FROM incoming
LEFT JOIN seen ON seen.device_no = incoming.device_no AND seen.ts = incoming.ts
    AND seen.flow IS NOT DISTINCT FROM incoming.flow AND seen.volume IS NOT DISTINCT FROM incoming.volume
    AND seen.version IS NOT DISTINCT FROM incoming.version
LEFT JOIN (SELECT DISTINCT device_no, ts, version FROM in_lake) AS held
    ON held.device_no = incoming.device_no AND held.ts = incoming.ts
    AND held.version IS NOT DISTINCT FROM incoming.version
"""

_SETTLED = """
CREATE OR REPLACE TEMP TABLE settled AS
SELECT part, device_no, ts, {values} FROM sorted ANTI JOIN contested USING (device_no, ts)
UNION ALL
SELECT part, device_no, ts, {values} FROM ruled WHERE ruling = 'accepted'
ORDER BY part, device_no, ts
"""

_REFUSED = """
CREATE OR REPLACE TEMP TABLE refused AS
SELECT dump, nullif(feature_code, '') AS feature_code, nullif(flowmeter_id, '') AS flowmeter_id, ts, flow, volume, version
FROM ruled JOIN devices USING (device_no)
WHERE ruling = 'conflicting'
"""

# Of the contested instants: how many readings came with each dump, how many of them were accepted and refused, and how
# many of the accepted were one version of a reading more.
_COUNTS = """
WITH came AS (SELECT dump, count(*) AS n FROM ({numbered}) SEMI JOIN contested USING (device_no, ts) GROUP BY dump),
kept AS (
    SELECT dump, count(*) FILTER (ruling = 'accepted') AS accepted, count(*) FILTER (ruling = 'conflicting') AS refused
    FROM ruled GROUP BY dump
),
versions AS (
    SELECT dump, there.device_no IS NOT NULL
        OR row_number() OVER (PARTITION BY device_no, ts ORDER BY version NULLS FIRST) > 1 AS another
    FROM (SELECT * FROM ruled WHERE ruling = 'accepted')
    LEFT JOIN (SELECT DISTINCT device_no, ts FROM in_lake) AS there USING (device_no, ts)
),
replaced AS (SELECT dump, count(*) FILTER (another) AS replaced FROM versions GROUP BY dump)
SELECT dump, n, coalesce(accepted, 0), coalesce(refused, 0), coalesce(replaced, 0)
FROM came LEFT JOIN kept USING (dump) LEFT JOIN replaced USING (dump)
"""


@dataclass(frozen=True)
class Settlement:
    """Whether some readings do not go into the lake: then those that do are in the table ``sorted``. And whether readings
    were refused: then ``refused`` has them."""

    changed: bool
    refused: bool


def load_conflicts(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Make the table ``conflicts`` of refused readings so far."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE conflicts "
        "(device_no INTEGER, ts TIMESTAMP, flow_lph DOUBLE, volume_l DOUBLE, version BIGINT)"
    )
    if (file := lake.conflicts()) is not None:
        # by name, because older files have no versions
        con.execute(f"INSERT INTO conflicts BY NAME SELECT * FROM read_parquet({file_list([file])})")
    con.execute("ALTER TABLE conflicts RENAME flow_lph TO flow; ALTER TABLE conflicts RENAME volume_l TO volume")


def settle(
    con: duckdb.DuckDBPyConnection, sorting: Sorting, files: Sequence[LakeFile], dumps: Sequence[Dump]
) -> Settlement:
    """Take duplicates and contradictions out of what was sorted, and account for them.

    Parameters
    ----------
    con : DuckDBPyConnection
        With the tables ``staged``, ``devices`` and ``conflicts``.
    sorting : Sorting
        How ``staged`` was sorted.
    files : sequence of LakeFile
        Files of the lake that may hold the same instants of the same devices, see `overlapping`.
    dumps : sequence of Dump
        The dumps behind ``staged``.

    Raises
    ------
    LakeError
        If one of the lake's files is damaged.
    """
    if sorting.ordered is not None:
        # no two of these are of one device and instant
        if not files:
            return Settlement(changed=False, refused=False)
        con.register("instants", sorting.ordered.instants())
        found = _look_up(con, files, "instants")
        con.unregister("instants")
        if not found:
            return Settlement(changed=False, refused=False)
        sorting.make_table(con)
    else:
        _look_up(con, files, "sorted")
    con.execute(f"CREATE OR REPLACE TEMP TABLE contested AS {_NEIGHBOURS} UNION SELECT device_no, ts FROM in_lake")
    if not con.sql("SELECT 1 FROM contested LIMIT 1").fetchall():
        return Settlement(changed=False, refused=False)
    missing = [f"NULL::{kind} AS {name}" for name, kind in VALUES.items() if name not in sorting.values]
    con.execute(_RULED.format(numbered=sorting.numbered("dump", *missing)))
    con.execute(_SETTLED.format(values=", ".join(sorting.values)))
    con.execute(_REFUSED)
    by_number = {dump.number: dump for dump in dumps}
    refusals = 0
    for number, came, accepted, refused, replaced in con.sql(
        _COUNTS.format(numbered=sorting.numbered("dump"))
    ).fetchall():
        dump = by_number[number]
        dump.accepted -= came - accepted
        dump.duplicate += came - accepted - refused
        dump.replaced += replaced
        if refused:
            dump.reasons["conflicting"] += refused
        refusals += refused
    con.execute(
        "INSERT INTO conflicts SELECT device_no, ts, flow, volume, version FROM ruled WHERE ruling = 'conflicting'"
    )
    con.execute("DROP TABLE sorted; ALTER TABLE settled RENAME TO sorted; DROP TABLE ruled; DROP TABLE contested")
    return Settlement(changed=True, refused=refusals > 0)


def _look_up(con: duckdb.DuckDBPyConnection, files: Sequence[LakeFile], instants: str) -> bool:
    """Make the table ``in_lake`` of the lake's readings at some instants of devices; whether there are any."""
    try:
        con.execute(_IN_LAKE.format(lake=_lake_rows(files), instants=instants))
    except (duckdb.InvalidInputException, duckdb.IOException) as error:
        raise LakeError(f"a file of the lake cannot be read ({str(error).splitlines()[0]}); {REMEDY}") from None
    return bool(con.sql("SELECT 1 FROM in_lake LIMIT 1").fetchall())


def _lake_rows(files: Sequence[LakeFile]) -> str:
    if not files:
        return "(SELECT 0 AS device_no, TIMESTAMP 'epoch' AS ts, 0.0 AS flow, 0.0 AS volume, 0 AS version WHERE false)"
    paths = file_list([file.path for file in files])
    version = "version" if any(file.has_version for file in files) else "NULL::BIGINT AS version"
    return (
        f"(SELECT device_no, ts, flow_lph AS flow, volume_l AS volume, {version} "
        f"FROM read_parquet({paths}, union_by_name = true))"
    )


def overlapping(files: Iterable[LakeFile], parts: Iterable[Part]) -> list[LakeFile]:
    """The files that may hold the same devices at the same instants as parts that are about to be written."""
    by_place: dict[tuple[str, date, int], list[LakeFile]] = {}
    for file in files:
        by_place.setdefault((file.stream, file.date, file.bucket), []).append(file)
    return [
        file
        for part in parts
        for file in by_place.get((part.stream, part.date, part.bucket), [])
        if file.min_ts <= part.max_ts
        and file.max_ts >= part.min_ts
        and file.min_device <= part.max_device
        and file.max_device >= part.min_device
    ]
