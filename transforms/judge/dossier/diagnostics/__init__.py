"""Diagnostics of one meter's fit by statsmodels: an independent second opinion for the person who is about to trust a command.

They decide nothing: no verdict, no guard and no command rests on them, and nothing but the explanation of a single meter asks
for them. Statsmodels is imported in this room alone, and only when it is asked, because that takes a second.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from transforms.judge.dossier.check import times
from transforms.judge.dossier.diagnostics.anew import Anew, second_opinion
from transforms.judge.dossier.diagnostics.left_over import bend, order, scatter, shape
from transforms.judge.dossier.diagnostics.pull import one_reading, robust_line
from transforms.judge.dossier.diagnostics.told import Diagnostic, Outlook, Subject
from transforms.judge.dossier.fitted import Fitted

#: flowing pairs that anything at all needs
LEAST = 6
_FORMS = {"gain": "q' = a1 q", "offset": "q' = q + a2", "line": "q' = a1 q + a2"}
#: in the order in which they are told; with the flowing pairs that each needs
_ASKED = (
    Subject(
        "second_opinion",
        "The line, fitted anew (weighted least squares)",
        "Does another program find the same line, and as wide an interval?",
        LEAST,
        second_opinion,
    ),
    Subject(
        "heteroscedasticity",
        "Scatter against flow (Breusch-Pagan)",
        "Is the scatter as large as expected at small and at large flows?",
        12,
        scatter,
        of_left_over=True,
        of_flow=True,
    ),
    Subject(
        "autocorrelation",
        "Order in time (Durbin-Watson, Ljung-Box, HAC)",
        "Do readings that follow each other err independently?",
        12,
        order,
        of_left_over=True,
    ),
    Subject("normality", "Shape of the scatter (Jarque-Bera)", "Is the scatter normal?", 20, shape, of_left_over=True),
    Subject(
        "curvature",
        "Curvature left (Ramsey's RESET)",
        "Does the line leave a bend over?",
        8,
        bend,
        of_left_over=True,
        of_flow=True,
    ),
    Subject(
        "influence",
        "Influence (Cook's distance)",
        "Would the line be another one without some single reading?",
        LEAST,
        one_reading,
        of_left_over=True,
    ),
    Subject("robust", "Robust line (Huber)", "Do wild readings move the line?", 8, robust_line, of_left_over=True),
)


@dataclass(frozen=True)
class Diagnostics:
    """All that was looked at, or nothing and ``why`` not, without a full stop.

    ``line`` is what was fitted anew, to so many ``pairs``; ``note`` is what must be known of all of it, mostly empty.
    """

    line: str
    pairs: int
    told: tuple[Diagnostic, ...] = ()
    why: str = ""
    note: str = ""

    @property
    def looks(self) -> int:
        """How many say that a person should look."""
        return sum(each.outlook == "look" for each in self.told)


def diagnose(fitted: Fitted | None, why: str = "") -> Diagnostics:
    """Fit the line anew with statsmodels, and look at what it leaves over.

    Parameters
    ----------
    fitted
        The line and its pairs, of which those with a flow that is not a number count as absent. None if there is no line.
    why
        Why there is none.
    """
    if fitted is None:
        return Diagnostics("", 0, why=why or "the flows determine no line")
    usable = np.isfinite(fitted.q) & np.isfinite(fitted.q_meter) & (fitted.q > 0)
    usable &= (fitted.weights > 0) & (fitted.expected > 0)
    line, n = _FORMS[fitted.form], int(usable.sum())
    if n < LEAST:
        return Diagnostics(
            line, n, why=f"only {times(n, 'flowing pair')}; {LEAST} are needed" if n else "no flowing pair"
        )
    note = (
        "a curve describes this meter and is what a command would carry; this is about the line"
        if fitted.curved
        else ""
    )
    with warnings.catch_warnings():
        # what a test cannot be asked of is said in words below; a library's warnings are not for a terminal
        warnings.simplefilter("ignore")
        return Diagnostics(line, n, tuple(_all(Anew(fitted, usable))), note=note)


def _all(anew: Anew) -> Iterator[Diagnostic]:
    for subject in _ASKED:
        outlook: Outlook = "not evaluated"
        if subject.of_left_over and anew.nothing_left:
            yield subject.told(outlook, anew.nothing_left)
        elif anew.n < subject.least:
            yield subject.told(outlook, f"only {times(anew.n, 'flowing pair')}; {subject.least} are needed to tell")
        elif subject.of_flow and anew.alike:
            yield subject.told(outlook, "the flows hardly differ, so nothing is seen to change with them")
        else:
            yield subject.told(*subject.ask(anew))


__all__ = ["Diagnostic", "Diagnostics", "Outlook", "diagnose"]
