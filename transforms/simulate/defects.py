"""What goes wrong on the way from the devices to the dumps: late, doubled, lost, disordered and repeated readings.

Each dump is described by the readings that it holds, in order, and every form of a dump is written from that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np

from transforms.errors import UsageError
from transforms.simulate.demand import Array, Indices

#: the readings that come late, or come again, are those of the last part of a dump's span
_TAIL = 4


@dataclass(frozen=True)
class Defects:
    """How often what happens, as shares between 0 and 1.

    Attributes
    ----------
    late
        Meters whose last quarter of every dump comes in the next dump instead.
    repeated
        Meters whose last quarter of every dump comes again in the next one: the dumps overlap.
    doubled, lost, disordered
        Readings that stand twice in their dump, that never come, and that have changed places with others in it.

    Dumps are written side by side in groups (``fleet.BLOCK_DUMPS``); nothing passes from one group to the next.
    """

    late: float = 0.0
    repeated: float = 0.0
    doubled: float = 0.0
    lost: float = 0.0
    disordered: float = 0.0

    def __post_init__(self) -> None:
        wrong = [field.name for field in fields(self) if not 0.0 <= getattr(self, field.name) <= 1.0]
        if wrong:
            raise UsageError(f"the shares of defects must be between 0 and 1: {', '.join(wrong)}")

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))


NONE = Defects()
USUAL = Defects(late=0.01, repeated=0.01, doubled=0.005, lost=0.002, disordered=0.005)


@dataclass
class Losses:
    """How many readings of a stream were written in all, were lost, and are there more often than once."""

    written: int = 0
    lost: int = 0
    doubled: int = 0
    repeated: int = 0
    late: int = 0


@dataclass(frozen=True)
class Selection:
    """The readings of one dump in the order in which they stand there: row and stamp within a part of a block."""

    device: Indices
    stamp: Indices


def deal(
    values: Array, dumps: Sequence[slice], defects: Defects, rng: np.random.Generator, losses: Losses
) -> list[Selection]:
    """Give the readings of some devices to the dumps that they come in.

    Parameters
    ----------
    values
        Readings, NaN where none is sent, (devices, stamps).
    dumps
        The stamps of each dump, one after the other from stamp 0 on.
    losses
        Is added to.
    """
    device, stamp = np.nonzero(~np.isnan(values))
    if not defects:
        losses.written += len(device)
        if len(dumps) == 1:
            return [Selection(device, stamp)]
        inside = [(stamp >= span.start) & (stamp < span.stop) for span in dumps]
        return [Selection(device[here], stamp[here]) for here in inside]
    kept = rng.random(len(device)) >= defects.lost
    losses.lost += int(np.count_nonzero(~kept))
    device, stamp = device[kept], stamp[kept]
    dump = np.searchsorted([span.start for span in dumps], stamp, side="right") - 1
    stop = np.array([span.stop for span in dumps])[dump]
    length = np.array([span.stop - span.start for span in dumps])[dump]
    tail = (stop - stamp <= np.maximum(length // _TAIL, 1)) & (dump < len(dumps) - 1)
    chance = rng.random(len(values))[device]
    late = tail & (chance < defects.late)
    again = tail & (chance >= 1.0 - defects.repeated) & ~late
    twice = rng.random(len(device)) < defects.doubled
    losses.late += int(late.sum())
    losses.repeated += int(again.sum())
    losses.doubled += int(twice.sum())
    losses.written += len(device) + int(again.sum()) + int(twice.sum())
    dump = dump + late
    where = np.concatenate([dump, dump[twice], dump[again] + 1])
    device = np.concatenate([device, device[twice], device[again]])
    stamp = np.concatenate([stamp, stamp[twice], stamp[again]])
    order = np.lexsort((stamp, device, where))
    where, device, stamp = where[order], device[order], stamp[order]
    ends = np.searchsorted(where, np.arange(len(dumps) + 1))
    found = []
    for begin, end in pairwise(ends.tolist()):
        place = np.arange(begin, end)
        moved = np.flatnonzero(rng.random(end - begin) < defects.disordered)
        place[moved] = place[rng.permutation(moved)]
        found.append(Selection(device[place], stamp[place]))
    return found
