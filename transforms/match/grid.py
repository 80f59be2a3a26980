"""Readings laid on a grid of time: one row per device, one column per instant, for many windows at once.

Devices report at set intervals, so a span of days is an array, and what belongs to one instant stands in one column:
no join, no sort. A device whose stamps keep to no grid (`Laid.odd`) is left to the joins of `transforms.match.bucket`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from math import gcd
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.compiled import compiled
from transforms.lake import LakeFile, apart
from transforms.match.readings import Readings, first_stamps, read_file, read_newest

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: a gap between readings counts towards the grid if it is so large a share of all gaps
_USUAL = 0.01
#: shortest step of a grid [us]: below it the arrays would mostly be empty
_SHORTEST = 1_000_000
#: a grid of more cells than this, with so few readings per cell, is not worth while
_LARGE, _THIN = 10_000_000, 8
#: readings of a file from which the usual gaps are told
_SAMPLE = 50_000


@dataclass(frozen=True)
class Grid:
    """Instants ``start_us + phase + k * step_us``, k from 0 to ``slots`` - 1; each device has its own phase [us]."""

    start_us: int
    step_us: int
    slots: int


@dataclass(frozen=True)
class Laid:
    """One stream of some devices on a grid.

    Attributes
    ----------
    grid : Grid
    flow, register : ndarray or None
        Readings [L/h], [L], shape (devices, slots), NaN where there is none; None where no device has such readings.
    phase : ndarray
        Of each device [us], 0 for those without readings, (devices,).
    odd : ndarray of bool
        Devices with readings off the grid, or of both kinds; their rows say nothing, (devices,).
    whole : ndarray of bool
        Devices that are known to have a flow at every instant of the grid, (devices,).
    """

    grid: Grid
    flow: Floats | None
    register: Floats | None
    phase: Ints
    odd: Bools
    whole: Bools


def step_of(files: Sequence[LakeFile]) -> int:
    """The step that the usual gaps between a device's readings have in common [us]; 0 where there is none.

    Told from the largest file, so that it is the same for any order of reading.
    """
    if not files:
        return 0
    largest = max(files, key=lambda one: (one.rows, one.name))
    gap, many = _gaps(*first_stamps(largest, _SAMPLE))
    values, which = np.unique(gap, return_inverse=True)
    counts = np.bincount(which, many)
    return reduce(gcd, values[counts >= _USUAL * counts.sum()].tolist(), 0)


@compiled
def _gaps(device: npt.NDArray[np.int32], us: Ints) -> tuple[Ints, Ints]:
    """The gaps between readings of one device, and how many of each follow each other: most are as long as the one before."""
    gap, many, n = np.empty(len(us), np.int64), np.empty(len(us), np.int64), -1
    for k in range(1, len(us)):
        since = us[k] - us[k - 1]
        if device[k] != device[k - 1] or since <= 0:
            continue
        if n < 0 or gap[n] != since:
            n += 1
            gap[n], many[n] = since, 0
        many[n] += 1
    return gap[: n + 1], many[: n + 1]


def lay(
    files: Sequence[LakeFile],
    device_no: Ints,
    grid: Grid,
    conflicts: Path | None,
) -> Laid:
    """Lay the readings of some devices on a grid.

    Parameters
    ----------
    files
        Files of the lake that hold them.
    device_no
        Numbers of the devices, one per row, -1 for a row that stays empty, (devices,).
    conflicts
        Parquet with the (device_no, ts) whose readings contradict each other; they are not used.
    """
    devices, slots = len(device_no), grid.slots
    row_of = np.full(max([int(device_no.max(initial=-1)), *(file.max_device for file in files)]) + 2, -1, np.int64)
    known = device_no >= 0
    row_of[device_no[known]] = np.flatnonzero(known)
    phase, odd = np.full(devices, -1, dtype=np.int64), np.zeros(devices, dtype=bool)
    flow = _Target.of(devices, slots) if any(file.has_flow for file in files) else None
    register = _Target.of(devices, slots) if any(file.has_volume for file in files) else None
    plain, corrected = apart(files)

    def put(found: Iterable[Readings]) -> None:
        for some in found:
            runs = some.device.begins, some.device.first, some.us.begins, some.us.first
            for values, target in ((some.flow, flow), (some.register, register)):
                if values is not None and target is not None:
                    _put(*runs, values, row_of, grid.start_us, grid.step_us, *target, phase, odd)

    put(chain.from_iterable(read_file(file, grid.step_us) for file in plain))
    if conflicts is not None:
        _leave_out(conflicts, row_of, grid, flow, register)
    if corrected:
        # after that: which of these a contradiction leaves out, their versions tell
        put([read_newest(corrected, conflicts, grid.step_us)])
    for target in (flow, register):
        if target is not None:
            _close(*target)
    if flow is not None and register is not None:
        odd |= ~np.isnan(flow.values).all(axis=1) & ~np.isnan(register.values).all(axis=1)
    return Laid(
        grid=grid,
        flow=None if flow is None else flow.values,
        register=None if register is None else register.values,
        phase=np.maximum(phase, 0),
        odd=odd,
        whole=np.zeros(devices, dtype=bool) if flow is None else ~flow.gaps,
    )


class _Target(NamedTuple):
    """Where values are laid: of shape (devices, slots), up to which slot those of each device are told so far, and who has gaps
    among them, or may have."""

    values: Floats
    told: Ints
    gaps: Bools

    @staticmethod
    def of(devices: int, slots: int) -> _Target:
        return _Target(np.empty((devices, slots)), np.zeros(devices, np.int64), np.zeros(devices, bool))


@compiled
def _put(
    begins_of_device: Ints,
    device: Ints,
    begins_of_us: Ints,
    us: Ints,
    values: Floats,
    row_of: Ints,
    start_us: int,
    step_us: int,
    target: Floats,
    told: Ints,
    gaps: Bools,
    phase: Ints,
    odd: Bools,
) -> None:
    """Put readings into their places, run by run; note each device's phase, and as odd the devices that have several."""
    slots, unknown = target.shape[1], len(row_of) - 1
    begin, i, k = 0, 0, 0
    while begin < len(values):
        end = min(begins_of_device[i + 1], begins_of_us[k + 1])
        row = row_of[device[i]] if device[i] < unknown else -1
        since = us[k] + (begin - begins_of_us[k]) * step_us - start_us
        slot = since // step_us
        first, last = max(begin, begin - slot), min(end, begin + slots - slot)
        if row >= 0 and first < last:
            rest = since - slot * step_us
            if phase[row] < 0:
                phase[row] = rest
            elif phase[row] != rest:
                odd[row] = True
            at, count = slot - begin + first, last - first
            again = told[row] > at
            if told[row] != at:
                _forget(target, row, told[row], at + count if again else at)
                gaps[row] = True
            gaps[row] |= _copy(values, first, target, row, at, count, again)
            told[row] = max(told[row], at + count)
        i += begins_of_device[i + 1] == end
        k += begins_of_us[k + 1] == end
        begin = end


