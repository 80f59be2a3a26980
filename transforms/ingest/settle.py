"""Settle: of several readings of one device at one instant, which counts.

Equal readings are duplicates. Of different ones the newest counts: that with the highest version, whichever came first. A
reading without a version is older than any with one. Different ones of one version contradict each other: the first (in a
batch the smallest, else the one that the lake has) stays in the lake, the others go to quarantine as ``conflicting``, and
to the list of conflicts; if their version is the highest, none is used. The list keeps the refused values too, so that the
same value coming once more is known as a duplicate. So what is used follows from the set of readings and their versions,
not from the order of dumps or their cut.

Where all readings of an instant are equal, which is usual, the lake has it once, and that a newer dump says it again is noted
beside the readings (`transforms.ingest.repeats`). Where they differ, `transforms.ingest.disputed` rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from transforms.ingest.disputed import LOWEST, rule_disputed
from transforms.ingest.dumps import Dump
from transforms.ingest.layout import VALUES
from transforms.ingest.sort import Sorting
from transforms.lake import Lake, LakeFile
from transforms.lake.damage import lake_legible
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

# Every distinct reading and version of a contested instant that comes now; the first dump that says so answers for it.
_COME = """
CREATE OR REPLACE TEMP TABLE come AS
SELECT device_no, ts, flow, volume, version, min(dump) AS dump, any_value(part) AS part
FROM ({numbered}) SEMI JOIN contested USING (device_no, ts)
GROUP BY device_no, ts, flow, volume, version
"""

_ONE = "min({0}) IS NOT DISTINCT FROM max({0}) AND count({0}) IN (0, count(*))"

# The contested instants at which not all readings are equal.
_DISPUTED = f"""
CREATE OR REPLACE TEMP TABLE disputed AS
SELECT device_no, ts
FROM (
    SELECT device_no, ts, flow, volume FROM come
    UNION ALL
    SELECT device_no, ts, flow, volume FROM in_lake
    UNION ALL
    SELECT device_no, ts, flow, volume FROM conflicts SEMI JOIN contested USING (device_no, ts)
)
GROUP BY device_no, ts
HAVING NOT ({_ONE.format("flow")} AND {_ONE.format("volume")})
"""

# At the others the reading is accepted if the lake lacks it, with its newest version; that of one the lake has is noted.
_RULED_AGREED = """
CREATE OR REPLACE TEMP TABLE ruled AS
WITH agreed AS (
    SELECT device_no, ts, any_value(flow) AS flow, any_value(volume) AS volume, max(version) AS version,
        min(dump) AS dump, any_value(part) AS part
    FROM come ANTI JOIN disputed USING (device_no, ts)
    GROUP BY device_no, ts
)
SELECT agreed.*, CASE WHEN there.device_no IS NULL THEN 'accepted' ELSE 'duplicate' END AS ruling,
    there.version AS version_there
FROM agreed
LEFT JOIN (SELECT device_no, ts, max(version) AS version FROM in_lake GROUP BY device_no, ts) AS there
    USING (device_no, ts)
"""

_NOTED_AGREED = """
INSERT INTO repeats
SELECT device_no, ts, version FROM ruled
WHERE ruling = 'duplicate' AND version IS NOT NULL AND (version_there IS NULL OR version > version_there)
"""

# What goes into the lake of the contested instants.
_WRITTEN = """
CREATE OR REPLACE TEMP TABLE written AS
SELECT part, device_no, ts, flow, volume, nullif(version, {lowest}) AS version FROM ruled WHERE ruling = 'accepted'
"""

_WRITTEN_BESIDE = """
INSERT INTO written
SELECT part, device_no, ts, flow, volume, nullif(version, {lowest}) FROM resolved WHERE wanting
"""

# Parts with a reading of an instant of which there is another one.
_CORRECTED = """
SELECT DISTINCT part FROM written SEMI JOIN (
    SELECT device_no, ts
    FROM (SELECT device_no, ts FROM written UNION ALL SELECT device_no, ts FROM in_lake) SEMI JOIN disputed USING (device_no, ts)
    GROUP BY device_no, ts HAVING count(*) > 1
) USING (device_no, ts)
"""

_SETTLED = """
CREATE OR REPLACE TEMP TABLE settled AS
SELECT part, device_no, ts, {of_sorted} FROM sorted ANTI JOIN contested USING (device_no, ts)
UNION ALL
SELECT part, device_no, ts, {values} FROM written
ORDER BY part, device_no, ts{by_version}
"""

_REFUSED = """
CREATE OR REPLACE TEMP TABLE refused AS
SELECT dump, nullif(feature_code, '') AS feature_code, nullif(flowmeter_id, '') AS flowmeter_id, ts, flow, volume,
    CASE WHEN NOT list_contains({named}::INTEGER[], dump) THEN nullif(version, {lowest}) END AS version
