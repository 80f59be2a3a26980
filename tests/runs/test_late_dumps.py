"""Dumps that come late: a window is judged anew, revised where a verdict changed, and left alone where none did."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.runs.test_loop import RUNS, STARTS, TRUE, _at, ack, fill, off, only, run
from tests.workspaces import Small

FIRST, REVISED = RUNS[0], RUNS[0].replace("_r1", "_r2")


def half(flows: list[float]) -> list[float | None]:
    """The first seven hours of a window; the rest comes late."""
    return [*flows[:28], *[None] * 20]


def late(small: Small, flows: list[float], number: int = 0) -> None:
    """The rest of a window, in a dump of its own."""
    start = _at(STARTS[number])
    rest: list[float | None] = [*[None] * 28, *flows[28:]]
    small.dump("meter", {"WM-1": rest}, name=f"late-{number}.csv", start=start)


def found(small: Small) -> dict[str, bytes]:
    return {str(path.relative_to(small.root)): path.read_bytes() for path in (small.root / "outbox").rglob("*.json*")}


def steady_at_first(small: Small, second: list[float]) -> dict[str, Any]:
    """A meter that looks steadily off in what came in time; the second window has all its readings."""
    fill(
        small, half(off(1.08)), second, policy_toml="[command]\nmin_flowing = 6\n[judge]\ncommand_significance = 0.1\n"
    )
    run(small, 0)
    return only(small, 0)


def test_a_command_in_flight_is_withdrawn_when_late_readings_contradict_it(small: Small) -> None:
    command = steady_at_first(small, TRUE)
    late(small, off(1.3))
    assert run(small, 1) == 0
    manifest = small.manifest(REVISED)
    assert (manifest["revision"], manifest["revises"]) == (2, FIRST)
    assert manifest["counts"]["changed_verdicts"] == 1
    assert small.verdicts(FIRST)["WM-1"]["verdict"] == "steady"
    assert small.verdicts(REVISED)["WM-1"]["verdict"] == "unsteady"
    (taking_back,) = small.lines("commands.jsonl", REVISED)
    assert (taking_back["withdraws"], taking_back["supersedes"]) == (command["command_id"], command["command_id"])
    assert taking_back["sequence"] == command["sequence"] + 1
    assert taking_back["correction"] == {"gain": 1.0, "offset_lph": 0.0}
    assert manifest["noted"] == []
    # whichever the meter hears first: with both answered, what is in force is no correction
    ack(small, command, "2026-01-01T13:00:00Z")
    ack(small, taking_back, "2026-01-02T00:30:00Z")
    assert run(small, 2) == 0
    assert small.lines("commands.jsonl", RUNS[2]) == []


def test_a_command_that_was_applied_already_is_noted(small: Small) -> None:
    command = steady_at_first(small, TRUE)
    ack(small, command, "2026-01-01T12:30:00Z")
    late(small, off(1.3))
    run(small, 1)
    assert small.lines("commands.jsonl", REVISED) == []
    assert small.manifest(REVISED)["noted"] == [
        {"feature_code": "WM-1", "command_id": command["command_id"], "status": "applied"}
    ]
    feedback = small.manifest(REVISED)["feedback"]
    assert feedback == {"acks": 1, "refused": 0, "faults": []}, "its ack is to a command that was sent"


def test_of_a_command_to_a_meter_that_was_exchanged_since_nothing_is_noted(small: Small) -> None:
    steady_at_first(small, TRUE)
    late(small, off(1.3))
    meters = small.root / "registry" / "meters.csv"
    meters.write_text("feature_code,model,installed_on\nWM-1,T-R160,2026-01-02\n")
    run(small, 1, now="2026-01-02T00:30:00Z")
    assert small.verdicts(REVISED)["WM-1"]["reason"] == "not_installed"
    assert small.lines("commands.jsonl", REVISED) == []
    assert small.manifest(REVISED)["noted"] == []


def test_nothing_changes_when_nothing_changed(small: Small, capsys: pytest.CaptureFixture[str]) -> None:
    steady_at_first(small, off(1.08))
    before = found(small)
    late(small, off(1.08))
    run(small, 1)
    assert not (small.root / "outbox" / REVISED).exists()
    assert {name: data for name, data in found(small).items() if FIRST in name} == before
    assert "judging it anew" in capsys.readouterr().err
    run(small, 2)
    assert "judging it anew" not in capsys.readouterr().err, "looked at once"


def test_a_revision_sends_nothing_new(small: Small) -> None:
    fill(small, half(TRUE), TRUE)
    run(small, 0)
    assert small.verdicts(FIRST)["WM-1"]["verdict"] == "healthy"
    # the readings that came late are far off; of two different ones at one instant neither counts
    late(small, off(1.08))
    small.dump("meter", {"WM-1": [*[None] * 4, *off(1.08)[4:28]]}, name="other.csv", start=_at(STARTS[0]))
    run(small, 1)
    assert small.verdicts(REVISED)["WM-1"]["verdict"] != "healthy"
    assert small.lines("commands.jsonl", REVISED) == small.lines("notices.jsonl", REVISED) == []


def test_what_comes_after_the_horizon_changes_nothing(small: Small) -> None:
    command = steady_at_first(small, TRUE)
    late(small, off(1.3))
    assert run(small, 1, now="2026-01-04T00:00:00Z") == 0
    assert not (small.root / "outbox" / REVISED).exists()
    assert only(small, 0) == command


def test_a_revision_is_one_folder_like_any_run(small: Small) -> None:
    steady_at_first(small, TRUE)
    late(small, off(1.3))
    run(small, 1)
    assert {path.name for path in (small.root / "outbox" / REVISED).iterdir()} == {
        path.name for path in (small.root / "outbox" / FIRST).iterdir()
    }
    assert (small.root / "reports" / REVISED / "index.html").is_file()
    again = found(small)
    run(small, 1)
    assert found(small) == again
    assert json.loads(again[f"outbox/{RUNS[1]}/manifest.json"])["previous"]["run_id"] == REVISED


def test_the_report_of_a_revision_comes_back_when_a_kill_has_cost_it(small: Small) -> None:
    steady_at_first(small, TRUE)
    late(small, off(1.3))
    run(small, 1)
    page = small.root / "reports" / REVISED / "index.html"
    before = page.read_bytes()
    shutil.rmtree(page.parent)
    assert run(small, 1) == 0
    assert page.read_bytes() == before
    assert run(small, 1, now="2026-01-09T00:00:00Z") == 0
    shutil.rmtree(page.parent)
    assert run(small, 1, now="2026-01-09T00:00:00Z") == 0
    assert not page.exists(), "what somebody clears away later stays away"