@compiled
def _copy(values: Floats, begin: int, target: Floats, row: int, here: int, count: int, again: bool) -> bool:
    """Put values that follow each other into their places; returns whether any of them is nothing.

    Where something is told already (``again``), it stays if this is nothing. Places are never below zero, which a loop that takes
    many values at once must not have to look after.
    """
    at, to, in_row = np.uint64(begin), np.uint64(here), np.uint64(row)
    missing = 0
    for n in range(np.uint64(count)):
        missing += np.isnan(values[at + n])
    if again and missing > 0:
        for n in range(np.uint64(count)):
            if not np.isnan(values[at + n]):
                target[in_row, to + n] = values[at + n]
    else:
        for n in range(np.uint64(count)):
            target[in_row, to + n] = values[at + n]
    return missing > 0


@compiled
def _forget(target: Floats, row: int, first: int, last: int) -> None:
    """Nothing is told of a device from one slot to another."""
    for slot in range(first, last):
        target[row, slot] = np.nan


@compiled
def _close(target: Floats, told: Ints, gaps: Bools) -> None:
    """Nothing more is told."""
    slots = target.shape[1]
    for row in range(len(told)):
        if told[row] < slots:
            _forget(target, row, told[row], slots)
            gaps[row] = True


def _leave_out(conflicts: Path, row_of: Ints, grid: Grid, *targets: _Target | None) -> None:
    table = pl.read_parquet(conflicts, columns=["device_no", "ts"], glob=False)
    device, us = table["device_no"].to_numpy(), table["ts"].to_physical().to_numpy() - grid.start_us
    inside = (device < len(row_of)) & (us >= 0) & (us < grid.slots * grid.step_us)
    row, slot = row_of[device[inside]], us[inside] // grid.step_us
    row, slot = row[row >= 0], slot[row >= 0]
    for target in targets:
        if target is not None:
            target.values[row, slot] = np.nan
            target.gaps[row] = True


def grid_for(
    streams: Sequence[Sequence[LakeFile]], start_us: int, end_us: int, window_us: int, back_us: int, devices: int
) -> Grid | None:
    """The grid on which the readings of a span lie; None where they lie on none that fits the windows.

    Parameters
    ----------
    streams
        The files of each stream.
    start_us, end_us
        The span, since 1970 [us].
    window_us
        Length of a window; windows begin at ``start_us``.
    back_us
        How far before the span the grid begins, 0 where no reading needs the one before it.
    devices
        How many there are in each stream.
    """
    step = reduce(gcd, [step_of(files) for files in streams], 0)
    if step < _SHORTEST or step % 1000 or window_us % step or back_us % step:
        return None
    slots = (end_us - start_us + back_us) // step
    readings = max([1, *(sum(file.rows for file in files) for files in streams)])
    if devices * slots > max(_LARGE, _THIN * readings):
        return None
    return Grid(start_us - back_us, step, slots)
