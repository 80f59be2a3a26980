"""Windows in which nothing was heard of a meter, and those in which it was not in use."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest

from flows.audit.home import Home, set_changed_aside
from transforms.judge.many import nothing_said
from transforms.judge.words import HEALTHY, LINEAR, NONE, REASON, REASON_NAMES, STEADY

DAY_US = 86_400_000_000
DATES = [(date(1970, 1, 2), None), (None, date(1970, 1, 2)), (None, None), (None, None)]


def _home() -> Home:
    meters = pl.DataFrame(
        [(code, "M", *dates) for code, dates in zip("ABCE", DATES, strict=True)],
        schema={"feature_code": pl.String, "model": pl.String, "installed_on": pl.Date, "removed_on": pl.Date},
        orient="row",
    )
    # D is nobody's meter, and E's readings lie elsewhere
    return Home.of(list("ABCD"), meters, pl.DataFrame({"feature_code": ["A", "B", "E"], "per_lph": [4.0, 8.0, 2.0]}))


def _reasons(numbers: np.ndarray) -> list[str]:
    return [REASON_NAMES[number] for number in numbers]


def test_registered_meters_have_a_row_in_every_window() -> None:
    heard = nothing_said(3) | {"flowmeter_id": np.array([0, 1, 2])}
    heard["verdict"][:], heard["reason"][:] = HEALTHY, REASON["within_mpe"]
    code, window = np.array([1, 2, 3]), np.array([1, 0, 1])
    columns, code, window = _home().with_silent(heard, code, window, 2)
    assert list(zip(code.tolist(), window.tolist(), strict=True)) == [
        *((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (3, 1)),
    ]  # fmt: skip
    assert columns["flowmeter_id"].tolist() == [NONE, NONE, NONE, 0, 1, NONE, 2]
    assert columns["n_pairs"].tolist() == [0] * 7
    missing = ["meter_missing"] * 3
    assert _reasons(columns["reason"]) == [*missing, "within_mpe", "within_mpe", "meter_missing", "within_mpe"]


def test_units_are_those_of_the_fleet_table() -> None:
    assert _home().unit_lph.tolist() == [0.25, 0.125, *[pytest.approx(float("nan"), nan_ok=True)] * 2]


def test_before_it_is_installed_and_after_it_is_removed_a_meter_is_not_in_use() -> None:
    code, start = np.repeat(np.arange(3), 2), np.tile([0, DAY_US], 3)
    columns = nothing_said(6)
    columns["verdict"][:], columns["form"][:], columns["reason"][:] = STEADY, LINEAR, REASON["linear_mapping"]
    _home().set_absent_aside(columns, code, start, DAY_US)
    steady = "linear_mapping"
    assert _reasons(columns["reason"]) == ["not_installed", steady, steady, "decommissioned", steady, steady]
    assert columns["form"].tolist() == [NONE, LINEAR, LINEAR, NONE, LINEAR, LINEAR]


def test_a_meter_that_changed_says_so_where_it_measured_too_little() -> None:
    columns = nothing_said(4)
    columns["reason"][:] = [REASON[name] for name in ("too_few_pairs", "no_flow", "undecided", "no_flow")]
    set_changed_aside(columns, np.array([True, True, True, False]))
    assert _reasons(columns["reason"]) == ["parameters_changed", "parameters_changed", "undecided", "no_flow"]
