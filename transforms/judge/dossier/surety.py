"""Whether a steady deviation is known well enough for a command, by the window's own numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from transforms.judge.dossier.check import Check, Question, percent, times
from transforms.judge.precision import expanded_after, halves_uncertainty, p_within, precision_wanted, reach
from transforms.judge.worked import Worked
from transforms.policy import Policy
from transforms.summarise.moments import Moments

STAGE = "may a command go out"
IMPRECISE = Question(
    "imprecise", "Uncertainty after correction", "Would the corrected meter surely be inside its limits?", STAGE
)
MARGINAL = Question(
    "marginal", "Distance from the limit (t test)", "Is it further off than a meter at the limit ever shows?", STAGE
)
UNPROVEN = Question(
    "unproven", "Stability shown", "Does this window show enough to call the relation stable by itself?", STAGE
)
ALL = (IMPRECISE, MARGINAL, UNPROVEN)


def sure_enough(worked: Worked | None, moments: Moments | None, row: Mapping[str, Any], policy: Policy) -> list[Check]:
    """The three guards that the judge answers, from the verdict's own ``row``; asked of steady meters only."""
    if worked is None or moments is None or row["verdict"] != "steady":
        return [question.not_evaluated("not asked: only a steady deviation can be commanded away") for question in ALL]
    limit = float(precision_wanted(worked.found, worked.model, policy)[0])
    left = float(expanded_after(moments, worked.found, worked.second, worked.reference, worked.form, policy)[0])
    alike = (
        "; a change with time, clocks that differ, or the rounding of the reference, would look about the same"
        if worked.second.ambiguous[0]
        else ""
    )
    first = IMPRECISE.told(
        not row["imprecise"],
        f"±{percent(left)} would remain; the limit is ±{percent(limit)}{alike}"
        if np.isfinite(left)
        else "the parameters' uncertainty is not known",
        (),
        ("no command",),
        value=100 * left,
        limit=100 * limit,
        unit="%",
    )
    p, level = float(p_within(worked.found)[0]), policy.judge.command_significance
    second = MARGINAL.told(
        not row["marginal"],
        f"a meter at the limit shows this with a chance of {p:.2g}; a command needs less than {level:g}",
        (),
        ("no command",),
        value=p,
        limit=level,
    )
    permissible = float(worked.model.mpe[1, 0]) * policy.tolerance
    return [first, second, _proven(worked, moments, permissible, bool(row["unproven"]), policy)]


def _proven(worked: Worked, moments: Moments, limit: float, unproven: bool, policy: Policy) -> Check:
    n, wanted = int(worked.found.flowing[0]), policy.command.min_flowing
    seen = max(0.0, float(reach(moments)[0]))
    between = float(halves_uncertainty(moments, worked.found)[0])
    halves = (
        f"the window's halves compare to ±{percent(between)} ({percent(limit / 2)} is needed)"
        if np.isfinite(between)
        else "one half of the window saw no flow"
    )
    return UNPROVEN.told(
        not unproven,
        f"{times(n, 'flowing pair')} of {wanted} wanted; flows up to {percent(seen)} of Q3, "
        f"{percent(policy.command.min_reach)} wanted; {halves}",
        (),
        ("no command",),
        value=n,
        limit=wanted,
        unit="pairs",
    )
