"""The closed loop over several windows: commands, their acks, what follows, and the guards in between."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.workspaces import Small, demand, noisy

Q = demand()
TRUE = noisy(Q, 0.002)
RUNS = ["20260101T000000Z_12h_r1", "20260101T120000Z_12h_r1", "20260102T000000Z_12h_r1", "20260102T120000Z_12h_r1"]
ENDS = ["2026-01-01T12:00:00Z", "2026-01-02T00:00:00Z", "2026-01-02T12:00:00Z", "2026-01-03T00:00:00Z"]
NO_PLOTS = "[report]\nplots = 0\n"
STARTS = ["2026-01-01T00:00:00Z", *ENDS]


def off(a1: float = 1.0, a2: float = 0.0, flows: Iterable[float] = TRUE) -> list[float]:
    return [a1 * v + a2 if v > 0 else 0.0 for v in flows]


def corrected(correction: dict[str, float] | None, raw: Iterable[float]) -> list[float]:
    """What a meter with a correction in force shows for its raw flows."""
    if correction is None:
        return list(raw)
    return [max(0.0, correction["gain"] * v + correction["offset_lph"]) if v > 0 else 0.0 for v in raw]


def fill(small: Small, *windows: Sequence[float | None], code: str = "WM-1", **files: str) -> Small:
    """A meter's flows, one list a window, beside the same reference in each. Plots are left out, which saves time."""
    files["policy_toml"] = files.get("policy_toml", "") + NO_PLOTS
    small.registry([code], **files)
    small.dump("meter", {code: [v for flows in windows for v in flows]})
    return small.dump("flowmeter", {code: Q * len(windows)})


def run(small: Small, number: int, now: str | None = None) -> int:
    return small.run("--now", now or ENDS[number], until=ENDS[number])


def ack(small: Small, command: dict[str, Any], at: str, status: str = "applied", name: str = "a.jsonl") -> None:
    folder = small.root / "raw" / "acks"
    folder.mkdir(parents=True, exist_ok=True)
    line = {"command_id": command["command_id"], "feature_code": command["feature_code"], "status": status, "at": at}
    with (folder / name).open("a") as file:
        file.write(json.dumps({**line, "detail": "é, as the device says"}) + "\n")


def exchange(small: Small, day: str) -> None:
    """The meter was installed on some day, as the registry says from now on."""
    meters = small.root / "registry" / "meters.csv"
    meters.write_text(f"feature_code,model,installed_on\nWM-1,T-R160,{day}\n")


def only(small: Small, number: int, name: str = "commands.jsonl") -> dict[str, Any]:
    (line,) = small.lines(name, RUNS[number])
    return line


def withheld(small: Small, number: int) -> list[str]:
    assert small.lines("commands.jsonl", RUNS[number]) == []
    return [entry["reason"] for entry in small.manifest(RUNS[number])["withheld"]]


def test_one_command_in_flight_for_each_meter(small: Small) -> None:
    fill(small, *[off(1.08)] * 2)
    run(small, 0)
    run(small, 1)
    assert only(small, 0)["sequence"] == 1
    assert withheld(small, 1) == ["in_flight"]


def test_a_command_that_expired_is_said_again(small: Small) -> None:
    fill(small, *[off(1.08)] * 3, policy_toml='[command]\nexpires = "18h"\n')
    for number in range(3):
        run(small, number)
    first, again = only(small, 0), only(small, 2)
    assert first["expires_at"] == "2026-01-02T06:00:00Z"
    assert withheld(small, 1) == ["in_flight"]
    assert (again["sequence"], again["supersedes"]) == (2, first["command_id"])
    assert again["correction"] == pytest.approx(first["correction"])


