"""State: the fold of commands and acks, the composition of corrections, and how long a need for a visit stays open."""

from __future__ import annotations

from datetime import datetime
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.correction import Correction
from transforms.decide import awaited
from transforms.state import Attempt, Episode, MeterState, applied, fold_commands, fold_orders
from transforms.windows import parse_time

CODE = "WM-1"
NOW = parse_time("2026-01-03T00:00:00Z")


def command(sequence: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "command_id": f"c-{changes.get('feature_code', CODE)}-{sequence}",
        "feature_code": CODE,
        "sequence": sequence,
        "state": "ready",
        "issued_at": "2026-01-01T12:00:00Z",
        "expires_at": "2026-01-04T12:00:00Z",
        "correction": {"gain": 0.9 + sequence / 100, "offset_lph": -float(sequence)},
        **changes,
    }


def ack(
    sequence: int = 1, status: str = "applied", at: str = "2026-01-01T12:05:00Z", code: str = CODE
) -> dict[str, Any]:
    return {"command_id": f"c-{code}-{sequence}", "feature_code": code, "status": status, "at": at}


def attempt(status: str, at: str | None, effect: str | None = None) -> Attempt:
    return Attempt("c-WM-1-1", 1, "", "2026-01-01T12:00:00Z", status, at, effect)


def fold(commands: list[dict[str, Any]], acks: list[dict[str, Any]], now: datetime = NOW) -> MeterState:
    return fold_commands(commands, acks, now)[CODE]


def test_a_meter_that_was_never_commanded_uses_no_correction() -> None:
    assert fold_commands([], [ack()], NOW) == {}
    assert MeterState().in_force == Correction(1.0, 0.0)
    assert MeterState().sequence == 0


def test_applied() -> None:
    assert fold([command()], [ack()]) == MeterState(
        sequence=1,
        in_force=Correction(0.91, -1.0),
        changed_at=parse_time("2026-01-01T12:05:00Z"),
        in_force_by="c-WM-1-1",
        last_command="c-WM-1-1",
        awaiting="c-WM-1-1",
        attempts=(attempt("applied", "2026-01-01T12:05:00Z"),),
    )


def test_an_audit_knows_commands_that_were_carried_out_late_or_without_an_answer() -> None:
    expired = {"expires_at": "2026-01-02T00:00:00Z"}
    late = ack(at="2026-01-05T08:00:00Z")
    assert applied([command(**expired)], [late]) == [(CODE, parse_time("2026-01-05T08:00:00Z"))]
    # only what windows showed tells of one that never was answered; one that was refused was not carried out
    sent = [command(**expired)]
    assert applied(sent, [], effects={"c-WM-1-1": "improved"}) == [(CODE, parse_time("2026-01-02T00:00:00Z"))]
    assert applied(sent, [], effects={"c-WM-1-1": "no_effect"}) == applied(sent, []) == []
    assert applied(sent, [ack(status="rejected")], effects={"c-WM-1-1": "cured"}) == []


def test_a_curve_that_was_applied_is_in_force() -> None:
    points = [[24.0, 20.0], [310.0, 300.0], [1350.0, 1400.0]]
    state = fold([command(), command(2, correction={"points": points})], [ack(), ack(2)])
    assert state.in_force == Correction(points=((24.0, 20.0), (310.0, 300.0), (1350.0, 1400.0)))
    back = fold([command(), command(2, correction={"points": points}), command(3)], [ack(), ack(2), ack(3)])
    assert back.in_force == Correction(0.93, -3.0)


@pytest.mark.parametrize("status", ["rejected", "failed"])
def test_refused_changes_nothing_but_the_sequence(status: str) -> None:
    assert fold([command()], [ack(status=status)]) == MeterState(
        sequence=1, last_command="c-WM-1-1", attempts=(attempt(status, "2026-01-01T12:05:00Z"),)
    )


def test_unanswered_is_pending_until_it_expires() -> None:
    until = parse_time("2026-01-04T12:00:00Z")
    waiting = MeterState(
        sequence=1,
        last_command="c-WM-1-1",
        pending="c-WM-1-1",
        pending_until=until,
        attempts=(attempt("in_flight", None),),
    )
    assert fold([command()], []) == waiting
    assert fold([command()], [], parse_time("2026-01-04T11:59:59Z")) == waiting
    expired = fold([command()], [], until)
    assert (expired.pending, expired.pending_until) == (None, None)
    assert expired.attempts == (attempt("expired", "2026-01-04T12:00:00Z"),)
    assert (expired.tried, expired.unanswered) == (0, 1)


