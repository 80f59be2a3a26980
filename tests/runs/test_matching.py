"""Whole runs about who watches whom, when, and what a register says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.workspaces import START, Small, demand, noisy

Q = demand()
TRUE = noisy(Q, 0.002)
PAIRS = "feature_code,flowmeter_id,valid_from,valid_to\n"


def registers(flows: list[float], start: float = 1000.0) -> list[float]:
    total, found = start, []
    for flow in flows:
        total += flow / 4
        found.append(total)
    return found


def test_a_flowmeter_without_a_code_is_found_in_the_table(small: Small) -> None:
    small.registry(["WM-1"], pairs_csv=PAIRS + "WM-1,F-9,,\n")
    small.dump("meter", {"WM-1": TRUE}).dump("flowmeter", {"WM-1": Q}, coded=False, flowmeter="F-9")
    small.run()
    row = small.verdicts()["WM-1"]
    assert (row["verdict"], row["flowmeter_id"]) == ("healthy", "F-9")


@pytest.mark.parametrize(("span", "n_pairs"), [("2026-01-01T06:00:00Z,", 24), (",2026-01-01T06:00:00Z", 24)])
def test_the_table_counts_only_while_it_is_valid(small: Small, span: str, n_pairs: int) -> None:
    small.registry(["WM-1"], pairs_csv=PAIRS + f"WM-1,F-9,{span}\n")
    small.dump("meter", {"WM-1": TRUE}).dump("flowmeter", {"WM-1": Q}, coded=False, flowmeter="F-9")
    small.run()
    assert small.verdicts()["WM-1"]["n_pairs"] == n_pairs


def test_record_and_table_that_disagree_are_a_conflict_for_both_meters(small: Small) -> None:
    small.registry(["WM-1", "WM-2"], pairs_csv=PAIRS + "WM-2,F-9,,\n")
    small.dump("meter", {"WM-1": TRUE, "WM-2": TRUE}).dump("flowmeter", {"WM-1": Q}, flowmeter="F-9")
    small.run()
    found = {code: row["reason"] for code, row in small.verdicts().items()}
    assert found == {"WM-1": "pairing_conflict", "WM-2": "pairing_conflict"}


def test_a_disagreement_outside_the_tables_validity_is_none(small: Small) -> None:
    small.registry(["WM-1", "WM-2"], pairs_csv=PAIRS + "WM-2,F-9,,2025-12-31\n")
    small.dump("meter", {"WM-1": TRUE, "WM-2": TRUE}).dump("flowmeter", {"WM-1": Q}, flowmeter="F-9")
    small.run()
    assert small.verdicts()["WM-1"]["verdict"] == "healthy"


def test_two_flowmeters_that_claim_one_meter_are_a_conflict(small: Small) -> None:
    small.registry(["WM-1"])
    small.dump("meter", {"WM-1": TRUE})
    small.dump("flowmeter", {"WM-1": Q}, name="a.csv", flowmeter="F-1")
    small.dump("flowmeter", {"WM-1": Q}, name="b.csv", flowmeter="F-2")
    small.run()
    assert small.verdicts()["WM-1"]["reason"] == "pairing_conflict"


def test_a_meter_exchanged_between_flowmeters_yesterday_is_judged_by_todays(small: Small) -> None:
    small.registry(["WM-1"], pairs_csv=PAIRS + "WM-1,F-1,,2025-12-31\nWM-1,F-2,2026-01-01,\n")
    small.dump("meter", {"WM-1": TRUE})
    small.dump("flowmeter", {"WM-1": Q}, name="a.csv", flowmeter="F-1", start=START - timedelta(hours=12))
    small.dump("flowmeter", {"WM-1": Q}, name="b.csv", flowmeter="F-2")
    small.run()
    row = small.verdicts()["WM-1"]
    assert (row["verdict"], row["flowmeter_id"]) == ("healthy", "F-2")


@pytest.mark.parametrize(("seconds", "n_pairs"), [(0, 48), (61, 48), (-300, 47), (450, 47), (451, 47)])
def test_stamps_pair_within_half_an_interval(small: Small, seconds: int, n_pairs: int) -> None:
    """At half an interval both neighbours are as near, beyond it the other one is; then one reading is left alone."""
    small.registry(["WM-1"])
    small.dump("meter", {"WM-1": [100.0] * 48})
    small.dump("flowmeter", {"WM-1": [100.0] * 48}, start=START + timedelta(seconds=seconds))
    small.run()
    assert small.verdicts()["WM-1"]["n_pairs"] == n_pairs


def test_each_reading_is_used_once_though_stamps_jitter(small: Small) -> None:
    small.registry(["WM-1"])
    small.dump("meter", {"WM-1": TRUE})
    for k in range(48):
        shift = timedelta(minutes=15 * k, seconds=(37 * k) % 120)
        small.dump("flowmeter", {"WM-1": [Q[k]]}, name=f"{k:02}.csv", start=START + shift)
    small.run()
    row = small.verdicts()["WM-1"]
    assert (row["n_pairs"], row["verdict"]) == (48, "healthy")


def test_registers_become_flows_across_dump_borders(small: Small) -> None:
    total = registers(TRUE)
    small.registry(["WM-1"])
    small.dump("meter", {"WM-1": [1000.0]}, name="0.csv", column="volume_l", start=START - timedelta(minutes=15))
    small.dump("meter", {"WM-1": total[:20]}, name="1.csv", column="volume_l")
    small.dump("meter", {"WM-1": total[20:]}, name="2.csv", column="volume_l", start=START + timedelta(hours=5))
    small.dump("flowmeter", {"WM-1": Q})
    small.run()
    row = small.verdicts()["WM-1"]
    assert (row["n_pairs"], row["verdict"]) == (48, "healthy")
    assert row["volume_error"] == pytest.approx(sum(TRUE) / sum(Q) - 1, abs=1e-4)


def test_the_jump_after_a_gap_and_a_restarted_register_are_not_flow(small: Small) -> None:
    total: list[float | None] = list(registers(TRUE))
    total[10:14] = [None] * 4
    restarted = [None if v is None else v - total[29] if k >= 30 else v for k, v in enumerate(total)]  # type: ignore[operator]
    small.registry(["WM-1"]).dump("meter", {"WM-1": restarted}, column="volume_l").dump("flowmeter", {"WM-1": Q})
    small.run()
    row = small.verdicts()["WM-1"]
    # lost: the first reading, four that are missing, the catch-up after them, and the restart
    assert row["n_pairs"] == 48 - 1 - 4 - 1 - 1
    assert row["verdict"] == "healthy"


def test_a_momentary_signal_counts_only_while_it_is_settled(small: Small) -> None:
    level = [0.0] * 8 + [600.0] * 16 + [0.0] * 8 + [620.0] * 16
    true = [0.0] * 8 + [300.0] + [600.0] * 15 + [300.0] + [0.0] * 7 + [310.0] + [620.0] * 15
    small.registry(["WM-1"], flowmeters_csv="flowmeter_id,calibrated_on,sampling\nF-WM-1,2025-12-20,instant\n")
    small.dump("meter", {"WM-1": noisy(true, 0.002)}).dump("flowmeter", {"WM-1": level})
    small.run()
    row = small.verdicts()["WM-1"]
    assert (row["verdict"], row["n_flowing"]) == ("healthy", 30)


def test_readings_that_contradict_each_other_are_not_used(small: Small) -> None:
    other = [value + 50 if k == 3 else value for k, value in enumerate(TRUE)]
    small.registry(["WM-1"])
    small.dump("meter", {"WM-1": TRUE}, name="a.csv").dump("meter", {"WM-1": other}, name="b.csv")
    small.dump("flowmeter", {"WM-1": Q})
    assert small.run() == 3
    assert small.verdicts()["WM-1"]["n_pairs"] == 47
    rows = small.manifest()["rows"]
    assert rows["read"] == rows["accepted"] + rows["duplicate"] + rows["quarantined"] == 144
    assert rows["reasons"] == {"conflicting": 1}


def test_a_record_that_names_its_meter_stands_whatever_the_tables_dates(small: Small) -> None:
    """Without an id of its own it is called what the table calls it, but is not bound to the table's span."""
    small.registry(["WM-1"], pairs_csv=PAIRS + "WM-1,F-9,2026-01-01T06:00:00Z,\n")
    small.dump("meter", {"WM-1": TRUE})
    folder = small.root / "raw" / "flowmeter"
    folder.mkdir(parents=True)
    rows = [f"WM-1,{START + timedelta(minutes=15 * k):%Y-%m-%dT%H:%M:%SZ},{v}" for k, v in enumerate(Q)]
    (folder / "a.csv").write_text("feature_code,timestamp,flow_lph\n" + "\n".join(rows) + "\n")
    small.run()
    row = small.verdicts()["WM-1"]
    assert (row["n_pairs"], row["flowmeter_id"]) == (48, "F-9")
