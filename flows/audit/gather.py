"""Gathering: from judged chunks, which hold some days of many meters, to groups of meters with all their days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from flows.audit.desk import BINNED, OTHER, WINDOWS, Desk, folder_of
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
    groups = [
        Group(bucket, number)
        for bucket in range(desk.lake.n_buckets)
        for number in range(-(-len(desk.codes(bucket)) // GROUP))
    ]
    return groups + [Group(-1, number) for number in range(-(-desk.homeless.height // GROUP))]


def gather(desk: Desk, chunks: Sequence[Chunk], group: Group, *, windows_only: bool = False) -> Gathered:
    """Put together the windows of one group of meters; without their moments and the other policy where only they matter."""
    setting = desk.setting
    no_moments = pl.DataFrame(schema=AUDIT_MOMENTS)
    if group.bucket < 0:
        some = desk.homeless[group.number * GROUP : (group.number + 1) * GROUP]
        nothing = pl.DataFrame(schema={name: JUDGED_WINDOWS[name] for name in ("feature_code", "window_start")})
        silent = judge_silent_windows(some, nothing, setting.windows).sort("feature_code", "window_start")
        silent = desk.in_words(silent)
        return Gathered(silent, no_moments, silent if setting.what_if else None)
    mine = [chunk for chunk in chunks if chunk.bucket == group.bucket]
    windows = pl.concat([*_slices(desk, mine, group, WINDOWS)]).sort("feature_code", "window_start")
    if windows_only:
        return Gathered(windows, no_moments, None)
    moments = _binned(desk, mine, group).sort("feature_code", "window_start", "bin")
    other = None
    if setting.what_if is not None:
        other = pl.concat(list(_slices(desk, mine, group, OTHER))).sort("feature_code", "window_start")
    return Gathered(windows, moments, other)


def _binned(desk: Desk, chunks: Sequence[Chunk], group: Group) -> pl.DataFrame:
    """The moments by flow bin, with names and times in place of numbers."""
    codes = pl.Series("feature_code", desk.codes(group.bucket), dtype=pl.String)
    found = [pl.DataFrame(schema=AUDIT_MOMENTS)]
    for chunk, frame in zip(chunks, _slices(desk, chunks, group, BINNED), strict=True):
        begins = pl.Series("window_start", [chunk.window(k).start for k in range(chunk.windows)])
        named = frame.with_columns(codes.gather(frame["code"]), begins.gather(frame["window"]))
        found.append(named.select(pl.col(name).cast(kind) for name, kind in AUDIT_MOMENTS.items()))
    return pl.concat(found)


def _slices(desk: Desk, chunks: Sequence[Chunk], group: Group, name: str) -> Iterator[pl.DataFrame]:
    """The group's rows of every chunk; they stand together, because a group's meters follow each other."""
    for chunk in chunks:
        with pa.memory_map(str(folder_of(desk.setting, chunk) / f"{name}.arrow")) as mapped:
            table = pa.ipc.open_file(mapped).read_all()
            groups = table["group"].to_numpy()
            first, last = (int(np.searchsorted(groups, group.number, side)) for side in ("left", "right"))
            frame = pl.DataFrame(table.slice(first, last - first).drop(["group"]))
        # the order of types is that of the file; nothing of the mapped file is held on to
        yield frame.clone().rechunk()
