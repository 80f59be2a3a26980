"""Change points of a meter's error, against published data, exhaustive search and other people's least squares."""

from __future__ import annotations

from itertools import combinations, pairwise, product

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.auditing import series_of
from transforms.audit.bends import MONTH_DAYS, paths
from transforms.audit.changes import common_variance, settle
from transforms.audit.costs import prefix_sums
from transforms.audit.drift import fit_slopes
from transforms.audit.gls import bend_fit, every_place, jump_fit, parts_of, whole_fit
from transforms.audit.noise import calm, drawn_in, estimate_noise, median, outliers, running_median
from transforms.audit.onset import date_changes
from transforms.audit.segment import DRIFTING_DAYS, LEAST, LEAST_DRIFTING, Prices, grid, partition, prices, segment
from transforms.audit.series import Floats, Series
from transforms.audit.steadiness import CHANGE, evidence, unsteady_stretches


def test_the_nile_changed_once_after_1898() -> None:
    # Cobb, Biometrika 65, 1978, and everyone since: annual flow at Aswan fell after 1898, when the old dam was begun
    nile = sm.datasets.nile.load_pandas().data["volume"].to_numpy() / 1000
    years = np.arange(1871, 1971)
    series = series_of(nile, np.full(100, 1e-6), 365.25 * (years - 1970))
    noise = estimate_noise(series)
    # the standard deviation within both stretches is about 128 (Balke 1993)
    assert 0.09 < np.sqrt(noise.between[0] * noise.persistence[0]) < 0.18
    price = prices(series.n, noise.dof)
    drawn = drawn_in(series, noise)
    variance = noise.total(series)
    sums = prefix_sums(drawn, variance)
    stretches, sums = settle(segment(drawn, sums, price), drawn, variance, sums, price, np.array([0.05]))
    dated = date_changes(stretches, drawn, sums)
    assert stretches.first.tolist() == [0, 28]
    assert not stretches.drifts.any()
    assert years[dated.place].tolist() == [1899]
    assert 1893 <= years[dated.low[0]] <= 1899 <= years[dated.high[0]] <= 1904


