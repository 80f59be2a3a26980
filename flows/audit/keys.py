"""Keys: what a chunk's summary and its second look depend on, so that they count for exactly as long as that is the same."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import polars as pl

from transforms.canonical import canonical
from transforms.judge.kept import VERSION as LOOKED
from transforms.lake import Lake, LakeFile
from transforms.match import Parties
from transforms.match.samples import LOOK_BACK
from transforms.match.span import Chunk
from transforms.policy import Policy
from transforms.policy.keys import leaves, written
from transforms.schemas import UTC_US
from transforms.summarise.stored import VERSION
from transforms.windows import iso

#: columns of the fleet table that enter the moments
_SCALES = ("feature_code", "per_lph", "q1_u", "q2_u", "q3_u", "top_u", "band_low_u", "band_high_u",
           "q3_lph", "resolution_lph", "rollover_l")  # fmt: skip
#: sets of parties that are remembered: chunks come in order of time
_REMEMBERED = 4
#: keys of the policy that no second look asks for
_ASIDE = ("breaker.", "command.", "ingest.", "report.", "lateness", "languages", "max_attempts", "confirm_windows")


class Keys:
    """Makes the keys of an audit's chunks. Most chunks of a bucket have the same parties, which are looked at once."""

    def __init__(self, lake: Lake, calibrations: pl.DataFrame | None, policy: Policy) -> None:
        self._lake, self._policy = lake, policy
        self._calibrations = calibrations
        self._near: dict[tuple[int, int, bytes], Near] = {}

    def relevant(self, chunk: Chunk, parties: Parties) -> tuple[list[LakeFile], Near]:
        """The files of a chunk and its look-back, and of the bucket's parties those that can have a say in it.

        Devices are numbered in the order in which they first reported: those with higher numbers than any in the files
        came later.
        """
        buckets = {"meter": [chunk.bucket], "flowmeter": sorted({chunk.bucket, *parties.claims["bucket"].unique()})}
        files = [
            file
            for stream, some in buckets.items()
            for bucket in some
            for file in self._lake.files_for(stream, chunk.start - LOOK_BACK, chunk.end, bucket)
        ]
        latest = max((file.max_device for file in files), default=-1)
        # as numbers: Polars takes its time over a moment with a time zone
        begin, end = (pl.lit(int(moment.timestamp()) * 1_000_000).cast(UTC_US) for moment in (chunk.start, chunk.end))
        meets = parties.claims.select(
            (pl.col("device_no") <= latest) & (pl.col("valid_from") < end) & (pl.col("valid_to") > begin)
        ).to_series()
        place = chunk.bucket, latest, meets.to_numpy().tobytes()
        if place not in self._near:
            while len(self._near) >= _REMEMBERED:
                del self._near[next(iter(self._near))]
            self._near[place] = self._only(parties, latest, parties.claims.filter(meets))
        return files, self._near[place]

    def _only(self, parties: Parties, latest: int, claims: pl.DataFrame) -> Near:
        devices = parties.devices.filter(pl.col("device_no") <= latest)
        codes = pl.concat([devices["feature_code"], claims["feature_code"]]).unique()
        some = Parties(
            fleet=parties.fleet.filter(pl.col("feature_code").is_in(codes.implode())),
            devices=devices,
            claims=claims,
            instants=parties.instants.filter(pl.col("device_no") <= latest),
            settled=parties.settled,
            changed=parties.changed,
        )
        known = None
        if self._calibrations is not None:
            ids = claims["flowmeter_id"].drop_nulls().unique()
            known = self._calibrations.filter(pl.col("flowmeter_id").is_in(ids.implode()))
        return Near(some, _digest_of_parties(some), _Calibrated(known))

    def summary(self, chunk: Chunk, files: Iterable[LakeFile], near: Near, changed: pl.DataFrame, parts: int) -> str:
        """The key of a chunk's moments; ``files`` and ``near`` as `relevant` gives them."""
        digest = hashlib.sha256()
        facts = {
            "version": VERSION,
            "bucket": chunk.bucket,
            "begin": iso(chunk.start),
            "length_s": int(chunk.length.total_seconds()),
            "windows": chunk.windows,
            "parts": parts,
            "settled": near.parties.settled,
            "parties": near.digest,
            "files": sorted(_identity(file) for file in files),
        }
        digest.update(canonical(facts).encode())
        for frame in (changed.select("feature_code", "window", "since"), _conflicts(self._lake, chunk)):
            _add(digest, frame)
        return digest.hexdigest()[:40]

    def look(self, near: Near, chunk: Chunk) -> str:
        """The key of what the second look found, beyond that of the moments it goes with."""
        digest = hashlib.sha256()
        values = {key: str(written(value)) for key, value, _ in leaves(self._policy) if not key.startswith(_ASIDE)}
        digest.update(canonical({"version": str(LOOKED), **values}).encode())
        digest.update(near.fleet.encode())
        digest.update(near.calibrated.until(chunk.end.date()).encode())
        return digest.hexdigest()[:40]


