"""Readings: what of the lake's files may be used, of corrected readings the newest, of contradicted ones none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transforms.lake.ledger import LakeFile
from transforms.sql import file_list


def apart(files: Sequence[LakeFile]) -> tuple[list[LakeFile], list[LakeFile]]:
    """Files of streams, dates and buckets of which every reading counts, and those of which some were corrected."""
    places = {(file.stream, file.date, file.bucket) for file in files if file.corrected}
    split: tuple[list[LakeFile], list[LakeFile]] = ([], [])
    for file in files:
        split[(file.stream, file.date, file.bucket) in places].append(file)
    return split


def readings_sql(
    files: Sequence[LakeFile],
    *,
    conflicts: Path | None,
    start: str,
    end: str,
    only: Sequence[int] | None = None,
) -> str:
    """SELECT of ``device_no, ts, flow_lph, volume_l``: the readings of some files that may be used.

    Parameters
    ----------
    files : sequence of LakeFile
        One at least. Where some readings of a stream, date and bucket were corrected, all files of it are needed, and the
        highest version of each reading counts.
    conflicts : Path or None
        As `Lake.conflicts` has it; readings that contradict each other are left out.
    start, end : str
        The span, half open, as DuckDB's timestamps in UTC.
    only : sequence of int, optional
        The numbers of the few devices that are asked about; all, unless given.
    """
    few = "" if only is None else f" AND device_no IN ({', '.join(str(int(number)) for number in only) or 'NULL'})"
    within = f"ts >= TIMESTAMP '{start}' AND ts < TIMESTAMP '{end}'{few}"
    plain, corrected = apart(files)
    found = []
    if plain:
        paths = file_list([file.path for file in plain])
        found.append(
            f"SELECT device_no, ts, flow_lph, volume_l FROM read_parquet({paths}) AS readings WHERE {within}"
            + _uncontradicted(conflicts)
        )
    if corrected:
        paths = file_list([file.path for file in corrected])
        newest = (
            f"SELECT device_no, ts, flow_lph, volume_l, version FROM read_parquet({paths}, union_by_name = true) "
            f"WHERE {within} QUALIFY row_number() OVER (PARTITION BY device_no, ts ORDER BY version DESC NULLS LAST) = 1"
        )
        found.append(
            f"SELECT device_no, ts, flow_lph, volume_l FROM ({newest}) AS readings WHERE true"
            + _uncontradicted(conflicts, " AND c.version IS NOT DISTINCT FROM readings.version")
        )
    return " UNION ALL ".join(found)


def _uncontradicted(conflicts: Path | None, same: str = "") -> str:
    if conflicts is None:
        return ""
    return (
        f" AND NOT EXISTS (SELECT 1 FROM read_parquet({file_list([conflicts])}) AS c "
        f"WHERE c.device_no = readings.device_no AND c.ts = readings.ts{same})"
    )
