"""Proposed: what a proposal consists of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Proposed:
    """One source: its name, its keys in the order of writing, and by dotted key what is unsure about it."""

    name: str
    keys: dict[str, Any]
    doubts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Proposal:
    """What is proposed for a file.

    Attributes
    ----------
    sources
        The sources.
    reasons
        What they rest on, in sentences.
    doubts
        What is unsure and belongs to no single key.
    faults
        Why readings would be wrong if they went in like this.
    """

    sources: list[Proposed]
    reasons: list[str]
    doubts: list[str]
    faults: list[str] = field(default_factory=list)
