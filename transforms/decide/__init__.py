"""Decide: what follows from the verdicts. Commands that pass every guard, work orders for what needs a person."""

from transforms.decide.commands import Decision, decide
from transforms.decide.contradicted import contradicted
from transforms.decide.effects import awaited, judge_effects
from transforms.decide.orders import DIFFERS
from transforms.decide.shown import Displays, weigh
from transforms.decide.situation import Situation
from transforms.decide.surroundings import Surroundings
from transforms.decide.unclear import unclear

__all__ = [
    "DIFFERS",
    "Decision",
    "Displays",
    "Situation",
    "Surroundings",
    "awaited",
    "contradicted",
    "decide",
    "judge_effects",
    "unclear",
    "weigh",
]
