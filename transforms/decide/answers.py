"""What a run's guards said about one meter, read from what the run left in its outbox; nothing is decided anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from transforms.correction import Correction
from transforms.judge.dossier import Check, Question
from transforms.reasons import sentence

_STAGE = "may a command go out"
_LIMITS = Question("limits", "Limits of gain and offset", "Is the correction within what the model allows?", _STAGE)
_BREAKER = Question("breaker", "Fleet breaker", "Is the share of the fleet to be commanded small enough?", _STAGE)
#: the guards whose answer is a reason under ``withheld`` in the manifest, or that of a work order
_GUARDS = {
    "reference_suspect": Question(
        "reference_suspect", "References (binomial test)", "Do the references calibrated together look sound?", _STAGE
    ),
    "reference_shared": Question(
        "reference_shared",
        "References (on one pipe at a time)",
        "Does the reference say that it watches this meter only?",
        _STAGE,
    ),
    "display_differs": Question(
        "display_differs", "Display and wire", "Does the display show what the meter sends?", _STAGE
    ),
    "contradicted": Question(
        "contradicted",
        "References (dumps that agree)",
        "Do the dumps agree on what meter and reference showed?",
        _STAGE,
    ),
    "stale_window": Question("stale_window", "Newest window", "Is there no later window that was judged?", _STAGE),
    "meter_exchanged": Question(
        "meter_exchanged", "Parameters since (exchange)", "Is it surely the meter that is there now?", _STAGE
    ),
    "unclear_answers": Question(
        "unclear_answers", "Parameters since (answers)", "Do its answers tell which parameters it uses?", _STAGE
    ),
    "changed_since": Question("changed_since", "Parameters since", "Are the parameters still the same?", _STAGE),
    "in_flight": Question("in_flight", "One command at a time", "Is every earlier command answered or over?", _STAGE),
    "attempts_spent": Question("attempts", "Attempts", "Are there attempts left?", _STAGE),
    "no_answer": Question("answers", "Answers", "Can the meter be reached?", _STAGE),
    "unconfirmed": Question(
        "unconfirmed", "Confirmation", "Was it seen in as many windows as the policy asks?", _STAGE
    ),
}


def guards_said(
    verdict: str,
    command: Mapping[str, Any] | None,
    order: Mapping[str, Any] | None,
    withheld: Sequence[str],
    limits: Mapping[str, Any],
    *,
    decided: bool,
) -> list[Check]:
    """The guards of a command, as the run answered them.

    A command that is there passed all of them. Of one that is not, the record names the guard that refused; the others
    count as not evaluated.

    Parameters
    ----------
    verdict
        The run's.
    command, order
        The run's command and work order for the meter, if any.
    withheld
        The reasons that the manifest gives for keeping a command back.
    limits
        ``max_gain_change`` and ``max_offset_lph`` of the meter's model, as far as known.
    decided
        Whether there is a run at all.
    """
    questions = [_LIMITS, *_GUARDS.values(), _BREAKER]
    if not decided:
        return [question.not_evaluated("no run has decided about this window yet") for question in questions]
    if command is not None:
        return [
            _within(command, limits),
            *(q.passed("the run found nothing against it") for q in _GUARDS.values()),
            _breaker(command),
        ]
    refusal = next(iter(withheld), None) or (order["reason"] if order else None)
    if verdict != "steady" and refusal not in _GUARDS:
        return [q.not_evaluated("not asked: only a steady deviation can be commanded away") for q in questions]
    why = "not asked: one refusal is enough" if refusal else "the run's record does not say"
    checks = [_beyond(order, why)]
    for reason, question in _GUARDS.items():
        checks.append(
            question.failed(sentence(reason), "no command") if reason == refusal else question.not_evaluated(why)
        )
    return [*checks, _BREAKER.not_evaluated(why)]


def _within(command: Mapping[str, Any], limits: Mapping[str, Any]) -> Check:
    correction = Correction.from_json(command["correction"])
    change, most = correction.largest_gain_change(), limits.get("max_gain_change")
    offset, widest = correction.offset_at_zero, limits.get("max_offset_lph")
    if most is None or widest is None:
        return _LIMITS.passed("the run found the correction within the model's limits")
    return _LIMITS.passed(
        f"the gain changes by {change:.4f} ({most:g} is allowed), the offset by {abs(offset):.4g} L/h ({widest:g} L/h)",
        value=change,
        limit=most,
    )


def _beyond(order: Mapping[str, Any] | None, why: str) -> Check:
    if order is None or order["reason"] not in ("beyond_limits", "not_increasing"):
        return _LIMITS.not_evaluated(why)
    evidence = order.get("evidence") or {}
    gain, offset = evidence.get("gain_wanted"), evidence.get("offset_wanted_lph")
    if gain is None or offset is None:
        return _LIMITS.failed(sentence(order["reason"]), "no command")
    most, widest = evidence.get("max_gain_change"), evidence.get("max_offset_lph")
    return _LIMITS.failed(
        f"a gain of {gain:.4f} (1 ± {most:g} is allowed) and an offset of {offset:.4g} L/h (± {widest:g} L/h) would be needed",
        "no command",
        value=abs(gain - 1),
        limit=most,
    )


def _breaker(command: Mapping[str, Any]) -> Check:
    if command["state"] == "held":
        return _BREAKER.failed(f"held until a person approves: {sentence('breaker')}", "no command")
    return _BREAKER.passed("the command is ready to leave")
