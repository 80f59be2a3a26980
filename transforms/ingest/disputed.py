"""Disputed: instants at which readings of a device differ; what becomes of each, and which one is used from then on.

Used is the reading that was said last: that of the highest version at which any was said. If several were said at that version,
none is. A reading said by older dumps as well is still one reading: what is said again is a duplicate, and what was said of the
same version otherwise is refused.

`match` sees the lake's readings and the refused ones, not the repeats. It takes the reading with the highest version, unless
one is refused with that version. So at a disputed instant the lake must have the reading that counts with a version above
all others, and where there is a refused one, a second reading too, or `match` would not ask for versions at all. Where that is
not so, the reading is added once more, under its highest version, and is no row of any account.
"""

from __future__ import annotations

from typing import Final

import duckdb

from transforms.ingest.repeats import look_up_repeats
from transforms.lake import Lake

#: stands for no version where versions are compared
LOWEST: Final = -(2**63) + 1

# What is known of the disputed instants: readings of the lake, refused ones, and repeats of the one that counted so far.
# Versions are numbers from here on, that of readings without one the lowest.
_KNOWN = """
CREATE OR REPLACE TEMP TABLE known AS
WITH told AS (
    SELECT device_no, ts, flow, volume, coalesce(version, {lowest}) AS version, true AS in_lake
    FROM in_lake SEMI JOIN disputed USING (device_no, ts)
    UNION ALL
    SELECT device_no, ts, flow, volume, coalesce(version, {lowest}), false
    FROM conflicts SEMI JOIN disputed USING (device_no, ts)
)
SELECT * FROM told
UNION ALL
SELECT device_no, ts, flow, volume, again.version, NULL
FROM (
    SELECT * FROM told
    QUALIFY row_number() OVER (PARTITION BY device_no, ts ORDER BY version DESC, in_lake DESC) = 1
) AS newest
JOIN again USING (device_no, ts)
WHERE again.version > newest.version
"""

_RULED_DISPUTED = """
INSERT INTO ruled
WITH
incoming AS (
    SELECT * REPLACE (coalesce(version, {lowest}) AS version) FROM come SEMI JOIN disputed USING (device_no, ts)
),
newest AS (
    SELECT device_no, ts, max(version) AS top
    FROM (SELECT device_no, ts, version FROM incoming UNION ALL SELECT device_no, ts, version FROM known)
    GROUP BY device_no, ts
),
said AS (
    SELECT device_no, ts, flow, volume, max(version) AS until, bool_or(in_lake) AS in_lake
    FROM known GROUP BY device_no, ts, flow, volume
),
held AS (SELECT DISTINCT device_no, ts, flow, volume, version FROM known),
against AS (
    SELECT DISTINCT one.device_no, one.ts, one.flow, one.volume, one.version
    FROM incoming AS one
    JOIN held ON held.device_no = one.device_no AND held.ts = one.ts AND held.version = one.version
        AND (held.flow IS DISTINCT FROM one.flow OR held.volume IS DISTINCT FROM one.volume)
),
asked AS (
    SELECT incoming.*, coalesce(said.in_lake, false) AS in_lake,
        CASE
            WHEN said.until >= incoming.version THEN 'duplicate'
            WHEN said.in_lake AND incoming.version < newest.top THEN 'duplicate'
            WHEN against.device_no IS NOT NULL THEN 'conflicting'
            WHEN row_number() OVER (PARTITION BY incoming.device_no, incoming.ts, incoming.version
                ORDER BY incoming.flow NULLS LAST, incoming.volume NULLS LAST) > 1 THEN 'conflicting'
            ELSE 'new'
        END AS ruling
    FROM incoming
    JOIN newest USING (device_no, ts)
    LEFT JOIN said ON said.device_no = incoming.device_no AND said.ts = incoming.ts
        AND said.flow IS NOT DISTINCT FROM incoming.flow AND said.volume IS NOT DISTINCT FROM incoming.volume
    LEFT JOIN against ON against.device_no = incoming.device_no AND against.ts = incoming.ts
        AND against.flow IS NOT DISTINCT FROM incoming.flow AND against.volume IS NOT DISTINCT FROM incoming.volume
        AND against.version = incoming.version
)
SELECT device_no, ts, flow, volume, version, dump, part,
    CASE
        WHEN ruling <> 'new' THEN ruling
        -- said before, by the lake or by an older dump of this batch
        WHEN in_lake THEN 'duplicate'
        WHEN row_number() OVER (PARTITION BY device_no, ts, flow, volume, ruling ORDER BY version) > 1 THEN 'duplicate'
        ELSE 'accepted'
    END,
    NULL
FROM asked
"""

