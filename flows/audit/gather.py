"""Gathering: from judged chunks, which hold some days of many meters, to groups of meters with all their days."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from flows.audit.desk import BINNED, OTHER, WINDOWS, Desk, folder_of
from flows.audit.judged import read_group
from flows.audit.plan import GROUP
from transforms.judge.many import JUDGED_WINDOWS, judge_silent_windows
from transforms.match.span import Chunk
from transforms.schemas import AUDIT_MOMENTS


@dataclass(frozen=True)
class Group:
    """Some meters of a bucket; of bucket -1 those of which the lake knows nothing."""

    bucket: int
    number: int


@dataclass(frozen=True)
class Gathered:
    """All windows of a group, sorted by feature code and time.

    ``windows`` and ``other`` (by the other policy, or None) have the columns `JUDGED_WINDOWS`, ``moments`` those of
    `AUDIT_MOMENTS`.
    """

    windows: pl.DataFrame
    moments: pl.DataFrame
    other: pl.DataFrame | None


def groups_of(desk: Desk) -> list[Group]:
    """The groups of an audit, in the order in which they are written."""
    groups = [Group(bucket, number) for bucket in range(desk.lake.n_buckets) for number in range(desk.groups(bucket))]
    return groups + [Group(-1, number) for number in range(-(-desk.homeless.height // GROUP))]


def gather(desk: Desk, chunks: Sequence[Chunk], group: Group) -> Gathered:
    """Put together the windows of one group of meters."""
    setting = desk.setting
    no_moments = pl.DataFrame(schema=AUDIT_MOMENTS)
    if group.bucket < 0:
        some = desk.homeless[group.number * GROUP : (group.number + 1) * GROUP]
        nothing = pl.DataFrame(schema={name: JUDGED_WINDOWS[name] for name in ("feature_code", "window_start")})
        silent = judge_silent_windows(some, nothing, setting.windows).sort("feature_code", "window_start")
        silent = desk.in_words(silent)
        return Gathered(silent, no_moments, silent if setting.what_if else None)
    mine = [chunk for chunk in chunks if chunk.bucket == group.bucket]
    windows = _by_meter(_slices(desk, mine, group, WINDOWS))
    moments = _binned(desk, mine, group)
    other = None
    if setting.what_if is not None:
        other = _by_meter(_slices(desk, mine, group, OTHER))
    return Gathered(windows, moments, other)


def _by_meter(slices: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Slices that follow each other in time, each by meter and time, as one frame by meter and time."""
    return pl.concat(list(slices)).sort("code", maintain_order=True).drop("code")


def _binned(desk: Desk, chunks: Sequence[Chunk], group: Group) -> pl.DataFrame:
    """The moments by flow bin, with names and times in place of numbers."""
    begins: list[datetime] = []
    found = []
    for chunk, frame in zip(chunks, _slices(desk, chunks, group, BINNED), strict=True):
        found.append(frame.with_columns(pl.col("window") + len(begins)))
        begins += [chunk.window(k).start for k in range(chunk.windows)]
    whole = pl.concat(found).sort("code", maintain_order=True)
    codes = pl.Series("feature_code", desk.codes(group.bucket), dtype=pl.String)
    starts = pl.Series("window_start", begins, dtype=AUDIT_MOMENTS["window_start"])
    named = whole.with_columns(codes.gather(whole["code"]), starts.gather(whole["window"]))
    return named.select(pl.col(name).cast(kind) for name, kind in AUDIT_MOMENTS.items())


def _slices(desk: Desk, chunks: Sequence[Chunk], group: Group, name: str) -> Iterator[pl.DataFrame]:
    """The group's rows of every chunk."""
    for chunk in chunks:
        yield read_group(folder_of(desk.setting, chunk) / f"{name}.arrow", group.number)
