"""Whole runs on small workspaces, one meter per thing that can be wrong with it: asserts on the outbox."""

from __future__ import annotations

import pytest

from tests.workspaces import Small, demand, noisy

Q = demand()
TRUE = noisy(Q, 0.002)


def shifted(values: list[float], a1: float = 1.0, a2: float = 0.0) -> list[float]:
    return [a1 * v + a2 if v > 0 else 0.0 for v in values]


def run_one(small: Small, meter: list[float | None], reference: list[float | None] = Q, **files: str) -> dict:
    small.registry(["WM-1"], **files)
    small.dump("meter", {"WM-1": meter}).dump("flowmeter", {"WM-1": reference})
    assert small.run() in (0, 3)
    return small.verdicts()["WM-1"]


def test_a_good_meter_is_healthy_and_left_alone(small: Small) -> None:
    row = run_one(small, TRUE)
    assert (row["verdict"], row["reason"], row["form"]) == ("healthy", "within_mpe", None)
    assert row["n_pairs"] == 48
    assert row["coverage"] == 1.0
    assert abs(row["volume_error"]) < 0.005
    assert small.lines("commands.jsonl") == []
    assert small.lines("work_orders.jsonl") == []


def test_a_gain_is_commanded_away(small: Small) -> None:
    row = run_one(small, shifted(TRUE, 1.08))
    assert (row["verdict"], row["form"], row["reason"]) == ("steady", "linear", "linear_mapping")
    (command,) = small.lines("commands.jsonl")
    assert command["a1"] == pytest.approx(1.08, abs=0.005)
    assert command["correction"]["gain"] == pytest.approx(1 / command["a1"], rel=1e-8)
    assert command["correction"]["offset_lph"] == pytest.approx(-command["a2"] / command["a1"], abs=1e-6)
    assert (command["sequence"], command["supersedes"], command["state"]) == (1, None, "ready")
    assert command["expires_at"] == "2026-01-04T12:00:00Z"
    low, high = command["q_min_lph"], command["q_max_lph"]
    assert low == pytest.approx(min(v for v in Q if v > 0), rel=1e-6)
    assert high == pytest.approx(max(Q), rel=1e-6)


def test_an_offset_is_commanded_away(small: Small) -> None:
    row = run_one(small, shifted(TRUE, 1.0, 12.0))
    assert (row["verdict"], row["form"], row["reason"]) == ("steady", "offset", "offset_in_band")
    (command,) = small.lines("commands.jsonl")
    assert command["correction"]["gain"] == 1.0
    assert command["correction"]["offset_lph"] == pytest.approx(-12.0, abs=0.5)


def test_gain_and_offset_together(small: Small) -> None:
    row = run_one(small, shifted(TRUE, 0.93, 9.0))
    assert (row["verdict"], row["form"]) == ("steady", "linear")
    assert row["a1"] == pytest.approx(0.93, abs=0.004)
    assert row["a2"] == pytest.approx(9.0, abs=1.0)


def test_scatter_needs_a_person(small: Small) -> None:
    row = run_one(small, noisy(Q, 0.25))
    assert (row["verdict"], row["reason"]) == ("unsteady", "scatter")
    (order,) = small.lines("work_orders.jsonl")
    assert order["reason"] == "scatter"
    assert small.lines("commands.jsonl") == []


def test_a_relation_that_changes_within_the_window_is_not_steady(small: Small) -> None:
    half = shifted(TRUE[:24], 1.05) + shifted(TRUE[24:], 1.15)
    row = run_one(small, half)
    assert (row["verdict"], row["reason"]) == ("unsteady", "step")


def test_a_stuck_meter_needs_a_person_soon(small: Small) -> None:
    row = run_one(small, [0.0] * 48)
    assert (row["verdict"], row["reason"]) == ("unsteady", "stuck")
    assert small.lines("work_orders.jsonl")[0]["priority"] == "high"


