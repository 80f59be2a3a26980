"""Every behaviour that a simulated meter can have, and how much of a fleet has which."""

from __future__ import annotations

from transforms.simulate.behaviour import NEUTRAL, Behaviour, Kinds
from transforms.simulate.steady import Deposits, Healthy, Linear, LowFlow, Offset, Power
from transforms.simulate.unjudged import (
    BiasedReference,
    CubicMetreRegister,
    Exchanged,
    FewSamples,
    LinearLitreRegister,
    LitreRegister,
    NoFlow,
    NoisyReference,
)
from transforms.simulate.unsteady import ClockSkew, Drift, Dropout, ReverseFlow, Scatter, Step, Stuck

__all__ = ["BEHAVIOURS", "NEUTRAL", "SHARES", "SIMPLE_SHARES", "Behaviour", "Kinds"]

#: in the order in which they draw their random numbers: append new ones, or older fleets change
BEHAVIOURS: dict[str, Behaviour] = {
    each.name: each
    for each in (
        Healthy(),
        Linear(),
        Offset(),
        Scatter(),
        NoFlow(),
        LowFlow(),
        Power(),
        Deposits(),
        Drift(),
        Step(),
        Stuck(),
        Dropout(),
        ClockSkew(),
        ReverseFlow(),
        LitreRegister(),
        LinearLitreRegister(),
        CubicMetreRegister(),
        Exchanged(),
        NoisyReference(),
        BiasedReference(),
        FewSamples(),
    )
}

#: how much of a fleet shows what, unless told otherwise
SHARES: dict[str, float] = {
    "healthy": 0.800,
    "linear": 0.030,
    "offset": 0.020,
    "low_flow": 0.014,
    "power": 0.013,
    "deposits": 0.009,
    "register_litres": 0.005,
    "register_litres_linear": 0.005,
    "scatter": 0.012,
    "drift": 0.012,
    "step": 0.010,
    "stuck": 0.008,
    "dropout": 0.007,
    "clock_skew": 0.006,
    "reverse_flow": 0.005,
    "register_m3": 0.004,
    "exchanged": 0.004,
    "reference_noisy": 0.006,
    "reference_biased": 0.010,
    "no_flow": 0.014,
    "few_samples": 0.006,
}

#: a mix without registers, curves and bad references
SIMPLE_SHARES: dict[str, float] = {"healthy": 0.86, "linear": 0.05, "offset": 0.03, "scatter": 0.03, "no_flow": 0.03}
