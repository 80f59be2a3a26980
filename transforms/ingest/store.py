"""Store: the sorted readings as Parquet files, and the commit that makes them count.

Everything is written under its final name and brought to disk first; then one rename of the ledger makes it part of the
lake. What a killed ingest leaves behind is in no ledger and is swept away by the next one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.ingest.part import Part
from transforms.ingest.sort import ROW_GROUP, Sorting
from transforms.lake import LEDGER, Lake, LakeFile
from transforms.sql import quote
from transforms.windows import iso

#: files that are written at once
_AT_ONCE: Final = 2
#: a reading's columns, as the lake's files call them
_COLUMNS: Final = {"device_no": "device_no", "ts": "ts", "flow": "flow_lph", "volume": "volume_l"}

_DEVICES = """
COPY (
    SELECT device_no, stream, nullif(feature_code, '') AS feature_code, nullif(flowmeter_id, '') AS flowmeter_id, bucket
    FROM devices ORDER BY device_no
) TO {target} (FORMAT parquet, COMPRESSION zstd)
"""

_CONFLICTS = """
COPY (
    SELECT DISTINCT device_no, ts, flow AS flow_lph, volume AS volume_l, version FROM conflicts
    ORDER BY device_no, ts, version NULLS FIRST, flow_lph NULLS LAST, volume_l NULLS LAST
) TO {target} (FORMAT parquet, COMPRESSION zstd)
"""

# Stamps in even steps take no room when they stand as differences, which the second version of the format knows.
_REPEATS = """
COPY (SELECT device_no, ts, max(version) AS version FROM repeats GROUP BY ALL ORDER BY ALL)
TO {target} (FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd)
"""


def write_parts(
    con: duckdb.DuckDBPyConnection | None, root: Path, parts: Sequence[Part], generation: int, sorting: Sorting
) -> list[LakeFile]:
    """Write each part as a file of the lake; ``con`` is needed where the readings are in the table ``sorted``."""
    write = partial(_write_part, con, root, generation=generation, sorting=sorting)
    with ThreadPoolExecutor(1 if sorting.ordered is None else _AT_ONCE) as pool:
        return list(pool.map(write, parts))


def _write_part(
    con: duckdb.DuckDBPyConnection | None, root: Path, part: Part, *, generation: int, sorting: Sorting
) -> LakeFile:
    name = part.name(generation)
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    tables = (_of_lake(table) for table in sorting.tables(con, part))
    write_readings(path, tables, flow=part.has_flow, volume=part.has_volume)
    sync(path)
    return LakeFile(
        name,
        path,
        part.stream,
        part.date,
        part.bucket,
        part.rows,
        part.min_ts,
        part.max_ts,
        part.min_device,
        part.max_device,
        part.has_flow,
        part.has_volume,
        part.has_version,
        part.corrected,
    )


def write_readings(path: Path, tables: Iterable[pa.Table], *, flow: bool, volume: bool) -> None:
    """Write readings as one file of the lake, of tables with the columns of its files.

    A column that says that nothing is missing in it is read in two thirds of the time. LZ4 is a sixth larger than Zstandard and
    read in less time; what a filter of values could tell, the order tells.

    Parameters
    ----------
    flow, volume : bool
        Whether there are readings with one; each reading has one or both.
    """
    tables = iter(tables)
    first = next(tables)
    whole = {"device_no", "ts", *(["flow_lph"] if not volume else []), *(["volume_l"] if not flow else [])}
    schema = pa.schema([field.with_nullable(field.name not in whole) for field in first.schema])
    # instants follow each other evenly: what repeats in them LZ4 finds
    repeated = [name for name in schema.names if name != "ts"]
    with pq.ParquetWriter(path, schema, compression="lz4", use_dictionary=repeated, store_schema=False) as writer:
        for table in chain([first], tables):
            writer.write_table(table.cast(schema), row_group_size=ROW_GROUP)


def _of_lake(readings: pa.Table) -> pa.Table:
    """Readings with the columns of the lake's files: those of values always, a version where there is any."""
    columns = {
        name: readings[told] if told in readings.column_names else pa.nulls(readings.num_rows, pa.float64())
        for told, name in _COLUMNS.items()
    }
    if "version" in readings.column_names:
        columns["version"] = readings["version"]
    return pa.table(columns)


