"""Robust lines of many meters against statsmodels' RLM, one meter at a time, and against spoilt data."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import statsmodels.api as sm

from transforms.fit import fit_robust

NORMS = {"huber": sm.robust.norms.HuberT(), "bisquare": sm.robust.norms.TukeyBiweight()}
Norm = Literal["huber", "bisquare"]


def fleet(seed: int, meters: int = 5, n: int = 50, wild: float = 0.1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Meters with a share of wild pairs; the last ten samples of every other meter are padding."""
    rng = np.random.default_rng(seed)
    x = np.exp(rng.uniform(np.log(20), np.log(2000), (meters, n)))
    sd = np.hypot(0.01 * x, 0.5)
    y = 1.04 * x + 3 + sd * rng.normal(size=x.shape) * np.where(rng.random(x.shape) < wild, 12, 1)
    w = 1 / sd**2
    w[::2, -10:] = 0
    x[w == 0], y[w == 0] = np.nan, np.nan
    return x, y, w


@pytest.mark.parametrize("norm", ["huber", "bisquare"])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("seed", [1, 2])
def test_agrees_with_statsmodels(norm: Norm, known: bool, seed: int) -> None:
    x, y, w = fleet(seed)
    lines = fit_robust(x, y, w, norm=norm, known=known)
    for meter in range(len(x)):
        seen = w[meter] > 0
        root = np.sqrt(w[meter][seen])
        design = np.stack([root, root * x[meter][seen]], axis=1)
        fixed = {"start_scale": 1.0, "update_scale": False} if known else {}
        model = sm.RLM(root * y[meter][seen], design, M=NORMS[norm])
        result = model.fit(maxiter=500, tol=1e-13, conv="coefs", cov="H1", **fixed)
        assert (lines.a2[meter], lines.a1[meter]) == pytest.approx(result.params, rel=1e-6)
        assert (lines.a2_se[meter], lines.a1_se[meter]) == pytest.approx(result.bse, rel=1e-5)
        covariance = result.cov_params()
        assert lines.correlation[meter] == pytest.approx(covariance[0, 1] / np.prod(result.bse), rel=1e-6)
        assert lines.dof[meter] == result.df_resid


@pytest.mark.parametrize("norm", ["huber", "bisquare"])
def test_standard_errors_cover_the_truth_in_spite_of_wild_pairs(norm: Norm) -> None:
    x, y, w = fleet(3, meters=3000)
    lines = fit_robust(x, y, w, norm=norm)
    assert np.mean(np.abs(lines.a1 - 1.04) < 1.96 * lines.a1_se) == pytest.approx(0.95, abs=0.02)
    assert np.mean(np.abs(lines.a2 - 3) < 1.96 * lines.a2_se) == pytest.approx(0.95, abs=0.02)


def test_bisquare_lets_go_of_what_is_far_off() -> None:
    x = np.linspace(10, 100, 30)[None]
    y = 2 * x + 1
    y[0, ::6] += 500
    lines = fit_robust(x, y, np.ones_like(x), norm="bisquare")
    assert (lines.a1[0], lines.a2[0]) == pytest.approx((2, 1), rel=1e-9)


def test_undetermined_lines_are_nan_and_leave_the_others_alone() -> None:
    x, y, w = fleet(4, meters=3)
    x[0], y[0], w[0] = 100.0, 101.0, 1.0
    w[1] = 0.0
    lines, alone = fit_robust(x, y, w), fit_robust(x[2:], y[2:], w[2:])
    assert np.isnan(lines.a1).tolist() == [True, True, False]
    assert np.isnan(lines.a1_se).tolist() == [True, True, False]
    assert lines.a2[2] == alone.a2[0]
    with pytest.raises(ValueError, match="huber or bisquare"):
        fit_robust(x, y, w, norm="mean")  # type: ignore[arg-type]