def brute_force(y: Floats, variance: Floats, day: Floats, change: float, slope: float) -> float:
    """The least penalised cost over every way to cut a series, by numpy's own fits."""
    n = len(y)
    root = 1 / np.sqrt(variance)
    best = np.inf
    for pieces in range(1, n // LEAST + 1):
        for cuts in combinations(range(LEAST, n - LEAST + 1), pieces - 1):
            edges = [0, *cuts, n]
            if min(np.diff(edges)) < LEAST:
                continue
            cost = change * (pieces - 1)
            for a, b in pairwise(edges):
                own = []
                for degree, extra in ((0, 0.0), (1, slope)):
                    if degree and (b - a < LEAST_DRIFTING or day[b - 1] - day[a] < DRIFTING_DAYS):
                        continue
                    fit = np.polyval(np.polyfit(day[a:b], y[a:b], degree, w=root[a:b]), day[a:b])
                    own.append((((y[a:b] - fit) * root[a:b]) ** 2).sum() + extra)
                cost += min(own)
            best = min(best, cost)
    return best


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(10, 26))
def test_partitioning_finds_the_best_of_all_ways_to_cut(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    day = np.sort(rng.uniform(0, 40, n))
    variance = rng.uniform(0.5, 2.0, n) * 1e-4
    y = rng.normal(0, 0.01, n) + np.where(np.arange(n) > rng.integers(0, n), 0.03, 0.0) + 0.001 * rng.normal() * day
    change, slope = float(rng.uniform(2, 12)), float(rng.uniform(1, 8))
    series = series_of(y, variance, day)
    price = Prices(np.array([change]), np.array([slope]))
    sums = prefix_sums(series, series.variance)
    (edges,) = partition(series, sums, price, np.array([0]), grid(series.n))
    cost = sums.between(edges[:-1], edges[1:], np.zeros(len(edges) - 1, dtype=np.int64))
    long = (np.diff(edges) >= LEAST_DRIFTING) & (day[edges[1:] - 1] - day[edges[:-1]] >= DRIFTING_DAYS)
    own = np.minimum(cost.level, np.where(long, cost.line + slope, np.inf))
    assert own.sum() + change * (len(edges) - 2) == pytest.approx(
        brute_force(y, variance, day, change, slope), rel=1e-8
    )


def test_costs_are_those_of_weighted_least_squares() -> None:
    rng = np.random.default_rng(1)
    day, variance = 20_000 + np.sort(rng.uniform(0, 300, 50)), rng.uniform(0.5, 2.0, 50) * 1e-5
    y = 0.02 + rng.normal(0, 0.004, 50)
    sums = prefix_sums(series_of(y, variance, day), variance[None])
    for a, b in ((0, 50), (3, 20), (31, 50)):
        cost = sums.between(np.array([a]), np.array([b]), np.array([0]))
        level = sm.WLS(y[a:b], np.ones(b - a), weights=1 / variance[a:b]).fit()
        line = sm.WLS(y[a:b], sm.add_constant(day[a:b]), weights=1 / variance[a:b]).fit()
        assert cost.level[0] == pytest.approx(level.ssr, rel=1e-9)
        assert cost.line[0] == pytest.approx(line.ssr, rel=1e-6)
        assert cost.slope[0] / sums.unit[0] == pytest.approx(line.params[1], rel=1e-6)


def calibrated(seed: int) -> tuple[Series, Floats]:
    """Forty windows on four calibrations, and the whole covariance of their errors."""
    rng = np.random.default_rng(seed)
    day, variance = 20_000 + np.sort(rng.uniform(0, 100, 40)), rng.uniform(0.5, 2.0, 40) * 1e-5
    calibration = np.repeat([3, 5, 6, 9], [7, 15, 8, 10])
    series = series_of(rng.normal(0.01, 0.005, 40), variance, day, calibration.tolist(), common=0.004)
    same = calibration[:, None] == calibration[None, :]
    return series, np.diag(variance) + 0.004**2 * same


@pytest.mark.parametrize(("before", "after"), [(False, False), (False, True), (True, False), (True, True)])
def test_a_jump_is_weighed_as_generalised_least_squares_do(before: bool, after: bool) -> None:
    series, covariance = calibrated(2)
    sums = prefix_sums(series, series.variance)
    ends_of = np.array([0]), np.array([40])
    parts = parts_of(series, sums, np.array([0]), *ends_of, *every_place(*ends_of))
    rest, _ = jump_fit(parts, np.array([before]), np.array([after]))
    day = series.day[0] - series.day[0].mean()
    for place in (5, 12, 22, 35):
        late = np.arange(40) >= place
        columns = [~late, late]
        columns += [day * ~late] if before else []
        columns += [day * late] if after else []
        fit = sm.GLS(series.error[0], np.array(columns, dtype=float).T, sigma=covariance).fit()
        assert rest[0, place - LEAST] == pytest.approx(fit.ssr, rel=1e-6)


@pytest.mark.parametrize("ends", [False, True])
def test_a_bend_is_weighed_as_generalised_least_squares_do(ends: bool) -> None:
    series, covariance = calibrated(3)
    sums = prefix_sums(series, series.variance)
    ends_of = np.array([0]), np.array([40])
    parts = parts_of(series, sums, np.array([0]), *ends_of, *every_place(*ends_of))
    rest, _ = bend_fit(parts, np.array([ends]))
    day = series.day[0]
    for place in (5, 12, 22, 35):
        turn = (day[place] + day[place - 1]) / 2
        bent = np.minimum(day - turn, 0.0) if ends else np.maximum(day - turn, 0.0)
        fit = sm.GLS(series.error[0], np.column_stack([np.ones(40), bent]), sigma=covariance).fit()
        assert rest[0, place - LEAST] == pytest.approx(fit.ssr, rel=1e-6)


def test_one_level_and_one_line_are_those_of_generalised_least_squares() -> None:
    series, covariance = calibrated(4)
    parts = parts_of(
        series,
        prefix_sums(series, series.variance),
        *(np.array([n]) for n in (0, 0, 40)),
        np.array([[12]]),
        np.array([[True]]),
    )
    level, line = whole_fit(parts)
    ones, day = np.ones(40), series.day[0]
    assert level[0] == pytest.approx(sm.GLS(series.error[0], ones, sigma=covariance).fit().ssr, rel=1e-8)
    both = sm.GLS(series.error[0], np.column_stack([ones, day - day.mean()]), sigma=covariance).fit()
    assert line[0] == pytest.approx(both.ssr, rel=1e-6)


def test_windows_of_one_calibration_share_its_error() -> None:
    share = np.array([[0.5, 0.5, -0.25, -0.75]])
    common = np.full((1, 4), 0.002)
    # by hand: (0.5 + 0.5 - 0.25)^2 + 0.75^2, and all on one calibration cancel
    apart = common_variance(share, common, np.array([[7, 7, 7, 8]]))
    assert apart[0] == pytest.approx(0.002**2 * (0.75**2 + 0.75**2))
    assert common_variance(share, common, np.array([[7, 7, 7, 7]]))[0] == pytest.approx(0.0, abs=1e-18)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=9))
