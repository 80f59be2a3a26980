"""Pools: sums add up to those of one long window, which windows belong to a pool, and what is said of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from tests.judging import INTERVAL_US, SCALE, Kind, moments_of, paired_frame
from transforms.judge.columns import JUDGED
from transforms.judge.findings import find, numbers_of
from transforms.policy import Policy
from transforms.pool import Earlier, as_decided, judge_pooled, overruled, with_columns_of
from transforms.pool.gather import ENOUGH, gather
from transforms.pool.trend import trend_test
from transforms.schemas import MOMENTS, UTC_US
from transforms.windows import Window

KIND = Kind(resolution=0.1)
POLICY = Policy()
SPAN = timedelta(hours=12)
NEWEST = Window(datetime(2026, 1, 15, tzinfo=UTC), SPAN)
BORDERS = [round(KIND.q1 * KIND.per_lph), round(KIND.q2 * KIND.per_lph), 31_623, 100_000, 316_228, SCALE]
FLOWS = np.array([40.0, 310.0, 120.0, 700.0, 25.0, 480.0, 90.0, 260.0])
SAME = pl.DataFrame(schema={"feature_code": pl.String, "since": UTC_US})
FLEET = paired_frame(1, KIND).select(
    pl.lit("A").alias("feature_code"),
    "model", "per_lph", "mpe_low", "mpe_high", "band_low_u", "band_high_u", "proportion", "repeatability",
    "resolution_lph", "q1_u", "q2_u", q1_lph=pl.lit(KIND.q1), q2_lph=pl.lit(KIND.q2), q3_lph=pl.lit(KIND.q3),
)  # fmt: skip


def sums_of(
    q: np.ndarray, q_meter: np.ndarray, code: str = "A", q3: float = KIND.q3, *, from_register: bool = False
) -> pl.DataFrame:
    """`MOMENTS` of one meter in one window, worked out bin by bin from its pairs."""
    x, y = (np.rint(flow * KIND.per_lph).astype(np.int64) for flow in (q, q_meter))
    bins = np.searchsorted(BORDERS, x, side="right")
    rows: list[dict[str, Any]] = []
    for number in sorted(set(bins[bins > 0])):
        a, b = x[bins == number], y[bins == number]
        sums = {"n": len(a), "sx": a.sum(), "sy": b.sum(), "sxx": a @ a, "sxy": a @ b, "syy": b @ b}
        ends = {"x_min": a.min(), "x_max": a.max(), "y_min": b.min(), "y_max": b.max()}
        about = {"feature_code": code, "bin": number, "q1_lph": KIND.q1, "q2_lph": KIND.q2, "q3_lph": q3}
        numbers = {name: int(value) for name, value in (sums | ends).items()}
        rows.append({**about, **numbers, "from_register": from_register})
    return pl.DataFrame(rows, schema=MOMENTS)


def readings(windows: int, off: Any, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Flows of a meter, (windows, 8), with the usual scatter; ``off`` its relative error, for all or for each window."""
    rng = np.random.default_rng(seed)
    q = FLOWS * rng.uniform(0.8, 1.2, (windows, len(FLOWS)))
    q_meter = q * (1 + np.broadcast_to(off, windows)[:, None]) * (1 + 0.01 * rng.standard_normal(q.shape))
    return q, q_meter


def verdict(**more: Any) -> dict[str, Any]:
    row = {"feature_code": "A", "flowmeter_id": "F", "model": "M", "verdict": "inconclusive", "reason": "undecided"}
    return {**row, "n_pairs": 48, "coverage": 1.0, "volume_error": 0.0, **more}


