"""Gathering: from judged chunks, which hold some days of many meters, to groups of meters with all their days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from flows.audit.desk import BINNED, NOWHERE, OTHER, WINDOWS, Desk, folder_of
from flows.audit.judged import Layout
from transforms.judge.many import JUDGED_WINDOWS
from transforms.match.span import Chunk
from transforms.schemas import AUDIT_MOMENTS, AUDIT_WINDOWS


@dataclass(frozen=True)
class Group:
    """Some meters of a bucket; of `NOWHERE` those of which the lake knows nothing."""

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
    return groups + [Group(NOWHERE, number) for number in range(desk.groups(NOWHERE))]


def gather(desk: Desk, chunks: Sequence[Chunk], group: Group) -> Gathered:
    """Put together the windows of one group of meters."""
    setting = desk.setting
    no_moments = pl.DataFrame(schema=AUDIT_MOMENTS)
    if group.bucket == NOWHERE:
        silent = desk.told(desk.windows, desk.silent(group.number), NOWHERE).select(_columns(desk))
        return Gathered(silent, no_moments, silent if setting.what_if else None)
    mine = [chunk for chunk in chunks if chunk.bucket == group.bucket]
    windows = _by_meter(desk, mine, group, WINDOWS, desk.windows).select(_columns(desk))
    moments = _by_meter(desk, mine, group, BINNED, desk.binned).select(list(AUDIT_MOMENTS))
    other = None
    if setting.what_if is not None:
        other = _by_meter(desk, mine, group, OTHER, desk.windows).select(_columns(desk))
    return Gathered(windows, moments, other)


def _columns(desk: Desk) -> list[str]:
    return list(AUDIT_WINDOWS if desk.setting.what_if is None else JUDGED_WINDOWS)


def _by_meter(desk: Desk, chunks: Sequence[Chunk], group: Group, name: str, layout: Layout) -> pl.DataFrame:
    """The group's rows of chunks that follow each other in time, each by meter and time, as one frame by meter and time."""
    parts = [layout.read(f"{folder_of(desk.setting, chunk)}/{name}", group.number) for chunk in chunks]
    return desk.told(layout, layout.by_meter(parts), group.bucket)
