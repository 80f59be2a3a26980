"""Kinds of unsteadiness: each is found where it is, where and when it is, and none where it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.judging import INTERVAL_US, Kind, every_quarter_hour, samples_of
from transforms.judge.clock import clock_test
from transforms.judge.moving import change_test
from transforms.judge.unsteady import Kinds, kinds_of, reverse_test, stillness

KIND = Kind()
METERS, PAIRS = 40, 48
SIGNIFICANCE, PRIOR, MAX_LAG = 1e-4, 2.0, 8
UNSTEADY = ("stuck", "dropout", "reverse", "skewed", "drifting", "step")


def _flow(rng: np.random.Generator, meters: int = METERS) -> np.ndarray:
    """A household's flow [L/h]: water at 7 of 10 instants, at widely different flows."""
    flowing = rng.random((meters, PAIRS)) < 0.7
    return np.where(flowing, np.exp(rng.uniform(np.log(30), np.log(1500), flowing.shape)), 0.0)


def _read(q: np.ndarray, rng: np.random.Generator, noise: float = 0.008) -> np.ndarray:
    return np.rint(q * (1 + noise * rng.standard_normal(q.shape)))


def _kinds(q: np.ndarray, q_meter: np.ndarray) -> Kinds:
    samples = samples_of(every_quarter_hour(len(q)), q, q_meter, KIND)
    return kinds_of(samples, np.ones(len(q), dtype=bool), SIGNIFICANCE, PRIOR, MAX_LAG)


def _named(kinds: Kinds) -> dict[str, int]:
    return {name: int(getattr(kinds, name).sum()) for name in UNSTEADY if getattr(kinds, name).any()}


@given(
    seed=st.integers(0, 2**32 - 1),
    a1=st.floats(0.7, 1.3),
    a2=st.floats(-5.0, 20.0),
)
@settings(max_examples=25, deadline=None, derandomize=True)  # a test at 1e-4 may err in ten thousand
def test_a_steady_meter_is_none_of_them(seed: int, a1: float, a2: float) -> None:
    rng = np.random.default_rng(seed)
    q = _flow(rng, 10)
    q_meter = np.where(q > 0, _read(np.maximum(a1 * q + a2, 0.0), rng), 0.0)
    assert _named(_kinds(q, q_meter)) == {}


def test_stuck_at_a_reading() -> None:
    rng = np.random.default_rng(1)
    q = _flow(rng)
    kinds = _kinds(q, np.full_like(q, 84.0))
    assert kinds.stuck.all()
    assert not kinds.dropout.any()


def test_stuck_at_zero_from_some_moment_on() -> None:
    rng = np.random.default_rng(2)
    q = _flow(rng)
    q_meter = _read(q, rng)
    q_meter[:, 20:] = 0.0
    kinds = _kinds(q, q_meter)
    assert kinds.stuck.all()
    assert kinds.dead == pytest.approx((q[:, 20:] > KIND.q1).sum(axis=1) / (q > KIND.q1).sum(axis=1))


def test_a_constant_flow_read_as_one_value_is_not_stuck() -> None:
    q = np.full((3, PAIRS), 312.2)
    frozen, dead, dropout = stillness(samples_of(every_quarter_hour(3), q, np.full_like(q, 312.0), KIND))
    assert not (frozen | dropout).any()
    assert not dead.any()


def test_dropout_shows_nothing_now_and_then() -> None:
    rng = np.random.default_rng(3)
    q = _flow(rng)
    lost = rng.random(q.shape) < 0.3
    lost[:, 40:] = False
    kinds = _kinds(q, np.where(lost, 0.0, _read(q, rng)))
    assert kinds.dropout.all()
    assert not kinds.stuck.any()
    assert kinds.dead == pytest.approx((lost & (q > 0)).sum(axis=1) / (q > 0).sum(axis=1))


def test_reverse_flow_needs_more_than_one_reading_and_more_than_rounding() -> None:
    q = np.full((3, PAIRS), 200.0)
    q_meter = q.copy()
    q_meter[0, [5, 30]] = -40.0
    q_meter[1, 5] = -40.0
    q_meter[2, :10] = -1.5
    found = reverse_test(samples_of(every_quarter_hour(3), q, q_meter, KIND))
    assert found.tolist() == [True, False, False]


@pytest.mark.parametrize("lag", [-3, -1, 1, 2, 6])
def test_clock_skew_is_found_with_its_lag(lag: int) -> None:
    rng = np.random.default_rng(5)
    long = np.concatenate([_flow(rng), _flow(rng)], axis=1)
    q = long[:, 20 : 20 + PAIRS]
    q_meter = _read(long[:, 20 - lag : 20 - lag + PAIRS], rng)
    kinds = _kinds(q, q_meter)
    assert kinds.skewed.mean() >= 0.95
    assert (kinds.lag[kinds.skewed] == lag).all()


def test_clocks_that_agree_have_no_lag_even_where_the_meter_scatters() -> None:
    rng = np.random.default_rng(6)
    q = _flow(rng)
    samples = samples_of(every_quarter_hour(METERS), q, _read(q, rng, noise=0.2), KIND)
    lag, skewed = clock_test(samples, np.arange(METERS), SIGNIFICANCE, PRIOR, MAX_LAG)
    assert not skewed.any()
    assert not lag.any()


