"""Meters whose error is one relation that holds the whole time: the healthy ones and those that parameters can cure."""

from __future__ import annotations

import numpy as np

from transforms.simulate.behaviour import (
    Behaviour,
    Kinds,
    Truth,
    between,
    either_sign,
    healthy_gain,
    log_between,
)
from transforms.simulate.demand import Array


class Healthy(Behaviour):
    """A true error well inside the permissible: normal with a quarter of it, never more than 0.6 of it."""

    name = "healthy"
    verdict = "healthy"

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        return {"a1": healthy_gain(kinds, rng)}


class Offset(Behaviour):
    """q' = q + a2 while water flows, a2 inside the model's band.

    Three in ten read low, and then by less than Q1, so that the meter still sees every flow that it must measure.
    """

    name = "offset"
    verdict = "steady"
    form = "offset"

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        low = rng.random(len(kinds)) < 0.3
        largest = np.where(low, np.minimum(0.8 * kinds.q1, 0.7 * kinds.band_high), 0.7 * kinds.band_high)
        smallest = 1.25 * kinds.band_low
        size = smallest + (largest - smallest) * rng.random(len(kinds))
        return {"a2": np.where(low, -size, size)}


class Linear(Behaviour):
    """q' = a1 q + a2 with a gain that is 4 to 15 % off and an offset of the same sign, so that they do not cancel."""

    name = "linear"
    verdict = "steady"
    form = "linear"

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        sign = np.where(rng.random(len(kinds)) < 0.5, -1.0, 1.0)
        gain = 0.04 + 0.11 * rng.random(len(kinds))
        offset = (0.1 + 0.5 * rng.random(len(kinds))) * kinds.q1
        return {"a1": 1.0 + sign * gain, "a2": sign * offset}


class LowFlow(Behaviour):
    """q' = q (1 - bend exp(-q / scale_lph)): under-registration that grows towards Q1 and fades upwards.

    At very small flow 15 to 50 % are missing; the flow at which that has fallen to 37 % of itself lies between 2.5 Q2
    and a tenth of Q3. A worn or scaled measuring path does this.
    """

    name = "low_flow"
    verdict = "steady"
    form = "curve"

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        depth = between(0.15, 0.5, kinds, rng)
        return {"bend": depth, "scale_lph": log_between(2.5 * kinds.q2, 0.1 * kinds.q3, kinds, rng)}

    def meter(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        return flow * (1.0 - truth["bend"][:, None] * np.exp(-flow / truth["scale_lph"][:, None]))


class Power(Behaviour):
    """q' = pivot (q / pivot) ** exponent: right at the pivot, and the further off the further from it.

    The exponent, 1 + bend, is 0.88 to 0.94 or 1.06 to 1.12; the pivot, scale_lph, is 0.02 to 0.2 Q3.
    """

    name = "power"
    verdict = "steady"
    form = "curve"

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        bend = either_sign(kinds, rng) * between(0.06, 0.12, kinds, rng)
        return {"bend": bend, "scale_lph": log_between(0.02 * kinds.q3, 0.2 * kinds.q3, kinds, rng)}

    def meter(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        pivot = truth["scale_lph"][:, None]
        return np.asarray(pivot * (flow / pivot) ** (1.0 + truth["bend"][:, None]), dtype=np.float64)


class Deposits(Behaviour):
    """q' = q (a1 + bend q / scale_lph): over-registration that grows with the flow, as a narrowed pipe makes it.

    The error is 0 to 3 % at very small flow and 6 to 15 % more at scale_lph, the largest flow of the meter's first
    window.
    """

    name = "deposits"
    verdict = "steady"
    form = "curve"
    scaled_by_peak = True

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        return {"a1": 1.0 + between(0.0, 0.03, kinds, rng), "bend": between(0.06, 0.15, kinds, rng)}

    def meter(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        return flow * (truth["a1"][:, None] + truth["bend"][:, None] * flow / truth["scale_lph"][:, None])
