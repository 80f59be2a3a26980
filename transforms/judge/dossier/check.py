"""A check: one thing that was asked about a meter, with the answer, the number and its limit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

#: ``open``: asked, but the evidence allows neither answer. ``not_evaluated`` is never the same as ``passed``.
Outcome = Literal["passed", "failed", "open", "not_evaluated"]
#: the rungs that checks stand on, in their order
STAGES = (
    "can it be judged",
    "is it off",
    "is it off steadily",
    "what else it looks like",
    "may a command go out",
)

#: what an outcome may speak for: the verdicts, and whether a command may leave
SPEAKS_FOR = ("healthy", "steady", "unsteady", "inconclusive", "command", "no command")


@dataclass(frozen=True)
class Check:
    """One thing that was asked about a meter.

    Attributes
    ----------
    key
        Short name, the same for every meter.
    name
        What the field calls it.
    question
        The same in plain words.
    stage
        One of `STAGES`.
    outcome
        See `Outcome`.
    sentence
        The answer with its numbers, or why there is none; without a full stop.
    value, limit, unit
        The number and what it was compared with, as far as there is one; ``unit`` is ``%`` for numbers given in per
        cent, ``L/h``, ``d``, a noun for counts, or empty.
    speaks_for
        Which of `SPEAKS_FOR` the outcome argues for.
    """

    key: str
    name: str
    question: str
    stage: str
    outcome: Outcome
    sentence: str
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    speaks_for: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Nothing that was not asked may argue for anything."""
        if self.outcome == "not_evaluated" and self.speaks_for:
            raise ValueError(f"{self.key} was not evaluated and speaks for {self.speaks_for}")


@dataclass(frozen=True)
class Question:
    """What is asked, before there is an answer."""

    key: str
    name: str
    question: str
    stage: str

    def passed(self, sentence: str, *speaks_for: str, **numbers: float | str | None) -> Check:
        return self._answer("passed", sentence, speaks_for, numbers)

    def failed(self, sentence: str, *speaks_for: str, **numbers: float | str | None) -> Check:
        return self._answer("failed", sentence, speaks_for, numbers)

    def open(self, sentence: str, *speaks_for: str, **numbers: float | str | None) -> Check:
        return self._answer("open", sentence, speaks_for, numbers)

    def not_evaluated(self, why: str, **numbers: float | str | None) -> Check:
        return self._answer("not_evaluated", why, (), numbers)

    def told(
        self, holds: bool, sentence: str, yes: tuple[str, ...], no: tuple[str, ...], **numbers: float | str | None
    ) -> Check:
        """Passed or failed, with what either speaks for."""
        return self.passed(sentence, *yes, **numbers) if holds else self.failed(sentence, *no, **numbers)

    def _answer(
        self, outcome: Outcome, sentence: str, speaks_for: tuple[str, ...], numbers: dict[str, float | str | None]
    ) -> Check:
        value, limit = (_number(numbers.get(name)) for name in ("value", "limit"))
        unit = str(numbers.get("unit") or "")
        return Check(self.key, self.name, self.question, self.stage, outcome, sentence, value, limit, unit, speaks_for)


def _number(given: float | str | None) -> float | None:
    """A plain float, or None where there is no finite number."""
    if given is None:
        return None
    value = float(given)
    return value if math.isfinite(value) else None


def percent(relative: float, *, plus: bool = False) -> str:
    """A relative number in per cent, two decimals below 10 % where there are any."""
    value = 100 * float(relative)
    decimals = 0 if value == round(value) else 2 if abs(value) < 9.995 else 1
    return minus(f"{value:{'+' if plus else ''}.{decimals}f} %")


def minus(text: str) -> str:
    """A number as text, with a true minus sign."""
    return text.replace("-", "\u2212")


def plain(value: float) -> str:
    """A number to four digits, without an exponent where it is large."""
    return minus(f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}")


def chance(p: float) -> str:
    """A P value."""
    p = float(p)
    return f"P = {p:.2g}" if p >= 1e-12 else "P < 1e-12"


def times(many: int, one: str, several: str | None = None) -> str:
    """A count with its noun."""
    return f"{int(many):,} {one if int(many) == 1 else several or one + 's'}"
