"""The ledger: which Parquet files of the lake count, what is in them, which dumps they came from, what devices are called.

Layout: ``lake/stream=meter/date=2026-01-01/bucket=003/g000001.parquet`` with ``device_no`` INT, ``ts`` TIMESTAMP (UTC,
microseconds), ``flow_lph`` and ``volume_l`` DOUBLE or null, sorted by device and time. Where a dump or its rows tell
corrected readings from those they correct, there is also ``version`` BIGINT. Of one device and instant the highest counts,
see `transforms.lake.readings`; few files hold a second reading of any (`LakeFile.corrected`), and only beside these is it
looked at. Files are never changed; a file that ``lake/ledger.json`` does not list does not exist for a reader.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from transforms.damage import legible
from transforms.errors import LakeError
from transforms.windows import iso
from transforms.workspace import Workspace

if TYPE_CHECKING:
    import polars as pl

#: the ledger's layout; a lake written with another one is refused, never guessed at
LEDGER_VERSION: Final = 1
LEDGER: Final = "ledger.json"

#: what to do about a lake that cannot be trusted
REMEDY: Final = "move the lake folder away and ingest again: it is rebuilt from raw"
_KEYS: Final = {"version", "n_buckets", "generation", "devices", "conflicts", "files", "dumps"}
_FILE_KEYS: Final = {
    "path", "stream", "date", "bucket", "rows", "min_ts", "max_ts", "min_device", "max_device", "has_flow", "has_volume",
}  # fmt: skip
_DUMP_KEYS: Final = {
    "file", "stream", "source", "sha256", "bytes", "read", "accepted", "duplicate", "quarantined", "reasons", "note", "min_ts",
    "max_ts",
}  # fmt: skip


@dataclass(frozen=True)
class LakeFile:
    """One Parquet file of the lake.

    Attributes
    ----------
    name : str
        Path relative to the lake, with forward slashes.
    path : Path
        Absolute path.
    min_ts, max_ts : datetime
        First and last stamp inside, UTC.
    min_device, max_device : int
        Smallest and largest ``device_no`` inside.
    has_version : bool
        Whether there is a column ``version``.
    corrected : bool
        Whether it holds readings of instants of which the lake has another reading, in this file or an older one of the
        same stream, date and bucket.
    """

    name: str
    path: Path
    stream: str
    date: date
    bucket: int
    rows: int
    min_ts: datetime
    max_ts: datetime
    min_device: int
    max_device: int
    has_flow: bool
    has_volume: bool
    has_version: bool = False
    corrected: bool = False

    def entry(self) -> dict[str, Any]:
        """The file as the ledger lists it."""
        return {
            "path": self.name,
            "stream": self.stream,
            "date": self.date.isoformat(),
            "bucket": self.bucket,
            "rows": self.rows,
            "min_ts": iso(self.min_ts),
            "max_ts": iso(self.max_ts),
            "min_device": self.min_device,
            "max_device": self.max_device,
            "has_flow": self.has_flow,
            "has_volume": self.has_volume,
            **({"has_version": True, "corrected": self.corrected} if self.has_version else {}),
        }


@dataclass(frozen=True)
class Lake:
    """An immutable snapshot of the lake, as its ledger describes it.

    Attributes
    ----------
    n_buckets : int
        Number of hash buckets, fixed when the lake is made; 0 in an empty lake.
    dumps : list of dict
        One entry per dump: file, stream, source, sha256, bytes, read, accepted, duplicate, quarantined, reasons, note,
        min_ts, max_ts.
    files : list of dict
        One entry per Parquet file.
    generation : int
        Number of commits so far.
    repeats : list of dict
        One entry per file of `transforms.ingest.repeats`: path, min_ts, max_ts. Only ingest reads them.
    """

    root: Path
    n_buckets: int = 0
    generation: int = 0
    dumps: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    devices_file: str | None = None
    conflicts_file: str | None = None
    repeats: list[dict[str, Any]] = field(default_factory=list)

    @staticmethod
    def open(workspace: Workspace) -> Lake:
        """Read the ledger of a workspace; a workspace without one has an empty lake.

        Raises
        ------
        LakeError
            If the ledger is damaged, of another version, or names files that are gone.
        """
        ledger = workspace.lake / LEDGER
        try:
            text = ledger.read_bytes()
        except FileNotFoundError:
            return Lake(workspace.lake)
        try:
            content = json.loads(text)
        except ValueError as error:
            raise LakeError(f"{ledger} is damaged ({error}); {REMEDY}") from None
        return _from_content(workspace.lake, content)

    def content(self) -> dict[str, Any]:
        """What the ledger holds."""
        return {
            "version": LEDGER_VERSION,
            "n_buckets": self.n_buckets,
            "generation": self.generation,
            "devices": self.devices_file,
            "conflicts": self.conflicts_file,
            "files": self.files,
            "repeats": self.repeats,
            "dumps": self.dumps,
        }

    def devices(self) -> pl.DataFrame:
        """The dictionary of devices: ``device_no``, ``stream``, ``feature_code``, ``flowmeter_id``, ``bucket``."""
        import polars as pl  # what a ledger says is known without it

        from transforms.schemas import DEVICES

        if self.devices_file is None:
            return pl.DataFrame(schema=DEVICES)
        file = self.root / self.devices_file
        with legible(file, REMEDY, LakeError):
            return pl.read_parquet(file, glob=False).select(list(DEVICES)).cast(pl.Schema(DEVICES))

    def conflicts(self) -> Path | None:
        """Parquet with ``device_no``, ``ts``, ``version`` (several rows may share them) of contradicted readings, if there
        are any."""
        return None if self.conflicts_file is None else self.root / self.conflicts_file

    def readings(self, begin: datetime, end: datetime) -> int:
        """How many readings there are on the days of a span [begin, end], counted from the ledger."""
        first, last = (moment.astimezone(UTC).date().isoformat() for moment in (begin, end))
        return sum(entry["rows"] for entry in self.files if first <= entry["date"] <= last)

    def files_for(self, stream: str, start: datetime, end: datetime, bucket: int | None = None) -> list[LakeFile]:
        """The files that may hold readings of ``[start, end)``.

        Parameters
        ----------
        stream : str
            ``meter`` or ``flowmeter``.
        start, end : datetime
            The span, half open, with offset.
        bucket : int, optional
            Only this bucket.

        Raises
        ------
        LakeError
            If one of them is gone.
        """
        first = start.astimezone(UTC).date().isoformat()
        last = (end.astimezone(UTC) - timedelta(microseconds=1)).date().isoformat()
        found = [
            lake_file(self.root, entry)
            for entry in self.files
            if entry["stream"] == stream and first <= entry["date"] <= last and bucket in (None, entry["bucket"])
        ]
        met = [one for one in found if one.min_ts < end and one.max_ts >= start]
        gone = [one.name for one in met if not one.path.is_file()]
        if gone:
            raise LakeError(f"{self.root / LEDGER} lists {gone[0]} ({len(gone)} such files), which is gone; {REMEDY}")
        return met


def lake_file(root: Path, entry: Mapping[str, Any]) -> LakeFile:
    """A file as the ledger lists it, with absolute path and times."""
    return LakeFile(
        name=entry["path"],
        path=root / entry["path"],
        stream=entry["stream"],
        date=date.fromisoformat(entry["date"]),
        bucket=entry["bucket"],
        rows=entry["rows"],
        min_ts=datetime.fromisoformat(entry["min_ts"]),
        max_ts=datetime.fromisoformat(entry["max_ts"]),
        min_device=entry["min_device"],
        max_device=entry["max_device"],
        has_flow=entry["has_flow"],
        has_volume=entry["has_volume"],
        has_version=entry.get("has_version", False),
        # where nothing is said, versions were of corrected readings only
        corrected=entry.get("corrected", entry.get("has_version", False)),
    )


def _from_content(root: Path, content: object) -> Lake:
    ledger = root / LEDGER
    if not isinstance(content, dict) or not content.keys() >= _KEYS:
        raise LakeError(f"{ledger} lacks a part of what a ledger holds; {REMEDY}")
    if content["version"] != LEDGER_VERSION:
        raise LakeError(
            f"{ledger} has version {content['version']!r}, this program reads version {LEDGER_VERSION}; {REMEDY}"
        )
    repeats = content.get("repeats", [])
    for listed, keys in ((content["files"], _FILE_KEYS), (content["dumps"], _DUMP_KEYS), (repeats, {"path"})):
        if not isinstance(listed, list) or not all(
            isinstance(entry, dict) and entry.keys() >= keys for entry in listed
        ):
            raise LakeError(f"{ledger} lists what is no file or dump of a lake; {REMEDY}")
    for name in (content["devices"], content["conflicts"], *(entry["path"] for entry in repeats)):
        if name is not None and not (root / name).is_file():
            raise LakeError(f"{ledger} names {name}, which is gone; {REMEDY}")
    return Lake(
        root,
        n_buckets=content["n_buckets"],
        generation=content["generation"],
        dumps=content["dumps"],
        files=content["files"],
        devices_file=content["devices"],
        conflicts_file=content["conflicts"],
        repeats=repeats,
    )
