"""A single calibration line: every estimator against statsmodels, uncertainties against simulation."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.fit import straight_line


def pairs(seed: int = 0, n: int = 25) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.exp(rng.uniform(3, 7, n))
    uy = np.hypot(0.01 * x, 0.5)
    return x, 1.04 * x + 3 + uy * rng.normal(size=n), uy


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 60))
def test_ordinary_and_weighted_agree_with_statsmodels(seed: int, n: int) -> None:
    x, y, uy = pairs(seed, n)
    ordinary, known = straight_line(x, y), sm.OLS(y, sm.add_constant(x)).fit()
    assert (ordinary.a2, ordinary.a1) == pytest.approx(tuple(known.params), rel=1e-7)
    assert ordinary.covariance[::-1, ::-1] == pytest.approx(known.cov_params(), rel=1e-7)
    assert ordinary.r_squared == pytest.approx(known.rsquared, rel=1e-9)
    assert ordinary.residual_sd == pytest.approx(np.sqrt(known.scale), rel=1e-7)
    weighted, known = straight_line(x, y, uy=uy), sm.WLS(y, sm.add_constant(x), weights=uy**-2).fit()
    assert (weighted.a2, weighted.a1) == pytest.approx(tuple(known.params), rel=1e-7)
    assert weighted.covariance[::-1, ::-1] == pytest.approx(known.cov_params(scale=1), rel=1e-7)
    assert weighted.chi2 == pytest.approx(known.ssr, rel=1e-7)


def test_prediction_band_agrees_with_statsmodels() -> None:
    x, y, _ = pairs(3)
    fit, known = straight_line(x, y), sm.OLS(y, sm.add_constant(x)).fit()
    q = np.array([0.0, 50.0, 400.0, 2000.0])
    band = known.get_prediction(sm.add_constant(q, has_constant="add"))
    assert fit.predict(q).value == pytest.approx(band.predicted_mean, rel=1e-10)
    assert fit.predict(q).u == pytest.approx(band.se_mean, rel=1e-8)
    assert fit.predict(q, 2.0).u == pytest.approx(np.hypot(band.se_mean, 2 * fit.a1), rel=1e-8)


def test_inverse_undoes_prediction() -> None:
    x, y, uy = pairs(4)
    fit = straight_line(x, y, ux=0.3, uy=uy)
    q = np.array([30.0, 300.0])
    back = fit.invert(fit.predict(q).value)
    assert back.value == pytest.approx(q, rel=1e-12)
    assert back.u == pytest.approx(fit.predict(q).u / fit.a1, rel=1e-12)


def test_robust_line_ignores_wild_pairs() -> None:
    x, y, uy = pairs(5)
    y[::8] *= 2
    fit = straight_line(x, y, robust=True)
    known = sm.RLM(y, sm.add_constant(x)).fit(maxiter=500, tol=1e-13, conv="coefs")
    assert (fit.a2, fit.a1) == pytest.approx(tuple(known.params), rel=1e-6)
    assert (fit.u_a2, fit.u_a1) == pytest.approx(tuple(known.bse), rel=1e-5)
    scaled = straight_line(x, y, uy=uy, robust=True)
    assert abs(scaled.a1 - 1.04) < 4 * scaled.u_a1 < 0.1
    assert abs(straight_line(x, y, uy=uy).a1 - 1.04) > 4 * abs(scaled.a1 - 1.04)


def test_distance_regression_without_errors_in_x_is_weighted_least_squares() -> None:
    x, y, uy = pairs(6)
    weighted, distance = straight_line(x, y, uy=uy), straight_line(x, y, ux=1e-9, uy=uy)
    assert (distance.a1, distance.u_a1) == pytest.approx((weighted.a1, weighted.u_a1), rel=1e-9)
    assert (weighted.method, distance.method) == ("weighted", "distance")


def test_common_error_does_not_average_out() -> None:
    """Simulated: a reference that is off by one unknown factor for all of its values."""
    rng = np.random.default_rng(7)
    true = np.linspace(20, 1000, 40)
    fits, predicted, inverted = [], [], []
    for off in rng.normal(0, 0.01, 1500):
        x = true * (1 + off)
        fit = straight_line(x, 1.03 * true + 2 + rng.normal(0, 1.0, 40), uy=1.0, common=0.01)
        fits.append((fit.a1, fit.a2, fit.u_a1, fit.u_a2))
        predicted.append(fit.predict(500.0).value)
        inverted.append(fit.invert(517.0).value)
    a1, a2, u_a1, u_a2 = np.array(fits).T
    assert a1.std() == pytest.approx(u_a1.mean(), rel=0.06)
    assert a2.std() == pytest.approx(u_a2.mean(), rel=0.06)
    assert np.std(predicted) == pytest.approx(fit.predict(500.0).u, rel=0.06)
    assert np.std(inverted) == pytest.approx(fit.invert(517.0).u, rel=0.06)
    alone = straight_line(x, 1.03 * true + 2, uy=1.0)
    assert (alone.u_a1, alone.u_a2) == pytest.approx(
        (np.sqrt(u_a1[-1] ** 2 - (0.01 * a1[-1]) ** 2), u_a2[-1]), rel=1e-6
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"ux": 1.0}, "ux needs uy"),
        ({"ux": 1.0, "uy": 1.0, "robust": True}, "robust"),
        ({"uy": [1.0, 1.0]}, "3 of them"),
        ({"uy": 0.0}, "above 0"),
        ({"x": [5.0, 5.0, 5.0]}, "two different flows"),
        ({"x": [5.0, 5.0]}, "same length"),
        ({"x": [5.0, np.nan, 1.0]}, "finite"),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_a_reason(more: dict[str, object], message: str) -> None:
    data: dict[str, object] = {"x": [1.0, 2.0, 3.0], "y": [1.0, 2.0, 3.5]}
    with pytest.raises(ValueError, match=message):
        straight_line(**(data | more))  # type: ignore[arg-type]


def test_two_points_have_a_line_but_no_scatter() -> None:
    fit = straight_line([1.0, 2.0], [3.0, 5.0])
    assert (fit.a1, fit.a2) == (2.0, 1.0)
    assert np.isnan(fit.u_a1)
    assert straight_line([1.0, 2.0], [3.0, 5.0], uy=0.1).u_a1 == pytest.approx(0.1 * np.sqrt(2))


def test_importing_the_library_stays_light() -> None:
    code = "import sys, transforms.fit; print([m for m in sys.modules if m.split('.')[0] in ('scipy', 'statsmodels')])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
