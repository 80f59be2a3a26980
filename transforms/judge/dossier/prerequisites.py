"""Whether a meter could be judged: registered, paired, heard of, with a reference that counts and enough pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from transforms.judge.dossier.check import Check, Question, percent, times
from transforms.judge.worked import Worked
from transforms.policy import Policy
from transforms.reasons import sentence
from transforms.windows import Window, iso

STAGE = "can it be judged"
_UNCHANGED = Question("unchanged", "Same meter", "Is it the same, with the same parameters, for long enough?", STAGE)
_IN_USE = Question("in_use", "In use", "Was the meter installed and not yet taken out of use?", STAGE)
_PAIRS = Question("pairs", "Number of pairs", "Are there enough instants with both readings?", STAGE)
_COVERAGE = Question("coverage", "Coverage", "Do they cover enough of the window?", STAGE)
_FLOWING = Question("flowing", "Flowing pairs", "Did enough water flow?", STAGE)
_REGISTERED = Question("registered", "Registration", "Is the meter in meters.csv?", STAGE)
_PAIRING = Question("pairing", "Pairing", "Do all statements agree on which flowmeter watches it?", STAGE)
_METER = Question("meter_reported", "Meter readings", "Did the meter report?", STAGE)
_REFERENCE = Question("reference_reported", "Reference readings", "Did a reference flowmeter report for it?", STAGE)
_KNOWN = Question("reference_known", "Reference known", "Is that flowmeter in flowmeters.csv?", STAGE)
_AGE = Question("reference_calibrated", "Calibration age", "Was the reference calibrated recently enough?", STAGE)

#: the reasons that block a judgement, in the judge's order, with the question that each answers
BLOCKS = (
    ("unregistered", _REGISTERED),
    ("pairing_conflict", _PAIRING),
    ("meter_missing", _METER),
    ("reference_missing", _REFERENCE),
    ("reference_unregistered", _KNOWN),
    ("reference_expired", _AGE),
)


def could_be_judged(
    listed: Mapping[str, Any],
    blocked: str | None,
    worked: Worked | None,
    policy: Policy,
    window: Window,
    *,
    calibrated: bool,
) -> list[Check]:
    """The checks before any error is looked at.

    Parameters
    ----------
    listed
        What is known of the meter: the columns of `transforms.match.METERS`, of the fleet table and of its reference;
        ``n_meter`` is None where nothing was heard of it.
    blocked
        The judge's own answer, one of the reasons in `BLOCKS`, or None.
    worked
        The steps of the judgement, None where there were no pairs to work on.
    calibrated
        Whether there is a flowmeters.csv to look calibrations up in.
    """
    return [*_blocks(listed, blocked, policy, window, calibrated), *_counts(blocked, worked, policy)]


def same_and_in_use(changed_at: datetime | None, absent: str | None, reason: str) -> list[Check]:
    """Whether the meter was in use, and the same for long enough.

    Parameters
    ----------
    changed_at, absent
        As for `transforms.judge.dossier.dossier_of`.
    reason
        The verdict's.
    """
    in_use = (
        _IN_USE.failed(sentence(absent), "inconclusive") if absent else _IN_USE.passed("for all that meters.csv says")
    )
    if changed_at is None:
        return [
            in_use,
            _UNCHANGED.passed("no answer tells of new parameters, meters.csv of no exchange, in the window"),
        ]
    told = f"changed at {iso(changed_at)}, and only what it measured from then on counts"
    if reason == "parameters_changed":
        return [in_use, _UNCHANGED.failed(f"{told}: too little to judge it by", "inconclusive")]
    return [in_use, _UNCHANGED.passed(told)]


def _blocks(
    listed: Mapping[str, Any], blocked: str | None, policy: Policy, window: Window, calibrated: bool
) -> list[Check]:
    sentences = _sentences(listed, policy, window)
    checks: list[Check] = []
    stopped = ""
    for reason, question in BLOCKS:
        numbers = _numbers(question, listed, policy, window)
        if stopped:
            checks.append(question.not_evaluated(f"not asked: {stopped}"))
        elif reason == blocked:
            stopped = sentences[reason][1]()
            checks.append(question.failed(stopped, "inconclusive", **numbers))
        elif question is _PAIRING and listed["n_meter"] is None:
            checks.append(question.not_evaluated("nothing was heard of it or about it in this window"))
        elif question in (_KNOWN, _AGE) and not calibrated:
            checks.append(question.not_evaluated("there is no flowmeters.csv, so every reference counts as calibrated"))
        else:
            checks.append(question.passed(sentences[reason][0](), **numbers))
    return checks


def _sentences(
    listed: Mapping[str, Any], policy: Policy, window: Window
) -> dict[str, tuple[Callable[[], str], Callable[[], str]]]:
    """What to say where the question passes, and where it fails."""
    who, most = listed.get("flowmeter_id"), policy.reference_max_age_days

    def age() -> str:
        days = _age(listed, window)
        if days is None:
            return f"{who} has no calibration before the window's end"
        return (
            f"{who} was calibrated on {listed['calibrated_on']}, {times(days, 'day')} before the last day of the window"
        )

    return {
        "unregistered": (lambda: f"model {listed['model']}", lambda: "the feature code is not in meters.csv"),
        "pairing_conflict": (
            lambda: f"flowmeter {who}" if who else "nobody contradicts",
            lambda: f"record and table, or two flowmeters, disagree; {who} is one of those involved",
        ),
        "meter_missing": (
            lambda: times(listed["n_meter"] or 0, "reading"),
            lambda: "the meter sent no reading in this window",
        ),
        "reference_missing": (
            lambda: f"{times(listed['n_reference'] or 0, 'reading')} of {who}",
            lambda: "no flowmeter reported for this meter in this window",
        ),
        "reference_unregistered": (lambda: f"{who} is listed", lambda: f"{who} is not in flowmeters.csv"),
        "reference_expired": (age, lambda: f"{age()}; {times(most, 'day')} are allowed"),
    }


def _age(listed: Mapping[str, Any], window: Window) -> int | None:
    """Days from the newest calibration to the last day of the window."""
    day = listed.get("calibrated_on")
    return None if day is None else ((window.end - timedelta(microseconds=1)).date() - day).days


def _numbers(
    question: Question, listed: Mapping[str, Any], policy: Policy, window: Window
) -> dict[str, float | str | None]:
    if question is _METER:
        return {"value": listed["n_meter"] or 0, "limit": 1, "unit": "readings"}
    if question is _REFERENCE:
        return {"value": listed["n_reference"] or 0, "limit": 1, "unit": "readings"}
    if question is _AGE:
        return {"value": _age(listed, window), "limit": policy.reference_max_age_days, "unit": "d"}
    return {}


def _counts(blocked: str | None, worked: Worked | None, policy: Policy) -> list[Check]:
    """Pairs, coverage and flowing pairs; of a meter that is blocked nothing counts."""
    questions: Sequence[Question] = (_PAIRS, _COVERAGE, _FLOWING)
    if blocked is not None:
        return [
            question.not_evaluated("not asked: what it was compared with, if anything, does not count")
            for question in questions
        ]
    if worked is None:
        none = times(0, "pair")
        limits = (policy.evidence.min_pairs, 100 * policy.evidence.min_coverage, policy.evidence.min_flowing)
        units = ("pairs", "%", "pairs")
        return [
            q.failed(none, "inconclusive", value=0, limit=limit, unit=unit)
            for q, limit, unit in zip(questions, limits, units, strict=True)
        ]
    need = policy.evidence
    n, coverage, flowing = int(worked.n_pairs[0]), float(worked.coverage[0]), int(worked.found.flowing[0])
    return [
        _PAIRS.told(
            n >= need.min_pairs,
            f"{times(n, 'pair')}; at least {need.min_pairs} are needed",
            (),
            ("inconclusive",),
            value=n,
            limit=need.min_pairs,
            unit="pairs",
        ),
        _COVERAGE.told(
            coverage >= need.min_coverage,
            f"{percent(coverage)} of the instants expected; at least {percent(need.min_coverage)} are needed",
            (),
            ("inconclusive",),
            value=100 * coverage,
            limit=100 * need.min_coverage,
            unit="%",
        ),
        _FLOWING.told(
            not worked.standing.dry[0],
            f"{times(flowing, 'pair')} with a flow at or above Q1; at least {need.min_flowing} are needed",
            (),
            ("inconclusive",),
            value=flowing,
            limit=need.min_flowing,
            unit="pairs",
        ),
    ]
