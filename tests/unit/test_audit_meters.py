"""Litres, money, compliance and groups of an audit, counted by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from tests.auditing import AUDIT_MOMENTS, BEGIN, LENGTH, fleet_of, moments_of, registry_of, told_of, windows_of
from transforms.audit import (
    Statistics,
    compare,
    comparison_summary,
    fleet_groups,
    joined,
    statistics,
    summary,
)
from transforms.audit.cells import Cells, Scores, clustered
from transforms.audit.compliance import against, favours_one_party, in_service_factor, one_sign
from transforms.audit.listed import listed
from transforms.audit.money import priced, tariff_of
from transforms.audit.volume import mis_registered, shared_uncertainty, total_half_width
from transforms.canonical import canonical
from transforms.fleet import fleet_table
from transforms.judge.evidence import Zones
from transforms.policy import Policy
from transforms.registry import Registry
from transforms.schemas import AUDIT_FLEET, AUDIT_METERS

Z = 1.959963984540054
NO_MOMENTS = pl.DataFrame(schema=AUDIT_MOMENTS)
END = BEGIN + timedelta(days=100)


def statistics_of(windows: pl.DataFrame, moments: pl.DataFrame, registry: Registry, end: datetime = END) -> Statistics:
    return statistics(told_of(windows, moments), fleet_table(registry), registry, Policy(), LENGTH, end)


def test_the_intervals_of_volumes_carry_the_calibrations_by_hand() -> None:
    # three windows of 1,000 L on one calibration of 0.25 % and one of 2,000 L on the next
    windows = windows_of(
        [0.02, 0.02, 0.02, -0.01],
        volume_l=[1000.0, 1000.0, 1000.0, 2000.0],
        meter_volume_l=[1020.0, 1020.0, 1020.0, 1980.0],
        reference_uncertainty=0.0025,
        calibrated_on=[date(2026, 1, 1)] * 3 + [date(2026, 2, 1)],
    )
    known = replace(listed(told_of(windows, NO_MOMENTS), fleet_of(["WM-1"]), Policy()), random_l2=np.full(4, 4.0))
    found = mis_registered(known, known.meter, 1)
    assert found.volume.tolist() == [5000]
    assert found.misregistered.tolist() == pytest.approx([40])
    # 0.25 % of 3,000 L and of 2,000 L are independent; the random parts are 4 L^2 each
    assert found.half.tolist() == pytest.approx([Z * np.sqrt(7.5**2 + 5.0**2 + 16)])
    assert shared_uncertainty(known, known.meter, 1).tolist() == pytest.approx([np.hypot(7.5, 5.0) / 5000])


def test_a_reference_that_comes_back_is_still_the_same_reference() -> None:
    # A, B, A: the two windows on A err together
    windows = windows_of(
        [0.0] * 3,
        flowmeter_id=["F-A", "F-B", "F-A"],
        volume_l=1000.0,
        meter_volume_l=1000.0,
        reference_uncertainty=0.003,
    )
    known = listed(told_of(windows, NO_MOMENTS), fleet_of(["WM-1"]), Policy())
    found = mis_registered(known, known.meter, 1)
    assert found.half.tolist() == pytest.approx([Z * np.hypot(2 * 3.0, 3.0)])
    # all on one day of calibration: one batch
    volumes = statistics_of(windows, NO_MOMENTS, registry_of(["WM-1"])).volumes
    assert volumes.select("calibrated_on", "volume_l", "common_l").rows() == [(date(2025, 12, 20), 3000.0, 9.0)]


def test_the_scatter_of_the_references_readings_is_random_and_no_flow_has_none() -> None:
    windows = windows_of([0.0, 0.0])
    moments = moments_of(windows, {0: ([0.0] * 40, [0.0] * 40), 3: ([100.0, 200.0], [100.0, 200.0])})
    found = listed(told_of(windows, moments), fleet_of(["WM-1"]), Policy()).random_l2
    # a quarter of an hour of 0.5 % of the flow; what the meter scatters by it did count
    by_hand = (0.25 * 0.005) ** 2 * (100**2 + 200**2)
    assert found.tolist() == pytest.approx([by_hand] * 2)


def test_windows_and_blocks_of_windows_are_the_clusters() -> None:
    # one group of five windows with one cell each, in blocks of two; the score is 2 (sy - sx)
    sums = np.zeros((6, 5), dtype=np.int64)
    sums[1], sums[2] = [10, 10, 10, 10, 10], [12, 13, 9, 7, 9]
    cells = Cells(np.arange(6), np.full(5, 2, dtype=np.uint8), sums, np.full(5, 900.0))
    terms, weight = np.zeros((1, 7, 1, 5)), np.full((1, 7, 1), 2.0)
    terms[..., 1], terms[..., 2] = -1.0, 1.0
    alone, together = clustered(cells, np.zeros(5, dtype=np.int64), np.array([2]), Scores(terms, weight))
    # by hand: scores 4, 6, -2, -6, -2; blocks 10, -8, -2; n / (n - 1) of the sums of squares
    assert alone[0].tolist() == [(16 + 36 + 4 + 36 + 4) * 5 / 4]
    assert together[0].tolist() == [(100 + 64 + 4) * 3 / 2]


def test_many_windows_are_clusters_as_few_are() -> None:
    # two groups, one longer than what is worked out at once; some windows without cells, some of no group
    rng, many = np.random.default_rng(3), 1000
    counts = rng.integers(0, 4, many)
    first = np.concatenate([[0], np.cumsum(counts)])
    of_bin = np.concatenate([np.sort(rng.choice(7, count, replace=False)) for count in counts]).astype(np.uint8)
    sums = rng.integers(-1000, 1000, (6, first[-1]))
    group_of = np.where(rng.random(many) < 0.1, -1, (np.arange(many) >= 900).astype(np.int64))
    terms, weight, size = rng.normal(size=(2, 7, 3, 5)), rng.normal(size=(2, 7, 3)), np.array([14, 3])
    weight[:, 2, 1] = 0.0
    found = clustered(Cells(first, of_bin, sums, np.ones(many)), group_of, size, Scores(terms, weight))
    for group in range(2):
        rows = np.flatnonzero((group_of == group) & (counts > 0))
        scores = np.array(
            [
                sum(
                    weight[group, of_bin[cell]] * (terms[group, of_bin[cell]] @ sums[:5, cell])
                    for cell in range(first[row], first[row + 1])
                )
                for row in rows
            ]
        )
        blocks = np.array([scores[at : at + size[group]].sum(axis=0) for at in range(0, len(rows), size[group])])
        for told, clusters in zip(found, (scores, blocks), strict=True):
            products = [*(clusters**2).sum(axis=0), (clusters[:, 0] * clusters[:, 1]).sum()]
            count = len(clusters)
            assert told[:, group].tolist() == pytest.approx([one * count / (count - 1) for one in products])


def test_references_calibrated_on_one_day_err_together() -> None:
    volumes = pl.DataFrame(
        {
            "feature_code": ["a", "b", "c"],
            "calibrated_on": [date(2026, 1, 1), date(2026, 1, 1), date(2026, 1, 9)],
            "common_l": [3.0, 4.0, 24.0],
            "random_l2": [0.0, 0.0, 0.0],
        }
    )
    assert total_half_width(volumes, []).item() == pytest.approx(Z * 25.0)
    # each on its own: the square root of 9 + 16 + 576; half and half lies between
    assert total_half_width(volumes, [], 0.0).item() == pytest.approx(Z * np.sqrt(601))
    assert total_half_width(volumes, [], 0.5).item() == pytest.approx(Z * np.sqrt((625 + 601) / 2))


def test_a_window_in_which_water_ran_backwards_tells_no_volume() -> None:
    windows = windows_of(
        [0.01, -1.5, 0.01],
        volume_l=1000.0,
        meter_volume_l=[1010.0, -500.0, 1010.0],
        verdict=["healthy", "unsteady", "healthy"],
        reason=["within_mpe", "reverse_flow", "within_mpe"],
    )
    said = statistics_of(windows, NO_MOMENTS, registry_of(["WM-1"]))
    assert said.meters.select("volume_l", "misregistered_l", "under_l", "over_l").row(0) == (2000.0, 20.0, 0.0, 20.0)
    assert said.volumes["volume_l"].to_list() == [2000.0]


def whole_audit(**columns: list[Any]) -> tuple[Statistics, Registry]:
    """Three meters: right, 6 % low throughout, and low from the hundredth window on."""
    noise = 0.002 * np.random.default_rng(1).standard_normal((3, 200))
    errors = np.array([np.zeros(200), np.full(200, -0.06), np.where(np.arange(200) < 100, 0.0, -0.06)])
    flows = [60.0, 90.0, 200.0, 300.0, 700.0]
    windows, moments = [], []
    for code, error, own in zip(("WM-1", "WM-2", "WM-3"), errors, noise, strict=True):
        frame = windows_of(
            error + own,
            code=code,
            reference_uncertainty=0.0025,
            meter_volume_l=pl.Series(100 * (1 + error)),
            verdict=np.where(error == 0, "healthy", "steady").tolist(),
        )
        windows.append(frame)
        for gain in np.unique(1 + error):
            some = frame.filter(pl.Series(1 + error == gain))
            cells = {2: (flows[:2], [gain * q for q in flows[:2]]), 3: (flows[2:], [gain * q for q in flows[2:]])}
            moments.append(moments_of(some, cells))
    registry = registry_of(["WM-1", "WM-2", "WM-3"], **columns)
    return statistics_of(pl.concat(windows), pl.concat(moments), registry), registry


def test_a_row_per_meter_says_what_it_did_and_does() -> None:
    found, _ = whole_audit(site=["north", "south", "south"])
    table = found.meters
    assert table.schema == pl.Schema(AUDIT_METERS)
    right, low, stepped = table.iter_rows(named=True)
    assert (right["n_regimes"], low["n_regimes"], stepped["n_regimes"]) == (1, 1, 2)
    assert (right["flag"], low["flag"], stepped["flag"]) == (None, "outside_in_service", "outside_in_service")
    assert right["misregistered_l"] == pytest.approx(0.0, abs=1e-6)
    assert low["misregistered_l"] == pytest.approx(-0.06 * 20_000)
    assert stepped["misregistered_l"] == pytest.approx(-0.06 * 10_000)
    assert stepped["under_l"] == pytest.approx(600) and stepped["over_l"] == pytest.approx(0.0, abs=1e-6)
    # the last regime counts for what the meter does now
    assert stepped["error_q2_q3"] == pytest.approx(-0.06, abs=1e-5)
    assert stepped["weighted_error"] == pytest.approx(-0.06, abs=1e-5)
    assert stepped["volume_error"] == pytest.approx(-0.03, abs=1e-5)
    assert stepped["crosses_on"] == (BEGIN + 100 * LENGTH).date()
    assert stepped["crosses_low"] <= stepped["crosses_on"] <= stepped["crosses_high"]
    # since when the second one has been off is not known
    assert low["crosses_on"] is None
    assert right["on_verification"] == right["in_service"] == "inside"
    assert low["on_verification"] == low["in_service"] == "outside"
    assert right["under_billed"] is right["currency"] is None
    assert (stepped["n_healthy"], stepped["n_steady"]) == (100, 100)


def test_a_meter_that_was_off_and_is_not_any_more_is_flagged_as_such() -> None:
    error = np.where(np.arange(200) < 100, -0.06, 0.0)
    windows = windows_of(error + 0.002 * np.random.default_rng(2).standard_normal(200))
    flows = [60.0, 90.0, 200.0, 300.0]
    parts = [
        moments_of(windows.filter(pl.Series(error == e)), {2: (flows, [(1 + e) * q for q in flows])})
        for e in (-0.06, 0)
    ]
    row = statistics_of(windows, pl.concat(parts), registry_of(["WM-1"])).meters.row(0, named=True)
    assert (row["flag"], row["flagged"], row["on_verification"]) == ("was_outside", True, "inside")


def test_a_drift_is_told_with_the_day_of_its_crossing() -> None:
    day = np.arange(400) / 2
    error = 0.003 * day / 30.4369
    windows = windows_of(error + 0.003 * np.random.default_rng(3).standard_normal(400))
    moments = moments_of(windows, {2: ([60.0, 90.0], [60.3, 90.6])})
    found = statistics_of(windows, moments, registry_of(["WM-1"]), BEGIN + timedelta(days=200))
    row = found.meters.row(0, named=True)
    assert row["drift_low"] < 0.003 < row["drift_high"]
    # 2 % at 0.3 % a month is reached after 203 days
    assert abs((row["crosses_on"] - (BEGIN + timedelta(days=203)).date()).days) < 15
    assert row["crosses_low"] < row["crosses_on"] < row["crosses_high"]
    assert row["flag"] == "drifts_out"


def test_meters_without_evidence_are_listed_all_the_same() -> None:
    windows = windows_of([0.0] * 3, verdict="inconclusive", reason="reference_expired")
    moments = moments_of(windows, {2: ([60.0], [60.0])})
    row = statistics_of(windows, moments, registry_of(["WM-1"])).meters.row(0, named=True)
    assert (row["n_windows"], row["n_inconclusive"], row["n_regimes"], row["volume_l"]) == (3, 3, 0, 0.0)
    assert row["flagged"] is False and row["on_verification"] is None


TARIFFS = pl.DataFrame(
    {
        "site": [None, None, "south", None, "south"],
        "model": [None, None, None, "M", "M"],
        "from": [date(2025, 1, 1), date(2026, 1, 3), date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 4)],
        "price_per_m3": [1.0, 9.0, 2.0, 3.0, 4.0],
        "currency": ["EUR"] * 5,
    }
)


def test_the_most_particular_tariff_of_the_day_holds() -> None:
    days = pl.DataFrame(
        {
            "site": ["south"] * 4 + ["north"] * 4,
            "model": "M",
            "day": [date(2026, 1, day) for day in (1, 2, 3, 4)] * 2,
        }
    )
    found = priced(days, TARIFFS)
    assert found["price_per_m3"].to_list() == [2.0, 2.0, 2.0, 4.0, 1.0, 3.0, 3.0, 3.0]
    before = days.with_columns(pl.col("day") - timedelta(days=900))
    assert priced(before, TARIFFS)["price_per_m3"].is_null().all()
    # the same, meter by meter and window by window
    who = pl.DataFrame({"site": ["north", "south"], "model": ["M", "M"]})
    first = (date(2026, 1, 1) - date(1970, 1, 1)).days
    told = tariff_of(np.array([0, 0, 1, 1]), first + np.array([0, 3, 0, 3]), who, TARIFFS)
    assert told.price_per_m3.tolist() == [1.0, 3.0, 2.0, 4.0]
    assert told.currency.to_list() == ["EUR", "EUR"]


def test_money_keeps_what_was_billed_too_little_and_too_much_apart() -> None:
    windows = windows_of([-0.1, 0.2, -0.3], volume_l=1000.0, meter_volume_l=[900.0, 1200.0, 700.0])
    moments = moments_of(windows, {2: ([60.0, 61.0, 70.0], [60.0, 61.0, 70.0])})
    tariffs = TARIFFS.filter(pl.col("site").is_null() & pl.col("model").is_null())
    row = statistics_of(windows, moments, registry_of(["WM-1"], tariffs)).meters.row(0, named=True)
    # 100 L and 300 L too little, 200 L too much, at 1 EUR a cubic metre
    assert row["under_billed"] == pytest.approx(0.4)
    assert row["over_billed"] == pytest.approx(0.2)
    assert row["currency"] == "EUR"
    assert row["unpriced_l"] == 0.0


def test_money_has_the_interval_of_its_litres_and_tells_of_those_without_a_price() -> None:
    # 40 L too little of 1,000 L on each of three days; the price doubles on the third, and there was none on the first
    windows = windows_of(
        [-0.04] * 3,
        window_start=[BEGIN + timedelta(days=k) for k in range(3)],
        volume_l=1000.0,
        meter_volume_l=960.0,
        reference_uncertainty=0.0025,
        calibrated_on=date(2025, 12, 20),
    )
    second, third = (BEGIN + timedelta(days=k) for k in (1, 2))
    tariffs = pl.DataFrame(
        {
            "site": [None, None],
            "model": [None, None],
            "from": [second.date(), third.date()],
            "price_per_m3": [10.0, 20.0],
            "currency": "EUR",
        },
        schema_overrides={"site": pl.String, "model": pl.String},
    )
    said = statistics_of(windows, NO_MOMENTS, registry_of(["WM-1"], tariffs))
    row = said.meters.row(0, named=True)
    assert row["under_billed"] == pytest.approx(0.4 + 0.8)
    assert row["unpriced_l"] == pytest.approx(40.0)
    # 0.25 % of 10 EUR and of 20 EUR worth of water, one error of one calibration
    half = Z * 0.0025 * 30.0
    assert (row["net_under_billed_low"], row["net_under_billed_high"]) == pytest.approx((1.2 - half, 1.2 + half))
    regimes, fleet = said.regimes, pl.DataFrame(schema=AUDIT_FLEET)
    told = summary(said.meters, regimes, fleet, said.volumes, 1.0, said.worths)["money"]
    assert told["net_under_billed_high"] - told["net_under_billed"] == pytest.approx(half)
    assert told["unpriced_l"] == pytest.approx(40.0)


def zones(error: list[float], expanded: list[float], n: list[int]) -> Zones:
    shape = (3, 1)
    e, u, count = (np.array(values).reshape(shape) for values in (error, expanded, n))
    none = np.zeros(shape, dtype=bool)
    return Zones(count, count.astype(float), e, u / 2, u, none, none, none, np.full(shape, -np.inf))


@pytest.mark.parametrize(
    ("error", "expanded", "n", "said"),
    [
        ([0.01, 0.005, 0.0], [0.005, 0.005, 0.005], [9, 90, 9], "inside"),
        ([0.01, 0.03, 0.0], [0.005, 0.005, 0.005], [9, 90, 9], "outside"),
        ([0.01, 0.019, 0.0], [0.005, 0.005, 0.005], [9, 90, 9], "open"),
        # a small zone too unsure to see its limit says nothing, the main one does
        ([0.01, 0.005, 0.01], [0.005, 0.005, 0.2], [9, 90, 9], "inside"),
        ([0.01, 0.005, 0.01], [0.005, 0.2, 0.005], [9, 90, 9], "open"),
        ([0.01, 0.005, 0.01], [0.005, 0.005, 0.005], [0, 0, 0], None),
    ],
)
def test_limits_are_kept_or_exceeded_only_with_uncertainty_counted(
    error: list[float], expanded: list[float], n: list[int], said: str | None
) -> None:
    limit = np.array([[0.05], [0.02], [0.02]])
    assert against(zones(error, expanded, n), limit, 3).tolist() == [said]


@pytest.mark.parametrize(
    ("error", "sign", "favours"),
    [
        ([0.03, 0.015, 0.012], "high", True),
        ([0.03, 0.015, 0.008], "high", False),
        ([-0.03, -0.015, -0.012], "low", True),
        ([0.03, -0.015, 0.012], "mixed", False),
    ],
)
def test_all_errors_on_one_side_are_told(error: list[float], sign: str, favours: bool) -> None:
    limit = np.array([[0.05], [0.02], [0.02]])
    found = zones(error, [0.001] * 3, [9] * 3)
    assert one_sign(found, 3).tolist() == [sign]
    assert favours_one_party(found, limit, 3).tolist() == [favours]
    assert one_sign(zones(error, [0.001] * 3, [9, 0, 0]), 3).tolist() == [None]


def test_in_service_twice_the_error_is_allowed_unless_the_policy_says_how_much() -> None:
    assert in_service_factor(Policy()) == 2.0
    assert in_service_factor(replace(Policy(), tolerance=1.5)) == 1.5
    assert in_service_factor(replace(Policy(), origins={"tolerance": "policy.toml line 3"})) == 1.0


def test_groups_and_the_summary_add_up() -> None:
    installed = [date(2014, 5, 1), date(2015, 1, 1), date(2019, 12, 31)]
    said, registry = whole_audit(site=["north", "south", "south"], installed_on=installed)
    table, found, volumes = said.meters, said.regimes, said.volumes
    groups = fleet_groups(table, registry, volumes)
    assert groups.schema == pl.Schema(AUDIT_FLEET)
    assert groups.select("by", "group", "n_meters").rows() == [
        ("age", "2010 to 2014", 1),
        ("age", "2015 to 2019", 2),
        ("model", "M", 3),
        ("site", "north", 1),
        ("site", "south", 2),
        ("size", "Q3 2.5 m3/h", 3),
    ]
    whole = groups.filter(pl.col("by") == "model").row(0, named=True)
    assert whole["misregistered_l"] == pytest.approx(-1800)
    # all on one day: 0.25 % of 60,000 L, fully correlated; the random part is small
    half = whole["misregistered_high_l"] - whole["misregistered_l"]
    assert Z * 150 < half < 1.1 * Z * 150
    assert (whole["n_flagged"], whole["n_outside"]) == (2, 2)
    told = summary(table, found, groups, volumes)
    assert told["volume"]["apparent_loss_l"] == pytest.approx(1800)
    assert told["volume"]["apparent_loss_share"] == pytest.approx(0.03)
    assert told["volume"]["apparent_loss_high_l"] - 1800 == pytest.approx(half)
    assert told["meters"] == {"n": 3, "judged": 3, "flagged": 2, "flags": {"outside_in_service": 2}}
    assert told["compliance"]["in_service"] == {"inside": 1, "outside": 2}
    assert json.loads(canonical(told)) == told
    # without volumes by calibration the widest interval is taken
    assert summary(table, found, groups)["volume"]["apparent_loss_high_l"] >= told["volume"]["apparent_loss_high_l"]


@pytest.mark.parametrize("n", [5, 6, 11, 40])
def test_the_interval_of_a_median_is_that_of_the_sign_test(n: int) -> None:
    one = whole_audit()[0].meters[:1]
    drifts = [0.001 * k for k in range(n)]
    table = pl.concat(
        [one.with_columns(feature_code=pl.lit(f"WM-{k}"), drift_per_month=pl.lit(d)) for k, d in enumerate(drifts)]
    )
    row = fleet_groups(table, registry_of([])).filter(pl.col("by") == "model").row(0, named=True)
    below = [k for k in range(n) if stats.binom.cdf(k, n, 0.5) <= 0.025]
    if not below:
        assert row["drift_low"] is row["drift_high"] is None
    else:
        # the order statistics of rank k + 1 and n - k, the largest k with P(B <= k) at most 2.5 %
        assert row["drift_low"] == pytest.approx(drifts[below[-1]])
        assert row["drift_high"] == pytest.approx(drifts[n - 1 - below[-1]])


def test_two_policies_are_set_side_by_side() -> None:
    a = pl.concat([windows_of([0.0] * 3, code="WM-1"), windows_of([0.0] * 2, code="WM-2")])
    b = a.with_columns(
        verdict=pl.Series(["healthy", "steady", "healthy", "healthy", "healthy"]),
        form=pl.Series([None, "linear", None, None, None], dtype=pl.String),
    )
    found = compare(a, b)
    assert found.windows.select("feature_code", "verdict_a", "verdict_b").rows() == [("WM-1", "healthy", "steady")]
    told = comparison_summary(found)
    assert (told["windows"], told["windows_that_differ"], told["meters_that_differ"]) == (5, 1, 1)
    assert told["commanded"] == {"a": 0, "b": 1, "only_a": [], "only_b": ["WM-1"]}
    halves = [compare(*(each.filter(pl.col("feature_code") == code) for each in (a, b))) for code in ("WM-2", "WM-1")]
    assert comparison_summary(joined(halves)) == told