@dataclass(frozen=True)
class Near:
    """The parties that have a say in some chunks, with their digest."""

    parties: Parties
    digest: str
    calibrated: _Calibrated

    @cached_property
    def fleet(self) -> str:
        """Digest of all that the fleet table says."""
        digest = hashlib.sha256()
        _add(digest, self.parties.fleet)
        return digest.hexdigest()


class _Calibrated:
    """The digest of the calibrations up to a day, for days that come in order: each calibration is hashed once."""

    def __init__(self, known: pl.DataFrame | None) -> None:
        self._lines: list[tuple[date, bytes]] = []
        if known is not None:
            undated = known.filter(pl.col("calibrated_on").is_null())
            columns = ["calibrated_on", *(name for name in known.columns if name != "calibrated_on")]
            days = known.drop_nulls("calibrated_on").select(columns).sort(columns, nulls_last=False)
            self._lines = [(date.min, _text(undated))] if undated.height else []
            self._lines += [
                (day, _text(frame)) for (day,), frame in days.group_by("calibrated_on", maintain_order=True)
            ]
        self._told: dict[int, str] = {}

    def until(self, day: date) -> str:
        """The digest of the calibrations on or before a day."""
        count = bisect_right(self._lines, day, key=lambda line: line[0])
        if count not in self._told:
            digest = hashlib.sha256()
            for _, text in self._lines[:count]:
                digest.update(text)
            self._told[count] = digest.hexdigest()
        return self._told[count]


def _digest_of_parties(parties: Parties) -> str:
    digest = hashlib.sha256()
    for frame in (
        parties.devices.select("device_no", "feature_code", "bucket"),
        parties.claims,
        parties.instants.select("device_no"),
        parties.fleet.select(_SCALES),
    ):
        _add(digest, frame)
    return digest.hexdigest()


def _identity(file: LakeFile) -> list[str | int]:
    """What tells a lake file from any other: files are never changed, but a lake may be rebuilt under the same names."""
    state = file.path.stat()
    return [file.name, file.rows, iso(file.min_ts), iso(file.max_ts), state.st_size, state.st_mtime_ns]


def _conflicts(lake: Lake, chunk: Chunk) -> pl.DataFrame:
    path = lake.conflicts()
    if path is None:
        return pl.DataFrame(schema={"device_no": pl.Int32, "ts": pl.Datetime("us")})
    begin, end = (moment.replace(tzinfo=None) for moment in (chunk.start - LOOK_BACK, chunk.end))
    found = pl.read_parquet(path, glob=False).filter((pl.col("ts") >= begin) & (pl.col("ts") < end))
    return found.select([name for name in ("device_no", "ts", "version") if name in found.columns]).unique()


def _add(digest: hashlib._Hash, frame: pl.DataFrame) -> None:
    """Add all that a frame says to a digest; its names stand before it, so that frames without rows need not be told."""
    if frame.height:
        digest.update(_text(frame.sort(frame.columns, nulls_last=False)))


def _text(frame: pl.DataFrame) -> bytes:
    return frame.with_columns(pl.col(pl.Datetime).dt.epoch("us")).write_csv(quote_style="always").encode()
