"""Curves: found where the relation bends, not where it is straight, and never without an inverse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import isotonic_regression

from tests.judging import Kind, every_quarter_hour, samples_of
from transforms.fit.points import MOST_POINTS
from transforms.judge.curved import LEAST_SLOPE, Curved, best_curve, may_bend

KIND = Kind()
METERS, PAIRS = 60, 44
Q2 = np.full(METERS, KIND.q2 * KIND.per_lph)


def _best(shown: np.ndarray, q: np.ndarray, noise: float = 0.008, seed: int = 1) -> Curved:
    rng = np.random.default_rng(seed)
    q_meter = np.rint(shown * (1 + noise * rng.standard_normal(q.shape)))
    return best_curve(samples_of(every_quarter_hour(METERS, PAIRS), q, q_meter, KIND), Q2, 1e-4, 0.01)


@pytest.fixture(scope="module")
def q() -> np.ndarray:
    return np.exp(np.random.default_rng(0).uniform(np.log(20), np.log(1800), (METERS, PAIRS)))


@pytest.mark.parametrize(("a1", "a2"), [(1.0, 0.0), (1.08, 0.0), (0.93, 12.0)])
def test_a_straight_relation_is_hardly_ever_bent(q: np.ndarray, a1: float, a2: float) -> None:
    # 1 % per form tried, three of them, and the Schwarz criterion on top
    assert _best(a1 * q + a2, q).found.mean() <= 0.05


def test_under_registration_at_low_flow_is_a_curve_with_its_points(q: np.ndarray) -> None:
    def relation(flow: np.ndarray) -> np.ndarray:
        return flow * (1 - 0.3 * np.exp(-flow / 60.0))

    found = _best(relation(q), q)
    assert found.found.mean() >= 0.9
    for row in np.flatnonzero(found.found)[:10]:
        x, y = (points[row][np.isfinite(points[row])] / KIND.per_lph for points in (found.q, found.q_meter))
        assert 2 <= len(x) == len(y) <= MOST_POINTS
        assert (np.diff(x) > 0).all()
        assert (np.diff(y) > 0).all()
        inside = np.array([100.0, 300.0, 900.0])
        assert np.interp(inside, x, y) == pytest.approx(relation(inside), rel=0.03)
        assert found.error[row] < 1e-3 * x.max() * KIND.per_lph
        assert 0 < found.uncertainty[row] < 0.5


def test_a_power_law_is_a_curve(q: np.ndarray) -> None:
    assert _best(1.4 * q**0.93, q).found.mean() >= 0.9


def test_what_scatters_too_much_is_no_curve(q: np.ndarray) -> None:
    found = _best(1.4 * q**0.93, q, noise=0.2)
    assert found.found.sum() == 0
    assert np.isnan(found.q).all()


def test_what_falls_has_no_inverse_and_is_no_curve(q: np.ndarray) -> None:
    found = _best(np.maximum(q * (1.5 - q / 1500.0), 1.0), q)
    assert not found.found.any()


def test_the_curve_at_the_pairs_leaves_the_noise_over(q: np.ndarray) -> None:
    found = _best(1.4 * q**0.93, q)
    row = int(np.flatnonzero(found.found)[0])
    rest = found.fitted[row * PAIRS : (row + 1) * PAIRS] / (1.4 * q[row] ** 0.93 * KIND.per_lph) - 1
    assert np.abs(rest).max() < 0.04


def test_nobody_is_left_out_whom_a_curve_describes(q: np.ndarray) -> None:
    rng = np.random.default_rng(7)
    noise = np.repeat([0.005, 0.02, 0.08, 0.3], METERS // 4)[:, None]
    shown = np.rint(1.4 * q**0.93 * (1 + noise * rng.standard_normal(q.shape)))
    samples = samples_of(every_quarter_hour(METERS, PAIRS), q, shown, KIND)
    some = may_bend(samples, np.arange(METERS), 1e-4)
    best = best_curve(samples, Q2, 1e-4, 0.01)
    usable = np.flatnonzero(np.isfinite(best.p))
    assert set(usable) <= set(some)
    better = may_bend(samples, np.arange(METERS), 1e-4, 0.01)
    assert best.found.sum() >= 5
    assert set(np.flatnonzero(best.found)) <= set(better) <= set(some)
    assert len(usable) > METERS // 4 - 5
    assert not set(some) & set(range(METERS - METERS // 4, METERS))  # what scatters like this is never fitted


def test_what_no_curve_can_tell_better_than_a_line_is_not_tried(q: np.ndarray) -> None:
    few = 12
    shown = np.rint(1.05 * q[:, :few] * (1 + 0.008 * np.random.default_rng(9).standard_normal((METERS, few))))
    samples = samples_of(every_quarter_hour(METERS, few), q[:, :few], shown, KIND)
    best = best_curve(samples, Q2, 1e-4, 0.01)
    may, better = (set(may_bend(samples, np.arange(METERS), 1e-4, level)) for level in (1.0, 0.01))
    assert set(np.flatnonzero(best.p < 0.01)) <= better <= may
    assert len(may) == METERS
    assert len(better) < METERS


def test_the_best_rising_relation_is_that_of_isotonic_regression() -> None:
    rng = np.random.default_rng(8)
    for seed in range(20):
        q = np.exp(np.random.default_rng(seed).uniform(np.log(20), np.log(1800), (1, PAIRS)))
        shown = q * (1 + 0.1 * rng.standard_normal(q.shape))
        samples = samples_of(every_quarter_hour(1, PAIRS), q, shown, KIND)
        order, w = np.argsort(samples.x), samples.weights
        lifted = (samples.y - LEAST_SLOPE * samples.x)[order]
        best = isotonic_regression(lifted, weights=w[order]).x
        chi2 = (w[order] * (lifted - best) ** 2).sum()
        dof = np.array([PAIRS - 2.0])
        significance = float(stats.chi2.sf(chi2, dof)[0])
        # just within, and just beyond what the best relation leaves
        assert len(may_bend(samples, np.arange(1), significance * 0.99)) == 1
        assert len(may_bend(samples, np.arange(1), significance * 1.01)) == 0