FROM ruled JOIN devices USING (device_no)
WHERE ruling = 'conflicting'
"""

_TO_CONFLICTS = """
INSERT INTO conflicts
SELECT device_no, ts, flow, volume, nullif(version, {lowest}) FROM ruled WHERE ruling = 'conflicting'
"""

# Of the contested instants: how many readings came with each dump, how many of them were accepted and refused, and how
# many of the accepted differ from another one that was.
_COUNTS = """
WITH came AS (SELECT dump, count(*) AS n FROM ({numbered}) SEMI JOIN contested USING (device_no, ts) GROUP BY dump),
kept AS (
    SELECT dump, count(*) FILTER (ruling = 'accepted') AS accepted, count(*) FILTER (ruling = 'conflicting') AS refused
    FROM ruled GROUP BY dump
),
others AS (
    SELECT dump, there.device_no IS NOT NULL
        OR row_number() OVER (PARTITION BY device_no, ts ORDER BY version NULLS FIRST) > 1 AS another
    FROM (SELECT * FROM ruled WHERE ruling = 'accepted')
    LEFT JOIN (SELECT DISTINCT device_no, ts FROM in_lake) AS there USING (device_no, ts)
),
replaced AS (SELECT dump, count(*) FILTER (another) AS replaced FROM others GROUP BY dump)
SELECT dump, n, coalesce(accepted, 0), coalesce(refused, 0), coalesce(replaced, 0)
FROM came LEFT JOIN kept USING (dump) LEFT JOIN replaced USING (dump)
"""


@dataclass(frozen=True)
class Settlement:
    """What became of the sorted readings.

    Attributes
    ----------
    values : tuple of str or None
        Where some do not go into the lake, or others do besides: the columns of values of the table ``sorted``, which has
        those that do. None where all go as they were sorted.
    refused : bool
        Whether readings were refused: then the table ``refused`` has them.
    corrected : frozenset of int
        Numbers of parts with a reading of an instant of which the lake has another one then.
    """

    values: tuple[str, ...] | None = None
    refused: bool = False
    corrected: frozenset[int] = frozenset()


def load_conflicts(con: duckdb.DuckDBPyConnection, lake: Lake) -> bool:
    """Make the table ``conflicts`` of refused readings so far; whether their file tells versions, as older ones do not."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE conflicts "
        "(device_no INTEGER, ts TIMESTAMP, flow_lph DOUBLE, volume_l DOUBLE, version BIGINT)"
    )
    told = True
    if (file := lake.conflicts()) is not None:
        rows = con.sql(f"SELECT * FROM read_parquet({file_list([file])})")
        told = "version" in rows.columns
        con.execute(f"INSERT INTO conflicts BY NAME SELECT * FROM read_parquet({file_list([file])})")
    con.execute("ALTER TABLE conflicts RENAME flow_lph TO flow; ALTER TABLE conflicts RENAME volume_l TO volume")
    return told


def settle(
    con: duckdb.DuckDBPyConnection, sorting: Sorting, lake: Lake, files: Sequence[LakeFile], dumps: Sequence[Dump]
) -> Settlement:
    """Take out of what was sorted what does not go into the lake, and account for it.

    Parameters
    ----------
    con : DuckDBPyConnection
        With the tables ``staged``, ``devices``, ``conflicts`` and ``repeats``.
    sorting : Sorting
        How ``staged`` was sorted.
    lake : Lake
        As it is so far.
    files : sequence of LakeFile
        Those of its files that may hold the same instants of the same devices, see `transforms.ingest.part.overlapping`.
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
            return Settlement()
        con.register("instants", sorting.ordered.instants())
        found = _look_up(con, files, "instants")
        con.unregister("instants")
        if not found:
            return Settlement()
        sorting.make_table(con)
    else:
        _look_up(con, files, "sorted")
    con.execute(f"CREATE OR REPLACE TEMP TABLE contested AS {_NEIGHBOURS} UNION SELECT device_no, ts FROM in_lake")
    if not con.sql("SELECT 1 FROM contested LIMIT 1").fetchall():
        return Settlement()
    missing = [f"NULL::{kind} AS {name}" for name, kind in VALUES.items() if name not in sorting.values]
    con.execute(_COME.format(numbered=sorting.numbered("dump", *missing)))
    con.execute(_DISPUTED)
    con.execute(_RULED_AGREED)
    con.execute(_NOTED_AGREED)
    disputed = bool(con.sql("SELECT 1 FROM disputed LIMIT 1").fetchall())
    if disputed:
        rule_disputed(con, lake)
    con.execute(_WRITTEN.format(lowest=LOWEST))
    if disputed:
        con.execute(_WRITTEN_BESIDE.format(lowest=LOWEST))
    corrected = frozenset(part for (part,) in con.sql(_CORRECTED).fetchall()) if disputed else frozenset()
    refusals = _account(con, sorting, dumps)
    values = sorting.values
    if "version" not in values and (
        corrected or con.sql("SELECT 1 FROM written WHERE version IS NOT NULL LIMIT 1").fetchall()
    ):
        values = (*values, "version")
    kept = [name if name in sorting.values else f"NULL::{VALUES[name]} AS {name}" for name in values]
    by_version = ", version NULLS FIRST" if "version" in values else ""
    con.execute(_SETTLED.format(values=", ".join(values), of_sorted=", ".join(kept), by_version=by_version))
    if refusals:
        named = [dump.number for dump in dumps if dump.candidate.version is not None]
        con.execute(_REFUSED.format(named=named, lowest=LOWEST))
        con.execute(_TO_CONFLICTS.format(lowest=LOWEST))
    con.execute("DROP TABLE sorted; ALTER TABLE settled RENAME TO sorted; DROP TABLE ruled; DROP TABLE contested")
    return Settlement(values, refusals > 0, corrected)


def _account(con: duckdb.DuckDBPyConnection, sorting: Sorting, dumps: Sequence[Dump]) -> int:
    """Take the rulings into the accounts of the dumps; how many readings were refused."""
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
    return refusals


def _look_up(con: duckdb.DuckDBPyConnection, files: Sequence[LakeFile], instants: str) -> bool:
    """Make the table ``in_lake`` of the lake's readings at some instants of devices; whether there are any."""
    with lake_legible():
        con.execute(_IN_LAKE.format(lake=_lake_rows(files), instants=instants))
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
