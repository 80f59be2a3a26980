"""Gathering: from judged chunks, which hold some days of many meters, to groups of meters with all their days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from flows.audit.desk import NOWHERE, OTHER, WINDOWS, Desk, folder_of
from flows.audit.judged import Block, Layout
from transforms.audit import COMPARED, LISTED, SUMS, Cells, Told
from transforms.fit.lines import Ints
from transforms.match.span import Chunk


@dataclass(frozen=True)
class Group:
    """Some meters of a bucket; of `NOWHERE` those of which the lake knows nothing."""

    bucket: int
    number: int


@dataclass(frozen=True)
class Gathered:
    """All windows of a group, sorted by feature code and time.

    What it holds is there until another group is gathered. ``told`` holds what the statistics ask for; ``both`` has the windows
    as two policies judge them, in the columns that are compared, or is None.
    """

    told: Told
    both: tuple[pl.DataFrame, pl.DataFrame] | None


def groups_of(desk: Desk) -> list[Group]:
    """The groups of an audit, in the order in which they are written."""
    groups = [Group(bucket, number) for bucket in range(desk.lake.n_buckets) for number in range(desk.groups(bucket))]
    return groups + [Group(NOWHERE, number) for number in range(desk.groups(NOWHERE))]


def table_of_group(desk: Desk, chunks: Sequence[Chunk], group: Group) -> pa.Table:
    """All of `AUDIT_WINDOWS` of one group of meters, until another group is gathered."""
    if group.bucket == NOWHERE:
        return desk.written.table(desk.silent(desk.written.windows, group.number), group.bucket)
    block, _ = _by_meter(desk, desk.written.windows, _folders(desk, chunks, group), group, WINDOWS)
    return desk.written.table(block, group.bucket)


def gather(desk: Desk, chunks: Sequence[Chunk], group: Group) -> Gathered:
    """Put together what the statistics ask of the windows of one group of meters."""
    layout = desk.written.listed
    if group.bucket == NOWHERE:
        block = other = desk.silent(layout, group.number)
        sums = (
            np.zeros(block.shape[1] + 1, dtype=np.int64),
            np.zeros(0, dtype=np.uint8),
            np.zeros((len(SUMS), 0), dtype=np.int64),
        )
    else:
        folders = _folders(desk, chunks, group)
        block, place = _by_meter(desk, layout, folders, group, WINDOWS)
        other = block
        rows = layout.rows([f"{folder}/{WINDOWS}" for folder in folders], group.number)
        sums = desk.summed.together(folders, group.number, rows, layout.of(block, "cells")[place], place)
        if desk.setting.what_if is not None:
            other, _ = _by_meter(desk, layout, folders, group, OTHER)
    both = None
    if desk.setting.what_if is not None:
        one, two = (desk.written.told(layout, some, group.bucket, COMPARED) for some in (block, other))
        both = one, two
    return Gathered(_told(desk, block, sums, group.bucket), both)


def _folders(desk: Desk, chunks: Sequence[Chunk], group: Group) -> list[str]:
    """Where the group's chunks stand, in their order."""
    return [folder_of(desk.setting, chunk) for chunk in chunks if chunk.bucket == group.bucket]


def _by_meter(desk: Desk, layout: Layout, folders: Sequence[str], group: Group, name: str) -> tuple[Block, Ints]:
    """The group's rows of chunks that follow each other in time, each by meter and time, by meter and time."""
    return layout.together([f"{folder}/{name}" for folder in folders], group.number, desk.rooms[name])


def _told(desk: Desk, block: Block, sums: tuple[Ints, npt.NDArray[np.uint8], Ints], bucket: int) -> Told:
    """Windows and moments by flow bin as the statistics take them, meters numbered without gaps."""
    written, listed = desk.written, desk.written.listed
    code = listed.of(block, "code")
    codes = code[np.append(True, code[1:] != code[:-1])[: len(code)]]
    number = np.zeros(int(codes.max(initial=-1)) + 1, dtype=np.int64)
    number[codes] = np.arange(len(codes))
    windows = written.columns(listed, block, bucket, LISTED)
    first, of_bin, summed = sums
    return Told(
        codes=desk.home(bucket).codes.gather(codes),
        meter=number[code],
        windows={name: values for name, (values, _) in windows.items()},
        flowmeters=listed.words["flowmeter_id"],
        cells=Cells(first, of_bin, summed, listed.of(block, "interval_us") / 1e6),
    )
