"""What a diagnostic says: whether a person should look, a plain sentence, and the figures behind it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from transforms.judge.dossier.diagnostics.anew import Anew

#: not evaluated is never the same as nothing to see
Outlook = Literal["nothing to see", "look", "not evaluated"]
#: numbers by name; flows in L/h where it ends in ``_lph``
Figures = Mapping[str, float | str]
Answer = tuple[Outlook, str, Figures]

#: a test says "look" where chance alone would show as much less often than this
LEVEL = 0.01


@dataclass(frozen=True)
class Diagnostic:
    """One thing that was looked at.

    Attributes
    ----------
    key, name, question
        A short name, what the field calls it, and the same in plain words.
    outlook
        See `Outlook`.
    sentence
        What it means for a command, or why nothing can be said; without a full stop.
    figures
        The numbers behind it, those that are finite.
    """

    key: str
    name: str
    question: str
    outlook: Outlook
    sentence: str
    figures: Figures = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """What is looked at, before there is an answer: how many pairs it needs, and who answers.

    ``of_left_over`` and ``of_flow`` say what it is meaningless without: residuals, and flows that differ.
    """

    key: str
    name: str
    question: str
    least: int
    ask: Callable[[Anew], Answer]
    of_left_over: bool = False
    of_flow: bool = False

    def told(self, outlook: Outlook, sentence: str, figures: Figures | None = None) -> Diagnostic:
        """The answer."""
        known = {
            name: value if isinstance(value, str) else float(value)
            for name, value in (figures or {}).items()
            if isinstance(value, str) or math.isfinite(value)
        }
        return Diagnostic(self.key, self.name, self.question, outlook, sentence, known)
