"""What else a meter's readings look like: runs backwards, stands still, drops out, lags, drifts or steps; or rounds, or its
reference does."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from transforms.judge.dossier.check import Check, Question, chance, percent, times
from transforms.judge.evidence import change_that_matters
from transforms.judge.worked import Worked
from transforms.policy import Policy
from transforms.windows import Window, iso

STAGE = "what else it looks like"
REVERSE = Question("reverse_flow", "Reverse flow", "Does a register run backwards?", STAGE)
STUCK = Question("stuck", "Standing still", "Does the reading stand still while water flows?", STAGE)
DROPOUT = Question("dropout", "Dropout", "Does the meter show nothing now and then while water flows?", STAGE)
SKEW = Question("clock_skew", "Clock skew (F ratio over lags)", "Do the clocks agree?", STAGE)
ROUNDING = Question(
    "rounding", "Rounding (chi-square)", "Is there more than the steps of the readings make of a sound meter?", STAGE
)
DRIFT = Question(
    "sample_drift", "Drift (partial F test on the samples)", "Does the relation move evenly with time?", STAGE
)
STEP = Question("sample_step", "Step (Quandt's test on the samples)", "Does the relation change at one moment?", STAGE)
ALL = (REVERSE, STUCK, DROPOUT, SKEW, ROUNDING, DRIFT, STEP)


def what_it_looks_like(
    worked: Worked | None, stopped: str, not_looked: str, policy: Policy, window: Window, interval_us: int
) -> list[Check]:
    """The checks in the order of `ALL`.

    Parameters
    ----------
    stopped
        Why nothing was asked; empty where it was.
    not_looked
        Why no single reading was looked at; empty where they were.
    interval_us
        The meter's sampling interval, 0 where it is not known.
    """
    if worked is None or (stopped and not worked.second.looked[0]):
        return [question.not_evaluated(f"not asked: {stopped}") for question in ALL]
    return [
        _reverse(worked),
        _stuck(worked),
        _dropout(worked, not_looked),
        _skew(worked, not_looked, policy, interval_us),
        _rounding(worked, not_looked),
        _drift(worked, not_looked, policy),
        _step(worked, not_looked, policy, window),
    ]


def _counts(worked: Worked) -> tuple[str, ...]:
    """What an oddity speaks for: of a meter inside its permissible error it does not change the verdict."""
    return () if worked.standing.healthy[0] else ("unsteady",)


def _reverse(worked: Worked) -> Check:
    if not worked.second.looked[0]:
        return REVERSE.passed("no reading runs backwards by more than two steps of the register")
    if worked.second.reverse[0]:
        return REVERSE.failed("the meter or the reference runs backwards at two instants or more", "unsteady")
    return REVERSE.passed("it does not happen twice, by more than two steps of the register")


def _stuck(worked: Worked) -> Check:
    if not worked.second.looked[0]:
        if worked.found.stuck[0]:
            return STUCK.failed("the sums say that the reading never moves while the reference does", "unsteady")
        return STUCK.passed("by the sums: the reading moves, or the flow hardly does")
    if worked.second.stuck[0]:
        return STUCK.failed("the same reading over a stretch in which the reference moves", *_counts(worked))
    return STUCK.passed("no stretch of equal readings while the reference moves")


def _dropout(worked: Worked, not_looked: str) -> Check:
    if not_looked:
        return DROPOUT.not_evaluated(not_looked)
    dead = float(worked.second.dead[0])
    sentence = f"the meter shows nothing at {percent(dead)} of the flowing pairs"
    numbers: dict[str, float | str | None] = {"value": 100 * dead, "unit": "%"}
    if worked.second.dropout[0]:
        return DROPOUT.failed(f"{sentence}, and something in between", *_counts(worked), **numbers)
    if worked.second.stuck[0] or worked.second.skewed[0]:
        return DROPOUT.not_evaluated("not asked: standing still or a lag explains readings of nothing", **numbers)
    return DROPOUT.passed(sentence, **numbers)


def _skew(worked: Worked, not_looked: str, policy: Policy, interval_us: int) -> Check:
    if not_looked:
        return SKEW.not_evaluated(not_looked)
    most = policy.judge.max_lag
    if not interval_us or not most:
        return SKEW.not_evaluated("the sampling interval is not known, or the policy's judge.max_lag is 0")
    if worked.second.reverse[0]:
        return SKEW.not_evaluated("not asked: a register that runs backwards makes lags meaningless")
    if worked.found.mapping[0]:
        return SKEW.not_evaluated("not asked: it scatters no more than is normal, and a clock that is off makes it")
    lag = int(worked.second.lag[0])
    if worked.second.skewed[0]:
        by = timedelta(microseconds=abs(lag) * interval_us)
        way = "after" if lag > 0 else "before"
        return SKEW.failed(
            f"the meter comes {times(abs(lag), 'sampling interval')} ({by}) {way} the reference",
            *_counts(worked),
            value=lag,
            limit=0,
            unit="intervals",
        )
    return SKEW.passed(
        f"no lag up to {most} intervals leaves ten times less scatter than none", value=0, limit=0, unit="intervals"
    )


def _rounding(worked: Worked, not_looked: str) -> Check:
    if not_looked:
        return ROUNDING.not_evaluated(not_looked)
    second, counts = worked.second, () if worked.standing.healthy[0] else ("inconclusive",)
    step = float(second.rounding[0] * worked.model.unit_lph[0])
    numbers: dict[str, float | str | None] = {"value": step, "unit": "L/h"} if step > 0 else {}
    of_reference = f"the reference's readings come in steps of {step:.4g} L/h"
    if second.coarse[0]:
        return ROUNDING.failed(f"{of_reference}: a sound meter beside it would show the same", *counts, **numbers)
    if second.rough[0]:
        own = float(second.own_rounding[0] * worked.model.unit_lph[0])
        steps = f"the meter's readings come in steps of {own:.4g} L/h, larger than its model's resolution"
        return ROUNDING.failed(
            f"{steps}: a sound one that shows such would look the same", *counts, value=own, unit="L/h"
        )
    if step > 0:
        return ROUNDING.passed(f"{of_reference}, which do not explain what the meter shows", **numbers)
    return ROUNDING.passed("no steps of the readings explain what the meter shows")


def _matters(worked: Worked, policy: Policy) -> float:
    """A change of the error that counts, relative."""
    return float(change_that_matters(worked.model, policy.tolerance)[0])


def _changed(worked: Worked, policy: Policy, p: float) -> tuple[str, dict[str, float | str | None]]:
    change, least = float(worked.second.change[0]), _matters(worked, policy)
    numbers: dict[str, float | str | None] = {"value": 100 * change, "limit": 100 * least, "unit": "%"}
    return f"{percent(change, plus=True)} ({chance(p)})", numbers


def _unchanged(what: str, p: float, other: bool, other_name: str, policy: Policy) -> str:
    """Why a change was not found."""
    if p >= policy.judge.significance:
        return f"{what} explains no more than chance does ({chance(p)}, limit {policy.judge.significance:g})"
    if other:
        return f"{other_name} describes the readings better ({chance(p)})"
    return f"{what} explains too little of the scatter, or another description more ({chance(p)})"


def _drift(worked: Worked, not_looked: str, policy: Policy) -> Check:
    second, p = worked.second, float(worked.second.p_drift[0])
    if not_looked:
        return DRIFT.not_evaluated(not_looked)
    if not np.isfinite(p):
        return DRIFT.not_evaluated("too few flowing pairs to ask")
    told, numbers = _changed(worked, policy, p)
    if not second.drifting[0]:
        return DRIFT.passed(_unchanged("an even change", p, bool(second.step[0]), "a step", policy))
    if abs(float(second.change[0])) <= _matters(worked, policy):
        return DRIFT.passed(f"the error moves by {told} over the window: too little to matter", **numbers)
    return DRIFT.failed(f"the error moves by {told} over the window", *_counts(worked), **numbers)


def _step(worked: Worked, not_looked: str, policy: Policy, window: Window) -> Check:
    second, p = worked.second, float(worked.second.p_step[0])
    if not_looked:
        return STEP.not_evaluated(not_looked)
    if not np.isfinite(p):
        return STEP.not_evaluated("too few flowing pairs to ask")
    if not second.step[0]:
        return STEP.passed(_unchanged("a change at once", p, bool(second.drifting[0]), "an even change", policy))
    told, numbers = _changed(worked, policy, p)
    at = (window.start + timedelta(microseconds=int(second.changed_us[0]))).replace(microsecond=0)
    if abs(float(second.change[0])) <= _matters(worked, policy):
        return STEP.passed(f"the error moves by {told} at {iso(at)}: too little to matter", **numbers)
    return STEP.failed(f"the error moves by {told} at {iso(at)}", *_counts(worked), **numbers)
