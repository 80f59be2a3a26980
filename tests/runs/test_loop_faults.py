"""The closed loop where devices, people and files do what they should not: every command is held against the known truth."""

from __future__ import annotations

from pathlib import Path

from tests.runs.test_loop import RUNS, ack, fill, off, only, run, withheld
from tests.workspaces import Small


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
