"""Standard errors from half-decade bins cover the truth although the variance grows with the flow inside a bin."""

from __future__ import annotations

import numpy as np
import pytest

from transforms.fit import bins_of, centre, fit_line, fit_york, proportional_errors, single_bins

EDGES = [16_000, 31_623, 100_000, 316_228, 1_000_000]
MEAN = 40


def fleet(seed: int, relative: float, meters: int = 8000) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    true = np.exp(rng.uniform(np.log(10_000), np.log(900_000), (meters, MEAN)))
    x = np.rint(true).astype(np.int64)
    y = np.rint(1.03 * true + 800 + relative * true * rng.normal(size=true.shape)).astype(np.int64)
    bins = np.digitize(x, EDGES)
    parts = {"n": np.ones_like(x), "sx": x, "sy": y, "sxx": x * x, "sxy": x * y, "syy": y * y}
    sums = {k: np.stack([np.where(bins == b, v, 0).sum(axis=1) for b in range(6)]) for k, v in parts.items()}
    return sums, relative**2 * sums["sxx"] / np.maximum(sums["n"], 1) + 1


@pytest.mark.parametrize("observed", [True, False])
def test_intervals_cover_what_they_say(observed: bool) -> None:
    sums, variance = fleet(1, 0.01)
    plain = fit_line(centre(sums, 1 / variance))
    lines = proportional_errors(plain, sums, 1 / variance, 0.01**2, 1.0, observed=observed)
    t = 2.024 if observed else 1.960  # Student's t at 38 degrees of freedom
    assert np.mean(np.abs(plain.a1 - 1.03) < t * plain.a1_se) < 0.92
    assert np.mean(np.abs(lines.a1 - 1.03) < t * lines.a1_se) == pytest.approx(0.95, abs=0.015)
    assert np.mean(np.abs(lines.a2 - 800) < t * lines.a2_se) == pytest.approx(0.95, abs=0.015)
    seen = np.corrcoef(lines.a1, lines.a2)[0, 1]
    assert lines.correlation.mean() == pytest.approx(seen, abs=0.03)
    assert np.array_equal(lines.a1, plain.a1)


def test_for_errors_in_both_flows_too() -> None:
    sums, variance = fleet(2, 0.01)
    lines = fit_york(sums, variance / 4, variance)
    weights = 1 / (variance + lines.a1**2 * variance / 4)
    better = proportional_errors(lines, sums, weights, 0.01**2 * 1.25, 1.0)
    assert np.mean(np.abs(better.a1 - 1.03) < 2.024 * better.a1_se) == pytest.approx(0.95, abs=0.015)


def test_nothing_changes_where_bins_hold_one_level_and_weights_are_right() -> None:
    x = np.array([[20_000.0], [50_000.0], [200_000.0], [700_000.0]])
    y = 1.1 * x + np.array([[100.0], [-100.0], [300.0], [-500.0]])
    variance = 0.01**2 * x**2 + 50.0
    lines = fit_york(single_bins(x, y), 0.0, variance)
    same = proportional_errors(lines, single_bins(x, y), 1 / variance, 0.01**2, 50.0, observed=False)
    for name in ("a1_se", "a2_se", "correlation"):
        assert getattr(same, name) == pytest.approx(getattr(lines, name), rel=1e-9), name


def test_no_line_no_error() -> None:
    flat = {
        name: np.array([[value]])
        for name, value in {"n": 3, "sx": 30, "sy": 33, "sxx": 300, "sxy": 330, "syy": 365}.items()
    }
    lines = fit_line(centre(flat, np.ones((1, 1))))
    assert np.isnan(proportional_errors(lines, bins_of(flat), np.ones((1, 1)), 1e-4, 1.0).a1_se).all()
