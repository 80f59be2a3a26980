"""What a simulated meter can have: one class per behaviour, all of them acting on many meters at once.

To add a behaviour write a class that overrides what differs and put one instance into ``BEHAVIOURS``. A new parameter
gets a neutral value in ``NEUTRAL`` and thereby a column in truth.parquet. A reading that is NaN is never sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from transforms.simulate.demand import Array

Truth = Mapping[str, Array]

#: the parameters of truth.parquet and their values for a meter that is exactly right; `begins_h` counts from the start
NEUTRAL: dict[str, float] = {"a1": 1.0, "a2": 0.0, "spread": 0.0, "begins_h": 0.0}


@dataclass(frozen=True)
class Kinds:
    """What the models of the meters at hand allow, one entry per meter.

    Attributes
    ----------
    q1
        Minimum flow rate [L/h].
    mpe
        Maximum permissible error between Q2 and Q4, relative.
    band_low, band_high
        The preset threshold range of abs(q' - q) [L/h].
    """

    q1: Array
    mpe: Array
    band_low: Array
    band_high: Array

    def __len__(self) -> int:
        return len(self.q1)


class Behaviour:
    """A meter, its house and its reference. Flows are in L/h, shaped (meters, samples); parameters (meters,)."""

    name: ClassVar[str]

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        """Draw the parameters that differ from ``NEUTRAL``."""
        return {}

    def demand(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        """Turn the household's usual flow into what is really used; ``hours`` since the start, (samples,)."""
        return flow

    def meter(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        """What the meter makes of the true flow, before its repeatability, cut-off and resolution."""
        bent = truth["a1"][:, None] * flow + truth["a2"][:, None]
        return np.where(flow > 0.0, np.maximum(bent, 0.0), 0.0)

    def reference(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        """What the flowmeter makes of the true flow, before its repeatability, cut-off and resolution."""
        return flow


class Healthy(Behaviour):
    """A true error well inside the permissible: normal with a quarter of it, never more than 0.6 of it."""

    name = "healthy"

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        error = 0.25 * kinds.mpe * rng.standard_normal(len(kinds))
        return {"a1": 1.0 + np.clip(error, -0.6 * kinds.mpe, 0.6 * kinds.mpe)}


class Offset(Behaviour):
    """q' = q + a2 while water flows, a2 inside the model's band.

    Three in ten read low, and then by less than Q1, so that the meter still sees every flow that it must measure.
    """

    name = "offset"

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        low = rng.random(len(kinds)) < 0.3
        largest = np.where(low, np.minimum(0.8 * kinds.q1, 0.7 * kinds.band_high), 0.7 * kinds.band_high)
        smallest = 1.25 * kinds.band_low
        size = smallest + (largest - smallest) * rng.random(len(kinds))
        return {"a2": np.where(low, -size, size)}


class Linear(Behaviour):
    """q' = a1 q + a2 with a gain that is 4 to 15 % off and an offset of the same sign, so that they do not cancel."""

    name = "linear"

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        sign = np.where(rng.random(len(kinds)) < 0.5, -1.0, 1.0)
        gain = 0.04 + 0.11 * rng.random(len(kinds))
        offset = (0.1 + 0.5 * rng.random(len(kinds))) * kinds.q1
        return {"a1": 1.0 + sign * gain, "a2": sign * offset}


class Scatter(Behaviour):
    """A meter whose readings jump about the true flow by 15 to 40 % (one standard deviation)."""

    name = "scatter"

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        return {"spread": 0.15 + 0.25 * rng.random(len(kinds))}

    def meter(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        return np.maximum(flow * (1.0 + truth["spread"][:, None] * rng.standard_normal(flow.shape)), 0.0)


class NoFlow(Behaviour):
    """A vacant house."""

    name = "no_flow"

    def demand(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        return np.zeros_like(flow)


BEHAVIOURS: dict[str, Behaviour] = {each.name: each for each in (Healthy(), Linear(), Offset(), Scatter(), NoFlow())}

#: how much of a fleet shows what, unless told otherwise
SHARES: dict[str, float] = {"healthy": 0.86, "linear": 0.05, "offset": 0.03, "scatter": 0.03, "no_flow": 0.03}
