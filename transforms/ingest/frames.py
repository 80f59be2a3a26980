"""Run-length frames: one JSON line that stands for many samples, checked before it is expanded."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import duckdb

from transforms.ingest.discover import Candidate
from transforms.ingest.fields import Fields
from transforms.ingest.rules import NUMBER, Limits, judged
from transforms.ingest.zones import zone_table
from transforms.sql import quote
from transforms.units import BY_QUANTITY

FRAME_KEYS: Final = ("feature_code", "flowmeter_id", "start", "interval_s", "unit", "quantity", "runs")
#: samples that one frame may stand for
FRAME_LIMIT: Final = 100_000
#: the longest sampling interval that a frame may state [s]
_INTERVAL_LIMIT: Final = 31 * 86_400

# Device and start are judged as in any reading; `pre` is what is wrong with them.
_CHECKED = """
CREATE OR REPLACE TEMP TABLE frames AS
SELECT line, feature_code, flowmeter_id, ts, quantity, factor, (interval_s * 1000000)::BIGINT AS interval_us, runs,
    CASE
        WHEN pre <> 0 THEN pre
        WHEN runs IS NULL OR len(runs) = 0 OR interval_s IS NULL OR quantity IS NULL OR unit IS NULL THEN {bad_frame}
        WHEN NOT (interval_s >= 0.001 AND interval_s <= {interval_limit}) OR quantity NOT IN ('flow', 'volume')
            THEN {bad_frame}
        WHEN len(list_filter(runs, lambda run: run IS NULL OR len(run) <> 2 OR run[2] IS NULL OR NOT run[2] >= 1
            OR run[2] <> floor(run[2]))) > 0 THEN {bad_frame}
        WHEN factor IS NULL THEN {unknown_unit}
        WHEN list_sum(list_transform(runs, lambda run: run[2])) > {frame_limit} THEN {frame_too_long}
        ELSE 0
    END::UTINYINT AS reason,
    CASE WHEN pre <> 0 THEN detail ELSE concat_ws(' ', quantity, unit, interval_s) END AS detail
FROM (
    SELECT line, feature_code, flowmeter_id, ts, detail, reason AS pre,
        f[{quantity}] AS quantity, f[{unit}] AS unit, try_cast(f[{interval_s}] AS DOUBLE) AS interval_s,
        try_cast(f[{runs}] AS DOUBLE[][]) AS runs,
        CASE f[{quantity}] {factors} END AS factor
    FROM ({named})
)
"""

_SAMPLES = """(
    WITH runs AS (
        SELECT line, feature_code, flowmeter_id, ts, quantity, factor, interval_us,
            unnest(runs) AS run, generate_subscripts(runs, 1) AS position
        FROM frames WHERE reason = 0
    ),
    placed AS (
        SELECT *, run[1] * factor AS value, run[2]::BIGINT AS n,
            (sum(run[2]::BIGINT) OVER (PARTITION BY line ORDER BY position))::BIGINT - run[2]::BIGINT AS before
        FROM runs
    )
    SELECT line, feature_code, flowmeter_id, ts + to_microseconds((before + k) * interval_us) AS ts,
        CASE quantity WHEN 'flow' THEN value END AS flow, CASE quantity WHEN 'volume' THEN value END AS volume
    FROM placed, unnest(range(n)) AS samples (k)
)"""


def read_frames(con: duckdb.DuckDBPyConnection, lines: str, candidate: Candidate, limits: Limits) -> str:
    """Check and expand the frames among JSON lines.

    Parameters
    ----------
    con : DuckDBPyConnection
        Where the table ``frames`` is made.
    lines : str
        Relation of frames: ``line`` and the list ``f`` of the texts of `FRAME_KEYS`.
    candidate : Candidate
        The dump.
    limits : Limits
        What is not believed.

    Returns
    -------
    str
        SELECT of line, feature_code, flowmeter_id, ts, flow, volume, version, detail, reason: a row per sample of a good frame,
        one row for a bad one.
    """
    place = {name: position for position, name in enumerate(FRAME_KEYS, start=1)}
    fields = Fields(
        feature_code=f"f[{place['feature_code']}]",
        flowmeter_id=f"f[{place['flowmeter_id']}]" if candidate.stream == "flowmeter" else None,
        stamp=f"f[{place['start']}]",
        flow="'0'",
        volume=None,
    )
    if source := candidate.source:
        fields = replace(
            fields,
            timezone=source.timezone,
            ambiguous=source.ambiguous,
            skipped=source.skipped,
            shift_s=source.label_s + source.shift_s,
        )
    named = judged(lines, fields, keep="line, f", limits=limits, zone=zone_table(con, lines, fields))
    con.execute(
        _CHECKED.format(
            named=named,
            factors=" ".join(
                f"WHEN {quote(quantity)} THEN CASE f[{place['unit']}] "
                + " ".join(f"WHEN {quote(unit)} THEN {factor!r}::DOUBLE" for unit, factor in units.items())
                + " END"
                for quantity, units in BY_QUANTITY.items()
            ),
            interval_limit=_INTERVAL_LIMIT,
            frame_limit=FRAME_LIMIT,
            bad_frame=NUMBER["bad_frame"],
            unknown_unit=NUMBER["unknown_unit"],
            frame_too_long=NUMBER["frame_too_long"],
            **{name: place[name] for name in ("quantity", "unit", "interval_s", "runs")},
        )
    )
    samples = judged(
        _SAMPLES,
        Fields("feature_code", "flowmeter_id", "ts", "flow", "volume", typed_stamp=True, typed_value=True),
        keep="line",
        limits=limits,
    )
    return (
        f"SELECT line, feature_code, flowmeter_id, ts, flow, volume, version, detail, reason FROM ({samples}) UNION ALL "
        "SELECT line, feature_code, flowmeter_id, NULL, NULL, NULL, NULL, detail, reason FROM frames WHERE reason <> 0"
    )