def test_the_states_are_the_most_probable_of_all(verdicts: list[int]) -> None:
    gain = evidence(np.array(verdicts))

    def chance(states: tuple[int, ...]) -> float:
        turns = sum(a != b for a, b in pairwise(states))
        stays = len(states) - 1 - turns
        return float(np.dot(states, gain)) + turns * np.log(CHANGE) + stays * np.log1p(-CHANGE)

    best = max(chance(states) for states in product((0, 1), repeat=len(verdicts)))
    found = unsteady_stretches(np.array([verdicts]))[0]
    assert chance(tuple(found.astype(int))) == pytest.approx(best)


def test_one_unsteady_window_is_no_unsteady_stretch_but_six_are() -> None:
    calm, one, many = [0] * 30, [0] * 15 + [1] + [0] * 14, [0] * 12 + [1] * 6 + [0] * 12
    found = unsteady_stretches(np.array([calm, one, many]))
    assert found.sum(axis=1).tolist() == [0, 0, 6]
    assert found[2].nonzero()[0].tolist() == list(range(12, 18))


@pytest.mark.parametrize("between", [0.0, 0.003, 0.01])
def test_noise_between_windows_is_found_whatever_steps_there_are(between: float) -> None:
    rng = np.random.default_rng(5)
    n = 700
    standard = 0.005 * np.exp(rng.normal(0, 0.5, n))
    step = np.where(np.arange(n) < 300, 0.0, 0.08)
    error = step + between * rng.standard_normal(n) + standard * rng.standard_normal(n)
    noise = estimate_noise(series_of(error, standard**2, np.arange(n) / 2))
    assert np.sqrt(noise.between[0]) == pytest.approx(between, abs=0.0025)
    assert noise.persistence[0] < 1.8


def test_correlated_windows_are_told_from_independent_ones() -> None:
    rng = np.random.default_rng(6)
    n, r = 2_000, 0.8
    error = rng.standard_normal(n)
    for k in range(1, n):
        error[k] = r * error[k - 1] + np.sqrt(1 - r**2) * error[k]
    # in the long run (1 + r) / (1 - r) = 9 times the variance; blocks of a week see less than half of that
    noise = estimate_noise(series_of(0.01 * error, np.full(n, 1e-10), np.arange(n) / 2))
    assert 3 < noise.persistence[0] * noise.between[0] / 0.01**2 < 14


def test_an_outlying_window_is_drawn_in_and_a_step_is_not() -> None:
    error = np.zeros(60)
    error[20], error[40:] = 0.3, 0.1
    series = series_of(error + 1e-4 * np.sin(np.arange(60)), np.full(60, 1e-6), np.arange(60.0))
    noise = estimate_noise(series)
    assert outliers(series, noise).nonzero()[1].tolist() == [20]
    drawn = drawn_in(series, noise).error[0]
    assert abs(drawn[20]) < 0.01
    np.testing.assert_allclose(drawn[40:], 0.1, atol=2e-4)


def test_windows_that_were_looked_at_before_say_the_same_again() -> None:
    rng = np.random.default_rng(3)
    n, width = np.array([50, 80, 70]), 80
    place = np.where(np.arange(width) < n[:, None], 100 * np.arange(3)[:, None] + np.arange(width), -1)
    there = place >= 0
    known = Series(
        n=n,
        error=np.where(there, rng.standard_t(2, (3, width)) * 0.01, 0.0),
        variance=np.where(there, 1e-5, np.inf),
        day=np.where(there, np.arange(width) / 2, 0.0),
        calibration=np.where(there, 0, -1),
        common=np.zeros((3, width)),
        place=place,
    )
    # the first row as it was, then the second in two parts, and no third
    parts = known.take(np.array([0, 1, 1]))
    parts.n[1:], parts.place[2, :40] = 40, known.place[1, 40:]
    parts.error[2, :40], parts.error[1:, 40:], parts.place[1:, 40:] = known.error[1, 40:], 0.0, -1
    anew, again = calm(parts), calm(parts, calm(known))
    assert again.drawn_in.error.tolist() == anew.drawn_in.error.tolist()
    for name in ("between", "persistence", "dof"):
        assert getattr(again.noise, name).tolist() == getattr(anew.noise, name).tolist()
    assert (anew.drawn_in.error != parts.error).any()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 2.0]), max_size=60))
def test_a_median_is_in_the_middle_of_what_is_sorted(values: list[float]) -> None:
    assert median(np.array(values)) == (np.median(values) if values else 0.0)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from([-0.5, 0.0, 0.25, 0.25, 1.0]), min_size=1, max_size=30))
def test_a_running_median_is_that_of_the_nearest_nine(values: list[float]) -> None:
    error, n = np.array(values), len(values)
    found = running_median(series_of(error, np.full(n, 1.0), np.arange(n) / 2))[0]
    firsts = [min(max(k - 4, 0), max(n - 9, 0)) for k in range(n)]
    assert found.tolist() == [np.median(error[first : first + 9]) for first in firsts]


