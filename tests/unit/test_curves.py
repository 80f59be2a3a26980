"""Curves of many meters at once against statsmodels and SciPy, one meter at a time."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from transforms.fit import Curves, fit_piecewise, fit_power, fit_quadratic, fit_straight

Batch = tuple[np.ndarray, np.ndarray, np.ndarray]


def fleet(seed: int = 0, meters: int = 6, n: int = 40, noise: float = 0.01) -> Batch:
    """Meters with slightly bent curves; the second half of the samples of every other meter is padding."""
    rng = np.random.default_rng(seed)
    x = np.exp(rng.uniform(np.log(20), np.log(2000), (meters, n)))
    y = rng.uniform(0.9, 1.1, (meters, 1)) * x ** rng.uniform(0.97, 1.03, (meters, 1))
    y += rng.normal(0, noise, x.shape) * x
    w = 1 / (0.01 * x) ** 2
    w[::2, n // 2 :] = 0
    x[w == 0], y[w == 0] = np.nan, np.nan
    return x, y, w


def errors(curves: Curves, meter: int) -> np.ndarray:
    return np.sqrt(np.diag(curves.covariance[meter]) * curves.scatter[meter])


def hinges(x: np.ndarray, knots: list[float]) -> np.ndarray:
    return np.stack([np.ones_like(x), x, *(np.maximum(x - knot, 0) for knot in knots)], axis=1)


@pytest.mark.parametrize("form", ["straight", "quadratic", "piecewise"])
def test_linear_forms_agree_with_statsmodels(form: str) -> None:
    x, y, w = fleet(n=80)
    fits = {
        "straight": lambda: fit_straight(x, y, w),
        "quadratic": lambda: fit_quadratic(x, y, w),
        "piecewise": lambda: fit_piecewise(x, y, w, np.array([80.0, 600.0])),
    }
    curves = fits[form]()
    for meter in range(len(x)):
        seen = w[meter] > 0
        xs, ys = x[meter][seen], y[meter][seen]
        design = {
            "straight": np.vander(xs, 2, increasing=True),
            "quadratic": np.vander(xs, 3, increasing=True),
            "piecewise": hinges(xs, [80.0, 600.0]),
        }[form]
        known = sm.WLS(ys, design, weights=w[meter][seen]).fit()
        assert curves.parameters[meter] == pytest.approx(known.params, rel=1e-8)
        assert errors(curves, meter) == pytest.approx(known.bse, rel=1e-8)
        assert curves.chi2[meter] == pytest.approx(known.ssr, rel=1e-8)
        assert (curves.n[meter], curves.dof[meter]) == (known.nobs, known.df_resid)
        assert curves.x_range[meter] == pytest.approx([xs.min(), xs.max()])
        assert curves.at(xs[None])[meter] == pytest.approx(known.fittedvalues, rel=1e-9)
        band = known.get_prediction(design).se_mean
        assert curves.standard_uncertainty(xs[None])[meter] == pytest.approx(band, rel=1e-8)


def test_power_law_agrees_with_scipy() -> None:
    x, y, w = fleet(3)
    curves = fit_power(x, y, w)
    for meter in range(len(x)):
        seen = w[meter] > 0
        xs, ys, sigma = x[meter][seen], y[meter][seen], 1 / np.sqrt(w[meter][seen])
        known, covariance = curve_fit(
            lambda q, c, b: c * q**b, xs, ys, p0=[1, 1], sigma=sigma, ftol=1e-14, xtol=1e-14, gtol=1e-14
        )
        assert curves.parameters[meter] == pytest.approx(known, rel=1e-7)
        assert errors(curves, meter) == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-5)


def test_power_law_finds_its_way_from_a_poor_start() -> None:
    """Readings below zero and large scatter spoil the logarithms, not the fit."""
    rng = np.random.default_rng(8)
    x = np.tile(np.linspace(1, 20, 60), (50, 1))
    y = 0.4 * x**1.7 + rng.normal(0, 3, x.shape)
    curves = fit_power(x, y, np.ones_like(x))
    assert np.isfinite(curves.parameters).all()
    grid = np.stack([c * x[0] ** b for c in np.linspace(0.2, 0.8, 61) for b in np.linspace(1.4, 2.0, 61)])
    best = ((y[:, None, :] - grid) ** 2).sum(axis=2).min(axis=1)
    assert (curves.chi2 <= best).all()


def test_slopes_are_derivatives() -> None:
    x, y, w = fleet(4)
    q = np.array([[25.0, 90.0, 700.0, 1500.0]])
    for curves in (
        fit_straight(x, y, w),
        fit_quadratic(x, y, w),
        fit_power(x, y, w),
        fit_piecewise(x, y, w, np.array([80.0, 600.0])),
    ):
        numeric = (curves.at(q + 1e-4) - curves.at(q - 1e-4)) / 2e-4
        assert curves.slope(q) == pytest.approx(numeric, rel=1e-6), curves.form


def test_uncertainty_of_the_power_law_covers_the_truth() -> None:
    rng = np.random.default_rng(2)
    x = np.exp(rng.uniform(3, 7, (4000, 30)))
    y = 0.9 * x**1.02 + rng.normal(0, 0.01, x.shape) * x
    curves = fit_power(x, y, 1 / (0.01 * x) ** 2)
    q = np.array([[25.0, 200.0, 1000.0]])
    off = (curves.at(q) - 0.9 * q**1.02) / curves.standard_uncertainty(q, observed=False)
    assert off.std(axis=0) == pytest.approx([1, 1, 1], abs=0.05)
    assert curves.scatter.mean() == pytest.approx(1, abs=0.03)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_units_do_not_matter(seed: int, unit: float, weight: float) -> None:
    x, y, w = fleet(seed, meters=2, n=20)
    q = np.array([[50.0, 500.0]])
    for fit in (fit_quadratic, fit_power, lambda x, y, w, unit=1.0: fit_piecewise(x, y, w, np.array([100.0 * unit]))):
        here = fit(x, y, w)
        bent = {} if fit in (fit_quadratic, fit_power) else {"unit": unit}
        there = fit(x * unit, y * unit, w * weight, **bent)
        assert there.at(q * unit) == pytest.approx(here.at(q) * unit, rel=1e-7)
        assert there.standard_uncertainty(q * unit) == pytest.approx(here.standard_uncertainty(q) * unit, rel=1e-5)


def test_the_best_criterion_is_that_of_the_form_that_made_the_data() -> None:
    rng = np.random.default_rng(9)
    x = np.exp(rng.uniform(np.log(20), np.log(2000), (400, 48)))
    w = 1 / (0.005 * x) ** 2
    noise = rng.normal(0, 0.005, x.shape) * x
    knots = np.array([100.0])
    made = {
        "straight": 1.03 * x + 2,
        "power": 0.8 * x**1.03,
        "piecewise": 0.8 * x + 0.25 * np.maximum(x - 100, 0),
    }
    for truth, y in made.items():
        fits = [f(x, y + noise, w) for f in (fit_straight, fit_power)] + [fit_piecewise(x, y + noise, w, knots)]
        best = np.argmin([fit.bic for fit in fits], axis=0)
        share = np.mean([fits[k].form == truth for k in best])
        assert share > 0.9, truth


def test_knots_without_enough_samples_are_merged() -> None:
    x = np.array([[10.0, 20.0, 30.0, 40.0, 110.0, 120.0, 130.0, 210.0, 220.0, 0.0]])
    y = np.where(x < 100, x, 100 + 0.9 * (x - 100))
    w = np.where(x > 0, 1.0, 0.0)
    fit = fit_piecewise(x, y, w, np.array([5.0, 25.0, 100.0, 200.0, 500.0]))
    # 5: nothing below; 25: two samples below; 200: two above; 500: nothing above.
    assert fit.knots.tolist() == [[np.inf, np.inf, 100.0, np.inf, np.inf]]
    assert fit.parameters[0] == pytest.approx([0, 1, 0, 0, -0.1, 0, 0], abs=1e-12)
    assert fit.dof[0] == 9 - 3
    loose = fit_piecewise(x, y, w, np.array([100.0, 200.0]), least=2)
    assert loose.knots.tolist() == [[100.0, 200.0]]


def test_undetermined_curves_are_nan_and_leave_the_others_alone() -> None:
    x, y, w = fleet(5, meters=3)
    x[0], w[0] = 100.0, 1.0
    y[0] = 101.0
    w[1] = 0.0
    for fit in (fit_straight, fit_quadratic, fit_power, lambda *s: fit_piecewise(*s, np.array([80.0]))):
        curves = fit(x, y, w)
        alone = fit(x[2:], y[2:], w[2:])
        assert np.isnan(curves.parameters).all(axis=1).tolist() == [True, True, False]
        assert np.isnan(curves.bic).tolist() == [True, True, False]
        assert np.array_equal(curves.parameters[2], alone.parameters[0])
    two = np.array([[10.0, 20.0] * 5])
    assert np.isnan(fit_quadratic(two, two, np.ones_like(two)).parameters).all()


def test_a_narrow_range_far_from_zero_loses_no_digits() -> None:
    x = (1e6 + np.arange(12.0))[None]
    y = 2 * (x - 1e6) + 0.5 * (x - 1e6) ** 2
    fit = fit_quadratic(x, y, np.ones_like(x))
    assert fit.parameters[0, 2] == pytest.approx(0.5, rel=1e-9)
    assert fit.chi2[0] < 1e-12
