"""Meters with faults that no parameter cures. What happens within a window happens in each window of 12 h."""

from __future__ import annotations

import numpy as np

from transforms.simulate.behaviour import (
    WINDOW_H,
    Behaviour,
    Kinds,
    Truth,
    between,
    either_sign,
    healthy_gain,
    log_between,
    since_begin,
)
from transforms.simulate.demand import Array


class Scatter(Behaviour):
    """A meter whose readings jump about the true flow by 15 to 40 % (one standard deviation)."""

    name = "scatter"

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        return {"spread": 0.15 + 0.25 * rng.random(len(kinds))}

    def meter(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        return np.maximum(flow * (1.0 + truth["spread"][:, None] * rng.standard_normal(flow.shape)), 0.0)


class Drift(Behaviour):
    """The error moves by 8 to 25 %, up or down, in a straight line over each window.

    It starts between nothing and half of that on the other side: where it starts there, it is zero on average.
    """

    name = "drift"

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        drift = either_sign(kinds, rng) * between(0.08, 0.25, kinds, rng)
        return {"drift": drift, "a1": 1.0 - drift * between(0.0, 0.5, kinds, rng)}

    def meter(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        passed = np.mod(hours, WINDOW_H)[None, :] / WINDOW_H
        return flow * (truth["a1"][:, None] + truth["drift"][:, None] * passed)


class Step(Behaviour):
    """A healthy meter whose gain jumps by 6 to 20 %, up or down, at a moment in the middle 60 % of each window.

    The middle is that of the flowing instants of the first window, so that both gains show.
    """

    name = "step"
    begins_in_flow = True

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        return {
            "a1": healthy_gain(kinds, rng),
            "step": either_sign(kinds, rng) * between(0.06, 0.20, kinds, rng),
            "begins_h": between(0.2 * WINDOW_H, 0.8 * WINDOW_H, kinds, rng),
        }

    def meter(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        after = since_begin(truth, hours) >= 0.0
        return flow * (truth["a1"][:, None] + truth["step"][:, None] * after)


class Stuck(Behaviour):
    """A healthy meter that freezes: three in ten for the whole window, others at a moment in its first 80 %.

    Four in ten freeze at zero, the others at a flow between Q1 and a fifth of Q3, which they show without any noise,
    also while no water flows. The moment is one at which water still flows later.
    """

    name = "stuck"
    begins_in_flow = True

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        begins = np.where(rng.random(len(kinds)) < 0.3, 0.0, between(0.0, 0.8 * WINDOW_H, kinds, rng))
        value = np.rint(log_between(kinds.q1, 0.2 * kinds.q3, kinds, rng))
        return {
            "a1": healthy_gain(kinds, rng),
            "begins_h": begins,
            "stuck_lph": np.where(rng.random(len(kinds)) < 0.4, 0.0, value),
        }

    def forced(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        return np.where(since_begin(truth, hours) >= 0.0, truth["stuck_lph"][:, None], np.nan)


class Dropout(Behaviour):
    """A healthy meter of whose readings 15 to 60 % are zero although water flows."""

    name = "dropout"

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        return {"a1": healthy_gain(kinds, rng), "zeroed": between(0.15, 0.6, kinds, rng)}

    def forced(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        return np.where(rng.random(flow.shape) < truth["zeroed"][:, None], 0.0, np.nan)


class ClockSkew(Behaviour):
    """A healthy meter whose clock is wrong by 1 to 4 intervals: it stamps ``lag`` intervals too late, or too early.

    The flow that ``meter`` is given has been moved already.
    """

    name = "clock_skew"

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        return {
            "a1": healthy_gain(kinds, rng),
            "lag": either_sign(kinds, rng) * rng.integers(1, 5, len(kinds)),
        }


class ReverseFlow(Behaviour):
    """Water runs backwards through the pipe in 15 to 40 % of the hours, at 0.5 to 2 Q1 (scale_lph).

    The true flow of these hours is negative. The meter's register (whole litres) runs back with it; the reference,
    which shows amounts only, shows it as positive. Forward flow is measured rightly by both.
    """

    name = "reverse_flow"
    register_l = 1.0

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        return {
            "a1": healthy_gain(kinds, rng),
            "backwards": between(0.15, 0.4, kinds, rng),
            "scale_lph": between(0.5 * kinds.q1, 2.0 * kinds.q1, kinds, rng),
        }

    def demand(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        hour = np.floor(hours).astype(np.int64) - int(hours[0])
        back = rng.random((len(flow), int(hour[-1]) + 1))[:, hour] < truth["backwards"][:, None]
        return np.where(back, -truth["scale_lph"][:, None], flow)

    def meter(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        return flow * truth["a1"][:, None]

    def reference(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        return np.abs(flow)
