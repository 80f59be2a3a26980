"""Keys: what a chunk's summary and its second look depend on, so that they count for exactly as long as that is the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import timedelta

import polars as pl

from transforms.canonical import canonical
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
#: keys of the policy that no second look asks for
_ASIDE = ("breaker.", "command.", "ingest.", "report.", "lateness", "languages", "max_attempts", "confirm_windows")


def relevant(lake: Lake, chunk: Chunk, parties: Parties) -> tuple[list[LakeFile], Parties]:
    """The files of a chunk and its look-back, and of the bucket's parties those that can have a say in it.

    Devices are numbered in the order in which they first reported: those with higher numbers than any in the files came
    later.
    """
    buckets = {"meter": [chunk.bucket], "flowmeter": sorted({chunk.bucket, *parties.claims["bucket"].to_list()})}
    files = [
        file
        for stream, some in buckets.items()
        for bucket in some
        for file in lake.files_for(stream, chunk.start - LOOK_BACK, chunk.end, bucket)
    ]
    latest = max((file.max_device for file in files), default=-1)
    begin, end = (pl.lit(moment).cast(UTC_US) for moment in (chunk.start, chunk.end))
    devices = parties.devices.filter(pl.col("device_no") <= latest)
    claims = parties.claims.filter(
        (pl.col("device_no") <= latest) & (pl.col("valid_from") < end) & (pl.col("valid_to") > begin)
    )
    codes = pl.concat([devices["feature_code"], claims["feature_code"]]).unique()
    return files, Parties(
        fleet=parties.fleet.filter(pl.col("feature_code").is_in(codes.implode())),
        devices=devices,
        claims=claims,
        instants=parties.instants.filter(pl.col("device_no") <= latest),
        settled=parties.settled,
        changed=parties.changed,
    )


def summary_key(
    lake: Lake, chunk: Chunk, files: Iterable[LakeFile], parties: Parties, changed: pl.DataFrame, parts: int
) -> str:
    """The key of a chunk's moments; ``files`` and ``parties`` as `relevant` gives them."""
    digest = hashlib.sha256()
    facts = {
        "version": VERSION,
        "bucket": chunk.bucket,
        "begin": iso(chunk.start),
        "length_s": int(chunk.length.total_seconds()),
        "windows": chunk.windows,
        "parts": parts,
        "settled": parties.settled,
        "files": sorted(_identity(file) for file in files),
    }
    digest.update(canonical(facts).encode())
    for frame in (
        parties.devices.select("device_no", "feature_code", "bucket"),
        parties.claims,
        parties.instants.select("device_no"),
        parties.fleet.select(_SCALES),
        changed.select("feature_code", "window", "since"),
        _conflicts(lake, chunk),
    ):
        _add(digest, frame)
    return digest.hexdigest()[:40]


def look_key(parties: Parties, calibrations: pl.DataFrame | None, policy: Policy, chunk: Chunk) -> str:
    """The key of what the second look found, beyond that of the moments it goes with."""
    digest = hashlib.sha256()
    values = {key: str(written(value)) for key, value, _ in leaves(policy) if not key.startswith(_ASIDE)}
    digest.update(canonical(values).encode())
    _add(digest, parties.fleet)
    if calibrations is not None:
        ids = parties.claims["flowmeter_id"].drop_nulls().unique()
        known = calibrations.filter(
            pl.col("flowmeter_id").is_in(ids.implode())
            & (pl.col("calibrated_on") < chunk.end.date() + timedelta(days=1))
        )
        _add(digest, known)
    return digest.hexdigest()[:40]


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
    ordered = frame.sort(frame.columns, nulls_last=False)
    digest.update(ordered.with_columns(pl.col(pl.Datetime).dt.epoch("us")).write_csv(quote_style="always").encode())
