"""A concern: one thing that speaks against a mapping, in a sentence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Concern:
    """What speaks against a mapping.

    Attributes
    ----------
    code
        A short name that stays the same.
    sentence
        What was found, and what to look at, without a full stop.
    grave
        Whether readings are wrong, or lost, if it is as it looks.
    """

    code: str
    sentence: str
    grave: bool = False