@pytest.mark.parametrize("status", ["rejected", "failed"])
def test_a_refused_command_is_followed_by_the_next_sequence(small: Small, status: str) -> None:
    fill(small, *[off(1.08)] * 2)
    run(small, 0)
    ack(small, only(small, 0), "2026-01-01T12:05:00Z", status)
    run(small, 1)
    again = only(small, 1)
    assert (again["sequence"], again["supersedes"]) == (2, only(small, 0)["command_id"])
    assert again["correction"] == pytest.approx(only(small, 0)["correction"])


def test_the_window_in_which_parameters_changed_is_judged_on_its_later_part(small: Small) -> None:
    """The ack comes at 12:50: the interval that ends at 13:00 began before it and counts for nothing either."""
    fill(small, off(1.08), off(1.08)[:4] + TRUE[4:], TRUE)
    run(small, 0)
    ack(small, only(small, 0), "2026-01-01T12:50:00Z")
    run(small, 1)
    run(small, 2)
    row = small.verdicts(RUNS[1])["WM-1"]
    assert (row["verdict"], row["reason"]) == ("healthy", "within_mpe")
    assert row["n_pairs"] == 48 - 5
    (effect,) = small.effects(RUNS[1])
    assert (effect["command_id"], effect["effect"]) == (only(small, 0)["command_id"], "cured")
    assert effect["volume_error_before"] == pytest.approx(0.08, abs=0.005)
    assert effect["volume_error_after"] == pytest.approx(0.0, abs=0.005)
    assert small.manifest(RUNS[1])["counts"]["effect"] == {"cured": 1}
    assert small.effects(RUNS[2]) == [], "an effect is told once"
    assert small.lines("work_orders.jsonl", RUNS[1]) == []
    assert small.verdicts(RUNS[2])["WM-1"]["verdict"] == "healthy"


def test_a_window_that_ended_before_the_ack_says_nothing_of_the_effect(small: Small) -> None:
    """The devices answer at ten past, the program runs at twenty past: what it judges is all from before."""
    fill(small, off(1.08), off(1.2), TRUE)
    run(small, 0)
    command = only(small, 0)
    ack(small, command, "2026-01-02T00:10:00Z")
    run(small, 1, now="2026-01-02T00:20:00Z")
    assert small.effects(RUNS[1]) == []
    assert withheld(small, 1) == ["changed_since"], "and nothing is undone"
    run(small, 2)
    assert [(row["command_id"], row["effect"]) for row in small.effects(RUNS[2])] == [(command["command_id"], "cured")]


def test_a_photo_is_asked_for_once_however_long_the_effect_is_awaited(small: Small) -> None:
    silent: list[float | None] = [None] * 48
    fill(
        small,
        off(1.08),
        *[silent] * 3,
        policy_toml='[command]\nexpires = "6h"\n',
        terminals_csv="feature_code,terminal_id,channel,language\nWM-1,+1,sms,en\n",
    )
    run(small, 0)
    ack(small, only(small, 0), "2026-01-01T12:00:01Z")
    for number in range(1, 4):
        run(small, number)
    kinds = [[notice["kind"] for notice in small.lines("notices.jsonl", name)] for name in RUNS]
    assert kinds == [["self_maintenance"], ["photo_request"], [], []]


def test_a_window_whose_later_part_is_too_short_is_not_judged(small: Small) -> None:
    fill(small, off(1.08), off(1.08)[:32] + TRUE[32:], TRUE)
    run(small, 0)
    ack(small, only(small, 0), "2026-01-01T20:00:00Z")
    run(small, 1)
    run(small, 2)
    row = small.verdicts(RUNS[1])["WM-1"]
    assert (row["verdict"], row["reason"], row["form"]) == ("inconclusive", "parameters_changed", None)
    assert small.effects(RUNS[1]) == []
    assert [effect["effect"] for effect in small.effects(RUNS[2])] == ["cured"]


