"""The closed loop where devices, people and files do what they should not: every command is held against the known truth."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tests.runs.test_loop import ENDS, NO_PLOTS, RUNS, TRUE, Q, ack, fill, off, only, run, withheld
from tests.workspaces import START, Small


def test_acks_behind_a_link_that_leads_out_of_raw_are_not_followed(small: Small, tmp_path: Path) -> None:
    fill(small, off(1.08), off(1.08))
    run(small, 0)
    ack(small, only(small, 0), "2026-01-01T12:10:00Z")
    file = small.root / "raw" / "acks" / "a.jsonl"
    file.rename(tmp_path / "elsewhere.jsonl")
    file.symlink_to(tmp_path / "elsewhere.jsonl")
    run(small, 1)
    feedback = small.manifest(RUNS[1])["feedback"]
    assert feedback["acks"] == 0
    assert feedback["faults"] == ["raw/acks/a.jsonl line 1: is a link to a place outside raw/, which is not followed"]
    assert withheld(small, 1) == ["in_flight"]


@pytest.mark.parametrize(
    ("answers", "shown", "sent"),
    [
        ([("applied", "2026-01-01T12:10:00Z"), ("failed", "2026-01-02T00:10:00Z")], off(1.08), False),
        ([("failed", "2026-01-01T12:10:00Z"), ("applied", "2026-01-01T12:11:00Z")], off(1.04), False),
        ([("applied", "2026-01-01T12:10:00Z"), ("applied", "2026-01-01T12:30:00Z")], off(1.04), True),
    ],
    ids=["rolled back", "carried out after all", "said twice"],
)
def test_what_a_meter_uses_that_answers_a_command_in_two_ways_is_not_known(
    small: Small, answers: list[tuple[str, str]], shown: list[float], sent: bool
) -> None:
    """Off by 8 % at first. Composed with the wrong correction, the next command would make 7 % of 8, or 4 % of 4."""
    fill(small, off(1.08), TRUE, shown)
    run(small, 0)
    for status, at in answers:
        ack(small, only(small, 0), at, status)
    run(small, 2)
    assert ([] if sent else ["unclear_answers"]) == [w["reason"] for w in small.manifest(RUNS[2])["withheld"]]
    assert len(small.lines("commands.jsonl", RUNS[2])) == sent


def test_a_meter_that_carried_out_what_is_not_on_record_is_left_alone_until_the_record_is_back(small: Small) -> None:
    """The outbox was restored from before the command: the next would have its number and be off by all of it."""
    fill(small, off(1.08), TRUE, off(1.04))
    run(small, 0)
    ack(small, only(small, 0), "2026-01-01T12:10:00Z")
    kept = small.folder(RUNS[0]).rename(small.root / "kept")
    run(small, 2)
    assert withheld(small, 2) == ["unclear_answers"]
    shutil.rmtree(small.folder(RUNS[2]))
    kept.rename(small.folder(RUNS[0]))
    run(small, 2)
    assert only(small, 2)["sequence"] == 2
    assert only(small, 2)["correction"]["gain"] == pytest.approx(1 / 1.08 / 1.04, abs=0.005)


def test_a_meter_that_carried_out_the_command_of_another_is_left_alone(small: Small) -> None:
    small.registry(["WM-1", "WM-2"], policy_toml=NO_PLOTS)
    small.dump("meter", {"WM-1": off(1.08) * 2, "WM-2": TRUE + off(0.925)})
    small.dump("flowmeter", {"WM-1": Q * 2, "WM-2": Q * 2})
    run(small, 0)
    ack(small, {**only(small, 0), "feature_code": "WM-2"}, "2026-01-01T12:10:00Z")
    run(small, 1)
    found = {entry["feature_code"]: entry["reason"] for entry in small.manifest(RUNS[1])["withheld"]}
    assert found == {"WM-1": "in_flight", "WM-2": "unclear_answers"}


def test_a_command_that_was_carried_out_in_word_only_is_said_again(small: Small) -> None:
    """The meter says twice that it did, and does so the third time: composed with what it never used, 7 % too low."""
    fill(small, off(1.08), off(1.08), off(1.08), TRUE)
    for number, at in enumerate(["2026-01-01T12:10:00Z", "2026-01-02T00:10:00Z", "2026-01-02T12:10:00Z"]):
        run(small, number)
        ack(small, only(small, number), at)
    run(small, 3)
    sent = [only(small, number) for number in range(3)]
    assert [command["sequence"] for command in sent] == [1, 2, 3]
    assert sent[0]["correction"] == sent[1]["correction"] == sent[2]["correction"]
    assert [command.get("repeats") for command in sent] == [None, sent[0]["command_id"], sent[1]["command_id"]]
    assert [row["effect"] for row in small.effects(RUNS[3])] == ["cured"]
    assert small.lines("commands.jsonl", RUNS[3]) == []


def test_an_error_that_was_smaller_at_first_and_came_back_is_composed_with(small: Small) -> None:
    """0.7 % less is no sure effect, but no word, either, of a meter that did not do what it said."""
    policy = "tolerance = 0.5\n[judge]\ncommand_significance = 0.01\n"
    fill(small, off(1.019), off(1.012), off(1.019), policy_toml=policy)
    run(small, 0)
    ack(small, only(small, 0), "2026-01-01T12:10:00Z")
    run(small, 1)
    assert [row["effect"] for row in small.effects(RUNS[1])] == ["no_effect"]
    run(small, 2)
    command = only(small, 2)
    assert "repeats" not in command
    assert command["correction"]["gain"] == pytest.approx(1.019**-2, abs=0.002)


def test_a_command_lost_and_its_reference_replaced_is_not_taken_for_carried_out(small: Small) -> None:
    """The old reference was wrong by 8 % and the meter right; by the new one it is healthy, then drifts by 4 %."""
    fill(small, TRUE, TRUE, TRUE, off(1.04), policy_toml='[command]\nexpires = "6h"\n')
    small.dump("flowmeter", {"WM-1": [v / 1.08 for v in Q]}, flowmeter="F-OLD")
    small.dump("flowmeter", {"WM-1": Q * 3}, flowmeter="F-NEW", name="b.csv", start=START + timedelta(hours=12))
    for number in (0, 2, 3):
        run(small, number)
    assert only(small, 0)["correction"]["gain"] == pytest.approx(1 / 1.08, abs=0.005)
    assert [small.effects(RUNS[number]) for number in (0, 2, 3)] == [[]] * 3
    assert small.lines("commands.jsonl", RUNS[3]) == [], "nobody knows whether 8 % less are in force already"
    assert only(small, 3, "work_orders.jsonl")["reason"] == "no_answer"


def test_another_reference_does_not_say_that_a_command_made_a_meter_worse(small: Small) -> None:
    """Off by 5 % by the old one, cured by then; the new one has it 7 % low: that is for the guards of every command."""
    fill(small, off(1.05), TRUE, policy_toml="confirm_windows = 1\n")
    small.dump("flowmeter", {"WM-1": Q}, flowmeter="F-OLD")
    small.dump(
        "flowmeter", {"WM-1": off(1.07, 0.0, Q)}, flowmeter="F-NEW", name="b.csv", start=START + timedelta(hours=12)
    )
    run(small, 0)
    ack(small, only(small, 0), "2026-01-01T12:00:01Z")
    run(small, 1)
    assert small.effects(RUNS[1]) == []
    assert all("undoes" not in command for command in small.lines("commands.jsonl", RUNS[1]))


def test_a_command_in_flight_is_withdrawn_when_late_readings_tell_of_another_error(small: Small) -> None:
    """Corrected readings have it 4 % high in place of 10 %: what is under way would make it 6 % low."""
    fill(small, TRUE)
    (small.root / "raw" / "meter" / "a.csv").unlink()
    small.dump("meter", {"WM-1": off(1.10)}, name="WM_2026-01-01.csv")
    run(small, 0)
    small.dump("meter", {"WM-1": off(1.04)}, name="WM_2026-01-02.csv")
    assert small.run("--now", "2026-01-01T14:00:00Z", until=ENDS[0]) == 0
    (back,) = small.lines("commands.jsonl", RUNS[0][:-1] + "2")
    assert back["withdraws"] == only(small, 0)["command_id"]
    assert back["correction"] == {"gain": 1.0, "offset_lph": 0.0}
    assert small.verdicts(RUNS[0][:-1] + "2")["WM-1"]["verdict"] == "steady"


def test_an_effect_is_held_against_the_window_that_the_command_was_sent_for(small: Small) -> None:
    """A window of 24 h that begins together with it shows the meter as it was after the command already."""
    fill(small, off(1.12), [None] * 48, off(1.03))
    run(small, 0)
    ack(small, only(small, 0), "2026-01-01T12:00:01Z")
    run(small, 1)
    policy = small.root / "registry" / "policy.toml"
    policy.write_text('[window]\nlength = "24h"\n' + NO_PLOTS)
    small.run("--now", ENDS[1], until=ENDS[1])
    policy.write_text(NO_PLOTS)
    run(small, 2)
    assert small.effects(RUNS[1]) == []
    (effect,) = small.effects(RUNS[2])
    assert (effect["effect"], effect["volume_error_before"]) == ("improved", pytest.approx(0.12, abs=0.005))


@pytest.mark.parametrize(
    ("row", "there_before", "reasons"),
    [("WM-9,T-R160,", False, ["meter_exchanged"]), ("WM-9,T-R160,2026-01-02", False, []), ("WM-9,T-R160,", True, [])],
    ids=["another name", "another meter", "moved flowmeter"],
)
def test_a_meter_under_another_name_may_use_what_it_was_told_under_the_first(
    small: Small, row: str, there_before: bool, reasons: list[str]
) -> None:
    """Composed with nothing, the second command would take back the 8 % that the first removed."""
    fill(small, off(1.08))
    if there_before:
        small.registry(["WM-1", "WM-9"])
    run(small, 0)
    ack(small, only(small, 0), "2026-01-01T12:10:00Z")
    (small.root / "registry" / "meters.csv").write_text(f"feature_code,model,installed_on\n{row}\n")
    small.dump("meter", {"WM-9": off(1.04)}, name="c.csv", start=START + timedelta(hours=48))
    small.dump("flowmeter", {"WM-9": Q}, flowmeter="F-WM-1", name="c.csv", start=START + timedelta(hours=48))
    name = "20260103T000000Z_12h_r1"
    small.run("--now", "2026-01-03T12:00:00Z", until="2026-01-03T12:00:00Z")
    assert [entry["reason"] for entry in small.manifest(name)["withheld"]] == reasons
    assert len(small.lines("commands.jsonl", name)) == (not reasons)


@pytest.mark.parametrize("shown", [1.05, 0.95], ids=["less", "the other way"])
def test_after_a_command_that_nobody_answered_another_error_than_before_is_for_a_visit(
    small: Small, shown: float
) -> None:
    """Whether 8 % less are in force is not known, and what is composed is wrong by 8 % in one of the two cases."""
    silent: list[float | None] = [None] * 48
    fill(small, off(1.08), silent, silent, off(shown), policy_toml='[command]\nexpires = "6h"\n')
    for number in (0, 3):
        run(small, number)
    assert small.lines("commands.jsonl", RUNS[3]) == []
    assert only(small, 3, "work_orders.jsonl")["reason"] == "no_answer"


@pytest.mark.parametrize("carried_out", [False, True], ids=["lost", "only its answer"])
def test_a_command_that_nobody_answered_is_said_again_when_the_error_is_as_before(
    small: Small, carried_out: bool
) -> None:
    """It was lost, or it was carried out and the meter drifted by as much again: then what is composed without it is no help."""
    silent: list[float | None] = [None] * 48
    fill(
        small,
        off(1.08),
        silent,
        off(1.08),
        off(1.08) if carried_out else TRUE,
        policy_toml='[command]\nexpires = "6h"\n',
    )
    for number in (0, 2):
        run(small, number)
    first, again = only(small, 0), only(small, 2)
    assert again["repeats"] == first["command_id"]
    assert again["correction"] == first["correction"]
    ack(small, again, "2026-01-02T12:10:00Z")
    run(small, 3)
    (effect,) = small.effects(RUNS[3])
    sent = small.lines("commands.jsonl", RUNS[3])
    if carried_out:
        assert effect["effect"] == "no_effect"
        assert "repeats" not in sent[0]
        assert sent[0]["correction"]["gain"] == pytest.approx(1.08**-2, abs=0.005)
    else:
        assert (effect["effect"], sent) == ("cured", [])


def test_what_was_said_again_in_vain_leaves_no_doubt_once_the_first_is_answered(small: Small) -> None:
    """Both say the same, so that what is in force is known, and 5 % more than that are for a command."""
    fill(small, off(1.08), off(1.08), TRUE, off(1.05), policy_toml='[command]\nexpires = "6h"\n')
    run(small, 0)
    run(small, 1)
    assert only(small, 1)["repeats"] == only(small, 0)["command_id"]
    ack(small, only(small, 0), "2026-01-02T00:30:00Z")
    run(small, 2)
    assert [row["effect"] for row in small.effects(RUNS[2])] == ["cured"]
    run(small, 3)
    assert small.lines("work_orders.jsonl", RUNS[3]) == []
    assert only(small, 3)["correction"]["gain"] == pytest.approx(1 / 1.08 / 1.05, abs=0.005)


def test_an_undoing_that_was_carried_out_without_an_answer_is_not_taken_for_lost(small: Small) -> None:
    """Undone, it is off by 5 % again: composed with the correction that was undone, the next would make it 5 % low."""
    fill(small, off(1.05), off(1.09), off(1.05), policy_toml='[command]\nexpires = "6h"\n')
    run(small, 0)
    ack(small, only(small, 0), "2026-01-01T12:00:01Z")
    run(small, 1)
    assert "undoes" in only(small, 1)
    run(small, 2)
    assert small.lines("commands.jsonl", RUNS[2]) == []
    assert only(small, 2, "work_orders.jsonl")["reason"] == "no_answer"


def test_a_meter_that_drops_out_after_a_good_command_keeps_it(small: Small) -> None:
    dropping = [0.0 if 20 < k < 40 else v for k, v in enumerate(TRUE)]
    fill(small, off(1.08), dropping, TRUE)
    run(small, 0)
    ack(small, only(small, 0), "2026-01-01T12:00:01Z")
    run(small, 1)
    run(small, 2)
    assert small.lines("commands.jsonl", RUNS[1]) == []
    assert only(small, 1, "work_orders.jsonl")["reason"] == "dropout"
    assert [row["effect"] for row in small.effects(RUNS[2])] == ["cured"]


@pytest.mark.parametrize("later", [1.0, 1.2], ids=["steady", "unsteady"])
def test_to_a_meter_that_was_removed_since_the_window_nothing_is_sent_and_nobody(small: Small, later: float) -> None:
    """A run that comes late knows by the registry that there is nothing to correct, nor to look at."""
    fill(small, [1.08 * v * (1.0 if k < 24 else later) for k, v in enumerate(TRUE)])
    (small.root / "registry" / "meters.csv").write_text("feature_code,model,removed_on\nWM-1,T-R160,2026-01-02\n")
    run(small, 0, now="2026-01-02T06:00:00Z")
    assert small.verdicts(RUNS[0])["WM-1"]["verdict"] == ("steady" if later == 1.0 else "unsteady")
    assert small.lines("commands.jsonl", RUNS[0]) == small.lines("work_orders.jsonl", RUNS[0]) == []
    assert small.manifest(RUNS[0])["withheld"] == [{"feature_code": "WM-1", "reason": "meter_exchanged"}]
