"""The benchmark's own arithmetic: corrections as the formats describe them, and their worth in the next window."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from tests.bench.corrected import apply_corrections, corrected_meters
from transforms.simulate import Fleet, Plan


def test_corrections_are_lines_or_points_and_never_below_zero() -> None:
    raw = np.array([[0.0, 2.0, 50.0, 150.0, 400.0]] * 3)
    made = apply_corrections(
        raw,
        [
            {"gain": 0.5, "offset_lph": -2.0},
            {"points": [[10.0, 20.0], [100.0, 110.0], [200.0, 310.0]]},
            {"points": [[10.0, 0.0], [110.0, 200.0]]},
        ],
    )
    assert made.tolist() == [
        [0.0, 0.0, 23.0, 73.0, 198.0],
        [0.0, 12.0, 60.0, 210.0, 710.0],
        [0.0, 0.0, 80.0, 280.0, 780.0],
    ]


def test_a_perfect_command_leaves_only_noise_in_the_next_window(tmp_path: Path) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    fleet = Fleet.draw(Plan(80, 1, start, timedelta(minutes=15), 1, shares={"linear": 0.5, "healthy": 0.5}))
    lines = [
        {"feature_code": code, "correction": {"gain": 1 / a1, "offset_lph": -a2 / a1}}
        for code, a1, a2, behaviour in zip(
            fleet.meters["feature_code"], fleet.truth["a1"], fleet.truth["a2"], fleet.behaviour, strict=True
        )
        if behaviour == "linear"
    ]
    folder = tmp_path / "outbox" / "r"
    folder.mkdir(parents=True)
    (folder / "commands.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = corrected_meters(tmp_path, fleet, "r")
    assert found.height == 40
    known = found.drop_nulls()
    assert known.height > 30 and known["n_after"].min() >= 5
    assert known["error_before"].abs().min() > 0.03
    assert known["error_after"].abs().max() < 0.012
    assert known["error_after"].mean() == pytest.approx(0.0, abs=0.002)
