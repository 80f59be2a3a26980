"""Demand made of pulses: exact sums, whatever the interval and the cut; each meter its own; flows as in real houses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from transforms.simulate import Fleet, Plan
from transforms.simulate.hashed import below, key, uniform
from transforms.simulate.pulses import LEAK_Q1, PulseDemand

START = datetime(2026, 1, 1, tzinfo=UTC)


def fleet(meters: int, minutes: int = 15, **sources: float) -> Fleet:
    plan = Plan(meters, 1, START, timedelta(minutes=minutes), 5, shares={"healthy": 1.0}, sources=sources)
    return Fleet.draw(plan)


def stamps(rows: int) -> np.ndarray:
    return np.zeros(rows, dtype=np.int64)


def test_hashed_numbers_are_even_and_independent_of_the_cut() -> None:
    keys = below(key(1), np.arange(100_000))
    numbers = uniform(keys, 3)
    assert np.all((numbers >= 0) & (numbers < 1))
    counts = np.histogram(numbers, 20, (0, 1))[0]
    assert np.sum((counts - 5000) ** 2 / 5000) < 45, "chi-square with 19 degrees of freedom, 0.1 % at 43.8"
    assert np.array_equal(uniform(keys[500:600], 3), numbers[500:600])
    assert abs(np.corrcoef(numbers, uniform(keys, 4))[0, 1]) < 0.02
    assert abs(np.corrcoef(numbers[1:], numbers[:-1])[0, 1]) < 0.02
    assert not np.array_equal(below(key(1), 7), below(key(2), 7))


def test_pulses_add_up_to_the_same_volume_at_any_interval() -> None:
    by_interval = []
    for minutes in (1, 15, 60):
        found = fleet(50, minutes, home=0.7, shop=0.3)
        flow = found.demand.flow(slice(0, 50), 1, 1440 // minutes, minutes)
        by_interval.append((flow * minutes / 60).sum(axis=1))
    assert np.allclose(by_interval[0], by_interval[1], rtol=1e-12)
    assert np.allclose(by_interval[0], by_interval[2], rtol=1e-12)


def test_the_flow_at_a_stamp_does_not_depend_on_what_else_is_asked() -> None:
    found = fleet(60, home=0.5, shop=0.3, recorded=0.2)
    whole = found.demand.flow(slice(0, 60), -20, 200, 15)
    rows = np.array([3, 17, 40, 59])
    first = np.array([0, 5, -20, 100])
    part = found.demand.flow(rows, first, 30, 15)
    for row, begin, values in zip(rows, first, part, strict=True):
        assert np.array_equal(values, whole[row, begin + 20 : begin + 50])


def test_no_two_meters_use_water_alike_and_nothing_is_exactly_nothing() -> None:
    found = fleet(2000, home=0.8, shop=0.2)
    flow = found.demand.flow(slice(0, 2000), 0, 96, 15)
    used = flow[flow.sum(axis=1) > 50]
    assert len(np.unique(used, axis=0)) == len(used)
    tight = found.truth["leak_lph"] == 0
    small = flow[tight][(flow[tight] != 0) & (flow[tight] < 0.1)]
    assert small.size == 0 and np.mean(flow[tight] == 0) > 0.4


def test_homes_shops_and_leaks_have_the_flows_of_real_ones() -> None:
    found = fleet(4000, home=0.75, shop=0.25)
    source = found.meters["source"].to_numpy()
    flow = found.demand.flow(slice(0, 4000), 0, 96, 15)
    home, shop = flow[source == "home"], flow[source == "shop"]
    litres = home.sum(axis=1) / 4
    assert 300 < np.median(litres) < 700, "a home of two or three"
    assert 1.5 < np.median(shop.sum(axis=1)) / np.median(home.sum(axis=1)) < 10
    flowing = home[home > 0]
    low, middle, high = np.percentile(flowing, [5, 50, 99.8])
    assert low < 10 and 20 < middle < 120 and high > 700
    assert np.mean(litres == 0) > 0.005, "some are away"
    assert np.median((shop > 0).sum(axis=1)) > np.median((home > 0).sum(axis=1))
    leaks = found.truth["leak_lph"] / found.q1
    leaking = leaks > 0
    assert 0.04 < leaking.mean() < 0.08
    assert LEAK_Q1[0] * 0.99 < leaks[leaking].min() < 1 < leaks[leaking].max() < LEAK_Q1[1] * 1.01
    assert np.allclose(flow[leaking].min(axis=1) / found.q1[leaking], leaks[leaking])


def test_a_demand_of_no_rows_is_empty() -> None:
    nobody = np.zeros(0)
    none = PulseDemand.draw(1, nobody, nobody, nobody, nobody, 0)
    assert none.flow(stamps(0), stamps(0), 4, 15).shape == (0, 4)