def test_a_command_that_made_it_worse_is_undone_at_once(small: Small) -> None:
    fill(small, off(1.08), off(1.2), off(1.08))
    run(small, 0)
    first = only(small, 0)
    ack(small, first, "2026-01-01T12:00:01Z")
    run(small, 1)
    assert [effect["effect"] for effect in small.effects(RUNS[1])] == ["worse"]
    undo = only(small, 1)
    assert (undo["undoes"], undo["sequence"], undo["supersedes"]) == (first["command_id"], 2, first["command_id"])
    assert undo["correction"] == {"gain": 1.0, "offset_lph": 0.0}
    ack(small, undo, "2026-01-02T00:00:01Z")
    run(small, 2)
    assert small.effects(RUNS[2]) == [], "undoing is no attempt of its own"
    again = only(small, 2)
    assert again["sequence"] == 3
    assert again["correction"] == pytest.approx(first["correction"], abs=0.5)


@pytest.mark.parametrize(("shown", "effect"), [(off(1.04), "improved"), (off(1.08), "no_effect")])
def test_a_command_that_did_not_cure_is_followed_by_the_next(small: Small, shown: list[float], effect: str) -> None:
    fill(small, off(1.08), shown)
    run(small, 0)
    ack(small, only(small, 0), "2026-01-01T12:00:01Z")
    run(small, 1)
    assert [row["effect"] for row in small.effects(RUNS[1])] == [effect]
    assert (only(small, 1)["sequence"], "undoes" in only(small, 1)) == (2, False)


def test_after_so_many_attempts_a_person_goes_and_is_told_all(small: Small) -> None:
    fill(small, *[off(1.08)] * 3, policy_toml="max_attempts = 2\n")
    for number in range(3):
        run(small, number)
        if number < 2:
            ack(small, only(small, number), f"2026-01-0{1 + number // 1}T{12 - 12 * number:02}:00:01Z")
    assert small.lines("commands.jsonl", RUNS[2]) == []
    order = only(small, 2, "work_orders.jsonl")
    assert order["reason"] == "attempts_spent"
    told = order["evidence"]["attempts"]
    assert [(one["sequence"], one["status"], one.get("effect")) for one in told] == [
        (1, "applied", "no_effect"),
        (2, "applied", None),
    ]


def test_a_meter_that_never_answers_gets_a_visit(small: Small) -> None:
    fill(small, *[off(1.08)] * 4, policy_toml='max_attempts = 2\n[command]\nexpires = "6h"\n')
    for number in range(3):
        run(small, number)
    assert [only(small, number)["sequence"] for number in range(2)] == [1, 2]
    assert small.lines("commands.jsonl", RUNS[2]) == []
    assert only(small, 2, "work_orders.jsonl")["reason"] == "no_answer"


def test_a_meter_that_was_exchanged_starts_without_a_correction(small: Small) -> None:
    """It came on the day on which the old one carried out a command."""
    fill(small, off(1.08), TRUE, off(0.92))
    run(small, 0)
    ack(small, only(small, 0), "2026-01-01T12:00:01Z")
    exchange(small, "2026-01-01")
    run(small, 2)
    fresh = only(small, 2)
    assert fresh["sequence"] == 2
    assert fresh["correction"]["gain"] == pytest.approx(1 / 0.92, rel=0.005)


@pytest.mark.parametrize("shown", [off(1.08), off(1.08)[:24] + off(0.8)[24:]], ids=["off", "a step"])
def test_what_a_meter_shows_on_the_day_of_its_exchange_may_be_the_old_ones(small: Small, shown: list[float]) -> None:
    """The old one was off until noon, when somebody came; the new one is right."""
    fill(small, shown, TRUE)
    exchange(small, "2026-01-01")
    run(small, 0)
    assert withheld(small, 0) == ["meter_exchanged"]
    assert small.lines("work_orders.jsonl") == []