def test_beyond_the_models_limits_no_command_but_a_work_order(small: Small) -> None:
    row = run_one(small, shifted(TRUE, 0.69))
    assert row["verdict"] == "steady"
    assert small.lines("commands.jsonl") == []
    (order,) = small.lines("work_orders.jsonl")
    assert (order["reason"], order["priority"]) == ("beyond_limits", "high")
    assert order["evidence"]["gain_wanted"] == pytest.approx(1 / 0.69, rel=0.01)


@pytest.mark.parametrize(
    ("meter", "reference", "reason"),
    [
        ([0.0] * 48, [0.0] * 48, "no_flow"),
        (TRUE[:5], Q[:5], "too_few_pairs"),
        (TRUE[:12], Q[:12], "too_few_pairs"),
        ([], Q, "meter_missing"),
        (TRUE, [], "reference_missing"),
        (shifted(TRUE, 1.0201), Q, "undecided"),
    ],
)
def test_what_cannot_be_judged_says_why(small: Small, meter: list[float], reference: list[float], reason: str) -> None:
    row = run_one(small, list(meter), list(reference))
    assert (row["verdict"], row["reason"]) == ("inconclusive", reason)


def test_a_reference_calibrated_too_long_ago(small: Small) -> None:
    row = run_one(small, TRUE, flowmeters_csv="flowmeter_id,calibrated_on\nF-WM-1,2025-11-30\n")
    assert row["reason"] == "reference_expired"


@pytest.mark.parametrize(("day", "verdict"), [("2025-12-01", "healthy"), ("2026-01-01", "healthy")])
def test_a_calibration_counts_for_31_days_up_to_the_last_day_of_the_window(
    small: Small, day: str, verdict: str
) -> None:
    row = run_one(small, TRUE, flowmeters_csv=f"flowmeter_id,calibrated_on\nF-WM-1,{day}\nF-WM-1,2026-01-02\n")
    assert row["verdict"] == verdict


def test_a_calibration_in_the_future_does_not_count(small: Small) -> None:
    row = run_one(small, TRUE, flowmeters_csv="flowmeter_id,calibrated_on\nF-WM-1,2026-01-02\n")
    assert row["reason"] == "reference_expired"


def test_an_unlisted_flowmeter_is_not_taken_for_calibrated(small: Small) -> None:
    row = run_one(small, TRUE, flowmeters_csv="flowmeter_id,calibrated_on\nOTHER,2025-12-20\n")
    assert row["reason"] == "reference_unregistered"


def test_every_registered_meter_and_every_stranger_has_a_row(small: Small) -> None:
    small.registry(["WM-1", "WM-2"])
    small.dump("meter", {"WM-1": TRUE, "STRANGER": TRUE}).dump("flowmeter", {"WM-1": Q})
    small.run()
    found = {code: row["reason"] for code, row in small.verdicts().items()}
    assert found == {"WM-1": "within_mpe", "WM-2": "meter_missing", "STRANGER": "unregistered"}


@pytest.mark.parametrize(
    ("mode", "meter", "verdict"),
    [
        ("all", shifted(TRUE, 1.0, 12.0), "steady"),
        # one of the small differences falls below the band's lower edge
        ("all", [*shifted(TRUE, 1.0, 12.0)[:-1], Q[-1] + 1.0], "unsteady"),
        ("proportion", [*shifted(TRUE, 1.0, 12.0)[:-1], Q[-1] + 1.0], "steady"),
        ("mean", shifted(TRUE, 1.05, 3.0), "steady"),
        ("proportion", shifted(TRUE, 1.05, 0.5), "unsteady"),
    ],
)
def test_the_three_threshold_modes(small: Small, mode: str, meter: list[float], verdict: str) -> None:
    """With the threshold test alone, so that the mapping test cannot answer for it."""
    row = run_one(small, meter, policy_toml=f'[precheck]\ntests = ["threshold"]\n[threshold]\nmode = "{mode}"\n')
    assert row["verdict"] == verdict


def test_tolerance_widens_what_is_healthy(small: Small) -> None:
    assert run_one(small, shifted(TRUE, 1.03), policy_toml="tolerance = 2.0\n")["verdict"] == "healthy"