def past(folder: Path, windows: list[tuple[pl.DataFrame, dict[str, Any]]]) -> list[Earlier]:
    """Earlier runs, the newest first, with their sums and what is not usual of their verdict."""
    found = []
    for back, (sums, said) in enumerate(windows, start=1):
        place = folder / f"{back:03}"
        place.mkdir(parents=True)
        pl.DataFrame([verdict(**said)], schema=JUDGED).write_parquet(place / "verdicts.parquet")
        sums.write_parquet(place / "moments.parquet")
        found.append(Earlier(NEWEST.start - back * SPAN, place))
    return found


def asked(since: datetime | None = None, reference: float = 0.005) -> pl.DataFrame:
    return FLEET.with_columns(
        flowmeter_id=pl.lit("F"),
        since=pl.lit(since).cast(UTC_US),
        reference_uncertainty=pl.lit(reference),
        relative=pl.lit(0.01**2 + 0.005**2),
    )


def pooled(folder: Path, off: Any, windows: int = 8, policy: Policy = POLICY, **own: Any) -> pl.DataFrame:
    """What a pool of ``windows`` says; ``off`` from the newest window to the oldest."""
    q, q_meter = readings(windows, off)
    runs = past(folder, [(sums_of(q[k], q_meter[k]), {}) for k in range(1, windows)])
    judged = pl.DataFrame([verdict(**own)], schema=JUDGED)
    return judge_pooled(judged, sums_of(q[0], q_meter[0]), runs, FLEET, None, SAME, policy, NEWEST)


def test_sums_of_windows_add_up_to_those_of_one_long_window(tmp_path: Path) -> None:
    q, q_meter = readings(6, 0.03)
    runs = past(tmp_path, [(sums_of(q[k], q_meter[k]), {}) for k in range(1, 6)])
    whole = sums_of(q.ravel(), q_meter.ravel()).drop("feature_code", "q1_lph", "q2_lph", "q3_lph", "from_register")
    pool = gather(asked(reference=0.0), sums_of(q[0], q_meter[0]), runs)
    added = pool.group_by("bin").agg(
        pl.col("n", "sx", "sy", "sxx", "sxy", "syy").sum(),
        pl.col("x_min", "y_min").min(),
        pl.col("x_max", "y_max").max(),
    )
    assert added.select(whole.columns).sort("bin").equals(whole.sort("bin").select(whole.columns))


@pytest.mark.parametrize(
    ("said", "since", "backs"),
    [
        ({}, None, [0, 1, 2, 3]),
        ({2: {"verdict": "unsteady", "reason": "step"}}, None, [0, 1]),
        ({2: {"flowmeter_id": "G"}}, None, [0, 1]),
        ({2: {"model": "N"}}, None, [0, 1]),
        ({2: {"reason": "reference_expired"}}, None, [0, 1, 3]),
        ({2: {"reason": "meter_missing", "flowmeter_id": None}}, None, [0, 1, 3]),
        ({2: {"verdict": "healthy", "reason": "within_mpe"}}, None, [0, 1, 2, 3]),
        ({}, NEWEST.start - 2 * SPAN, [0, 1, 2]),
        ({}, NEWEST.start - 2 * SPAN + timedelta(seconds=1), [0, 1]),
    ],
)
def test_a_pool_ends_where_the_meter_was_not_the_same(
    tmp_path: Path, said: dict[int, dict[str, Any]], since: datetime | None, backs: list[int]
) -> None:
    q, q_meter = readings(4, 0.0)
    runs = past(tmp_path, [(sums_of(q[k], q_meter[k]), said.get(k, {})) for k in range(1, 4)])
    pool = gather(asked(since), sums_of(q[0], q_meter[0]), runs)
    assert sorted(pool["back"].unique()) == backs


def test_sums_in_other_units_are_left_out(tmp_path: Path) -> None:
    q, q_meter = readings(3, 0.0)
    runs = past(tmp_path, [(sums_of(q[1], q_meter[1], q3=4000.0), {}), (sums_of(q[2], q_meter[2]), {})])
    pool = gather(asked(), sums_of(q[0], q_meter[0]), runs)
    assert sorted(pool["back"].unique()) == [0, 2]


