"""Single curves against statsmodels and SciPy, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import curve_fit

from transforms.fit import nonlinear, polynomial, power_law


def pairs(seed: int = 0, n: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.exp(rng.uniform(3, 7, n))
    uy = np.hypot(0.01 * x, 0.5)
    return x, 0.9 * x**1.02 + uy * rng.normal(size=n), uy


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_polynomials_agree_with_statsmodels(degree: int) -> None:
    x, y, uy = pairs(1)
    unit = 1000.0  # statsmodels needs a kinder scale than we do
    fit = polynomial(x, y, degree, uy=uy)
    design = np.vander(x / unit, degree + 1, increasing=True)
    known = sm.WLS(y, design, weights=uy**-2).fit()
    back = unit ** -np.arange(degree + 1.0)
    assert fit.parameters == pytest.approx(known.params * back, rel=1e-8)
    assert fit.covariance == pytest.approx(known.cov_params(scale=1) * np.outer(back, back), rel=1e-7)
    assert fit.chi2 == pytest.approx(known.ssr, rel=1e-10)
    loose = polynomial(x, y, degree)
    plain = sm.OLS(y, design).fit()
    assert loose.u == pytest.approx(plain.bse * back, rel=1e-8)
    assert loose.predict(x[:5]).u == pytest.approx(plain.get_prediction(design[:5]).se_mean, rel=1e-8)
    slope = np.polyval(np.polyder(fit.parameters[::-1]), 200.0) if degree else 0.0
    assert fit.slope(np.array(200.0)) == pytest.approx(slope, rel=1e-9)


def test_a_polynomial_of_high_degree_on_a_far_range_still_predicts() -> None:
    x = np.linspace(1e6, 1e6 + 100, 60)
    y = np.cos((x - 1e6) / 30)
    fit = polynomial(x, y, 12)
    assert fit.predict(x).value == pytest.approx(y, abs=1e-9)


@pytest.mark.parametrize("weighted", [True, False])
def test_nonlinear_agrees_with_scipy(weighted: bool) -> None:
    x, y, uy = pairs(2)

    def model(q: np.ndarray, a: float, b: float, c: float) -> np.ndarray:
        return a + b * q - c * np.exp(-q / 100)

    start = [1.0, 1.0, 1.0]
    fit = nonlinear(model, x, y, start, uy=uy if weighted else None)
    known, covariance = curve_fit(
        model, x, y, p0=start, sigma=uy if weighted else None, absolute_sigma=weighted, xtol=1e-14, ftol=1e-14
    )
    assert fit.parameters == pytest.approx(known, rel=1e-6)
    assert fit.u == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-4)
    q = np.array([[30.0], [300.0]])
    gradient = np.stack([np.ones_like(q), q, -np.exp(-q / 100)], axis=-1)
    expected = np.sqrt(np.einsum("abi,ij,abj->ab", gradient, fit.covariance, gradient))
    assert fit.predict(q).u == pytest.approx(expected, rel=1e-6)
    slope = known[1] + known[2] / 100 * np.exp(-q / 100)
    assert fit.predict(q, 3.0).u == pytest.approx(np.hypot(expected, 3 * slope), rel=1e-5)


def test_power_law_agrees_with_the_general_fit() -> None:
    x, y, uy = pairs(3)
    fit = power_law(x, y, uy=uy)
    general = nonlinear(lambda q, c, b: c * q**b, x, y, [1.0, 1.0], uy=uy)
    assert fit.parameters == pytest.approx(general.parameters, rel=1e-8)
    assert fit.covariance == pytest.approx(general.covariance, rel=1e-6)
    assert fit.predict(100.0, 1.0).u == pytest.approx(general.predict(100.0, 1.0).u, rel=1e-6)
    assert (fit.dof, fit.r_squared) == (28, pytest.approx(general.r_squared))


def test_what_cannot_be_fitted_is_refused_with_a_reason() -> None:
    x, y, _ = pairs(4)
    with pytest.raises(ValueError, match="at least 3 different flows"):
        polynomial([1.0, 1.0, 2.0], [1.0, 2.0, 3.0], 2)
    with pytest.raises(ValueError, match="above 0"):
        power_law([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="no power law"):
        power_law([2.0, 2.0, 2.0], [1.0, 1.1, 1.2])
    with pytest.raises(ValueError, match="not finite at the start"):
        nonlinear(lambda q, a: q * (np.nan if a < 0 else np.log(a)), x, y, [-1.0])
    with pytest.raises(ValueError, match="do not determine"):
        nonlinear(lambda q, a, b: a * b * q, x, y, [1.0, 1.0])
    with pytest.raises(ValueError, match="as many values"):
        nonlinear(lambda q, a, b: a + b * q, [1.0], [1.0], [1.0, 1.0])
