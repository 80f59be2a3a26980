"""What looks like an offset or a curve may be a matter of time, where the flow rises and falls slowly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tests.judging import INTERVAL_US, Kind, moments_of, paired_frame
from transforms.judge.findings import find
from transforms.judge.paired import Paired
from transforms.judge.second_look import SecondLook, take_second_look
from transforms.policy import Policy
from transforms.summarise.pairs import Pairs

Floats = npt.NDArray[np.float64]
KIND, POLICY, METERS, PAIRS = Kind(resolution=0.1), Policy(), 40, 48
TIME = np.arange(PAIRS) / PAIRS
RISING = np.tile(150.0 + 1100.0 * TIME, (METERS, 1))


def look(q: Floats, q_meter: Floats, *, exact: bool = False) -> SecondLook:
    """The second look at meters that show this where their references show that, but for half a percent of scatter, which an
    exact reference has none of."""
    rng = np.random.default_rng(5)
    x, y = (flow * (1 + 0.005 * rng.standard_normal(flow.shape)) for flow in (q, q_meter))
    x = q if exact else x
    us = np.tile(np.arange(PAIRS) * INTERVAL_US, (METERS, 1))
    paired = Paired.of(paired_frame(METERS, KIND), POLICY)
    found = find(moments_of(us, x, y, KIND), paired.model, paired.reference, POLICY)
    first = np.arange(METERS + 1) * PAIRS
    units = [np.rint(flow * KIND.per_lph).ravel() for flow in (x, y)]
    pairs = Pairs(np.arange(METERS), first, us.ravel(), *units)
    return take_second_look(np.arange(METERS), lambda whom: pairs, found, paired, POLICY)


def fallen(q: Floats) -> Floats:
    """What a reference shows that loses 7 % of its signal at noon."""
    return np.where(TIME < 0.5, q, 0.93 * q)


@pytest.mark.parametrize("later", [1 / 3, 1.0])
def test_a_reference_that_lags_while_the_flow_rises_looks_like_an_offset(later: float) -> None:
    """By a third of an interval, and by a whole one: 1,100 L/h in 48 intervals are 8 and 23 L/h."""
    assert look(RISING - later * 1100.0 / PAIRS, RISING).ambiguous.mean() > 0.95


def test_a_reference_that_fell_at_noon_when_the_flow_rose_looks_like_a_curve() -> None:
    low_then_high = np.where(TIME < 0.5, 0.2, 1.0) * (0.8 * RISING + 0.2 * RISING[0, ::-1])
    seen = look(fallen(low_then_high), low_then_high)
    assert seen.curved.sum() > 5
    assert seen.ambiguous[seen.curved].all()


def test_a_reference_that_fades_while_the_flow_rises_looks_like_a_curve() -> None:
    seen = look(RISING * (1 - 0.08 * TIME), RISING)
    assert seen.ambiguous.mean() > 0.95


def test_draws_at_any_time_tell_an_offset_and_a_curve_from_all_of_these() -> None:
    draws = np.random.default_rng(3).permuted(RISING, axis=1)
    offset, curve = look(draws, draws + 25.0), look(draws, draws * (1.1 - 0.1 * draws / 1250.0))
    assert not offset.ambiguous.any()
    assert curve.curved.mean() > 0.9
    assert not curve.ambiguous[curve.curved].any()


def test_a_gain_is_asked_of_nothing() -> None:
    assert look(RISING, 1.07 * RISING).ambiguous.mean() < 0.05
