"""Trials: mappings are carried out on files in a workspace that is thrown away, by the very ingest that a run uses."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from transforms.ingest import DumpAccount, ingest
from transforms.ingest.parquet_copy import copy_files
from transforms.ingest.quarantine import rows_aside
from transforms.lake import Lake
from transforms.registry import Registry
from transforms.sources import Source
from transforms.sources.guess import LookError
from transforms.workspace import Workspace

#: of a larger text file that is only tried, so much is taken from its beginning [bytes]
_TASTE = 256 << 10
_COPY_MB = 400
_EVER = (datetime(1999, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Trial:
    """What mappings made of some files.

    Attributes
    ----------
    accounts
        The row accounting of each dump.
    readings
        ``stream, feature_code, flowmeter_id, timestamp, flow_lph, volume_l`` of all accepted rows, sorted.
    quarantined
        ``file, line, reason, detail, row`` of all rows set aside.
    """

    accounts: tuple[DumpAccount, ...]
    readings: pl.DataFrame
    quarantined: pl.DataFrame


@contextmanager
def readable(workspace: Workspace, file: Path, *, threads: int) -> Iterator[Path]:
    """A file that can be looked at: Parquet, which can end its reader, as a copy that another process made.

    Raises
    ------
    LookError
        If it is Parquet that cannot be read.
    """
    if not file.is_file() or _magic(file) != b"PAR1":
        yield file
        return
    workspace.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="look-", dir=workspace.cache) as folder:
        copy = Path(folder) / file.name
        (fault,) = copy_files([(file.resolve(), copy)], Path(folder) / "spill", memory_mb=_COPY_MB, threads=threads)
        if fault is not None:
            raise LookError(f"{file.name} begins like Parquet and cannot be read: {fault}; export it once more")
        yield copy


@contextmanager
def trial(
    workspace: Workspace,
    registry: Registry,
    sources: Sequence[Source],
    files: Sequence[tuple[Path, str]],
    *,
    absurd_flow_lph: float,
    threads: int,
    not_after: datetime | None = None,
    taste: bool = False,
) -> Iterator[Trial]:
    """Carry out ``sources`` on files, each given with its path below raw/; with ``taste`` on their beginnings only.

    Stamps later than ``not_after`` are set aside as in the ingest of a run.

    Nothing stays behind, and raw/, the lake and the quarantine of the workspace itself are not touched.
    """
    workspace.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="trial-", dir=workspace.cache) as folder:
        own = Workspace(Path(folder))
        for path, name in files:
            _lay(path, own.raw / name, taste=taste)
        result = ingest(
            own,
            replace(registry, sources=tuple(sources)),
            absurd_flow_lph=absurd_flow_lph,
            threads=threads,
            not_after=not_after,
        )
        yield Trial(result.new_dumps, _readings(own), rows_aside(own.quarantine))


def _lay(path: Path, target: Path, *, taste: bool) -> None:
    """Put a file into the trial's raw folder, without copying it where that can be."""
    target.parent.mkdir(parents=True, exist_ok=True)
    magic = _magic(path)
    packed = magic == b"PAR1" or magic[:2] == b"\x1f\x8b" or magic == b"\x28\xb5\x2f\xfd"
    if taste and not packed and path.stat().st_size > _TASTE:
        with path.open("rb") as file:
            head = file.read(_TASTE)
        target.write_bytes(head[: head.rfind(b"\n") + 1] or head)
        return
    try:
        os.link(path.resolve(), target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(path, target)


def _magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4)


def _readings(workspace: Workspace) -> pl.DataFrame:
    lake = Lake.open(workspace)
    files = [file.path for stream in ("meter", "flowmeter") for file in lake.files_for(stream, *_EVER)]
    columns = ["stream", "feature_code", "flowmeter_id", "timestamp", "flow_lph", "volume_l"]
    if not files:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    rows = pl.concat([pl.read_parquet(file, glob=False, hive_partitioning=False) for file in files], how="diagonal")
    named = rows.join(lake.devices(), on="device_no").with_columns(timestamp=pl.col("ts").dt.replace_time_zone("UTC"))
    return named.select(columns).sort("stream", "feature_code", "flowmeter_id", "timestamp")
