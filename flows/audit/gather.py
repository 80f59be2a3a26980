"""Gathering: from judged chunks, which hold some days of many meters, to groups of meters with all their days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from flows.audit.desk import BINNED, NOWHERE, OTHER, WINDOWS, Desk, folder_of
from flows.audit.judged import Block, Layout
from transforms.audit import COMPARED, LISTED
from transforms.match.span import Chunk
from transforms.schemas import AUDIT_MOMENTS


@dataclass(frozen=True)
class Group:
    """Some meters of a bucket; of `NOWHERE` those of which the lake knows nothing."""

    bucket: int
    number: int


@dataclass(frozen=True)
class Gathered:
    """All windows of a group, sorted by feature code and time.

    ``table`` holds all of `AUDIT_WINDOWS`, ``windows`` the columns that the statistics ask for, ``moments`` those of
    `AUDIT_MOMENTS`; ``both`` has the windows as two policies judge them, in the columns that are compared, or is None.
    """

    table: pa.Table
    windows: pl.DataFrame
    moments: pl.DataFrame
    both: tuple[pl.DataFrame, pl.DataFrame] | None


def groups_of(desk: Desk) -> list[Group]:
    """The groups of an audit, in the order in which they are written."""
    groups = [Group(bucket, number) for bucket in range(desk.lake.n_buckets) for number in range(desk.groups(bucket))]
    return groups + [Group(NOWHERE, number) for number in range(desk.groups(NOWHERE))]


def gather(desk: Desk, chunks: Sequence[Chunk], group: Group) -> Gathered:
    """Put together the windows of one group of meters."""
    mine = [chunk for chunk in chunks if chunk.bucket == group.bucket]
    moments, windows = pl.DataFrame(schema=AUDIT_MOMENTS), desk.windows
    if group.bucket == NOWHERE:
        block = other = desk.silent(group.number)
    else:
        block = other = _by_meter(desk, mine, group, WINDOWS, windows)
        sums = _by_meter(desk, mine, group, BINNED, desk.binned)
        moments = desk.told(desk.binned, sums, group.bucket, list(AUDIT_MOMENTS))
        if desk.setting.what_if is not None:
            other = _by_meter(desk, mine, group, OTHER, windows)
    both = None
    if desk.setting.what_if is not None:
        one, two = (desk.told(windows, some, group.bucket, COMPARED) for some in (block, other))
        both = one, two
    told = desk.told(windows, block, group.bucket, LISTED)
    return Gathered(desk.table(block, group.bucket), told, moments, both)


def _by_meter(desk: Desk, chunks: Sequence[Chunk], group: Group, name: str, layout: Layout) -> Block:
    """The group's rows of chunks that follow each other in time, each by meter and time, by meter and time."""
    return layout.by_meter([layout.read(f"{folder_of(desk.setting, chunk)}/{name}", group.number) for chunk in chunks])
