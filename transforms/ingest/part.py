"""Part: the readings of one stream, date and bucket that one commit adds to the lake."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from transforms.lake import LakeFile

_EPOCH_DAY: Final = date(1970, 1, 1)


@dataclass(frozen=True)
class Part:
    """The readings of one stream, date and bucket that one commit adds; they become one file.

    ``corrected`` as in `transforms.lake.LakeFile`.
    """

    number: int
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
    has_version: bool
    corrected: bool = False

    @staticmethod
    def of(
        number: int, stream: str, n_buckets: int, rows: int, min_ts: datetime, max_ts: datetime, *rest: int | bool
    ) -> Part:
        """By its number, which is that of the day since 1970 times ``n_buckets`` plus that of the bucket; stamps in UTC
        without saying so, and what else a part has."""
        day, bucket = divmod(number, n_buckets)
        times = (min_ts.replace(tzinfo=UTC), max_ts.replace(tzinfo=UTC))
        return Part(number, stream, _EPOCH_DAY + timedelta(days=day), bucket, rows, *times, *rest)  # type: ignore[arg-type]

    def name(self, generation: int) -> str:
        """Where its file lies below the lake."""
        return f"stream={self.stream}/date={self.date.isoformat()}/bucket={self.bucket:03d}/g{generation:06d}.parquet"


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
