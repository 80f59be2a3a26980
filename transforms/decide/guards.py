"""The guards: why a command that a verdict asks for is not sent, or not yet, or only once a person has agreed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import polars as pl

from transforms.correction import Correction
from transforms.decide.situation import Situation
from transforms.policy import Policy
from transforms.state import MeterState
from transforms.windows import Window

#: more of a window than one flowmeter can cover; a reading or two may be at either place while it is moved
WHOLE: Final = 1.1


def made_worse(situation: Situation, suspect: frozenset[str]) -> set[str]:
    """The meters whose last command is undone now: it made them worse, and neither reference nor window is in doubt."""
    if situation.stale:
        return set()
    return {
        code
        for code, effect in situation.effects.items()
        if effect["effect"] == "worse" and code not in suspect and not situation.states[code].pending
    }


def shared_references(judged: pl.DataFrame) -> frozenset[str]:
    """The meters whose flowmeter says that it watches another one as well, for more of the window than there is.

    It is clamped on one pipe. One that was moved within the window covers no more than all of it with all its meters.
    """
    held = judged.filter(pl.col("flowmeter_id").is_not_null() & (pl.col("n_pairs") > 0))
    covered = held.group_by("flowmeter_id").agg(covered=pl.col("coverage").sum(), meters=pl.len())
    several = covered.filter((pl.col("meters") > 1) & (pl.col("covered") > WHOLE))
    return frozenset(held.join(several, on="flowmeter_id", how="semi")["feature_code"])


def spent(
    state: MeterState, policy: Policy, row: Mapping[str, Any] | None = None, lost: Mapping[str, Any] | None = None
) -> str | None:
    """Why no further command is of use to a meter, if so.

    ``row`` is what a window shows of it, ``lost`` a command that expired unanswered: that it was not carried out is known
    only if the meter shows the error that it had before.
    """
    if row is not None and lost is not None and not _as_before(row, lost):
        return "no_answer"
    if state.tried >= policy.max_attempts:
        return "attempts_spent"
    return "no_answer" if state.unanswered >= policy.max_attempts else None


def outdated(code: str, state: MeterState, window: Window, situation: Situation) -> str | None:
    """Why what a window says no longer holds. A correction must not be composed with one that came after the window, nor
    with one of which only now is known that it is in force."""
    if situation.stale or code in situation.overtaken:
        return "stale_window"
    if code in situation.exchanged:
        return "meter_exchanged"
    if code in situation.unclear:
        return situation.unclear[code]
    shown = situation.effects.get(code, {}).get("command_id")
    just_shown = state.silent is not None and state.silent.command_id == shown
    if just_shown or (state.changed_at and state.changed_at >= window.end):
        return "changed_since"
    return None


def unsure(row: Mapping[str, Any]) -> str | None:
    """Why what a window says is no ground for a command."""
    return next((reason for reason in ("imprecise", "marginal") if row[reason]), None)


def not_carried_out(row: Mapping[str, Any], situation: Situation) -> Mapping[str, Any] | None:
    """The command that a meter says it carried out, or that expired unanswered, if what it shows is what it showed before.

    It may have carried it out and be off by as much again; if it did not, what is composed with that correction is wrong by all
    of it, and if it did, what is composed with the one before. To say the command again is right in both cases.
    """
    code = row["feature_code"]
    command = situation.lost.get(code) or situation.unmoved.get(code)
    return command if command is not None and _as_before(row, command) else None


def _as_before(row: Mapping[str, Any], command: Mapping[str, Any]) -> bool:
    """Whether a window shows the error that a command was to remove."""
    if any(one[name] is None for one in (row, command) for name in ("a1", "a2", "q_min_lph", "q_max_lph")):
        return True
    flow = max((row["q_min_lph"] * row["q_max_lph"]) ** 0.5, 1e-9)
    now, then = (one["a1"] - 1 + one["a2"] / flow for one in (row, command))
    return bool(abs(now - then) < abs(now) / 2)


def beyond(row: Mapping[str, Any], correction: Correction) -> bool:
    """Whether a correction is larger than the model allows. Every segment of a curve counts, wherever water flowed."""
    too_steep = correction.largest_gain_change() > float(row["max_gain_change"])
    return too_steep or abs(correction.offset_at_zero) > float(row["max_offset_lph"])


def not_yet(row: Mapping[str, Any], state: MeterState, policy: Policy, situation: Situation) -> str | None:
    """Why a command has to wait, if so."""
    code = row["feature_code"]
    if state.pending:
        return "in_flight"
    seen = situation.confirmed.get(code, 1)
    if row["unproven"] and seen < policy.command.prove_windows:
        return "unproven"
    if max(seen, row["pooled_windows"] or 1) < policy.confirm_windows:
        return "unconfirmed"
    return None


def breaks(count: int, judged: pl.DataFrame, policy: Policy) -> bool:
    """Above a share of the judged fleet, the reference or the dumps are the likelier culprit."""
    total = judged.filter(pl.col("verdict") != "inconclusive").height
    return total >= policy.breaker.min_meters and count > policy.breaker.share * total
