"""Curves: found where the relation bends, not where it is straight, and never without an inverse."""

from __future__ import annotations

import numpy as np
import pytest

from tests.judging import Kind, every_quarter_hour, samples_of
from transforms.fit.points import MOST_POINTS
from transforms.judge.curved import Curved, best_curve

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
    rest = found.fitted[row, : q.shape[1]] / (1.4 * q[row] ** 0.93 * KIND.per_lph) - 1
    assert np.abs(rest).max() < 0.04
