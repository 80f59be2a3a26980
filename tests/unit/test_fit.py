"""Lines from moments against statsmodels on the same samples, and the choice of form."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.fit import FORMS, centre, choose_form, fit_gain, fit_line, fit_offset


def sums_of(x: np.ndarray, y: np.ndarray, bins: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Exact sums of one meter, one column per flow bin."""
    bins = np.zeros(len(x), dtype=int) if bins is None else bins
    x, y = x.astype(np.int64), y.astype(np.int64)
    parts = {"n": np.ones_like(x), "sx": x, "sy": y, "sxx": x * x, "sxy": x * y, "syy": y * y}
    return {name: np.array([[value[bins == b].sum()] for b in range(7)]) for name, value in parts.items()}


def sample(seed: int, n: int = 30, a1: float = 1.03, a2: float = 2000.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.rint(rng.uniform(20_000, 900_000, n))
    return x, np.rint(a1 * x + a2 + rng.normal(0, 0.005 * x))


EQUAL = np.ones((7, 1))


@pytest.mark.parametrize("seed", range(5))
def test_ordinary_line_agrees_with_statsmodels(seed: int) -> None:
    x, y = sample(seed)
    fit = fit_line(centre(sums_of(x, y), EQUAL))
    known = sm.OLS(y, sm.add_constant(x)).fit()
    assert [fit.a2[0], fit.a1[0]] == pytest.approx(known.params, rel=1e-9)
    assert [fit.a2_se[0], fit.a1_se[0]] == pytest.approx(known.bse, rel=1e-9)
    covariance = known.cov_params()
    assert fit.correlation[0] == pytest.approx(covariance[0, 1] / np.prod(known.bse), rel=1e-9)
    assert fit.chi2[0] == pytest.approx(known.ssr, rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_weighted_line_agrees_with_statsmodels(seed: int) -> None:
    x, y = sample(seed)
    bins = np.digitize(x, [31_623, 100_000, 316_228])
    weights = np.array([[4.0], [1.0], [0.25], [0.05], [1.0], [1.0], [1.0]])
    fit = fit_line(centre(sums_of(x, y, bins), weights))
    known = sm.WLS(y, sm.add_constant(x), weights=weights[bins, 0]).fit()
    assert [fit.a2[0], fit.a1[0]] == pytest.approx(known.params, rel=1e-9)
    assert [fit.a2_se[0], fit.a1_se[0]] == pytest.approx(known.bse, rel=1e-9)


def test_gain_and_offset_agree_with_statsmodels() -> None:
    x, y = sample(3)
    centred = centre(sums_of(x, y), EQUAL)
    gain, known = fit_gain(centred), sm.OLS(y, x).fit()
    assert (gain.a1[0], gain.a1_se[0]) == pytest.approx((known.params[0], known.bse[0]), rel=1e-9)
    offset, shifted = fit_offset(centred), sm.OLS(y - x, np.ones_like(x)).fit()
    assert (offset.a2[0], offset.a2_se[0]) == pytest.approx((shifted.params[0], shifted.bse[0]), rel=1e-9)


def test_a_line_on_a_narrow_range_far_from_zero_loses_no_digits() -> None:
    """A million plus a few: the sums of squares agree in their first eleven digits."""
    x = 1_000_000 + np.arange(12)
    y = 3 * x - 2_000_000 + np.array([0, 1] * 6)
    fit = fit_line(centre(sums_of(x, y), EQUAL))
    known = sm.OLS((y - 1_000_000).astype(float), sm.add_constant((x - 1_000_000).astype(float))).fit()
    assert fit.a1[0] == pytest.approx(known.params[1], rel=1e-12)
    assert fit.a1_se[0] == pytest.approx(known.bse[1], rel=1e-9)


def test_no_line_where_the_flow_never_changes() -> None:
    fit = fit_line(centre(sums_of(np.full(10, 5000), np.arange(10) + 5100), EQUAL))
    assert np.isnan(fit.a1[0])


@pytest.mark.parametrize(
    ("a1", "a2", "form", "index"),
    [(1.05, 0.0, "linear", 1), (1.0, 9000.0, "offset", 0), (0.95, 6000.0, "linear", 2)],
)
def test_the_form_that_made_the_data_is_chosen(a1: float, a2: float, form: str, index: int) -> None:
    x, y = sample(11, 40, a1, a2)
    bins = np.digitize(x, [31_623, 100_000, 316_228])
    weights = 1 / np.array([[1e4], [3e4], [2e5], [9e6], [1.0], [1.0], [1.0]])
    choice = choose_form(centre(sums_of(x, y, bins), weights), 0.01)
    assert (choice.index[0], FORMS[choice.index[0]]) == (index, form)


def test_at_one_level_of_flow_a_gain_is_preferred_to_an_offset() -> None:
    x = np.array([500_000, 500_010, 499_990, 500_005, 499_995, 500_000] * 3)
    y = np.rint(0.69 * x) + np.array([300, -300, 0] * 6)
    choice = choose_form(centre(sums_of(x, y), EQUAL), 0.01)
    assert choice.index[0] == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5_000_000), st.integers(0, 5_000_000)), min_size=3, max_size=60),
    st.integers(1, 59),
)
def test_sums_add_up_whatever_the_cut(pairs: list[tuple[int, int]], cut: int) -> None:
    x, y = (np.array(values) for values in zip(*pairs, strict=True))
    whole = sums_of(x, y)
    pieces = [sums_of(x[:cut], y[:cut]), sums_of(x[cut:], y[cut:])]
    joined = {name: pieces[0][name] + pieces[1][name] for name in whole}
    one, two = fit_line(centre(whole, EQUAL)), fit_line(centre(joined, EQUAL))
    assert np.array_equal(one.a1, two.a1, equal_nan=True)
    assert np.array_equal(one.a2_se, two.a2_se, equal_nan=True)
