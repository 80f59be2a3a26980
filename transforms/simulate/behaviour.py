"""What a behaviour is: a meter, its house and its reference, for many meters at once.

To add one write a class that overrides what differs and list it in ``behaviours``. A new parameter gets a neutral value
in ``NEUTRAL`` and thereby a column in truth.parquet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from transforms.simulate.demand import Array

Truth = Mapping[str, Array]
Mask = NDArray[np.bool_]

#: what happens within a window happens in each of these, counted from the start, at the same moment [h]
WINDOW_H = 12.0

#: the parameters of truth.parquet and their values for a meter that is exactly right; `begins_h` counts from the start
#: of each window
NEUTRAL: dict[str, float] = {
    "a1": 1.0,
    "a2": 0.0,
    "spread": 0.0,
    "begins_h": 0.0,
    "bend": 0.0,
    "scale_lph": 0.0,
    "drift": 0.0,
    "step": 0.0,
    "stuck_lph": 0.0,
    "zeroed": 0.0,
    "lag": 0.0,
    "backwards": 0.0,
    "reference_spread": 0.0,
    "reference_bias": 0.0,
    "missing": 0.0,
}


@dataclass(frozen=True)
class Kinds:
    """What the models of the meters at hand allow, one entry per meter.

    Attributes
    ----------
    q1, q2, q3
        Minimum, transitional and permanent flow rate [L/h].
    mpe
        Maximum permissible error between Q2 and Q4, relative.
    band_low, band_high
        The preset threshold range of abs(q' - q) [L/h].
    """

    q1: Array
    q2: Array
    q3: Array
    mpe: Array
    band_low: Array
    band_high: Array

    def __len__(self) -> int:
        return len(self.q1)


class Behaviour:
    """A meter, its house and its reference. Flows are in L/h, shaped (meters, samples); parameters (meters,).

    Attributes
    ----------
    name
        As in ``Plan.shares`` and truth.parquet.
    verdict
        What a judge who knew everything would say; ``inconclusive`` also where only the reference is at fault.
    form
        The true form of a steady relation, else None.
    register_l
        Step of the register that the meter sends instead of its flow [L]; 0 for a meter that sends its flow.
    exchanged
        Whether the meter gives way to a new one at ``begins_h``, so that its register begins again.
    scaled_by_peak
        Whether ``scale_lph`` is to be the largest true flow of the first window.
    begins_in_flow
        Whether ``begins_h`` is to be moved to where it parts the flowing instants of the first window as it parts the
        window, with three of them or more on either side: what begins while no water flows shows in no reading.
    """

    name: ClassVar[str]
    verdict: ClassVar[str] = "unsteady"
    form: ClassVar[str | None] = None
    register_l: ClassVar[float] = 0.0
    exchanged: ClassVar[bool] = False
    scaled_by_peak: ClassVar[bool] = False
    begins_in_flow: ClassVar[bool] = False

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        """Draw the parameters that differ from ``NEUTRAL``."""
        return {}

    def demand(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        """Turn the usual flow into what is really used; ``hours`` since the start at the stamps, (samples,)."""
        return flow

    def meter(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        """What the meter makes of the true flow, before its repeatability, cut-off and resolution."""
        bent = truth["a1"][:, None] * flow + truth["a2"][:, None]
        return np.where(flow > 0.0, np.maximum(bent, 0.0), 0.0)

    def reference(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        """What the flowmeter makes of the true flow, before its repeatability, cut-off and resolution."""
        return flow

    def forced(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array | None:
        """What the meter reads whatever it measures, NaN where it reads as usual; None where it always does."""
        return None

    def missing(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Mask | None:
        """Which readings of the meter are never sent; None for none."""
        return None


def healthy_gain(kinds: Kinds, rng: np.random.Generator) -> Array:
    """Gains with a true error well inside the permissible: normal with a quarter of it, never more than 0.6 of it."""
    error = 0.25 * kinds.mpe * rng.standard_normal(len(kinds))
    return 1.0 + np.clip(error, -0.6 * kinds.mpe, 0.6 * kinds.mpe)


def between(low: Array | float, high: Array | float, kinds: Kinds, rng: np.random.Generator) -> Array:
    """Evenly spread numbers, one per meter."""
    return low + (high - low) * rng.random(len(kinds))


def log_between(low: Array | float, high: Array | float, kinds: Kinds, rng: np.random.Generator) -> Array:
    """Numbers whose logarithms are evenly spread, one per meter."""
    return np.asarray(low * (np.asarray(high) / low) ** rng.random(len(kinds)), dtype=np.float64)


def either_sign(kinds: Kinds, rng: np.random.Generator) -> Array:
    """-1 or 1, one per meter."""
    return np.where(rng.random(len(kinds)) < 0.5, -1.0, 1.0)


def since_begin(truth: Truth, hours: Array) -> Array:
    """Hours since ``begins_h`` of the window at hand, negative before it, (meters, samples)."""
    return np.mod(hours, WINDOW_H)[None, :] - truth["begins_h"][:, None]
