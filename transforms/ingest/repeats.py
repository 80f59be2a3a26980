"""Repeats: of readings that a newer dump says again, the newest version that did.

An export that grows and is fetched every day says all its readings again each time. The lake keeps such a reading once. But if
an older dump comes later and says otherwise, the reading must win by its newest version, not by the one that it came with
first. So that version is kept, in files of its own beside the readings: device, instant and version, of which `settle` reads
those of instants at which readings differ, and nobody else any.
"""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb

from transforms.lake import Lake
from transforms.sql import file_list

_AGAIN = """
CREATE OR REPLACE TEMP TABLE again AS
SELECT device_no, ts, max(version) AS version
FROM (SELECT * FROM {kept} UNION ALL SELECT device_no, ts, version FROM repeats) SEMI JOIN {instants} USING (device_no, ts)
GROUP BY device_no, ts
"""
_NONE = "(SELECT 0 AS device_no, TIMESTAMP 'epoch' AS ts, 0 AS version WHERE false)"


def begin_repeats(con: duckdb.DuckDBPyConnection) -> None:
    """Make the empty table ``repeats`` of what a commit adds."""
    con.execute("CREATE OR REPLACE TEMP TABLE repeats (device_no INTEGER, ts TIMESTAMP, version BIGINT)")


def look_up_repeats(con: duckdb.DuckDBPyConnection, lake: Lake, instants: str) -> None:
    """Make the table ``again`` of the newest repeat at each of the instants (of devices) in a table.

    A repeat that is newer than all the readings of its instant in the lake is one of the reading that counts there. Others
    have no say any more.
    """
    first, last = con.sql(f"SELECT min(ts), max(ts) FROM {instants}").fetchall()[0]
    files = []
    if first is not None:
        begin, end = first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)
        files = [
            lake.root / entry["path"]
            for entry in lake.repeats
            if datetime.fromisoformat(entry["min_ts"]) <= end and datetime.fromisoformat(entry["max_ts"]) >= begin
        ]
    kept = f"read_parquet({file_list(files)})" if files else _NONE
    con.execute(_AGAIN.format(kept=kept, instants=instants))
