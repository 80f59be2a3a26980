"""Meters that are right, or hardly wrong, where something else makes the judge's work hard."""

from __future__ import annotations

import numpy as np

from transforms.simulate.behaviour import (
    WINDOW_H,
    Behaviour,
    Kinds,
    Mask,
    Truth,
    between,
    either_sign,
)
from transforms.simulate.demand import Array
from transforms.simulate.steady import Healthy, Linear


class NoFlow(Behaviour):
    """A vacant house."""

    name = "no_flow"
    verdict = "inconclusive"

    def demand(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        return np.zeros_like(flow)


class FewSamples(Healthy):
    """A healthy meter of whose readings 80 to 95 % are never sent."""

    name = "few_samples"
    verdict = "inconclusive"

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        return {**super().draw(kinds, rng), "missing": between(0.8, 0.95, kinds, rng)}

    def missing(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Mask:
        return np.asarray(rng.random(flow.shape) < truth["missing"][:, None])


class LitreRegister(Healthy):
    """A healthy meter that sends its register in whole litres instead of its flow."""

    name = "register_litres"
    register_l = 1.0


class LinearLitreRegister(Linear):
    """A meter as ``linear`` that sends its register in whole litres instead of its flow."""

    name = "register_litres_linear"
    register_l = 1.0


class CubicMetreRegister(Healthy):
    """A healthy meter that sends its register in whole cubic metres: hardly ever does it move within a window."""

    name = "register_m3"
    register_l = 1000.0


class Exchanged(Healthy):
    """A healthy meter with a litre register that gives way to another healthy one in the middle 60 % of each window.

    The new register begins near zero.
    """

    name = "exchanged"
    register_l = 1.0
    exchanged = True

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        return {**super().draw(kinds, rng), "begins_h": between(0.2 * WINDOW_H, 0.8 * WINDOW_H, kinds, rng)}


class NoisyReference(Healthy):
    """A healthy meter beside a reference whose readings jump by 5 to 15 % (one standard deviation)."""

    name = "reference_noisy"
    verdict = "inconclusive"

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        return {**super().draw(kinds, rng), "reference_spread": between(0.05, 0.15, kinds, rng)}

    def reference(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        return flow * (1.0 + truth["reference_spread"][:, None] * rng.standard_normal(flow.shape))


class BiasedReference(Healthy):
    """Healthy meters beside references of one calibration batch, all off by the same 3 to 8 %.

    All of them, and no others, were calibrated on the same day, see ``registry``.
    """

    name = "reference_biased"
    verdict = "inconclusive"

    def draw(self, kinds: Kinds, rng: np.random.Generator) -> dict[str, Array]:
        gains = super().draw(kinds, rng)
        bias = either_sign(kinds, rng) * between(0.03, 0.08, kinds, rng)
        return {**gains, "reference_bias": np.full(len(kinds), bias[:1].sum())}

    def reference(self, flow: Array, truth: Truth, hours: Array, rng: np.random.Generator) -> Array:
        return flow * (1.0 + truth["reference_bias"][:, None])
