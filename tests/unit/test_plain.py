"""Plain columns follow from whole numbers as they would from the pairs themselves."""

from __future__ import annotations

import numpy as np
import pytest

from tests.judging import INTERVAL_US, every_quarter_hour, moments_of
from tests.unit.test_ambiguous import KIND
from transforms.judge.columns import rounded
from transforms.judge.many import nothing_said
from transforms.judge.plain import OF_STILL, PLAIN, WHOLE, on_flows, volumes, whole_of

METERS, PAIRS = 30, 48
UNIT = np.full(METERS, 1 / KIND.per_lph)
INTERVALS = np.full(METERS, INTERVAL_US)


def test_they_are_what_the_pairs_say() -> None:
    rng = np.random.default_rng(1)
    q = np.exp(rng.uniform(np.log(KIND.q1 / 4), np.log(KIND.q3), (METERS, PAIRS)))
    q[0] = KIND.q1 / 4  # never flows
    q_meter = q * (1 + 0.05 * rng.standard_normal(q.shape))
    moments = moments_of(every_quarter_hour(METERS, PAIRS), q, q_meter, KIND)
    whole = whole_of(moments)
    assert tuple(whole) == WHOLE
    x, y = (np.rint(flow * KIND.per_lph) / KIND.per_lph for flow in (q, q_meter))
    flows = x >= KIND.q1
    told = on_flows(whole, flows.sum(axis=1), UNIT) | volumes(whole, UNIT, INTERVALS)
    assert tuple(told) == PLAIN
    for row in range(METERS):
        assert told["volume_l"][row] == pytest.approx(x[row].sum() / 4)
        assert told["meter_volume_l"][row] == pytest.approx(y[row].sum() / 4)
        a, b = x[row, flows[row]], y[row, flows[row]]
        if not len(a):
            assert all(np.isnan(told[name][row]) for name in PLAIN[:5])
            continue
        off, (low, high) = b - a, KIND.band
        in_band = max(((side * off >= low) & (side * off <= high)).sum() for side in (1, -1))
        expected = off.mean(), in_band / len(a), b.sum() / a.sum() - 1, a.min(), a.max()
        assert [told[name][row] for name in PLAIN[:5]] == pytest.approx(expected)


def test_of_what_was_not_paired_nothing_is_said() -> None:
    columns = nothing_said(2)
    told = on_flows(columns, columns["n_flowing"], UNIT) | volumes(columns, UNIT, INTERVALS)
    assert all(np.isnan(values).all() for values in told.values())
    assert not set(PLAIN) & set(columns)


def test_paired_without_a_reading_is_no_water() -> None:
    columns = nothing_said(2) | {name: np.zeros(2, dtype=np.int64) for name in OF_STILL}
    assert all((values == 0).all() for values in volumes(columns, UNIT, INTERVALS).values())


def test_uncertainties_are_told_to_seven_digits() -> None:
    assert rounded(0.0123456789, True) == pytest.approx(0.0123456789, rel=6e-8)
    assert rounded(0.0123456789, True) == float(np.float32(0.0123456789))
    assert rounded(1 / 3, True) != 1 / 3
    assert np.isnan(rounded(1.0, False)) and np.isnan(rounded(-np.nan, True)) and rounded(np.inf, True) == np.inf