def test_an_answer_after_the_end_still_counts() -> None:
    late = parse_time("2026-01-06T00:00:00Z")
    assert fold([command()], [ack(at="2026-01-05T00:00:00Z")], late).in_force == Correction(0.91, -1.0)


def test_an_ack_dated_in_the_future_has_not_come_yet() -> None:
    assert fold([command()], [ack(at="2026-01-03T00:00:01Z")]).pending == "c-WM-1-1"
    assert fold([command()], [ack(at="2026-01-03T00:00:00Z")]).pending is None


def test_an_ack_of_another_command_is_none() -> None:
    assert fold([command()], [ack(2), ack(1, code="WM-2")]).pending == "c-WM-1-1"


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_of_several_acks_the_earliest_counts_however_they_are_sorted(order: tuple[int, ...]) -> None:
    acks = [
        ack(at="2026-01-01T12:05:00Z"),
        ack(at="2026-01-01T13:05:00+01:00"),
        ack(status="failed", at="2026-01-02T00:00:00Z"),
    ]
    state = fold([command()], [acks[k] for k in order])
    assert state.changed_at == parse_time("2026-01-01T12:05:00Z")
    assert state.in_force == Correction(0.91, -1.0)


def test_an_ack_that_comes_twice_does_no_harm() -> None:
    assert fold([command()], [ack(), ack()]) == fold([command()], [ack()])


def test_held_commands_have_not_left() -> None:
    held = command(state="held")
    assert fold([held], []) == MeterState(sequence=1)
    assert fold([held], [ack()]) == MeterState(sequence=1)
    state = fold([command(1), command(2, state="held")], [ack(1)])
    assert (state.sequence, state.in_force, state.last_command) == (2, Correction(0.91, -1.0), "c-WM-1-1")


def test_a_held_command_does_not_hide_one_that_waits() -> None:
    assert fold([command(1), command(2, state="held")], []).pending == "c-WM-1-1"


def test_the_newest_applied_one_is_in_force() -> None:
    second = ack(2, at="2026-01-02T00:05:00Z")
    both = fold([command(1), command(2)], [ack(1), second])
    assert (both.in_force, both.changed_at) == (Correction(0.92, -2.0), parse_time("2026-01-02T00:05:00Z"))
    assert both.last_command == "c-WM-1-2"


def test_a_refused_second_leaves_the_first_in_force() -> None:
    state = fold([command(1), command(2)], [ack(1), ack(2, "rejected", "2026-01-02T00:05:00Z")])
    assert (state.sequence, state.in_force) == (2, Correction(0.91, -1.0))
    assert state.changed_at == parse_time("2026-01-01T12:05:00Z")


def test_an_answer_to_the_first_after_the_second_does_not_bring_it_back() -> None:
    """A meter ignores a sequence not above the one in force."""
    state = fold([command(1), command(2)], [ack(2, at="2026-01-02T00:05:00Z"), ack(1, at="2026-01-02T12:00:00Z")])
    assert state.in_force == Correction(0.92, -2.0)


@given(st.permutations([("WM-1", 1), ("WM-1", 2), ("WM-1", 3), ("WM-2", 1), ("WM-2", 2)]))
def test_meters_do_not_mix_and_the_order_of_files_does_not_matter(order: list[tuple[str, int]]) -> None:
    commands = [command(sequence, feature_code=code) for code, sequence in order]
    acks = [ack(1), ack(2, "failed"), ack(1, code="WM-2")]
    states = fold_commands(commands, acks, NOW)
    assert states["WM-1"].pending == "c-WM-1-3"
    assert states["WM-2"].pending == "c-WM-2-2"
    assert {code: state.in_force for code, state in states.items()} == {
        "WM-1": Correction(0.91, -1.0),
        "WM-2": Correction(0.91, -1.0),
    }


def corrected(correction: Correction, raw: float) -> float:
    """What a meter shows: zero stays zero, and nothing is below zero."""
    return max(0.0, correction.gain * raw + correction.offset_lph) if raw > 0 else 0.0


gains = st.floats(0.75, 1.3)
offsets = st.floats(-30.0, 30.0)
FLOWS = (200.0, 640.0, 1300.0, 3125.0)