# What is used at a disputed instant: the one reading of the highest version, or none where several have it. Readings and
# conflicts must tell that without the repeats; where they do not, the reading is added with that version.
_RESOLVED = """
CREATE OR REPLACE TEMP TABLE resolved AS
WITH
said AS (
    SELECT device_no, ts, flow, volume, version FROM known
    UNION
    SELECT device_no, ts, flow, volume, coalesce(version, {lowest}) FROM come SEMI JOIN disputed USING (device_no, ts)
),
counted AS (
    SELECT *, count(*) OVER (PARTITION BY device_no, ts) AS many
    FROM (SELECT * FROM said QUALIFY version = max(version) OVER (PARTITION BY device_no, ts))
    QUALIFY row_number() OVER (PARTITION BY device_no, ts ORDER BY flow NULLS LAST, volume NULLS LAST) = 1
),
shown AS (
    SELECT device_no, ts, flow, volume, version, true AS reading FROM known WHERE in_lake
    UNION ALL
    SELECT device_no, ts, flow, volume, version, true FROM ruled SEMI JOIN disputed USING (device_no, ts)
    WHERE ruling = 'accepted'
    UNION ALL
    SELECT device_no, ts, flow, volume, version, false FROM known WHERE NOT in_lake
    UNION ALL
    SELECT device_no, ts, flow, volume, version, false FROM ruled SEMI JOIN disputed USING (device_no, ts)
    WHERE ruling = 'conflicting'
),
seen AS (
    SELECT counted.device_no, counted.ts,
        count(*) FILTER (reading) AS readings,
        count(*) FILTER (NOT reading) AS conflicts,
        max(shown.version) FILTER (reading) AS latest,
        max(shown.version) FILTER (reading AND same) AS own,
        max(shown.version) FILTER (NOT reading OR NOT same) AS others
    FROM (
        SELECT shown.*, counted.flow IS NOT DISTINCT FROM shown.flow AND counted.volume IS NOT DISTINCT FROM shown.volume
            AS same
        FROM shown JOIN counted USING (device_no, ts)
    ) AS shown
    JOIN counted USING (device_no, ts)
    GROUP BY ALL
)
SELECT counted.*, part, readings, own,
    CASE
        WHEN many > 1 THEN coalesce(latest, {lowest}) < counted.version
        ELSE own IS NULL OR coalesce(own <= others, false) OR (conflicts > 0 AND readings = 1)
    END AS wanting
FROM counted
JOIN seen USING (device_no, ts)
JOIN (SELECT DISTINCT device_no, ts, part FROM come) USING (device_no, ts)
"""

_NOTED_DISPUTED = """
INSERT INTO repeats
SELECT device_no, ts, version FROM resolved WHERE many = 1 AND NOT wanting AND version > own
"""


def rule_disputed(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Say what becomes of the readings that differ, and which is used.

    Parameters
    ----------
    con : DuckDBPyConnection
        With the tables ``disputed`` (instants of devices), ``come`` (what comes now), ``in_lake``, ``conflicts`` and
        ``repeats``. Adds to ``ruled``, with `LOWEST` for no version, and makes ``resolved``: one reading an instant, and
        whether the lake is ``wanting`` it.
    lake : Lake
        As it is so far.
    """
    look_up_repeats(con, lake, "disputed")
    con.execute(_KNOWN.format(lowest=LOWEST))
    con.execute(_RULED_DISPUTED.format(lowest=LOWEST))
    con.execute(_RESOLVED.format(lowest=LOWEST))
    con.execute(_NOTED_DISPUTED)