def test_a_pool_goes_back_no_further_than_is_of_use(tmp_path: Path) -> None:
    """A pair of 1.1 % tells 1 / 0.011^2; a quarter of the reference's 0.5 % is known after 80 of them or so."""
    q, q_meter = readings(30, 0.0)
    runs = past(tmp_path, [(sums_of(q[k], q_meter[k]), {}) for k in range(1, 30)])
    pool = gather(asked(), sums_of(q[0], q_meter[0]), runs)
    variance = 0.01**2 + 0.005**2 + 0.1**2 / 6 / q**2
    known = np.cumsum((1 / variance).sum(axis=1))
    wanted = np.argmax(known >= (ENOUGH * 0.0025) ** -2)
    assert wanted == pytest.approx(10, abs=2)
    assert pool["back"].max() == pytest.approx(wanted, abs=1)


def test_what_no_window_shows_by_itself_several_show_together(tmp_path: Path) -> None:
    (row,) = pooled(tmp_path, 0.035).to_dicts()
    assert (row["verdict"], row["form"], row["reason"]) == ("steady", "linear", "linear_mapping")
    assert (row["imprecise"], row["marginal"], row["unproven"]) == (False, False, False)
    assert (row["pooled_windows"], row["pooled_since"]) == (8, NEWEST.start - 7 * SPAN)
    assert (row["n_flowing"], row["n_pairs"]) == (64, 48)
    q, q_meter = readings(8, 0.035)
    told = sm.WLS(q_meter.ravel(), q.ravel(), weights=1 / (q.ravel() ** 2 * 1.25e-4 + 0.1**2 / 6)).fit()
    # weights of the judge are constant within a flow bin
    assert row["a1"] == pytest.approx(told.params[0], abs=5e-4)
    assert row["volume_error"] == pytest.approx(q_meter.sum() / q.sum() - 1, abs=1e-6)


def test_a_window_that_looks_steady_by_chance_is_overruled_by_those_beside_it(tmp_path: Path) -> None:
    own = {"verdict": "steady", "reason": "linear_mapping", "form": "linear", "volume_error": 0.03, "marginal": False}
    found = pooled(tmp_path, 0.002, **own)
    assert found["verdict"].to_list() == ["healthy"]
    judged = pl.DataFrame([verdict(**own)], schema=JUDGED)
    assert overruled(judged, found)["verdict"].to_list() == ["healthy"]
    (row,) = with_columns_of(judged, found).to_dicts()
    assert (row["verdict"], row["volume_error"], row["pooled_verdict"]) == ("steady", 0.03, "healthy")
    (acted,) = as_decided(with_columns_of(judged, found)).to_dicts()
    assert (acted["verdict"], acted["volume_error"]) == ("healthy", found["volume_error"][0])


def test_where_the_relation_changed_only_what_came_after_counts(tmp_path: Path) -> None:
    """Right until four windows ago, 4 % off since: the mean of both would be neither."""
    (row,) = pooled(tmp_path, [0.04] * 8 + [0.0] * 8, windows=16).to_dicts()
    assert row["verdict"] == "steady"
    assert row["pooled_since"] >= NEWEST.start - 7 * SPAN
    assert row["volume_error"] == pytest.approx(0.04, abs=0.008)


def test_a_meter_in_flight_or_unsteady_has_no_pool(tmp_path: Path) -> None:
    q, q_meter = readings(4, 0.035)
    runs = past(tmp_path, [(sums_of(q[k], q_meter[k]), {}) for k in range(1, 4)])
    given = (sums_of(q[0], q_meter[0]), runs, FLEET, None)
    waiting = SAME.vstack(pl.DataFrame({"feature_code": ["A"], "since": [None]}, schema=SAME.schema))
    undecided = pl.DataFrame([verdict()], schema=JUDGED)
    scattering = pl.DataFrame([verdict(verdict="unsteady", reason="scatter")], schema=JUDGED)
    assert judge_pooled(undecided, *given, SAME, POLICY, NEWEST).height == 1
    assert judge_pooled(undecided, *given, waiting, POLICY, NEWEST).is_empty()
    assert judge_pooled(scattering, *given, SAME, POLICY, NEWEST).is_empty()


