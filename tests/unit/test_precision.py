"""Precision: what is known too badly to act on, and how much flow an open question would take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.judging import WINDOW_US, Judged, Kind, judge_moments
from transforms.fit.choose import OFFSET
from transforms.judge.estimate import with_common
from transforms.judge.evidence import change_that_matters
from transforms.judge.precision import (
    corrected_uncertainty,
    imprecise,
    marginal,
    pairs_needed,
    precision_wanted,
    unproven,
)
from transforms.judge.second_look import SecondLook
from transforms.judge.words import LINEAR, REASON
from transforms.policy import Policy

KIND = Kind()
POLICY = Policy()


def _meters(
    deviation: float,
    pairs: int,
    meters: int = 200,
    *,
    seed: int = 1,
    spread: float = 12.0,
    until: float = 1.0,
    offset: float = 0.0,
) -> Judged:
    """Meters off by one share and an offset [L/h], at flows around 300 L/h, over the first part of the window."""
    rng = np.random.default_rng(seed)
    shape = (meters, pairs)
    q = 300.0 * spread ** rng.uniform(-0.5, 0.5, shape)
    x = q * (1 + 0.005 * rng.standard_normal(shape))
    y = np.rint(offset + q * (1 + deviation) * (1 + 0.01 * rng.standard_normal(shape)))
    us = np.tile((np.linspace(0, 0.99 * until, pairs) * WINDOW_US).astype(np.int64), (meters, 1))
    return judge_moments(us, x, y, KIND, POLICY)


def _needed(judged: Judged) -> np.ndarray:
    reason = np.array([REASON[str(name)] for name in judged.reason], dtype=np.int8)
    return pairs_needed(judged.standing, judged.found, judged.model, judged.reference, reason, POLICY)


def test_only_open_questions_take_more_flow() -> None:
    judged = _meters(0.012, 12)
    needed = _needed(judged)
    undecided = judged.reason == "undecided"
    assert 20 < undecided.sum() < 180
    assert not needed[~undecided].any()
    assert (needed[undecided & (needed > 0)] > 12).all()


def test_as_many_pairs_as_were_asked_for_settle_most_of_them() -> None:
    judged = _meters(0.006, 8, meters=600)
    needed = _needed(judged)
    few = needed[(needed > 8) & (needed <= 40)]
    assert len(few) > 50
    later = _meters(0.006, int(np.quantile(few, 0.9)), meters=600, seed=2)
    assert (later.reason == "within_mpe").mean() > 0.9 > (judged.reason == "within_mpe").mean()


def test_no_flow_settles_what_lies_closer_to_the_limit_than_the_reference_is_known() -> None:
    judged = _meters(0.02, 2000, meters=20)
    assert set(judged.reason) == {"undecided"}
    assert not _needed(judged).any()


def test_a_dry_meter_needs_what_the_policy_asks_for() -> None:
    judged = _meters(0.0, 3, meters=5)
    dry = replace(judged.standing, dry=np.ones(5, dtype=bool))
    reason = np.full(5, REASON["no_flow"], dtype=np.int8)
    told = pairs_needed(dry, judged.found, judged.model, judged.reference, reason, POLICY)
    assert told.tolist() == [POLICY.evidence.min_flowing] * 5


def test_marginal_until_a_meter_at_the_limit_would_hardly_ever_show_it() -> None:
    at_limit, beyond = _meters(0.02, 40, meters=2000), _meters(0.06, 40)
    called = at_limit.standing.outside & ~marginal(at_limit.found, POLICY)
    assert not called.any()
    assert not marginal(beyond.found, POLICY).any()


def test_water_in_one_half_of_the_window_proves_nothing() -> None:
    early, all_day, few = _meters(0.06, 40, until=0.5), _meters(0.06, 40), _meters(0.06, 19)
    assert unproven(early.moments, early.found, early.model, POLICY).all()
    assert not unproven(all_day.moments, all_day.found, all_day.model, POLICY).any()
    assert unproven(few.moments, few.found, few.model, POLICY).all()


def test_flows_that_hardly_vary_leave_the_parameters_imprecise() -> None:
    def told(judged: Judged) -> np.ndarray:
        none = SecondLook.none(len(judged.reason))
        form = np.full(len(judged.reason), LINEAR, dtype=np.int8)
        return imprecise(judged.moments, judged.found, none, judged.model, judged.reference, form, POLICY)

    # one in a hundred looks like an offset there, which is as unsure as the gain of the others
    assert told(_meters(0.06, 30, spread=1.05, meters=1000)).all()
    assert not told(_meters(0.06, 30)).any()
    # an offset seen at many flows is one
    offset = _meters(0.0, 30, offset=25.0)
    assert (offset.found.choice.index == OFFSET).mean() > 0.9
    assert told(offset).mean() < 0.05


def test_details_of_a_meter_that_was_not_asked_for_them_are_refused() -> None:
    found = replace(_meters(0.06, 40, meters=6).found, asked=np.array([1, 4]))
    assert found.places(np.array([4])).tolist() == [1]
    for rows in ([0], [2, 4], [5]):
        with pytest.raises(ValueError, match="not asked"):
            found.places(np.array(rows))


def test_uncertainty_of_the_corrected_flow_is_that_of_the_inverse() -> None:
    judged = _meters(0.06, 40, meters=3)
    lines = judged.found.published
    mean = judged.moments.total("sxx", slice(1, 7)) / judged.moments.total("sx", slice(1, 7))
    told = corrected_uncertainty(judged.moments, judged.found)[0]
    for row in range(3):
        cross = lines.correlation[row] * lines.a1_se[row] * lines.a2_se[row]
        covariance = np.array([[lines.a1_se[row] ** 2, cross], [cross, lines.a2_se[row] ** 2]])
        gradient = np.array([mean[row], 1.0]) / lines.a1[row]
        assert told[row] == pytest.approx(np.sqrt(gradient @ covariance @ gradient) / mean[row])


def test_the_common_error_of_a_fixed_slope_goes_into_the_offset() -> None:
    judged = _meters(0.06, 40, meters=2)
    lines = judged.found.choice.full
    fixed = replace(lines, a1=np.ones(2), a1_se=np.zeros(2), correlation=np.zeros(2))
    told = with_common(fixed, np.array([1e5, 2e5]), judged.reference)
    assert told.a1_se.tolist() == [0.0, 0.0]
    assert told.a2_se == pytest.approx(np.hypot(lines.a2_se, 0.0025 * np.array([1e5, 2e5])))


def test_the_common_error_weakens_the_correlation_and_leaves_the_covariance() -> None:
    judged = _meters(0.06, 40, meters=2)
    before = judged.found.choice.full
    after = with_common(before, np.zeros(2), judged.reference)
    assert (after.a1_se > before.a1_se).all()
    assert after.a2_se == pytest.approx(before.a2_se)
    covariance = [lines.correlation * lines.a1_se * lines.a2_se for lines in (before, after)]
    assert covariance[0] == pytest.approx(covariance[1])


@pytest.mark.parametrize(
    ("tolerance", "deviation", "wanted"),
    [(1.0, 0.05, 0.02), (2.0, 0.05, 0.04), (0.5, 0.05, 0.02), (0.5, 0.015, 0.015), (0.5, 0.002, 0.01)],
)
def test_a_correction_must_be_known_to_the_permissible_error_and_better_than_what_it_takes_away(
    tolerance: float, deviation: float, wanted: float
) -> None:
    """Of class 2, 2 % from Q2 on: with a tolerance below 1 the error found is the measure, between that and the limit."""
    judged = _meters(deviation, 400, meters=20)
    found = precision_wanted(judged.found, judged.model, replace(POLICY, tolerance=tolerance))
    assert found == pytest.approx(np.full(20, wanted), abs=0.003)


@pytest.mark.parametrize(("tolerance", "least"), [(1.0, 0.01), (0.5, 0.01), (2.0, 0.02)])
def test_a_tolerance_below_one_makes_no_smaller_change_matter(tolerance: float, least: float) -> None:
    judged = _meters(0.0, 20, meters=2)
    assert change_that_matters(judged.model, tolerance) == pytest.approx([least, least])