def test_the_windows_of_the_old_meter_confirm_nothing_of_the_new(small: Small) -> None:
    few = [v if k % 3 else 0.0 for k, v in enumerate(Q)]
    shown = [1.08 * new if old else 0.0 for old, new in zip(few, TRUE, strict=True)]
    rules = "[command]\nprove_windows = 2\nmin_flowing = 30\n[judge]\npool_windows = 1\n"
    fill(small, shown, shown, shown, policy_toml=rules)
    small.dump("flowmeter", {"WM-1": few * 3})
    run(small, 1)
    assert withheld(small, 1) == ["unproven"]
    exchange(small, "2026-01-01")
    run(small, 2)
    assert withheld(small, 2) == ["unproven"]


def test_the_same_need_of_another_meter_is_another_order(small: Small) -> None:
    fill(small, [5.0] * 48, [5.0] * 48, [5.0] * 48)
    run(small, 0)
    exchange(small, "2026-01-01")
    run(small, 2)
    old, new = only(small, 0, "work_orders.jsonl"), only(small, 2, "work_orders.jsonl")
    assert (old["reason"], new["reason"]) == ("stuck", "stuck")
    assert new["since"] == "2026-01-02T00:00:00Z"
    assert new["order_id"] != old["order_id"]


def test_a_meter_taken_out_of_use_and_one_not_yet_installed_are_not_judged(small: Small) -> None:
    small.registry(["WM-1", "WM-2"])
    (small.root / "registry" / "meters.csv").write_text(
        "feature_code,model,installed_on,removed_on\nWM-1,T-R160,,2026-01-01\nWM-2,T-R160,2026-02-01,\n"
    )
    small.dump("meter", {"WM-1": off(1.08), "WM-2": off(1.08)}).dump("flowmeter", {"WM-1": Q, "WM-2": Q})
    run(small, 0)
    assert {code: row["reason"] for code, row in small.verdicts().items()} == {
        "WM-1": "decommissioned",
        "WM-2": "not_installed",
    }
    assert small.lines("commands.jsonl") == []


@pytest.mark.parametrize(("a1", "a2"), [(1.06, 0.0), (0.94, 7.0), (1.0, -15.0)])
def test_the_next_command_is_absolute_though_the_error_was_seen_through_the_first(
    small: Small, a1: float, a2: float
) -> None:
    """The meter, corrected, drifts on: what it shows is wrong by a1, a2, and its raw flow by both errors together."""
    fill(small, off(1.08, 6.0), TRUE)
    run(small, 0)
    first = only(small, 0)
    ack(small, first, "2026-01-01T12:00:00Z")
    drifted = [
        (a1 * v + a2 - first["correction"]["offset_lph"]) / first["correction"]["gain"] if v else 0.0 for v in TRUE
    ]
    shown = corrected(first["correction"], drifted)
    assert shown == pytest.approx(off(a1, a2))
    small.dump("meter", {"WM-1": shown}, name="b.csv", start=_at(STARTS[2])).dump(
        "flowmeter", {"WM-1": Q}, name="b.csv", start=_at(STARTS[2])
    )
    run(small, 1)
    run(small, 2)
    second = only(small, 2)
    assert (second["sequence"], second["supersedes"]) == (2, first["command_id"])
    assert second["a1"] == pytest.approx(a1, abs=0.005)
    for once in (corrected(second["correction"], drifted), corrected(second["correction"], list(drifted))):
        assert sum(once) == pytest.approx(sum(Q), rel=0.003)
        assert all(abs(v - q) <= 0.006 * q + 0.8 for v, q in zip(once, TRUE, strict=True))


def _at(text: str) -> Any:
    from transforms.windows import parse_time

    return parse_time(text)


def test_a_correction_that_came_after_the_window_is_not_composed_with(small: Small) -> None:
    """The readings are from before the change, so they say nothing of the correction now in force."""
    fill(small, *[off(1.08)] * 2)
    run(small, 0)
    ack(small, only(small, 0), "2026-01-02T00:05:00Z")
    run(small, 1, now="2026-01-02T00:10:00Z")
    assert small.verdicts(RUNS[1])["WM-1"]["verdict"] == "steady"
    assert withheld(small, 1) == ["changed_since"]
    assert small.lines("work_orders.jsonl", RUNS[1]) == []


