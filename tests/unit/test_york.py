"""Lines with errors in both flows, from sums by flow bin, against the same fit sample by sample and against theory."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from transforms.fit import bins_of, centre, fit_deming, fit_line, fit_york, single_bins

EDGES = [30_000, 100_000, 300_000]
VAR_X = np.array([[1e4], [1e5], [1e6], [1e7]])
VAR_Y = np.array([[2e4], [1e5], [3e6], [2e7]])


def sample(seed: int, n: int = 40, a1: float = 0.97, a2: float = 3000.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = np.exp(rng.uniform(np.log(10_000), np.log(900_000), n))
    x, y = np.rint(true + rng.normal(0, 0.005 * true)), np.rint(a1 * true + a2 + rng.normal(0, 0.005 * true))
    return x.astype(np.int64), y.astype(np.int64), np.digitize(x, EDGES)


def sums_of(x: np.ndarray, y: np.ndarray, bins: np.ndarray) -> dict[str, np.ndarray]:
    parts = {"n": np.ones_like(x), "sx": x, "sy": y, "sxx": x * x, "sxy": x * y, "syy": y * y}
    return {name: np.array([[value[bins == b].sum()] for b in range(4)]) for name, value in parts.items()}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 40))
def test_sums_by_bin_say_the_same_as_the_samples(seed: int, n: int) -> None:
    x, y, bins = sample(seed, n)
    whole = fit_york(sums_of(x, y, bins), VAR_X, VAR_Y)
    single = fit_york(single_bins(x[:, None].astype(float), y[:, None].astype(float)), VAR_X[bins], VAR_Y[bins])
    for name in ("a1", "a1_se", "a2", "a2_se", "correlation"):
        assert getattr(whole, name)[0] == pytest.approx(getattr(single, name)[0], rel=1e-9, abs=1e-6), name
    assert whole.chi2[0] == pytest.approx(single.chi2[0], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_the_line_is_the_one_of_least_distance(seed: int) -> None:
    x, y, bins = sample(seed)
    vx, vy = VAR_X[bins, 0], VAR_Y[bins, 0]
    fit = fit_york(sums_of(x, y, bins), VAR_X, VAR_Y)

    def distance(line: np.ndarray) -> float:
        return float(((y - line[0] * x - line[1] * 1e4) ** 2 / (vy + line[0] ** 2 * vx)).sum())

    best = minimize(
        distance, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 2000}
    )
    assert (fit.a1[0], fit.a2[0]) == pytest.approx((best.x[0], best.x[1] * 1e4), rel=1e-5)
    assert fit.chi2[0] == pytest.approx(best.fun, rel=1e-9)


def test_without_errors_in_the_reference_it_is_weighted_least_squares() -> None:
    x, y, bins = sample(7)
    fit = fit_york(sums_of(x, y, bins), 0.0, VAR_Y, observed=True)
    known = sm.WLS(y, sm.add_constant(x), weights=1 / VAR_Y[bins, 0]).fit()
    assert [fit.a2[0], fit.a1[0]] == pytest.approx(known.params, rel=1e-9)
    assert [fit.a2_se[0], fit.a1_se[0]] == pytest.approx(known.bse, rel=1e-9)
    line = fit_line(centre(sums_of(x, y, bins), 1 / VAR_Y))
    assert fit.correlation[0] == pytest.approx(line.correlation[0], rel=1e-9)
    assert fit.chi2[0] == pytest.approx(line.chi2[0], rel=1e-9)


@pytest.mark.parametrize("ratio", [0.25, 1.0, 4.0])
@pytest.mark.parametrize("a1", [0.2, 1.0, 3.0])
def test_deming_is_york_with_a_constant_ratio(ratio: float, a1: float) -> None:
    x, y, bins = sample(3, a1=a1)
    deming = fit_deming(centre(sums_of(x, y, bins), 1 / VAR_X), ratio)
    york = fit_york(sums_of(x, y, bins), VAR_X, ratio * VAR_X, observed=True)
    for name in ("a1", "a1_se", "a2", "a2_se", "correlation", "chi2"):
        assert getattr(deming, name)[0] == pytest.approx(getattr(york, name)[0], rel=1e-8), name


def test_errors_in_the_reference_no_longer_flatten_the_line() -> None:
    """Many meters whose flows spread little beside the errors: least squares reads 20 % low, York does not."""
    rng = np.random.default_rng(5)
    true = rng.normal(500_000, 20_000, (200, 500))
    x, y = true + rng.normal(0, 10_000, true.shape), true + rng.normal(0, 10_000, true.shape)
    plain = fit_york(single_bins(x, y), 0.0, 1e8)
    both = fit_york(single_bins(x, y), 1e8, 1e8)
    assert plain.a1.mean() == pytest.approx(0.8, abs=0.01)
    assert both.a1.mean() == pytest.approx(1.0, abs=0.01)
    assert both.a1_se.mean() == pytest.approx(both.a1.std(), rel=0.1)
    assert (both.chi2 / both.dof).mean() == pytest.approx(1.0, abs=0.02)


def test_meters_without_a_line_are_nan_and_leave_the_others_alone() -> None:
    x, y, bins = sample(1)
    good = sums_of(x, y, bins)
    flat = sums_of(np.full(12, 50_000), np.arange(12) + 50_100, np.full(12, 1))
    empty = {name: np.zeros_like(value) for name, value in good.items()}
    fit = fit_york({name: np.hstack([flat[name], value, empty[name]]) for name, value in good.items()}, VAR_X, VAR_Y)
    assert np.isnan(fit.a1).tolist() == [True, False, True]
    assert np.isnan(fit.a2_se).tolist() == [True, False, True]
    assert fit.a1[1] == fit_york(good, VAR_X, VAR_Y).a1[0]


def test_a_bin_of_pairs_needs_a_variance() -> None:
    x, y, bins = sample(1)
    with pytest.raises(ValueError, match="variance above 0"):
        fit_york(sums_of(x, y, bins), 0.0, 0.0)


def test_bins_far_from_zero_keep_their_digits() -> None:
    x = 4_000_000 + np.arange(10)
    bins = bins_of(sums_of(x, x + np.array([0, 1] * 5), np.full(10, 3)))
    assert bins.xx[3, 0] == pytest.approx(82.5, rel=1e-14)
    assert bins.yy[3, 0] == pytest.approx(82.5 + 2 * 2.5 + 2.5, rel=1e-14)
