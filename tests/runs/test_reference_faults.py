"""A fault of the references on a third of the fleet: nothing leaves without a person's word."""

from __future__ import annotations

import pytest

from tests.runs.test_loop import NO_PLOTS, TRUE, Q
from tests.workspaces import Small, demand, noisy

BAD, GOOD = 12, 28
CODES = [f"WM-{k:02}" for k in range(BAD + GOOD)]


def town(small: Small, batch: bool, meters: dict[str, list[float]] | None = None) -> Small:
    """Good meters; the references of the first twelve read 6 % low, and were calibrated on one day or on many."""
    days = ["2025-12-24" if batch else f"2025-12-{10 + k:02}" for k in range(BAD)]
    days += [f"2025-12-{10 + k % 14:02}" for k in range(GOOD)]
    rows = "".join(f"F-{code},{day}\n" for code, day in zip(CODES, days, strict=True))
    terminals = "".join(f"{code},+6421555{k:04},sms,en\n" for k, code in enumerate(CODES))
    small.registry(
        CODES,
        policy_toml=NO_PLOTS,
        flowmeters_csv="flowmeter_id,calibrated_on\n" + rows,
        terminals_csv="feature_code,terminal_id,channel,language\n" + terminals,
    )
    small.dump("meter", meters or dict.fromkeys(CODES, TRUE))
    low = [0.94 * v for v in Q]
    return small.dump("flowmeter", {code: low if k < BAD else Q for k, code in enumerate(CODES)})


@pytest.mark.parametrize("batch", [True, False])
def test_nothing_leaves(small: Small, batch: bool) -> None:
    code = town(small, batch).run()
    verdicts = small.verdicts()
    assert sum(row["verdict"] == "steady" for row in verdicts.values()) == BAD
    assert [c for c in small.lines("commands.jsonl") if c["state"] == "ready"] == []
    assert small.lines("notices.jsonl") == []
    assert small.lines("work_orders.jsonl") == []
    manifest = small.manifest()
    if batch:
        assert code == 0
        (suspect,) = manifest["suspect_references"]
        assert (suspect["reference"], suspect["judged"], suspect["off"]) == ("2025-12-24", BAD, BAD)
        assert {entry["reason"] for entry in manifest["withheld"]} == {"reference_suspect"}
    else:
        assert code == 4, "held, until a person has looked"
        assert manifest["counts"]["held"] == BAD


def test_nothing_is_sent_on_the_word_of_one_of_two_sources_that_disagree(small: Small) -> None:
    """Wherever a second gateway speaks it says that the meter is right; what is left would be enough for a command."""
    flows = [flow or 70.0 + k for k, flow in enumerate(demand())]
    small.registry(["WM-1"], policy_toml="[report]\nplots = 0\n").dump("flowmeter", {"WM-1": flows})
    small.dump("meter", {"WM-1": [1.08 * flow for flow in noisy(flows, 0.002)]})
    small.dump("meter", {"WM-1": [flow if k < 16 else None for k, flow in enumerate(flows)]}, name="b.csv")
    small.run()
    assert small.verdicts()["WM-1"]["verdict"] == "steady"
    assert small.lines("commands.jsonl") == []
    assert small.manifest()["withheld"] == [{"feature_code": "WM-1", "reason": "contradicted"}]
    assert "dumps say different things" in (small.root / "reports" / small.folder().name / "index.html").read_text()