def test_an_ack_from_the_future_is_left_for_later(small: Small) -> None:
    fill(small, *[off(1.08)] * 2)
    run(small, 0)
    ack(small, only(small, 0), "2026-01-02T00:00:01Z")
    run(small, 1)
    assert withheld(small, 1) == ["in_flight"]


def test_acks_that_come_twice_in_several_files_count_once(small: Small) -> None:
    fill(small, off(1.08), TRUE, TRUE)
    run(small, 0)
    for name in ("a.jsonl", "b.jsonl"):
        ack(small, only(small, 0), "2026-01-01T12:00:01Z", name=name)
        ack(small, only(small, 0), "2026-01-02T12:00:00Z", "failed", name=name)
    assert run(small, 1) == 0
    assert [effect["effect"] for effect in small.effects(RUNS[1])] == ["cured"]
    assert run(small, 2) == 0
    assert small.verdicts(RUNS[2])["WM-1"]["verdict"] == "healthy"


def test_acks_that_cannot_be_read_are_named_and_the_others_count(
    small: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(small, off(1.08), TRUE, TRUE)
    run(small, 0)
    folder = small.root / "raw" / "acks"
    folder.mkdir()
    good = {"command_id": "c", "feature_code": "WM-1", "status": "applied", "at": "2026-01-01T12:00:00Z"}
    lines = [
        "{",
        "[1]",
        "[" * 100_000,
        json.dumps({**good, "status": "done"}),
        json.dumps({**good, "at": "2026-01-01T12:00:00"}),
        json.dumps({**good, "command_id": 7}),
        json.dumps(good),
        json.dumps({**good, "command_id": only(small, 0)["command_id"], "feature_code": "WM-2"}),
        "",
    ]
    (folder / "bad.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "latin.jsonl").write_bytes(b'{"detail": "\xe9"}\n')
    Path(os.fsdecode(os.fsencode(folder) + b"/named-\xe9.jsonl")).write_text("}\n")
    (folder / ".growing.jsonl").write_text('{"command_id": "half a l')
    (folder / "folder.jsonl").mkdir()
    (folder / "gone.jsonl").symlink_to("nowhere")
    ack(small, only(small, 0), "2026-01-01T12:00:00Z")
    capsys.readouterr()
    assert run(small, 1) == 3
    assert [effect["effect"] for effect in small.effects(RUNS[1])] == ["cured"]
    feedback = small.manifest(RUNS[1])["feedback"]
    assert feedback["acks"] == 1
    assert feedback["faults"] == [
        "raw/acks/bad.jsonl line 1: is not JSON",
        "raw/acks/bad.jsonl line 2: is not an object",
        "raw/acks/bad.jsonl line 3: is not JSON",
        "raw/acks/bad.jsonl line 4: status is none of applied, rejected, failed",
        "raw/acks/bad.jsonl line 5: at is not a time in ISO 8601 with Z",
        "raw/acks/bad.jsonl line 6: command_id is missing or no text",
        "raw/acks/bad.jsonl line 7: command_id is that of no command sent",
        "raw/acks/bad.jsonl line 8: feature_code is not that of the command",
        "raw/acks/latin.jsonl line 1: is not JSON",
        "raw/acks/named-\\xe9.jsonl line 1: is not JSON",
    ]
    out = capsys.readouterr().out
    assert all(fault in out for fault in feedback["faults"])
    kept = [json.loads(line) for line in (small.root / "quarantine" / "acks.jsonl").read_text().splitlines()]
    assert [f"{one['file']} line {one['line']}: {one['reason']}" for one in kept] == feedback["faults"]
    assert (small.root / "quarantine" / "acks.jsonl").stat().st_mode & 0o777 == 0o600
    assert run(small, 2) == 0, "a fault is told once"
    assert small.manifest(RUNS[2])["feedback"]["faults"] == []
    assert small.manifest(RUNS[2])["feedback"]["refused"] == len(kept)


def test_two_windows_must_agree_where_the_policy_asks_for_it(small: Small) -> None:
    fill(small, off(1.08), off(1.08), TRUE, off(1.08), policy_toml="confirm_windows = 2\n")
    for number in range(4):
        run(small, number)
    assert withheld(small, 0) == ["unconfirmed"]
    assert only(small, 1)["sequence"] == 1
    assert small.verdicts(RUNS[2])["WM-1"]["verdict"] == "healthy"
    assert withheld(small, 3) == ["in_flight"]


def test_a_healthy_window_in_between_starts_the_count_anew(small: Small) -> None:
    fill(small, off(1.08), TRUE, off(1.08), off(1.08), policy_toml="confirm_windows = 2\n")
    for number in range(4):
        run(small, number)
    assert withheld(small, 0) == withheld(small, 2) == ["unconfirmed"]
    assert only(small, 3)["sequence"] == 1


def test_a_window_that_cannot_be_judged_neither_counts_nor_interrupts(small: Small) -> None:
    fill(small, off(1.08), [None] * 48, off(1.08), policy_toml="confirm_windows = 2\n")
    for number in range(3):
        run(small, number)
    assert withheld(small, 0) == ["unconfirmed"]
    assert small.verdicts(RUNS[1])["WM-1"]["verdict"] == "inconclusive"
    assert only(small, 2)["sequence"] == 1


def test_windows_before_a_change_of_parameters_prove_nothing_of_what_came_after(small: Small) -> None:
    fill(small, off(1.08), off(1.08), off(1.04), off(1.04), policy_toml="confirm_windows = 2\n")
    run(small, 0)
    run(small, 1)
    ack(small, only(small, 1), "2026-01-02T00:00:00Z")
    run(small, 2)
    run(small, 3)
    assert withheld(small, 2) == ["unconfirmed"], "the two windows before were another meter's, so to speak"
    assert only(small, 3)["sequence"] == 2


TERMINAL = "feature_code,terminal_id,channel,language\nWM-1,+64215550101,sms,en\n"


@pytest.mark.parametrize("meter", [off(1.08), noisy(Q, 0.25), off(0.69)])
def test_nothing_is_sent_for_a_window_older_than_one_already_judged(small: Small, meter: list[float]) -> None:
    fill(small, meter, TRUE, terminals_csv=TERMINAL)
    run(small, 1)
    assert run(small, 0, now="2026-01-02T00:00:00Z") == 0
    assert small.verdicts(RUNS[0])["WM-1"]["verdict"] in ("steady", "unsteady")
    assert withheld(small, 0) == ["stale_window"]
    assert small.lines("work_orders.jsonl", RUNS[0]) == small.lines("notices.jsonl", RUNS[0]) == []


def test_windows_of_another_length_share_the_same_state(small: Small) -> None:
    """The first half of a window that was judged is older than it; the whole is later than its first half."""
    dense = demand(quarters=24) * 2
    meter = noisy([1.08 * v for v in dense], 0.002)
    small.registry(["WM-1"], policy_toml=NO_PLOTS + "\n[command]\nmin_flowing = 6\n")
    small.dump("meter", {"WM-1": meter}).dump("flowmeter", {"WM-1": dense})
    assert small.run("--window", "6h", until="2026-01-01T06:00:00Z") == 0
    assert len(small.lines("commands.jsonl", "20260101T000000Z_6h_r1")) == 1
    run(small, 0)
    assert withheld(small, 0) == ["in_flight"]
    assert small.run("--window", "6h", until="2026-01-01T12:00:00Z") == 0
    second_half = "20260101T060000Z_6h_r1"
    assert [entry["reason"] for entry in small.manifest(second_half)["withheld"]] == ["in_flight"]


def test_the_first_half_after_the_whole_is_stale(small: Small) -> None:
    fill(small, off(1.08))
    run(small, 0)
    assert small.run("--window", "6h", until="2026-01-01T06:00:00Z") == 0
    assert small.manifest("20260101T000000Z_6h_r1")["withheld"] == [{"feature_code": "WM-1", "reason": "stale_window"}]
    assert small.lines("commands.jsonl", "20260101T000000Z_6h_r1") == []


def test_a_work_order_keeps_its_id_until_the_meter_was_healthy(small: Small) -> None:
    scatter = noisy(Q, 0.25)
    fill(small, scatter, scatter, TRUE, scatter, terminals_csv=TERMINAL)
    for number in range(4):
        run(small, number)
    first, second, later = (only(small, number, "work_orders.jsonl") for number in (0, 1, 3))
    assert (second["order_id"], second["since"]) == (first["order_id"], STARTS[0])
    assert small.lines("work_orders.jsonl", RUNS[2]) == []
    assert later["since"] == STARTS[3]
    assert later["order_id"] != first["order_id"]
    told = [len(small.lines("notices.jsonl", RUNS[number])) for number in range(4)]
    assert told == [1, 0, 0, 0], "the customer is told once of each visit, and not again while that notice is open"


def test_a_window_without_evidence_does_not_close_a_work_order(small: Small) -> None:
    scatter = noisy(Q, 0.25)
    fill(small, scatter, [None] * 48, scatter)
    for number in range(3):
        run(small, number)
    assert small.verdicts(RUNS[1])["WM-1"]["reason"] == "meter_missing"
    assert only(small, 2, "work_orders.jsonl")["order_id"] == only(small, 0, "work_orders.jsonl")["order_id"]


def test_another_reason_is_another_work_order(small: Small) -> None:
    fill(small, noisy(Q, 0.25), off(0.69))
    run(small, 0)
    run(small, 1)
    first, second = (only(small, number, "work_orders.jsonl") for number in (0, 1))
    assert (first["reason"], second["reason"]) == ("scatter", "beyond_limits")
    assert (second["since"], second["priority"]) == (STARTS[1], "high")
    assert first["order_id"] != second["order_id"]


def fleet(small: Small, bad: int, good: int, **files: str) -> Small:
    codes = [f"WM-{k:02}" for k in range(bad + good)]
    files["policy_toml"] = files.get("policy_toml", "") + NO_PLOTS
    small.registry(codes, **files)
    small.dump("meter", {code: off(1.08) if k < bad else TRUE for k, code in enumerate(codes)} | {"WM-XX": TRUE})
    return small.dump("flowmeter", dict.fromkeys(codes, Q))


def test_the_breaker_holds_all_commands_of_the_run(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"WM-{k:02},+6421555{k:04},sms,en\n" for k in range(20))
    fleet(small, 3, 17, terminals_csv="feature_code,terminal_id,channel,language\n" + rows)
    assert small.run() == 4
    commands = small.lines("commands.jsonl")
    assert [command["state"] for command in commands] == ["held"] * 3
    assert small.lines("notices.jsonl") == []
    counts = small.manifest()["counts"]
    assert (counts["commands"], counts["held"], counts["notices"]) == (0, 3, 0)
    assert "HELD" in capsys.readouterr().out
    assert small.run() == 4, "done before, and still waiting for a person"


def test_held_commands_change_nothing_but_the_sequence(small: Small) -> None:
    """In the next window only two are off, which the breaker lets through."""
    fleet(small, 3, 17)
    small.dump(
        "meter", {f"WM-{k:02}": off(1.08) if k < 2 else TRUE for k in range(20)}, name="b.csv", start=_at(ENDS[0])
    )
    small.dump("flowmeter", {f"WM-{k:02}": Q for k in range(20)}, name="b.csv", start=_at(ENDS[0]))
    assert run(small, 0) == 4
    held = {command["feature_code"]: command for command in small.lines("commands.jsonl")}
    assert run(small, 1) == 0
    sent = small.lines("commands.jsonl", RUNS[1])
    assert [(c["feature_code"], c["state"], c["sequence"], c["supersedes"]) for c in sent] == [
        ("WM-00", "ready", 2, None),
        ("WM-01", "ready", 2, None),
    ]
    assert sent[0]["correction"] == pytest.approx(held["WM-00"]["correction"])


@pytest.mark.parametrize(
    ("bad", "good", "policy", "code"),
    [
        (2, 18, "", 0),  # a tenth is not more than a tenth
        (3, 17, "", 4),
        (3, 16, "", 0),  # a small fleet
        (3, 16, "[breaker]\nmin_meters = 19\n", 4),
        (3, 17, "[breaker]\nshare = 0.15\n", 0),
    ],
)
def test_when_the_breaker_falls(small: Small, bad: int, good: int, policy: str, code: int) -> None:
    fleet(small, bad, good, policy_toml=policy)
    assert small.run() == code
    assert len(small.lines("commands.jsonl")) == bad


def test_a_run_of_a_clock_that_was_ahead_is_named_as_what_keeps_commands_back(
    small: Small, capfd: pytest.CaptureFixture[str]
) -> None:
    fill(small, off(1.08))
    assert run(small, 3) == 0
    assert run(small, 0) == 0
    assert withheld(small, 0) == ["stale_window"]
    (said,) = [line for line in capfd.readouterr().err.splitlines() if "nothing is sent for this one" in line]
    assert f"outbox/{RUNS[3]} tells of a later window" in said
    assert "ends at 2026-01-03T00:00:00Z, which is still to come: if a clock was ahead" in said
    assert run(small, 1, now="2026-01-04T00:00:00Z") == 0, "a window that was left out, made good for later"
    (said,) = [line for line in capfd.readouterr().err.splitlines() if "nothing is sent for this one" in line]
    assert "clock" not in said


@pytest.mark.parametrize(
    ("windows", "reasons"),
    [
        ([off(1.08), TRUE], [["stale_window"], []]),
        ([off(1.08), noisy(Q, 0.25)], [["stale_window"], []]),
        ([noisy(Q, 0.25), TRUE], [["stale_window"], []]),
        ([off(1.08), off(1.08)], [[], ["in_flight"]]),
        ([off(1.08), [None] * len(Q)], [[], []]),
        ([off(1.08), TRUE, [None] * len(Q)], [["stale_window"], [], []]),
        ([TRUE, off(1.08), [None] * len(Q)], [[], [], []]),
        ([off(1.12), off(1.08)], [["stale_window"], []]),
    ],
    ids=[
        "well again",
        "broken",
        "no visit",
        "off still",
        "silent",
        "well in between",
        "off in between",
        "another error",
    ],
)
def test_of_windows_run_together_the_newest_says_whether_an_older_one_still_holds(
    small: Small, windows: list[list[float | None]], reasons: list[list[str]]
) -> None:
    fill(small, *windows)
    end = ENDS[len(windows) - 1]
    assert small.run("--from", STARTS[0], "--now", end, until=end) == 0
    found = [[entry["reason"] for entry in small.manifest(RUNS[k])["withheld"]] for k in range(len(windows))]
    assert found == reasons
    off_ = [small.verdicts(RUNS[k])["WM-1"]["verdict"] == "steady" for k in range(len(windows))]
    sent = [len(small.lines("commands.jsonl", RUNS[k])) for k in range(len(windows))]
    assert sent == [steady and not why for steady, why in zip(off_, reasons, strict=True)]
    assert small.lines("work_orders.jsonl", RUNS[0]) == []