@given(st.lists(st.tuples(gains, offsets), min_size=1, max_size=5))
def test_a_meter_that_keeps_changing_is_right_after_every_command(changes: list[tuple[float, float]]) -> None:
    """The meter's raw error changes, what it shows is measured against the truth, and the next correction is made."""
    in_force, gain, offset = Correction(), 1.0, 0.0
    for more, shift in changes:
        gain, offset = gain * more, offset + shift
        raw = [gain * q + offset for q in FLOWS]
        shown = [in_force.gain * r + in_force.offset_lph for r in raw]
        a1 = (shown[-1] - shown[0]) / (FLOWS[-1] - FLOWS[0])
        a2 = shown[0] - a1 * FLOWS[0]
        in_force = in_force.then_line(a1, a2)
        for q, r in zip(FLOWS, raw, strict=True):
            assert in_force.gain * r + in_force.offset_lph == pytest.approx(q, rel=1e-6, abs=1e-6)


@given(gains, offsets, gains, offsets)
def test_corrections_are_absolute(a1: float, a2: float, b1: float, b2: float) -> None:
    """Two commands in order leave the second, and the second twice leaves it as well."""
    first = Correction().then_line(a1, a2)
    second = first.then_line(b1, b2)
    for raw in FLOWS:
        expected = (corrected(first, raw) - b2) / b1 if corrected(first, raw) > 0 else 0.0
        assert corrected(second, raw) == pytest.approx(max(0.0, expected), rel=1e-9, abs=1e-6)


def test_nothing_measured_wrong_changes_nothing() -> None:
    assert Correction(0.93, -4.0).then_line(1.0, 0.0) == Correction(0.93, -4.0)


def test_the_formats_own_example() -> None:
    found = Correction().then_line(1.031, 4.2)
    assert (round(found.gain, 5), round(found.offset_lph, 4)) == (0.96993, -4.0737)


def order(window: str, reason: str = "scatter", since: str | None = None, code: str = CODE) -> dict[str, Any]:
    return {
        "feature_code": code,
        "reason": reason,
        "since": since or window,
        "order_id": f"w-{code}-{reason}-{since or window}",
        "window_start": window,
    }


FIRST, SECOND, THIRD, FOURTH = (f"2026-01-0{1 + k // 2}T{'00' if k % 2 == 0 else '12'}:00:00Z" for k in range(4))


@pytest.mark.parametrize(
    ("orders", "healthy", "episode"),
    [
        ([order(FIRST)], {}, Episode("scatter", FIRST, f"w-WM-1-scatter-{FIRST}")),
        # kept over windows
        ([order(FIRST), order(SECOND, since=FIRST)], {}, Episode("scatter", FIRST, f"w-WM-1-scatter-{FIRST}")),
        # another reason is another need
        ([order(FIRST), order(SECOND, "stuck")], {}, Episode("stuck", SECOND, f"w-WM-1-stuck-{SECOND}")),
        # healthy afterwards, or before
        ([order(FIRST)], {CODE: SECOND}, None),
        ([order(SECOND)], {CODE: FIRST}, Episode("scatter", SECOND, f"w-WM-1-scatter-{SECOND}")),
        ([order(FIRST), order(THIRD)], {CODE: SECOND}, Episode("scatter", THIRD, f"w-WM-1-scatter-{THIRD}")),
        ([order(FIRST), order(THIRD)], {CODE: FOURTH}, None),
        # another meter's health is none of its business
        ([order(FIRST)], {"WM-2": SECOND}, Episode("scatter", FIRST, f"w-WM-1-scatter-{FIRST}")),
    ],
)
def test_how_long_a_need_stays_open(
    orders: list[dict[str, Any]], healthy: dict[str, str], episode: Episode | None
) -> None:
    assert fold_orders(orders, healthy).get(CODE) == episode


def test_what_was_cured_is_no_attempt_any_more() -> None:
    state = fold_commands([command()], [ack()], NOW, {"c-WM-1-1": "cured"})[CODE]
    assert (state.awaiting, state.attempts, state.tried) == (None, (), 0)
    assert state.in_force == Correction(0.91, -1.0)
    more = fold_commands([command(), command(2)], [ack(), ack(2)], NOW, {"c-WM-1-1": "improved"})[CODE]
    assert (more.awaiting, more.tried) == ("c-WM-1-2", 1), "one that made it better was not in vain"
    assert more.before == Correction(0.91, -1.0)
    assert [one.effect for one in more.attempts] == ["improved", None]


