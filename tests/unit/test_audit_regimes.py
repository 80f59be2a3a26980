"""Regimes of meters from hand-made windows, and from those of the two real recordings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.auditing import AUDIT_MOMENTS, BEGIN, LENGTH, fleet_of, moments_of, regimes_in, told_of, windows_of
from transforms.audit.listed import listed
from transforms.audit.regimes import find_regimes
from transforms.fleet import fleet_table
from transforms.policy import Policy
from transforms.registry import load_registry
from transforms.schemas import AUDIT_WINDOWS, REGIMES, UTC_US

ROOT = Path(__file__).resolve().parents[2]
NO_MOMENTS = pl.DataFrame(schema=AUDIT_MOMENTS)


def noise(n: int, seed: int = 1, standard: float = 0.004) -> np.ndarray:
    return standard * np.random.default_rng(seed).standard_normal(n)


def found_in(windows: pl.DataFrame, moments: pl.DataFrame = NO_MOMENTS) -> pl.DataFrame:
    codes = windows["feature_code"].unique(maintain_order=True).to_list()
    return regimes_in(windows, moments, fleet_of(codes))


def test_a_step_makes_two_regimes_with_dates() -> None:
    found = found_in(windows_of(noise(200) + 0.04 * (np.arange(200) >= 120)))
    assert found.schema == pl.Schema(REGIMES)
    assert found["regime"].to_list() == [1, 2]
    assert found["begins"].to_list() == [BEGIN, BEGIN + 120 * LENGTH]
    assert found["ends"].to_list() == [BEGIN + 120 * LENGTH, BEGIN + 200 * LENGTH]
    # since when the first regime has been so is not known
    assert found["begins_low"].to_list()[0] is found["begins_high"].to_list()[0] is None
    low, high = found["begins_low"].to_list()[1], found["begins_high"].to_list()[1]
    assert BEGIN + 117 * LENGTH <= low < BEGIN + 120 * LENGTH < high <= BEGIN + 123 * LENGTH
    assert found["n_windows"].to_list() == [120, 80]


def test_the_window_that_saw_the_step_tells_the_moment() -> None:
    error = noise(100) + 0.06 * (np.arange(100) >= 50)
    error[50] = 0.02
    moment = BEGIN + 50 * LENGTH + timedelta(hours=8)
    told = [moment if k == 50 else None for k in range(100)]
    verdicts = ["unsteady" if k == 50 else "healthy" for k in range(100)]
    found = found_in(windows_of(error, verdict=verdicts, changed_at=pl.Series(told, dtype=AUDIT_WINDOWS["changed_at"])))
    assert found["begins"].to_list() == [BEGIN, moment]


def test_a_slow_drift_is_one_regime() -> None:
    months = np.arange(600) / 2 / 30.4369
    found = found_in(windows_of(noise(600) + 0.01 * months))
    assert found.height == 1
    assert found["drift_per_month"][0] == pytest.approx(0.01, rel=0.1)


def test_a_drift_that_begins_later_is_dated() -> None:
    day = np.arange(600) / 2
    found = found_in(windows_of(noise(600) + 0.012 * np.maximum(day - 150, 0) / 30.4369))
    assert found.height == 2
    assert found["drift_per_month"].is_null().to_list() == [True, False]
    assert found["drift_per_month"][1] == pytest.approx(0.012, rel=0.15)
    assert found["begins_low"][1] <= BEGIN + timedelta(days=150) <= found["begins_high"][1]


def test_outliers_gaps_and_windows_that_say_little_change_nothing() -> None:
    error = noise(300)
    error[[40, 41, 170, 230]] = [0.3, -0.2, 0.25, 0.4]
    standard = np.where(np.arange(300) % 7 == 3, 0.2, 0.004)
    error = np.where(standard > 0.1, error + noise(300, 2, 0.2), error)
    windows = windows_of(error, standard)
    assert found_in(windows).height == 1
    assert found_in(windows.filter(~pl.int_range(pl.len()).is_between(100, 160))).height == 1


def test_an_unsteady_stretch_is_a_regime_of_its_own() -> None:
    wild = (np.arange(160) >= 60) & (np.arange(160) < 90)
    error = np.where(wild, noise(160, 3, 0.3), noise(160))
    verdicts = ["unsteady" if each else "healthy" for each in wild]
    reasons = ["scatter" if each else "within_mpe" for each in wild]
    found = found_in(windows_of(error, verdict=verdicts, reason=reasons))
    assert [form == "unsteady" for form in found["form"]] == [False, True, False]
    assert found["begins"].to_list() == [BEGIN, BEGIN + 60 * LENGTH, BEGIN + 90 * LENGTH]
    assert found["begins_low"][1] < BEGIN + 60 * LENGTH < found["begins_high"][1]


def test_windows_without_a_reference_that_counts_are_left_out() -> None:
    error = noise(100) + 0.05 * (np.arange(100) >= 50)
    expired = ["reference_expired" if k >= 50 else "within_mpe" for k in range(100)]
    found = found_in(
        windows_of(error, reason=expired, verdict=["inconclusive" if k >= 50 else "healthy" for k in range(100)])
    )
    assert found.height == 1
    assert found["volume_l"][0] == pytest.approx(50 * 100)


@pytest.mark.parametrize("why", ["reference_coarse", "meter_cut_off"])
@pytest.mark.parametrize(("coarse", "counted"), [(40, 0), (16, 0), (15, 85)])
def test_what_a_third_of_the_windows_show_to_be_rounded_counts_in_none(coarse: int, counted: int, why: str) -> None:
    """Of a hundred windows so many show its steps and thirty a healthy meter; the others leave open what the steps make of it."""
    kinds = [why] * coarse + ["within_mpe"] * 30 + ["undecided"] * (70 - coarse)
    reasons = [kinds[k] for k in np.random.default_rng(8).permutation(100)]
    verdicts = ["healthy" if reason == "within_mpe" else "inconclusive" for reason in reasons]
    found = found_in(windows_of(noise(100) + 0.05, reason=reasons, verdict=verdicts))
    assert found["volume_l"].sum() == pytest.approx(counted * 100)


def test_a_change_that_only_the_calibrations_explain_is_none() -> None:
    error = noise(240, 4, 0.001) + 0.011 * (np.arange(240) >= 120)
    days = [(BEGIN + timedelta(days=28 * (k // 60))).date() for k in range(240)]
    same, apart = (
        windows_of(error, 0.001, reference_uncertainty=uncertainty, calibrated_on=pl.Series(days))
        for uncertainty in (0.0, 0.005)
    )
    assert found_in(same).height == 2
    assert found_in(apart).height == 1


def test_meters_do_not_depend_on_their_neighbours_or_the_order_of_rows() -> None:
    one = windows_of(noise(150) + 0.05 * (np.arange(150) >= 70), code="WM-1")
    two = windows_of(noise(90, 5), code="WM-2", first=20)
    both = found_in(pl.concat([one, two]).sample(fraction=1.0, shuffle=True, seed=3))
    assert both.equals(pl.concat([found_in(one), found_in(two)]))


def test_moments_find_their_windows_in_any_order() -> None:
    windows = pl.concat([windows_of(np.full(40, 0.06) + noise(40), code=code) for code in ("WM-1", "WM-2")])
    cells = {2: ([60.0, 90.0, 130.0], [63.6, 95.4, 137.8])}
    moments = moments_of(windows, cells)
    strangers = moments_of(windows_of([0.0] * 5, code="WM-9"), cells)
    ordered = found_in(windows, moments)
    shuffled = pl.concat([moments, strangers]).sample(fraction=1.0, shuffle=True, seed=4)
    assert found_in(windows, shuffled).equals(ordered)
    assert ordered["a1"].to_list() == pytest.approx([1.06, 1.06])


@pytest.mark.parametrize("n", [0, 1, 2, 9])
def test_few_windows_make_one_regime_and_none_make_none(n: int) -> None:
    found = found_in(windows_of(noise(n)))
    assert found.height == min(n, 1)
    assert found.schema == pl.Schema(REGIMES)


@pytest.mark.parametrize(("gain", "form"), [(1.0, "healthy"), (1.06, "linear"), (0.93, "linear")])
def test_the_form_is_what_the_moments_say(gain: float, form: str) -> None:
    flows = [60.0, 90.0, 200.0, 300.0, 700.0]
    windows = windows_of(np.full(60, gain - 1) + noise(60, 6, 1e-4), 0.004, reference_uncertainty=0.0025)
    cells = {2: (flows[:2], [gain * q for q in flows[:2]]), 3: (flows[2:4], [gain * q for q in flows[2:4]])}
    found = found_in(windows, moments_of(windows, cells))
    assert found["form"].to_list() == [form]
    assert found["volume_error"][0] == pytest.approx(gain - 1, abs=1e-9)
    # the reference's 0.25 % (k = 1) is common to all windows
    half = (found["volume_error_high"][0] - found["volume_error_low"][0]) / 2
    assert half == pytest.approx(1.96 * 0.0025 * gain, rel=0.01)
    if form == "linear":
        assert found["a1"][0] == pytest.approx(gain, abs=1e-6)
        assert found["a2"][0] == 0


def test_an_offset_is_called_an_offset() -> None:
    windows = windows_of(np.full(60, 0.05), 0.004)
    flows = [30.0, 45.0, 70.0, 110.0, 240.0]
    read = [q + 9.0 for q in flows]
    cells = {2: (flows[:3], read[:3]), 3: (flows[3:], read[3:])}
    found = found_in(windows, moments_of(windows, cells))
    assert found["form"].to_list() == ["offset"]
    assert found["a2"][0] == pytest.approx(9.0, rel=1e-6)


BENT = {1: [18.0, 22.0], 2: [40.0, 60.0], 3: [100.0, 200.0], 4: [300.0, 500.0]}


def bent_moments(windows: pl.DataFrame, relation: Callable[[float], float]) -> pl.DataFrame:
    return moments_of(windows, {b: (flows, [relation(q) for q in flows]) for b, flows in BENT.items()})


def test_a_relation_that_bends_is_a_curve_with_its_points() -> None:
    windows = windows_of(np.full(60, -0.05) + noise(60, 6, 1e-4))
    # 30 % low at no flow, right at large ones
    found = found_in(windows, bent_moments(windows, lambda q: q * (1 - 0.3 * np.exp(-q / 60))))
    assert found["form"].to_list() == ["curve"]
    points = found["points"].to_list()[0]
    assert [q for q, _ in points] == [20.0, 50.0, 150.0, 400.0]
    # by hand: the means of the two readings of each bin, which moments hold in steps of a 400th of a litre an hour
    expected = [
        (18 * (1 - 0.3 * np.exp(-0.3)) + 22 * (1 - 0.3 * np.exp(-22 / 60))) / 2,
        (40 * (1 - 0.3 * np.exp(-2 / 3)) + 60 * (1 - 0.3 * np.exp(-1))) / 2,
        (100 * (1 - 0.3 * np.exp(-5 / 3)) + 200 * (1 - 0.3 * np.exp(-10 / 3))) / 2,
        (300 * (1 - 0.3 * np.exp(-5)) + 500 * (1 - 0.3 * np.exp(-25 / 3))) / 2,
    ]
    assert [q for _, q in points] == pytest.approx(expected, abs=0.003)


def test_a_line_is_no_curve_and_has_no_points() -> None:
    windows = windows_of(np.full(60, 0.06) + noise(60, 6, 1e-4))
    found = found_in(windows, bent_moments(windows, lambda q: 1.05 * q + 3.0))
    assert found["form"].to_list() == ["linear"]
    assert found["points"].to_list() == [None]


def test_a_short_regime_is_the_curve_that_its_windows_say() -> None:
    told = {"verdict": "steady", "reason": "curve_mapping"}
    errors = np.full(6, 0.06) + noise(6, 6, 1e-4)
    for form in ("curve", "linear"):
        windows = windows_of(errors, form=form, **told)
        # a bend of half a percent, far inside what six windows could tell by their sums
        found = found_in(windows, bent_moments(windows, lambda q: 1.06 * q + 1.0 - 0.5 * np.sqrt(q) / 20))
        assert found["form"].to_list() == [form]


def test_what_falls_with_the_flow_is_no_curve() -> None:
    windows = windows_of(np.full(40, 0.2), form="curve", verdict="steady")
    found = found_in(windows, bent_moments(windows, lambda q: 300 - 0.4 * q if q < 350 else 1.2 * q))
    assert found["form"][0] != "curve"


def altered_in(windows: pl.DataFrame, since: list[datetime]) -> pl.DataFrame:
    changes = pl.DataFrame({"feature_code": ["WM-1"] * len(since), "since": since}, schema_overrides={"since": UTC_US})
    known = listed(told_of(windows, NO_MOMENTS), fleet_of(["WM-1"]), Policy(), changes)
    return find_regimes(known, Policy(), LENGTH).table


def test_a_change_on_record_cuts_and_dates_a_regime() -> None:
    # the error moves by 3 % with the change of parameters at 18:00 of window 60, the second not at all
    moment, later = BEGIN + 60 * LENGTH + timedelta(hours=6), BEGIN + 100 * LENGTH
    windows = windows_of(noise(160) + 0.03 * (np.arange(160) >= 60))
    found = altered_in(windows, [later, moment])
    assert found["begins"].to_list() == [BEGIN, moment, later]
    assert found["begins_low"].to_list() == [None, moment, later] == found["begins_high"].to_list()
    assert found["ends"].to_list() == [moment, later, BEGIN + 160 * LENGTH]
    # the window of the change is judged on its later part
    assert found["n_windows"].to_list() == [60, 40, 60]
    assert found["volume_l"].to_list() == [6000.0, 4000.0, 6000.0]


def test_a_change_on_record_leaves_other_changes_to_be_found() -> None:
    moved = 0.03 * (np.arange(200) >= 50) + 0.03 * (np.arange(200) >= 150)
    found = altered_in(windows_of(noise(200) + moved), [BEGIN + 100 * LENGTH])
    assert found["begins"].to_list() == [BEGIN + k * LENGTH for k in (0, 50, 100, 150)]
    exact = (found["begins_low"] == found["begins_high"]).fill_null(False).to_list()
    assert exact == [False, False, True, False]


@pytest.mark.parametrize("at", [BEGIN - timedelta(days=3), BEGIN + timedelta(days=400)])
def test_changes_before_or_after_all_evidence_cut_nothing(at: datetime) -> None:
    assert altered_in(windows_of(noise(80)), [at]).height == 1


@pytest.fixture(scope="module")
def recorded() -> pl.DataFrame:
    """Regimes of the two recordings of groundwater takes, from what the judge said of each of their windows."""
    folder = ROOT / "tests" / "golden" / "recordings"
    registry = load_registry(ROOT / "data" / "registry")
    windows, moments = (pl.read_parquet(folder / f"{name}.parquet") for name in ("windows", "moments"))
    missing = [pl.lit(None, kind).alias(name) for name, kind in AUDIT_WINDOWS.items() if name not in windows.columns]
    return regimes_in(windows.with_columns(missing), moments, fleet_table(registry))


def test_k37_has_the_three_regimes_that_were_measured(recorded: pl.DataFrame) -> None:
    # 1.446 to 16 January, 1.223 from 17 January to 1 February, 1.454 from 3 February on (data/README.md)
    found = recorded.filter(pl.col("feature_code") == "K37-3110")
    assert found["form"].to_list() == ["linear"] * 3
    assert found["begins"].dt.date().to_list()[1:] == [date(2020, 1, 16), date(2020, 2, 2)]
    for number, since, until in ((1, (1, 15), (1, 18)), (2, (1, 31), (2, 3))):
        assert found["begins_low"][number] >= datetime(2020, *since, tzinfo=UTC)
        assert found["begins_high"][number] <= datetime(2020, *until, tzinfo=UTC)
    for ratio in (1 / found["a1"], 1 / (1 + found["volume_error"])):
        assert ratio.to_list() == pytest.approx([1.446, 1.223, 1.454], rel=0.01)
    assert (found["misregistered_high_l"] < 0).all()


def test_l37_is_healthy_throughout(recorded: pl.DataFrame) -> None:
    found = recorded.filter(pl.col("feature_code") == "L37-0812-m1")
    assert found["form"].to_list() == ["healthy"]
    assert found["volume_error"][0] == pytest.approx(0.0, abs=0.005)
    assert found["drift_per_month"][0] is None
