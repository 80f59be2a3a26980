"""Whole runs over several windows of little flow: what they show together, and what may not be mixed."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from tests.runs.test_loop import ack, off
from tests.workspaces import Small, demand, noisy, output

#: a flat in which little water flows: five flowing pairs in half a day
SPARSE = [flow if k % 5 == 3 else 0.0 for k, flow in enumerate(demand())]
TRUE = noisy(SPARSE, 0.008)
HIGH = off(1.035, flows=TRUE)
ENDS = [f"2026-01-0{1 + (k + 1) // 2}T{'12' if k % 2 == 0 else '00'}:00:00Z" for k in range(6)]
#: two windows of five pairs are enough for a command
EASY = "[command]\nmin_flowing = 10\n"
STARTS = ["2026-01-01T00:00:00Z", *ENDS]
RUNS = [f"202601{1 + k // 2:02}T{'00' if k % 2 == 0 else '12'}0000Z_12h_r1" for k in range(6)]


def fill(small: Small, *windows: list[float], policy: str = "") -> Small:
    small.registry(["WM-1"], policy_toml="[report]\nplots = 0\n" + policy)
    small.dump("meter", {"WM-1": [flow for window in windows for flow in window]})
    return small.dump("flowmeter", {"WM-1": SPARSE * len(windows)})


def go(small: Small, *numbers: int) -> None:
    for number in numbers:
        assert small.run("--now", ENDS[number], until=ENDS[number]) == 0


def told(small: Small, number: int) -> dict[str, Any]:
    return small.verdicts(RUNS[number])["WM-1"]


def all_at_once(small: Small, windows: int) -> None:
    until = ENDS[windows - 1]
    assert small.run("--from", STARTS[0], "--now", until, until=until) == 0


def commands(small: Small, number: int) -> list[dict[str, Any]]:
    return small.lines("commands.jsonl", RUNS[number])


def withheld(small: Small, number: int) -> list[str]:
    return [entry["reason"] for entry in small.manifest(RUNS[number])["withheld"]]


def test_what_no_window_settles_several_do_and_the_record_says_which(small: Small) -> None:
    """Twenty pairs are wanted for a command: four windows of five."""
    fill(small, *[HIGH] * 4)
    all_at_once(small, 4)
    assert [told(small, k)["reason"] for k in range(4)] == ["no_flow"] * 4, "a window's own answer stays its own"
    assert [told(small, k)["pooled_windows"] for k in range(4)] == [None, 2, 3, 4]
    assert [withheld(small, k) for k in range(4)] == [[], ["unproven"], ["unproven"], []]
    row, (command,) = told(small, 3), commands(small, 3)
    assert (row["pooled_verdict"], row["pooled_form"], row["pooled_n_flowing"]) == ("steady", "linear", 20)
    assert command["pooled"] == {"windows": 4, "since": STARTS[0], "n_flowing": 20}
    assert (command["window_start"], command["window_end"]) == (STARTS[3], ENDS[3])
    shown, true = sum(HIGH), sum(SPARSE)
    assert row["pooled_volume_error"] == pytest.approx(shown / true - 1, abs=1e-4)
    assert command["correction"]["gain"] == pytest.approx(1 / 1.035, abs=0.006)
    assert small.manifest(RUNS[3])["counts"]["pooled"] == {"steady": 1}
    page = (small.root / "reports" / RUNS[3] / "index.html").read_text(encoding="utf-8")
    assert (
        "1 meter that this window leaves open, or finds steadily off, was judged on it and the windows before it"
        in page
    )
    code, text = output(["explain", "--workspace", str(small.root), "--json", "WM-1"])
    explained = json.loads(text)
    assert (code, explained["reason"], explained["numbers"]["pooled_windows"]) == (0, "no_flow", 4)
    assert "with 20 flowing pairs, it is steadily off" in explained["sentence"]


def test_the_sums_kept_are_those_of_the_windows_own_flowing_pairs(small: Small) -> None:
    fill(small, HIGH, TRUE)
    all_at_once(small, 2)
    for number, flows in ((0, HIGH), (1, TRUE)):
        kept = pl.read_parquet(small.folder(RUNS[number]) / "moments.parquet")
        pairs = [(round(q * 400), round(shown * 400)) for q, shown in zip(SPARSE, flows, strict=True) if q >= 15.625]
        wanted = (len(pairs), sum(x for x, _ in pairs), sum(x * y for x, y in pairs), sum(y * y for _, y in pairs))
        assert kept.select("n", "sx", "sxy", "syy").sum().row(0) == wanted


def test_pools_can_be_switched_off(small: Small) -> None:
    fill(small, *[HIGH] * 3, policy="[judge]\npool_windows = 0\n")
    all_at_once(small, 3)
    assert [told(small, k)["pooled_verdict"] for k in range(3)] == [None] * 3


def test_what_came_before_new_parameters_is_in_no_pool_after_them(small: Small) -> None:
    fill(small, *[HIGH] * 2, *[TRUE] * 4, policy=EASY)
    go(small, 0, 1)
    (command,) = commands(small, 1)
    go(small, 2)
    assert told(small, 2)["pooled_verdict"] is None, "while a command is in flight nothing is added up"
    ack(small, command, "2026-01-02T00:00:01Z")
    go(small, 3, 4, 5)
    row = told(small, 5)
    assert (row["pooled_verdict"], row["pooled_windows"], row["pooled_since"].isoformat()[:13]) == (
        "healthy", 3, STARTS[3][:13],
    )  # fmt: skip
    (effect,) = [effect for k in (3, 4, 5) for effect in small.effects(RUNS[k])]
    assert (effect["effect"], effect["command_id"]) == ("cured", command["command_id"])
    assert effect["volume_error_before"] == pytest.approx(sum(HIGH) / sum(SPARSE) - 1, abs=1e-4)


def test_a_command_whose_answer_got_lost_counts_as_carried_out_once_it_shows(small: Small) -> None:
    """It expires after 12 h; the windows after that are right, so its correction is in force and later ones build on it."""
    fill(small, *[HIGH] * 2, *[TRUE] * 4, policy='[command]\nexpires = "12h"\nmin_flowing = 10\n')
    go(small, *range(6))
    (command,) = commands(small, 1)
    (effect,) = [effect for k in range(6) for effect in small.effects(RUNS[k])]
    assert (effect["effect"], effect["command_id"]) == ("cured", command["command_id"])
    assert [commands(small, k) for k in (2, 3, 4, 5)] == [[]] * 4
    _, text = output(["outbox", "list", "--workspace", str(small.root), "--all", "--now", ENDS[5], "--json"])
    (meter,) = json.loads(text)["meters"]
    assert meter["in_force"] == command["correction"]


def test_a_command_whose_answer_got_lost_and_that_shows_no_effect_is_said_again(small: Small) -> None:
    fill(small, *[HIGH] * 5, policy='[command]\nexpires = "12h"\nmin_flowing = 10\n')
    go(small, *range(5))
    (command,), (again,) = commands(small, 1), commands(small, 4)
    assert again["sequence"] == command["sequence"] + 1
    assert again["correction"] == pytest.approx(command["correction"], abs=2e-3)
    assert [small.effects(RUNS[k]) for k in range(5)] == [[]] * 5


def test_a_window_that_may_hold_a_change_of_parameters_is_no_ground_for_a_visit(small: Small) -> None:
    """The answer comes after the window in which the command was carried out at half time."""
    dense = noisy(demand(), 0.002)
    changing = off(1.08, flows=dense)[:24] + dense[24:]
    for waiting in (True, False):
        other = Small(small.root.with_name(f"{small.root.name}-{waiting}"))
        other.registry(["WM-1"], policy_toml="[report]\nplots = 0\n")
        first = off(1.08, flows=dense) if waiting else dense
        other.dump("meter", {"WM-1": [*first, *changing]}).dump("flowmeter", {"WM-1": demand() * 2})
        go(other, 0, 1)
        assert (told(other, 1)["verdict"], told(other, 1)["reason"]) == ("unsteady", "step")
        orders = other.lines("work_orders.jsonl", RUNS[1])
        assert (withheld(other, 1), len(orders)) == ((["in_flight"], 0) if waiting else ([], 1))
