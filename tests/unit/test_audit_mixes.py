"""Changes of the mix of flows are told from changes of the meter, whose truth is known here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from tests.auditing import BEGIN, LENGTH, moments_of, registry_of, told_of, windows_of
from transforms.audit import statistics
from transforms.audit.mixes import at_equal_flows
from transforms.fleet import fleet_table
from transforms.policy import Policy

#: flows of a window [L/h] by flow bin: a leak alone, and a leak and what a household draws
AWAY = {1: [20.0, 20.5, 19.5] * 16}
HOME = {1: [20.0, 20.5, 19.5] * 8, 4: [100.0, 110.0, 130.0] * 8}


def regimes_of(stretches: Sequence[tuple[int, dict[int, list[float]], float, float]]) -> pl.DataFrame:
    """Regimes of a meter that reads gain times the flow and an offset [L/h], over stretches of so many windows of such flows."""
    windows, moments, first = [], [], 0
    noise = np.random.default_rng(3)
    for many, flows, gain, offset in stretches:
        shown = {b: [gain * flow + offset for flow in own] for b, own in flows.items()}
        q, q_meter = (np.concatenate(list(each.values())) for each in (flows, shown))
        # the window's error is a fit weighted for a scatter that grows with the flow
        error = float(np.mean(q_meter / q)) - 1
        part = windows_of(
            error + 0.002 * noise.standard_normal(many),
            0.002,
            first=first,
            volume_l=float(q.sum() / 4),
            meter_volume_l=float(q_meter.sum() / 4),
            verdict="steady",
            reason="linear_mapping",
        )
        windows.append(part)
        moments.append(moments_of(part, {b: (flows[b], shown[b]) for b in flows}))
        first += many
    registry = registry_of(["WM-1"])
    told = told_of(pl.concat(windows), pl.concat(moments))
    return statistics(told, fleet_table(registry), registry, Policy(), LENGTH, BEGIN + timedelta(days=200)).regimes


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 6.0), (1.03, 4.0), (1.0, -3.0)])
def test_a_household_that_is_away_is_no_change_of_its_meter(gain: float, offset: float) -> None:
    found = regimes_of([(60, HOME, gain, offset), (10, AWAY, gain, offset), (60, HOME, gain, offset)])
    assert found.height == 1


@pytest.mark.parametrize("away", [HOME, AWAY])
def test_a_change_of_the_meter_stays_one_whatever_the_household_does(away: dict[int, list[float]]) -> None:
    found = regimes_of([(60, HOME, 1.03, 2.0), (40, away, 1.10, 2.0)])
    assert found.height == 2
    assert found["begins"][1] == BEGIN + 60 * LENGTH


def test_errors_at_equal_flows_by_hand() -> None:
    # n, sx, sy, sxx, sxy, syy: 2 % more in the only bin of both; then no bin that both know
    before, after = np.zeros((6, 7, 2), dtype=np.int64), np.zeros((6, 7, 2), dtype=np.int64)
    before[:, 1, :] = np.array([10, 1_000, 1_100, 100_000, 110_000, 121_000])[:, None]
    after[:, 1, 0] = [10, 1_000, 1_120, 100_000, 112_000, 125_440]
    after[:, 4, 1] = [10, 9_000, 9_900, 8_100_000, 8_910_000, 9_801_000]
    assert at_equal_flows(before, after, 3).tolist() == pytest.approx([0.02, np.inf])