@pytest.mark.parametrize("at", [14, 24, 33])
def test_a_step_is_found_when_it_happens_and_how_large_it_is(at: int) -> None:
    rng = np.random.default_rng(7)
    q = _flow(rng)
    kinds = _kinds(q, _read(q * np.where(np.arange(PAIRS) >= at, 1.12, 1.0), rng))
    assert kinds.step.mean() >= 0.95
    assert not (kinds.step & kinds.drifting).any()
    for row in np.flatnonzero(kinds.step):
        flowing = np.flatnonzero(q[row] > KIND.q1)
        # the true moment lies between the last flowing pair before it and the first after
        before, after = flowing[flowing < at][-2:], flowing[flowing >= at][:2]
        assert before[0] * INTERVAL_US <= kinds.changed_us[row] <= after[-1] * INTERVAL_US
    assert np.median(kinds.change[kinds.step]) == pytest.approx(0.12, abs=0.02)


def test_a_drift_is_called_a_drift_and_has_its_size() -> None:
    rng = np.random.default_rng(8)
    q = _flow(rng)
    kinds = _kinds(q, _read(q * np.linspace(0.92, 1.08, PAIRS), rng, noise=0.004))
    assert kinds.drifting.mean() >= 0.9
    assert np.median(kinds.change[kinds.drifting]) == pytest.approx(0.16, abs=0.03)


def test_scatter_is_no_change() -> None:
    rng = np.random.default_rng(9)
    q = _flow(rng, 200)
    samples = samples_of(every_quarter_hour(200), q, _read(q, rng, noise=0.15), KIND)
    drifting, step, *_ = change_test(samples, SIGNIFICANCE, PRIOR)
    assert not (drifting | step).any()


@pytest.mark.parametrize("significance", [1e-6, 1e-2])
def test_those_that_a_bound_leaves_out_have_no_change(significance: float) -> None:
    rng = np.random.default_rng(10)
    q = _flow(rng, 400) * (rng.random((400, PAIRS)) < rng.random((400, 1)))
    moved = 1 + np.linspace(0, 0.1, 400)[:, None] * (np.arange(PAIRS) >= PAIRS // 2)
    samples = samples_of(every_quarter_hour(400), q, _read(q * moved, rng, noise=0.004), KIND)
    whole, spared = (change_test(samples, significance, 20.0, sparing=some) for some in (False, True))
    found = whole[0] | whole[1]
    assert found.any() and ((whole[3] != 0) & (spared[3] == 0)).any()
    for a, b in zip(whole[:2], spared[:2], strict=True):
        assert (a == b).all()
    for a, b in zip(whole[2:4], spared[2:4], strict=True):
        assert (a[found] == b[found]).all()


@pytest.mark.parametrize("pairs", [1, 2, 5])
def test_a_handful_of_pairs_says_nothing(pairs: int) -> None:
    q = np.full((2, pairs), 300.0)
    q[:, 1:] = 500.0
    samples: Any = samples_of(every_quarter_hour(2, pairs), q, q * 1.4, KIND)
    drifting, step, changed, change, p_drift, p_step = change_test(samples, SIGNIFICANCE, PRIOR)
    assert not (drifting | step).any()
    assert not changed.any()
    assert np.isfinite(change).all()
    assert np.isnan([p_drift, p_step]).all()  # not asked is not the same as passed


def _by_brute_force(q: np.ndarray, q_meter: np.ndarray) -> list[int]:
    """The lag of each meter, 0 for none, as the test is defined: every lag tried, one meter after the other."""
    lags = []
    variance = 0.01**2 * q**2 + 0.005**2 * q**2 + 1 / 6
    for x, y, v in zip(q, q_meter, variance, strict=True):
        scatter = {}
        for lag in range(-MAX_LAG, MAX_LAG + 1):
            of, other = slice(max(-lag, 0), PAIRS - max(lag, 0)), slice(max(lag, 0), PAIRS + min(lag, 0))
            a, b, w = x[of], y[other], 1 / v[of]
            gain = (w * a * b).sum() / (w * a * a).sum()
            dof = PRIOR + len(a) - 1
            scatter[lag] = (PRIOR + (w * (b - gain * a) ** 2).sum()) / dof if gain > 0 else np.inf, dof
        best = min(scatter, key=lambda lag: scatter[lag][0])
        f = scatter[0][0] / scatter[best][0]
        p = stats.f.sf(f, scatter[0][1], scatter[best][1]) * 2 * MAX_LAG
        lags.append(best if best and 10 < f < np.inf and p < SIGNIFICANCE else 0)
    return lags


def test_no_lag_is_lost_for_being_looked_at_roughly_first() -> None:
    rng = np.random.default_rng(10)
    long = np.concatenate([_flow(rng, 300), _flow(rng, 300)], axis=1)
    q, lag = long[:, 20 : 20 + PAIRS], rng.integers(-3, 4, 300)
    follows = np.stack([long[row, 20 - lag[row] : 20 - lag[row] + PAIRS] for row in range(300)])
    # from hardly any scatter to so much that some lags are believed and others are not
    q_meter = np.rint(follows * (1 + rng.uniform(0.01, 1.5, (300, 1)) * rng.standard_normal(q.shape)))
    told, skewed = clock_test(
        samples_of(every_quarter_hour(300), q, q_meter, KIND), np.arange(300), SIGNIFICANCE, PRIOR, MAX_LAG
    )
    expected = _by_brute_force(q, q_meter)
    assert told.tolist() == expected
    assert 100 < skewed.sum() < 280
