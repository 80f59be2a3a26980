"""Estimators: what the policy names is what is published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.judging import WINDOW_US, Kind, judge_moments, samples_of
from transforms.fit import centre, choose_form
from transforms.fit.choose import GAIN, LINE
from transforms.fit.lines import SUMMED
from transforms.judge.estimate import robust_lines, with_robust
from transforms.judge.evidence import FLOWING
from transforms.judge.second_look import ROBUST
from transforms.policy import Policy

KIND = Kind()
METERS, PAIRS = 300, 44


def _pairs(
    a1: float, a2: float, *, noise: float = 0.008, reference: float = 0.003, meters: int = METERS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    q = np.exp(rng.uniform(np.log(20), np.log(1800), (meters, PAIRS)))
    x = q * (1 + reference * rng.standard_normal(q.shape))
    y = np.rint((a1 * q + a2) * (1 + noise * rng.standard_normal(q.shape)))
    us = np.tile((np.linspace(0, 0.99, PAIRS) * WINDOW_US).astype(np.int64), (meters, 1))
    return us, x, y


def _policy(estimator: str, repeatability: float = 0.005) -> Policy:
    plain = Policy()
    return replace(
        plain,
        fit=replace(plain.fit, estimator=estimator),
        reference=replace(plain.reference, repeatability=repeatability),
    )


@pytest.mark.parametrize("estimator", ["ordinary", "weighted", "errors_in_both"])
def test_every_estimator_finds_the_line(estimator: str) -> None:
    lines = judge_moments(*_pairs(1.05, 20.0), KIND, _policy(estimator)).found.published
    assert np.median(lines.a1) == pytest.approx(1.05, abs=0.002)
    assert np.median(lines.a2) / KIND.per_lph == pytest.approx(20.0, abs=0.5)


@pytest.mark.parametrize("estimator", ["weighted", "errors_in_both"])
def test_95_percent_intervals_of_the_pairs_cover_the_truth(estimator: str) -> None:
    pairs = _pairs(1.05, 8.0, noise=0.01, reference=0.005, meters=2000)
    judged = judge_moments(*pairs, KIND, _policy(estimator), uncertainty=0.0)
    lines, line = judged.found.published, judged.found.choice.index == LINE
    assert line.mean() > 0.95
    a1 = np.abs(lines.a1 - 1.05) <= 1.96 * lines.a1_se
    a2 = np.abs(lines.a2 - 8.0 * KIND.per_lph) <= 1.96 * lines.a2_se
    assert 0.93 <= a1[line].mean() <= 0.97
    assert 0.93 <= a2[line].mean() <= 0.97


def test_a_pure_gain_is_left_alone_by_errors_in_both() -> None:
    both, weighted = (
        judge_moments(*_pairs(1.05, 0.0), KIND, _policy(name)).found for name in ("errors_in_both", "weighted")
    )
    gain = weighted.choice.index == GAIN
    assert gain.mean() > 0.9
    assert both.published.a1[gain].tolist() == weighted.published.a1[gain].tolist()


def test_robust_lines_replace_full_lines_only() -> None:
    us, x, y = _pairs(1.05, 20.0)
    y[:, 7] *= 1.3
    judged = judge_moments(us, x, y, KIND, _policy("robust"))
    robust = robust_lines(samples_of(us, x, y, KIND))
    given = {name: np.array(getattr(robust, name)) for name in ROBUST}
    given["a1"][0] = np.nan
    index = judged.found.choice.index.copy()
    index[:3], index[3] = LINE, GAIN
    told = with_robust(judged.found.published, given, index, judged.reference)
    assert told.a1[0] == judged.found.published.a1[0]
    assert told.a1[1:3].tolist() == given["a1"][1:3].tolist()
    assert told.a1[3] == judged.found.published.a1[3]
    assert told.a1_se[1:3] == pytest.approx(np.hypot(given["a1_se"][1:3], 0.0025 * given["a1"][1:3]))


def test_one_outlier_moves_a_robust_line_less() -> None:
    us, x, y = _pairs(1.05, 20.0)
    y[:, 7] *= 1.3
    plain = judge_moments(us, x, y, KIND, _policy("weighted")).found.choice.full
    robust = robust_lines(samples_of(us, x, y, KIND))
    errors = [np.sqrt(np.mean((a1 - 1.05) ** 2)) for a1 in (plain.a1, robust.a1)]
    assert errors[1] < 0.7 * errors[0]


def test_forms_are_chosen_by_the_partial_f_test_however_many_pairs_there_are() -> None:
    many, policy = 400, Policy()
    rng = np.random.default_rng(3)
    q = np.exp(rng.uniform(np.log(20), np.log(1800), (200, many)))
    gain, offset = np.repeat([1.0, 1.05], 100)[:, None], rng.uniform(0, 2, (200, 1))
    y = np.rint((gain * q + offset) * (1 + 0.008 * rng.standard_normal(q.shape)))
    q[np.arange(many) >= rng.integers(40, many, (200, 1))] = np.nan
    us = np.tile((np.linspace(0, 0.99, many) * WINDOW_US).astype(np.int64), (200, 1))
    judged = judge_moments(us, q, y, KIND, policy)
    found, sums = judged.found, {name: judged.moments.by_bin(name, FLOWING) for name in SUMMED}
    centred = centre(sums, found.weights(judged.moments)[FLOWING], 1.0, policy.judge.prior_pairs)
    wanted = choose_form(centred, policy.judge.form_significance)
    assert np.bincount(wanted.index).min() > 5 and found.flowing.min() < 50 and found.flowing.max() > 300
    assert found.choice.index.tolist() == wanted.index.tolist()
    assert found.choice.lines.a1.tolist() == wanted.lines.a1.tolist()
    assert found.choice.full.a1.tolist() == wanted.full.a1.tolist()
    assert judged.moments.total("n").tolist() == (~np.isnan(q)).sum(axis=1).tolist()
