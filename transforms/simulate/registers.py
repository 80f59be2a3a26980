"""Cumulative registers: what a meter has counted, in whole steps, from one block of readings to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.simulate.behaviour import Mask
from transforms.simulate.demand import Array, Indices


@dataclass
class Registers:
    """The registers of a fleet's register meters, carried on from block to block.

    Attributes
    ----------
    step_l
        Step of each meter's register [L], 0 for a meter that sends its flow, (meters,).
    fresh_l
        Where the register of a new meter begins [L], (meters,).
    now_l
        What each register stands at, without rounding [L], (meters,).
    """

    step_l: Array
    fresh_l: Array
    now_l: Array

    def advance(self, rows: Indices, litres: Array, exchanged: Mask) -> Array:
        """Count on and return what is shown [L], (rows, stamps), always a whole number of steps.

        Parameters
        ----------
        rows
            Register meters of the fleet.
        litres
            What each counted in the interval that ends at each stamp, negative where it ran backwards, (rows, stamps).
        exchanged
            At which stamps a new meter is in place that was not there at the stamp before, (rows, stamps).
        """
        total = self.now_l[rows, None] + np.cumsum(litres, axis=1)
        stamps = np.arange(litres.shape[1])[None, :]
        newest = np.maximum.accumulate(np.where(exchanged, stamps, -1), axis=1)
        at_exchange = np.take_along_axis(total, np.maximum(newest, 0), axis=1)
        total = np.where(newest >= 0, total - at_exchange + self.fresh_l[rows, None], total)
        self.now_l[rows] = total[:, -1]
        # a hair more keeps a sum that is a whole step but for its last digit from showing one step less
        steps = np.floor(total / self.step_l[rows, None] + 1e-9)
        return np.asarray(np.maximum(steps, 0.0) * self.step_l[rows, None], dtype=np.float64)
