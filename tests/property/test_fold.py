"""The fold of commands and acks against the definition, over random histories of one and of several meters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.loop_model import play
from transforms.correction import Correction
from transforms.decide import awaited
from transforms.state import fold_commands
from transforms.windows import iso

CODES = ("WM-1", "WM-2")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
EFFECTS = ["cured", "improved", "worse", "no_effect"]
hours = st.integers(0, 96)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, str]]:
    """Commands in any order, acks that may be late, early, doubled, contradictory or nobody's, and effects."""
    commands, acks, effects = [], [], {}
    for code in CODES:
        issued = 0
        for sequence in range(1, 1 + draw(st.integers(0, 5))):
            issued += draw(st.integers(0, 30))
            name = f"c-{code}-{sequence}"
            taking = draw(st.sampled_from(["", "", "", "undoes", "withdraws"]))
            commands.append(
                {
                    "command_id": name,
                    "feature_code": code,
                    "sequence": sequence,
                    "state": draw(st.sampled_from(["ready", "ready", "ready", "held"])),
                    "issued_at": iso(BEGIN + issued * HOUR),
                    "expires_at": iso(BEGIN + (issued + draw(st.integers(1, 72))) * HOUR),
                    "correction": {"gain": 1.0 + sequence / 16, "offset_lph": float(-sequence)},
                    **({taking: f"c-{code}-{sequence - 1}"} if taking else {}),
                }
            )
            for _ in range(draw(st.integers(0, 2))):
                who = draw(st.sampled_from([code, code, code, "WM-9"]))
                status = draw(st.sampled_from(["applied", "applied", "rejected", "failed"]))
                acks.append(
                    {"command_id": name, "feature_code": who, "status": status, "at": iso(BEGIN + draw(hours) * HOUR)}
                )
            if draw(st.integers(0, 3)) == 0:
                effects[name] = draw(st.sampled_from(EFFECTS))
    return draw(st.permutations(commands)), draw(st.permutations(acks)), effects


@settings(max_examples=150, deadline=None, derandomize=True)
@given(history=histories(), now=hours, exchanged=st.none() | hours, doubled=st.booleans())
def test_the_fold_is_what_the_definition_says(
    history: tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, str]],
    now: int,
    exchanged: int | None,
    doubled: bool,
) -> None:
    commands, acks, effects = history
    moment = BEGIN + now * HOUR
    installed = {} if exchanged is None else {"WM-1": BEGIN + exchanged * HOUR}
    meant = {c["command_id"]: c["feature_code"] for c in commands}
    # as `for_commands` leaves them: an ack from another meter than the one commanded counts for nothing
    given_ = [ack for ack in acks if meant[ack["command_id"]] == ack["feature_code"]]
    states = fold_commands(commands, given_ * (2 if doubled else 1), moment, effects, installed)
    assert set(states) == {c["feature_code"] for c in commands}
    for code, state in states.items():
        own = [c for c in commands if c["feature_code"] == code]
        wanted = play(own, acks, moment, effects, installed.get(code))
        assert state.sequence == wanted.sequence
        assert state.in_force == Correction.from_json(wanted.in_force)
        assert state.before == Correction.from_json(wanted.before)
        assert state.changed_at == wanted.changed_at
        assert state.pending == (wanted.open[-1] if wanted.open else None)
        assert state.awaiting == wanted.awaiting
        assert [(a.command_id, a.status) for a in state.attempts] == wanted.attempts
    seen = awaited(states, moment)
    silent = {state.silent.command_id for state in states.values() if state.silent}
    assert set(seen["command_id"]) <= {state.awaiting for state in states.values()} | silent
    assert set(seen.filter("silent")["command_id"]) <= silent
    assert all(applied < moment for applied in seen["applied_at"])