def test_a_slope_is_that_of_weighted_least_squares() -> None:
    rng = np.random.default_rng(7)
    n = 120
    day, standard = 20_000 + np.arange(n) / 2, 0.004 * np.exp(rng.normal(0, 0.3, n))
    error = 0.01 + 0.006 * (day - day[0]) / MONTH_DAYS + standard * rng.standard_normal(n)
    slopes = fit_slopes(series_of(error, standard**2, day))
    months = (day - slopes.middle[0]) / MONTH_DAYS
    fit = sm.WLS(error, sm.add_constant(months), weights=1 / standard**2).fit()
    assert slopes.per_month[0] == pytest.approx(fit.params[1], rel=0.1)
    # statsmodels scales by the scatter seen, here never by less than what is expected
    assert np.sqrt(slopes.slope_variance[0]) == pytest.approx(fit.bse[1], rel=0.5)
    assert np.sqrt(slopes.slope_variance[0]) >= 0.99 / np.sqrt((months**2 / standard**2).sum())


def test_the_calibrations_of_the_reference_widen_a_slope() -> None:
    day = np.arange(100.0)
    calm = 1e-5 * np.sin(np.arange(100) * 2.0)
    plain = fit_slopes(series_of(calm, np.full(100, 1e-6), day))
    shared = fit_slopes(series_of(calm, np.full(100, 1e-6), day, [0] * 50 + [1] * 50, common=0.003))
    # by hand: half the windows of each calibration, sum of t / sum of t^2 over one half
    t = (day - 49.5) / MONTH_DAYS
    expected = 2 * (0.003 * t[50:].sum() / (t**2).sum()) ** 2
    assert shared.slope_variance[0] - plain.slope_variance[0] == pytest.approx(expected, rel=1e-6)


def test_a_drift_leads_across_the_limit_on_the_true_day_whenever_it_began() -> None:
    rng = np.random.default_rng(8)
    day = 20_000 + np.arange(400) / 2
    # 0.4 % a month all along, and from day 50 on: 2 % takes five months
    for moved, crosses in ((day - day[0], 5.0), (np.clip(day - day[0] - 50, 0, None), 5.0 + 50 / MONTH_DAYS)):
        error = 0.004 * moved / MONTH_DAYS + 0.001 * rng.standard_normal(400)
        found = paths(series_of(error, np.full(400, 0.001**2), day), np.array([0.02]), day[-1])
        assert found.slope_low[0] < 0.004 < found.slope_high[0]
        assert found.slope_high[0] - found.slope_low[0] < 0.0006
        assert found.crosses_low[0] < day[0] + crosses * MONTH_DAYS < found.crosses_high[0]
        assert found.crosses_high[0] - found.crosses_low[0] < 12


def test_the_median_crossing_of_a_clear_line_is_where_least_squares_has_it() -> None:
    rng = np.random.default_rng(3)
    day = np.arange(300.0)
    error = 0.0001 * day - 0.01 + 0.0003 * rng.standard_normal(300)
    found = paths(series_of(error, np.full(300, 0.0003**2), day), np.array([0.01]), 300.0)
    slope, level = np.polyfit(day, error, 1)
    assert found.crosses[0] == pytest.approx((0.01 - level) / slope, abs=1.0)
    assert found.slope[0] == pytest.approx(slope * MONTH_DAYS, rel=0.01)


def test_the_calibrations_of_the_reference_widen_where_a_drift_leads() -> None:
    day = np.arange(200.0)
    error = 0.0001 * day + 0.0005 * np.sin(2 * day)
    runs = [int(k // 28) for k in day]
    plain, shared = (
        paths(series_of(error, np.full(200, 1e-6), day, runs, common=common), np.array([0.015]), 200.0)
        for common in (0.0, 0.0025)
    )
    assert shared.slope_high[0] - shared.slope_low[0] > 3 * (plain.slope_high[0] - plain.slope_low[0])
    assert shared.crosses_high[0] - shared.crosses_low[0] > 3 * (plain.crosses_high[0] - plain.crosses_low[0])


def test_a_line_that_does_not_rise_for_certain_has_an_open_interval() -> None:
    rng = np.random.default_rng(9)
    series = series_of(0.004 * rng.standard_normal(100), np.full(100, 0.004**2), np.arange(100) / 2)
    found = paths(series, np.array([0.02]), 50.0)
    assert np.isnan(found.crosses_low[0]) or np.isnan(found.crosses_high[0])
    assert found.slope_low[0] < 0 < found.slope_high[0]
