"""Evidence: zone errors against a plain computation for one meter, and what never averages out."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.judging import Judged, Kind, every_quarter_hour, judge_moments
from transforms.policy import Policy

KIND = Kind()
POLICY = Policy()


def _judged(q: np.ndarray, q_meter: np.ndarray, uncertainty: float = 0.005, kind: Kind = KIND) -> Judged:
    return judge_moments(every_quarter_hour(*q.shape), q, q_meter, kind, POLICY, uncertainty)


@given(seed=st.integers(0, 2**32 - 1), gain=st.floats(0.9, 1.1), pairs=st.integers(6, 48))
@settings(max_examples=20, deadline=None)
def test_a_zone_error_is_that_of_weighted_least_squares_through_zero(seed: int, gain: float, pairs: int) -> None:
    rng = np.random.default_rng(seed)
    q = np.rint(rng.uniform(90, 240, (1, pairs)))  # one flow bin, so one weight
    q_meter = np.rint(q * gain * (1 + 0.01 * rng.standard_normal(q.shape)))
    found = _judged(q, q_meter).found
    told = sm.OLS(q_meter[0], q[0]).fit()
    assert found.zones.error[1, 0] == pytest.approx(told.params[0] - 1, abs=1e-9)
    # the scatter expected counts for two pairs, and Student's t has as many more degrees of freedom
    if found.choice.index[0] == 1:
        expected = (0.01**2 + 0.005**2) * (q**2).mean() + 1 / 6
        scatter = (2 * expected + told.ssr) / (2 + pairs - 1)
        standard = np.sqrt(scatter / (q**2).sum())
        assert found.zones.standard[1, 0] == pytest.approx(standard, rel=1e-6)
        t = stats.t.ppf(stats.norm.cdf(2.0), pairs + 1)
        assert found.zones.expanded[1, 0] == pytest.approx(np.hypot(t * standard, 0.005), rel=1e-6)


def test_zones_are_told_apart() -> None:
    q = np.array([[16.0, 18.0, 20.0, 22.0] + [400.0] * 6 + [2600.0] * 4])
    error = np.where(q < KIND.q2, 0.25, np.where(q < KIND.q3, -0.05, 0.01))
    zones = _judged(q, np.rint(q * (1 + error))).found.zones
    assert zones.n[:, 0].tolist() == [4, 6, 4]
    assert zones.error[:, 0] == pytest.approx([0.25, -0.05, 0.01], abs=0.01)


@pytest.mark.parametrize("pairs", [10, 40, 160])
def test_the_common_error_of_the_reference_does_not_average_out(pairs: int) -> None:
    rng = np.random.default_rng(3)
    q = np.exp(rng.uniform(np.log(100), np.log(1500), (1, pairs)))
    us = np.linspace(0, 11e9, pairs).astype(np.int64)[None, :]
    q_meter = np.rint(1.06 * q * (1 + 0.01 * rng.standard_normal(q.shape)))
    unsure, sure = (judge_moments(us, q, q_meter, KIND, POLICY, u).found for u in (0.03, 0.0))
    assert unsure.zones.error == pytest.approx(sure.zones.error, nan_ok=True)
    zone = 1
    rest = unsure.zones.expanded[zone, 0] ** 2 - sure.zones.expanded[zone, 0] ** 2
    assert np.sqrt(rest) == pytest.approx(0.03, rel=1e-9)
    # and goes into the slope whole, into the offset not at all
    a1 = unsure.published.a1_se**2 - sure.published.a1_se**2
    assert np.sqrt(a1) == pytest.approx(0.015 * unsure.published.a1, rel=1e-6)
    assert unsure.published.a2_se == pytest.approx(sure.published.a2_se)


def test_a_deviation_smaller_than_the_reference_is_known_stays_open_however_much_flows() -> None:
    rng = np.random.default_rng(4)
    q = np.exp(rng.uniform(np.log(100), np.log(1500), (20, 480)))
    us = np.tile(np.linspace(0, 11e9, 480).astype(np.int64), (20, 1))
    judged = judge_moments(us, q, q * 1.03 * (1 + 0.01 * rng.standard_normal(q.shape)), KIND, POLICY, 0.015)
    assert set(judged.reason) == {"undecided"}


def test_readings_that_never_differ_share_one_rounding_error() -> None:
    q = np.full((1, 40), 40.0)
    zones = _judged(q, np.full_like(q, 40.0)).found.zones
    assert zones.standard[1, 0] == pytest.approx(max(1 / np.sqrt(12) / 40, 0), rel=0.35)
    many = _judged(np.full((1, 48), 40.0), np.full((1, 48), 40.0)).found.zones
    assert many.standard[1, 0] >= 1 / np.sqrt(12) / 40 * (1 - 1e-9)


def test_two_pairs_are_no_evidence() -> None:
    q = np.array([[400.0] * 8 + [2600.0] * 2])
    zones = _judged(q, np.rint(q * np.where(q > 2500, 1.4, 1.0))).found.zones
    assert not (zones.outside | zones.inside | zones.open)[2, 0]
    assert zones.excess[2, 0] == -np.inf


def test_an_error_that_cancels_over_a_zone_is_seen_in_its_bins() -> None:
    rng = np.random.default_rng(5)
    q = np.concatenate([rng.uniform(30, 75, (5, 24)), rng.uniform(300, 700, (5, 24))], axis=1)
    q_meter = q * np.where(q < 100, 1.12, 0.96) * (1 + 0.004 * rng.standard_normal(q.shape))
    found = _judged(q, np.rint(q_meter)).found
    assert found.bent.all()