def test_undoing_is_no_attempt_and_its_effect_is_not_asked() -> None:
    undo = command(2, undoes="c-WM-1-1", correction={"gain": 1.0, "offset_lph": 0.0})
    state = fold_commands([command(), undo], [ack(), ack(2)], NOW, {"c-WM-1-1": "worse"})[CODE]
    assert (state.awaiting, state.tried, state.in_force) == (None, 1, Correction())


def test_a_new_meter_under_the_same_code_knows_nothing_of_the_old_ones_commands() -> None:
    installed = {CODE: parse_time("2026-01-02T00:00:00Z")}
    later = command(2, issued_at="2026-01-02T12:00:00Z")
    state = fold_commands([command(), later], [ack()], NOW, {}, installed)[CODE]
    assert (state.sequence, state.in_force, state.pending) == (2, Correction(), "c-WM-1-2")
    assert [one.sequence for one in state.attempts] == [2]


def test_a_command_under_way_may_reach_the_meter_that_came_meanwhile() -> None:
    """Nobody answered the command to the old meter; until it expires the gateway may hand it to the new one."""
    installed = {CODE: parse_time("2026-01-02T00:00:00Z")}

    def then(now: str, *acks: dict[str, Any]) -> MeterState:
        return fold_commands([command()], acks, parse_time(now), {}, installed)[CODE]

    waiting = then("2026-01-03T00:00:00Z")
    assert (waiting.pending, waiting.attempts, waiting.in_force) == ("c-WM-1-1", (), Correction())
    over = then("2026-01-05T00:00:00Z")
    assert (over.pending, over.silent, over.same_since) == (None, None, None)
    late = ack(at="2026-01-02T08:00:00Z")
    reached = then("2026-01-03T00:00:00Z", late)
    assert reached.in_force == Correction.from_json(command()["correction"])
    assert (reached.in_force_by, reached.changed_at) == ("c-WM-1-1", parse_time(late["at"]))
    assert (reached.pending, reached.attempts, reached.awaiting) == (None, (), None)
    assert applied([command()], [late], installed) == [(CODE, parse_time(late["at"]))]
    assert applied([command()], [ack()], installed) == []


def test_a_command_that_was_to_be_taken_back_is_in_flight_again_when_the_meter_refuses_that() -> None:
    taking_back = command(2, withdraws="c-WM-1-1", issued_at="2026-01-01T18:00:00Z", expires_at="2026-01-04T18:00:00Z")
    refused = fold([command(), taking_back], [ack(2, "rejected", "2026-01-01T18:30:00Z")])
    assert (refused.pending, refused.pending_until) == ("c-WM-1-1", parse_time("2026-01-04T12:00:00Z"))
    assert (refused.last_command, refused.sequence) == ("c-WM-1-2", 2)
    applied = fold([command(), taking_back], [ack(2, at="2026-01-01T18:30:00Z")])
    assert applied.pending is None, "the meter ignores the earlier one from now on"


def test_a_slow_clock_does_not_let_a_meter_change_before_it_was_told() -> None:
    """Released at noon, and the meter says that it was done at ten: what it measured until noon is of before."""
    state = fold([command()], [ack(at="2026-01-01T10:00:00Z")])
    assert state.changed_at == parse_time("2026-01-01T12:00:00Z")
    assert state.attempts[0].at == "2026-01-01T10:00:00Z", "as the device said"


def test_the_effect_of_a_command_is_asked_of_windows_that_end_after_it_was_applied() -> None:
    states = fold_commands([command()], [ack(at="2026-01-02T00:10:00Z")], NOW)
    assert awaited(states, parse_time("2026-01-02T00:00:00Z")).is_empty()
    assert awaited(states, parse_time("2026-01-02T12:00:00Z"))["command_id"].to_list() == ["c-WM-1-1"]


def test_a_cure_by_a_command_that_turns_out_to_have_been_refused_is_nobodys() -> None:
    """Two acks contradict each other, and the earlier one comes last: the effect was judged by then."""
    acks = [
        ack(at="2026-01-02T00:00:00Z"),
        ack(2, "rejected", "2026-01-02T06:00:00Z"),
        ack(2, at="2026-01-02T07:00:00Z"),
    ]
    states = fold_commands([command(), command(2)], acks, NOW, {"c-WM-1-2": "cured"})
    assert states[CODE].awaiting == "c-WM-1-1"
    assert awaited(states, NOW).is_empty()