def test_the_trend_test_is_the_f_test_of_a_gain_that_moves_with_time() -> None:
    rng = np.random.default_rng(3)
    us = np.arange(64, dtype=np.int64)[None, :] * (48 * INTERVAL_US // 64)
    q = np.rint(rng.uniform(110, 240, (1, 64)))
    part = us[0] * 4 // (48 * INTERVAL_US)
    q_meter = q * (1 + 0.006 * part) * (1 + 0.01 * rng.standard_normal(q.shape))
    moments = moments_of(us, q, q_meter, KIND)
    model, reference = numbers_of(paired_frame(1, KIND), POLICY)
    found = find(moments, model, reference, POLICY)
    p, change = trend_test(moments, found, POLICY.judge.prior_pairs)
    told = sm.OLS(q_meter[0], np.column_stack([q[0], q[0] * part])).fit()
    assert change[0] == pytest.approx(3 * told.params[1], rel=0.05)
    assert np.log10(p[0]) == pytest.approx(np.log10(told.pvalues[1]), abs=1.0)
    assert told.pvalues[1] < 1e-4


@pytest.mark.parametrize(("error", "known"), [(0.0, False), (0.12, True)])
def test_what_references_round_is_no_ground_for_a_command_in_many_windows_either(
    tmp_path: Path, error: float, known: bool
) -> None:
    """Cut off in steps of 4 L/h a reference makes an offset of 2 L/h, which many windows show well; one of 12 % is none."""
    rng = np.random.default_rng(4)
    q = 2 * FLOWS * rng.uniform(0.6, 1.6, (12, len(FLOWS)))
    q_meter, shown = q * (1 + error) * (1 + 0.002 * rng.standard_normal(q.shape)), np.floor(q / 4.0) * 4.0
    runs = past(tmp_path, [(sums_of(shown[k], q_meter[k]), {}) for k in range(1, 12)])
    judged = pl.DataFrame([verdict()], schema=JUDGED)
    (row,) = judge_pooled(judged, sums_of(shown[0], q_meter[0]), runs, FLEET, None, SAME, POLICY, NEWEST).to_dicts()
    assert row["pooled_windows"] > 4
    assert (row["verdict"], row["imprecise"]) == ("steady", not known)


@pytest.mark.parametrize(
    ("error", "told", "known"),
    [
        (0.0, {"from_register": False}, False),
        (0.0, None, False),
        (0.0, {"from_register": True}, True),
        (0.12, None, True),
    ],
)
def test_nor_is_what_meters_cut_off_but_for_registers(
    tmp_path: Path, error: float, told: dict[str, bool] | None, known: bool
) -> None:
    """The same of a meter that is exported in whole fours, unless it is a register that shows them; runs did not always say."""
    rng = np.random.default_rng(5)
    q = 2 * FLOWS * rng.uniform(0.6, 1.6, (12, len(FLOWS)))
    shown = np.floor(q * (1 + error) * (1 + 0.002 * rng.standard_normal(q.shape)) / 4.0) * 4.0
    sums = [sums_of(q[k], shown[k], **(told or {})) for k in range(12)]
    runs = past(tmp_path, [(one if told else one.drop("from_register"), {}) for one in sums[1:]])
    (row,) = judge_pooled(
        pl.DataFrame([verdict()], schema=JUDGED), sums[0], runs, FLEET, None, SAME, POLICY, NEWEST
    ).to_dicts()
    assert row["pooled_windows"] > 4
    assert (row["verdict"], row["imprecise"]) == ("steady", not known)
