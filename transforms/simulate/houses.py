"""Who uses the water behind each meter: a house like the recorded one, a home, or a shop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.simulate.demand import Array, Households, Indices
from transforms.simulate.pulses import PulseDemand

#: what there is, and how much of a fleet is which, unless told otherwise
SOURCES: dict[str, float] = {"recorded": 0.25, "home": 0.60, "shop": 0.15}
#: only the recorded household, shifted and scaled
RECORDED: dict[str, float] = {"recorded": 1.0}


@dataclass(frozen=True)
class Demand:
    """The true flow behind every meter.

    Attributes
    ----------
    recorded, pulses
        Both kinds of demand, for all meters.
    is_recorded
        Which of them counts, (meters,).
    """

    recorded: Households
    pulses: PulseDemand
    is_recorded: Array

    def flow(self, rows: slice | Indices, first: int | Indices, count: int, minutes: int) -> Array:
        """Mean flow [L/h] over the intervals that end at stamps ``first`` to ``first + count - 1``, (rows, count).

        A slice of the meters or rows of them, and one first stamp or one for each row. The flow of a meter at a stamp
        does not depend on what else is asked for.
        """
        which = np.arange(len(self.is_recorded), dtype=np.int64)[rows]
        begins = np.broadcast_to(np.asarray(first, dtype=np.int64), which.shape)
        like = self.is_recorded[which] > 0.0
        if like.all():
            return self.recorded.flow(which, begins, count, minutes)
        flow = np.empty((len(which), count))
        flow[like] = self.recorded.flow(which[like], begins[like], count, minutes)
        flow[~like] = self.pulses.flow(which[~like], begins[~like], count, minutes)
        return flow
