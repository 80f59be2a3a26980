"""Decide: what follows from the verdicts. Commands that pass every guard, work orders for what needs a person."""

from transforms.decide.commands import Decision, Situation, decide

__all__ = ["Decision", "Situation", "decide"]
