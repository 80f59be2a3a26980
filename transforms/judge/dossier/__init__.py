"""The dossier of one meter: everything that was asked about it in one window, answered by the code that judges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from transforms.judge.dossier.check import SPEAKS_FOR, STAGES, Check, Outcome, Question
from transforms.judge.dossier.diagnostics import Diagnostic, Diagnostics, Outlook, diagnose
from transforms.judge.dossier.errors import is_it_off, what_it_would_take
from transforms.judge.dossier.fitted import fitted_of
from transforms.judge.dossier.kinds import what_it_looks_like
from transforms.judge.dossier.prerequisites import could_be_judged, same_and_in_use
from transforms.judge.dossier.relation import is_it_steady
from transforms.judge.dossier.surety import sure_enough
from transforms.judge.paired import Paired, blocked_in
from transforms.judge.second_look import Look
from transforms.judge.verdict import judge_bucket, judge_silent, with_references
from transforms.judge.words import NONE, REASON_NAMES
from transforms.judge.worked import Worked, work_out
from transforms.policy import Policy
from transforms.reasons import sentence
from transforms.summarise.moments import Moments
from transforms.windows import Window


@dataclass(frozen=True)
class Dossier:
    """What was asked about one meter.

    ``row`` is its verdict, the columns `transforms.judge.verdict.JUDGED`; ``checks`` stand in the order of the ladder;
    ``needs`` says for an open question what would settle it, and is empty otherwise. ``diagnostics`` decide nothing.
    """

    row: dict[str, Any]
    checks: tuple[Check, ...]
    needs: str
    diagnostics: Diagnostics


def dossier_of(
    meters: pl.DataFrame,
    moments: pl.DataFrame,
    fleet: pl.DataFrame,
    calibration: pl.DataFrame | None,
    policy: Policy,
    window: Window,
    look: Look,
    *,
    changed_at: datetime | None = None,
    absent: str | None = None,
    overrule: Callable[[pl.DataFrame], pl.DataFrame] = lambda judged: judged,
) -> Dossier:
    """Judge one meter and say everything that was asked on the way.

    Parameters
    ----------
    meters, moments, fleet, calibration, policy, window, look
        As for `judge_bucket`, of a single meter: one row of ``meters``, or none if nothing was heard of a registered one.
    changed_at
        Since when it is what it is now, if its parameters changed or it was exchanged within the window.
    absent
        Why it was not in use, ``not_installed`` or ``decommissioned``, if it was not.
    overrule
        Puts the reasons into verdicts that only the situation tells, as the run does.
    """
    listed = with_references(meters.join(fleet, on="feature_code", how="left"), calibration, policy)
    blocked: str | None
    paired: Paired | None
    if listed.is_empty():
        judged = judge_silent(fleet, meters, window)
        known: dict[str, Any] = {**fleet.row(0, named=True), "n_meter": None, "n_reference": None}
        blocked, paired, worked, sums = "meter_missing", None, None, None
    else:
        judged = judge_bucket(meters, moments, fleet, calibration, policy, window, look)
        known = listed.row(0, named=True)
        way = int(blocked_in(listed)[0])
        blocked = None if way == NONE else REASON_NAMES[way]
        paired, worked, sums = _worked(listed, moments, policy, window, look)
    row = overrule(judged).row(0, named=True)
    stopped = _stopped(row["reason"], blocked, worked, absent)
    not_looked = "" if worked is not None and worked.second.looked[0] else _not_looked(stopped)
    checks = [
        *could_be_judged(known, blocked, worked, policy, window, calibrated=calibration is not None),
        *same_and_in_use(changed_at, absent, row["reason"]),
        *is_it_off(worked, stopped, policy),
        *is_it_steady(worked, sums, stopped, not_looked, policy),
        *what_it_looks_like(worked, stopped, not_looked, policy, window, int(known.get("interval_us") or 0)),
        *sure_enough(worked, sums, row, policy),
    ]
    open_question = worked is not None and row["reason"] in ("undecided", "no_flow")
    needs = what_it_would_take(worked, row["pairs_needed"], policy) if worked is not None and open_question else ""
    return Dossier(row, tuple(checks), needs, _diagnosed(paired, worked, sums, stopped, policy, window, look))


def _diagnosed(
    paired: Paired | None,
    worked: Worked | None,
    sums: Moments | None,
    stopped: str,
    policy: Policy,
    window: Window,
    look: Look,
) -> Diagnostics:
    """A second opinion on the line; from what the verdict rests on, but nothing rests on it."""
    if stopped or paired is None or worked is None or sums is None:
        return diagnose(None, f"not asked: {stopped}")
    pairs = look(np.zeros(1, dtype=np.int64))
    return diagnose(fitted_of(worked, paired, sums, pairs, policy, window.start))


def _worked(
    listed: pl.DataFrame, moments: pl.DataFrame, policy: Policy, window: Window, look: Look
) -> tuple[Paired | None, Worked | None, Moments | None]:
    if listed["meter_no"][0] is None:
        return None, None, None
    sums, paired = Moments.from_frame(moments, 1, policy.window.parts), Paired.of(listed, policy)
    return paired, work_out(paired, sums, policy, window, look), sums


def _stopped(reason: str, blocked: str | None, worked: Worked | None, absent: str | None) -> str:
    """Why the ladder ends before any error is looked at; empty where it does not."""
    if absent is not None or reason == "parameters_changed":
        return sentence(absent or reason)
    if blocked is not None:
        return sentence(blocked)
    if worked is None or worked.standing.short[0]:
        return sentence("too_few_pairs")
    return sentence("no_flow") if worked.standing.dry[0] else ""


def _not_looked(stopped: str) -> str:
    if stopped:
        return f"not asked: {stopped}"
    return "not looked at reading by reading: the sums give no cause to"


__all__ = [
    "SPEAKS_FOR",
    "STAGES",
    "Check",
    "Diagnostic",
    "Diagnostics",
    "Dossier",
    "Outcome",
    "Outlook",
    "Question",
    "dossier_of",
]