def write_devices(con: duckdb.DuckDBPyConnection, root: Path, generation: int) -> str:
    """Write the dictionary of devices; return its name in the lake."""
    return _write(con, _DEVICES, root, f"devices-{generation:06d}.parquet")


def write_conflicts(con: duckdb.DuckDBPyConnection, root: Path, generation: int) -> str:
    """Write the refused readings; return the file's name in the lake."""
    return _write(con, _CONFLICTS, root, f"conflicts-{generation:06d}.parquet")


def write_repeats(con: duckdb.DuckDBPyConnection, root: Path, generation: int) -> dict[str, object] | None:
    """Write the repeats of a commit, see `transforms.ingest.repeats`; return the file's entry in the ledger, None where
    there are none."""
    begins, ends = con.sql("SELECT min(ts), max(ts) FROM repeats").fetchall()[0]
    if begins is None:
        return None
    name = _write(con, _REPEATS, root, f"repeats-{generation:06d}.parquet")
    return {"path": name, "min_ts": iso(begins.replace(tzinfo=UTC)), "max_ts": iso(ends.replace(tzinfo=UTC))}


def _write(con: duckdb.DuckDBPyConnection, statement: str, root: Path, name: str) -> str:
    root.mkdir(parents=True, exist_ok=True)
    con.execute(statement.format(target=quote(str(root / name))))
    sync(root / name)
    return name


def commit(lake: Lake) -> None:
    """Make a state of the lake the one that counts, by one rename of its ledger."""
    lake.root.mkdir(parents=True, exist_ok=True)
    folders = {(lake.root / entry["path"]).parent for entry in lake.files if _is_of(entry["path"], lake.generation)}
    for above in sorted({up for folder in folders for up in (folder, *folder.parents[:2])}):
        sync(above)
    draft = lake.root / f"{LEDGER}.tmp"
    draft.write_text(json.dumps(lake.content(), ensure_ascii=False, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    sync(draft)
    draft.replace(lake.root / LEDGER)
    sync(lake.root)


def _is_of(name: str, generation: int) -> bool:
    return name.endswith(f"/g{generation:06d}.parquet")


def sync(path: Path) -> None:
    """Bring a file or folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(lake: Lake) -> None:
    """Delete what a killed ingest left in the lake: Parquet files and drafts that the ledger does not list."""
    listed = {entry["path"] for entry in [*lake.files, *lake.repeats]} | {lake.devices_file, lake.conflicts_file}
    if not lake.root.is_dir():
        return
    known = ("devices", "conflicts", "repeats")
    for pattern in ("stream=*/date=*/bucket=*/g*.parquet", *(f"{name}-*.parquet" for name in known), f"{LEDGER}.tmp"):
        for path in lake.root.glob(pattern):
            if path.relative_to(lake.root).as_posix() not in listed:
                path.unlink()


def extended(
    lake: Lake,
    *,
    n_buckets: int,
    files: Sequence[LakeFile],
    dumps: Sequence[dict[str, object]],
    devices_file: str | None,
    conflicts_file: str | None,
    repeats: dict[str, object] | None = None,
    instead_of: Sequence[dict[str, object]] = (),
) -> Lake:
    """The lake after one more commit; the dumps' entries come after the others, in place of those named."""
    return Lake(
        lake.root,
        n_buckets=n_buckets,
        generation=lake.generation + 1,
        dumps=[*(entry for entry in lake.dumps if entry not in instead_of), *dumps],
        files=[*lake.files, *(file.entry() for file in files)],
        devices_file=devices_file,
        conflicts_file=conflicts_file,
        repeats=[*lake.repeats, *([repeats] if repeats else [])],
    )
