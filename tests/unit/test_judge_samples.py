"""Samples laid out for the second look, and the weighted least squares that its tests rest on."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.judging import INTERVAL_US, Kind, every_quarter_hour, paired_frame, samples_of
from transforms.judge import samples as room
from transforms.judge.findings import numbers_of
from transforms.judge.normal import weighted_fit
from transforms.judge.samples import Samples, lay_out
from transforms.policy import Policy
from transforms.summarise.pairs import Pairs

KIND = Kind()


LENGTHS = st.lists(st.integers(1, 9), min_size=1, max_size=8)


def _samples(lengths: list[int], still: int = 0) -> tuple[Samples, list[int], np.ndarray, np.ndarray]:
    """Samples of some meters with their numbers, and of each pair the meter and the flow; every ``still``-th stands still."""
    numbers = [3 * k for k in range(len(lengths))]  # meters between them were not looked at
    meter = np.repeat(numbers, lengths)
    us = np.concatenate([np.arange(length) * INTERVAL_US for length in lengths])
    x = 7000.0 + np.arange(len(meter))
    if still:
        x[::still] = 0.0
    meters = 3 * len(lengths)
    model, reference = numbers_of(paired_frame(meters, KIND), Policy())
    known = np.full(meters, INTERVAL_US), np.full(meters, 6250.0), model, reference
    return Samples.of(Pairs.of(meter, us, x, 2 * x), *known), numbers, meter, x


@given(lengths=LENGTHS, cells=st.sampled_from([1, 5, 1000]))
@settings(max_examples=40, deadline=None)
def test_every_pair_stands_once_in_the_row_of_its_meter(lengths: list[int], cells: int) -> None:
    samples, numbers, meter, x = _samples(lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "CELLS", cells)
        blocks = list(lay_out(samples))
    assert sorted(np.concatenate([samples.meter_no[block.rows] for block in blocks])) == numbers
    for block in blocks:
        assert block.x.size <= max(cells, block.x.shape[1])
        for row, number in enumerate(samples.meter_no[block.rows]):
            own = x[meter == number]
            assert block.x[row, : len(own)].tolist() == own.tolist()
            assert block.y[row, : len(own)].tolist() == (2 * own).tolist()
            assert (block.w[row, : len(own)] > 0).all()
            assert not block.x[row, len(own) :].any()
            assert not block.w[row, len(own) :].any()


@given(lengths=LENGTHS, still=st.integers(0, 4), data=st.data())
@settings(max_examples=40, deadline=None)
def test_some_of_the_meters_have_the_pairs_they_had_among_all(
    lengths: list[int], still: int, data: st.DataObject
) -> None:
    samples, numbers, meter, x = _samples(lengths, still)
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, len(lengths) - 1)))), dtype=np.int64)
    some = samples.pick(rows)
    assert some.meter_no.tolist() == [numbers[row] for row in rows]
    for row, number in enumerate(some.meter_no):
        own = x[meter == number]
        flowing = some.flowing[some.first_flowing[row] : some.first_flowing[row + 1]]
        assert some.x[some.first[row] : some.first[row + 1]].tolist() == own.tolist()
        assert (some.y / 2)[flowing].tolist() == own[own > 0].tolist()


def test_nobody_to_look_at() -> None:
    model, reference = numbers_of(paired_frame(2, KIND), Policy())
    one = np.ones(2, dtype=np.int64)
    assert list(lay_out(Samples.of(Pairs.none(), one, one * 1.0, model, reference))) == []


def test_weights_are_the_inverse_of_the_variance_expected_and_zero_without_flow() -> None:
    q = np.array([[0.0, 10.0, 100.0, 1000.0]])
    found = samples_of(every_quarter_hour(1, 4), q, q, KIND)
    assert found.flowing.tolist() == [2, 3]
    per = KIND.per_lph
    expected = (0.01**2 + 0.005**2) * np.array([100.0, 1000.0]) ** 2 + 1 / 6
    assert found.weights == pytest.approx(1 / (expected * per**2))
    (laid,) = lay_out(found)
    assert laid.w[0].tolist() == [0.0, 0.0, *found.weights, 0.0, 0.0, 0.0, 0.0]


def test_a_weighted_fit_is_that_of_statsmodels() -> None:
    rng = np.random.default_rng(4)
    for _ in range(3):
        x, t = rng.uniform(10, 2000, 30), rng.uniform(-0.5, 0.5, 30)
        y = 3 + 1.1 * x + 0.2 * x * t + rng.normal(0, 5, x.shape)
        w = 1 / (1 + (0.01 * x) ** 2)
        columns, found = np.column_stack([x, np.ones(30), x * t, t]), np.zeros(4)
        chi2 = weighted_fit(np.sqrt(w)[:, None] * columns, np.sqrt(w), y, found, np.zeros((4, 6)))
        told = sm.WLS(y, columns, w).fit()
        assert found == pytest.approx(told.params, rel=1e-5)
        assert chi2 == pytest.approx(told.ssr, rel=1e-6)
