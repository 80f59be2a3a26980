"""Samples laid out for the second look, and the weighted least squares that its tests rest on."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.judging import INTERVAL_US, Kind, every_quarter_hour, paired_frame, samples_of
from transforms.judge import samples as room
from transforms.judge.findings import numbers_of
from transforms.judge.samples import LOOKED, lay_out, weighted_line
from transforms.policy import Policy

KIND = Kind()


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=8), cells=st.sampled_from([1, 5, 1000]))
@settings(max_examples=40, deadline=None)
def test_every_pair_stands_once_in_the_row_of_its_meter(lengths: list[int], cells: int) -> None:
    numbers = [3 * k for k in range(len(lengths))]  # meters between them were not looked at
    meter = np.repeat(numbers, lengths)
    us = np.concatenate([np.arange(length) * INTERVAL_US for length in lengths])
    x = 7000.0 + np.arange(len(meter))
    pairs = pl.DataFrame({"meter_no": meter, "us": us, "x": x, "y": 2 * x}).cast(LOOKED)  # type: ignore[arg-type]
    meters = 3 * len(lengths)
    model, reference = numbers_of(paired_frame(meters, KIND), Policy())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "CELLS", cells)
        blocks = list(lay_out(pairs, np.full(meters, INTERVAL_US), np.full(meters, 6250.0), model, reference))
    assert sorted(np.concatenate([block.meter_no for block in blocks])) == numbers
    for block in blocks:
        assert block.there.size <= max(cells, block.there.shape[1])
        for row, number in enumerate(block.meter_no):
            here = block.there[row]
            assert block.x[row, here].tolist() == x[meter == number].tolist()
            assert block.us[row, here].tolist() == us[meter == number].tolist()
            assert not block.x[row, ~here].any()
            assert not block.flowing[row, ~here].any()


def test_nothing_to_lay_out() -> None:
    model, reference = numbers_of(paired_frame(2, KIND), Policy())
    one = np.ones(2, dtype=np.int64)
    assert list(lay_out(pl.DataFrame(schema=LOOKED), one, one * 1.0, model, reference)) == []


def test_weights_are_the_inverse_of_the_variance_expected_and_zero_without_flow() -> None:
    q = np.array([[0.0, 10.0, 100.0, 1000.0]])
    found = samples_of(every_quarter_hour(1, 4), q, q, KIND)
    assert found.flowing[0, :4].tolist() == [False, False, True, True]
    assert not found.flowing[0, 4:].any()
    per = KIND.per_lph
    expected = (0.01**2 + 0.005**2) * np.array([100.0, 1000.0]) ** 2 + 1 / 6
    assert found.weights[0, 2:4] == pytest.approx(1 / (expected * per**2))
    assert found.weights[0, :2].tolist() == [0.0, 0.0]
    assert not found.weights[0, 4:].any()


def test_weighted_line_is_that_of_statsmodels() -> None:
    rng = np.random.default_rng(4)
    x, t = rng.uniform(10, 2000, (3, 30)), rng.uniform(-0.5, 0.5, (3, 30))
    y = 3 + 1.1 * x + 0.2 * x * t + rng.normal(0, 5, x.shape)
    w = 1 / (1 + (0.01 * x) ** 2)
    found, chi2 = weighted_line(w, x, np.ones_like(x), x * t, y=y)
    for row in range(3):
        told = sm.WLS(y[row], np.column_stack([x[row], np.ones(30), x[row] * t[row]]), w[row]).fit()
        assert found[row] == pytest.approx(told.params, rel=1e-6)
        assert chi2[row] == pytest.approx(told.ssr, rel=1e-6)
