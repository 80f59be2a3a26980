"""Calibration: which references count, for how long, and how well they are known."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest

from transforms.judge.calibration import calibration_status
from transforms.policy import Policy
from transforms.windows import Window, parse_time

SCHEMA = {"flowmeter_id": pl.String, "calibrated_on": pl.Date, "uncertainty": pl.Float64, "sampling": pl.String}


def status(
    rows: list[tuple[str, str, float | None]],
    start: str = "2026-02-01T00:00:00Z",
    length: timedelta = timedelta(hours=12),
    policy: Policy | None = None,
) -> dict[str, tuple[bool, float]]:
    frame = pl.DataFrame(
        [(name, date.fromisoformat(day), uncertainty, "mean") for name, day, uncertainty in rows],
        schema=SCHEMA,
        orient="row",
    )
    found = calibration_status(frame, policy or Policy(), Window(parse_time(start), length))
    assert found is not None
    assert found["flowmeter_id"].is_sorted()
    return {name: (valid, uncertainty) for name, valid, uncertainty, _ in found.iter_rows()}


def test_without_the_file_nobody_is_asked() -> None:
    assert calibration_status(None, Policy(), Window(parse_time("2026-02-01T00:00:00Z"), timedelta(hours=12))) is None


@pytest.mark.parametrize(
    ("day", "valid"),
    [
        ("2026-02-01", True),  # on the day of the window
        ("2026-01-01", True),  # 31 days before
        ("2025-12-31", False),  # 32 days before
        ("2026-02-02", False),  # not yet
    ],
)
def test_a_calibration_counts_for_31_days(day: str, valid: bool) -> None:
    assert status([("F", day, None)])["F"][0] is valid


def test_a_window_that_ends_at_midnight_belongs_to_the_day_before() -> None:
    assert status([("F", "2026-01-01", None)], "2026-02-01T12:00:00Z")["F"][0] is True
    assert status([("F", "2026-02-02", None)], "2026-02-01T12:00:00Z")["F"][0] is False
    assert status([("F", "2026-01-01", None)], "2026-02-02T00:00:00Z")["F"][0] is False


@pytest.mark.parametrize(("days", "valid"), [(1, False), (30, False), (31, True), (365, True)])
def test_the_policy_says_for_how_long(days: int, valid: bool) -> None:
    policy = replace(Policy(), reference_max_age_days=days)
    assert status([("F", "2026-01-01", None)], policy=policy)["F"][0] is valid


def test_the_newest_that_precedes_the_window_counts_whatever_the_order() -> None:
    history = [("F", "2026-01-20", 0.002), ("F", "2024-01-01", 0.05), ("F", "2026-03-01", 0.009)]
    assert status(history) == status(history[::-1]) == {"F": (True, 0.002)}


def test_an_older_calibration_does_not_stand_in_for_a_missing_uncertainty() -> None:
    assert status([("F", "2026-01-01", 0.05), ("F", "2026-01-20", None)]) == {"F": (True, 0.005)}


def test_uncertainties_given_and_by_policy() -> None:
    policy = replace(Policy(), reference=replace(Policy().reference, uncertainty=0.01))
    rows = [("F", "2026-01-20", 0.0), ("G", "2026-01-20", None), ("H", "2026-03-01", 0.002)]
    assert status(rows, policy=policy) == {"F": (True, 0.0), "G": (True, 0.01), "H": (False, 0.01)}
