"""Flows on a grid of time, against counts by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from transforms.match.flows import Flows, Registers, flows_of
from transforms.match.grid import Grid, Laid

QUARTER_US = 900_000_000
NAN = float("nan")


def of_register(
    readings: Sequence[float], rollover: float = NAN, limit: float = np.inf, coarse: float = np.inf
) -> Flows:
    """One window of one device's register [L], a reading each quarter of an hour, the first before the window."""
    seen = np.array([readings], dtype=np.float64)
    laid = Laid(
        Grid(0, QUARTER_US, seen.shape[1]),
        None,
        seen,
        np.zeros(1, np.int64),
        np.zeros(1, bool),
        np.zeros(1, bool),
    )
    known = Registers(np.array([limit]), np.array([rollover]), np.array([coarse]))
    return flows_of(laid, 1, 1, np.zeros(1, bool), 0.1, known)


def test_a_register_s_steps_are_flows_and_a_jump_after_a_gap_is_none() -> None:
    found = of_register([100.0, 101.0, 101.0, NAN, 111.0, 113.5, 113.0])
    assert found.lph[0, 0] == pytest.approx([4.0, 0.0, NAN, NAN, 10.0, -2.0], nan_ok=True)
    assert found.n[0, 0] == 4
    assert found.interval_us[0, 0] == QUARTER_US


def test_a_register_begins_again_at_its_width_only_where_that_is_known() -> None:
    readings = [9_998.0, 9_999.0, 1.0, 3.0]
    assert of_register(readings).lph[0, 0] == pytest.approx([4.0, NAN, 8.0], nan_ok=True)
    assert of_register(readings, rollover=10_000.0).lph[0, 0] == pytest.approx([4.0, 8.0, 8.0])
    # a step that no flow of the model makes
    assert of_register(readings, rollover=20_000.0, limit=5_000.0).lph[0, 0] == pytest.approx(
        [4.0, NAN, 8.0], nan_ok=True
    )


def test_a_register_that_counts_too_coarsely_has_no_flows() -> None:
    readings = [1_000.0, 1_000.0, 1_100.0, 1_100.0, 1_200.0]
    assert of_register(readings, coarse=400.0).n[0, 0] == 4
    # 100 L in a quarter of an hour are 400 L/h
    assert of_register(readings, coarse=399.0).n[0, 0] == 0


def test_momentary_flows_tell_the_mean_only_where_they_are_settled() -> None:
    seen = np.array([[100.0, 104.0, 200.0, 200.0, 0.0, 0.0]])
    laid = Laid(Grid(0, QUARTER_US, 6), seen, None, np.zeros(1, np.int64), np.zeros(1, bool), np.zeros(1, bool))
    nothing = Registers(np.array([np.inf]), np.array([NAN]), np.array([np.inf]))
    found = flows_of(laid, 1, 1, np.ones(1, bool), 0.1, nothing)
    assert found.lph[0, 0] == pytest.approx([102.0, NAN, 200.0, NAN, 0.0], nan_ok=True)


def test_what_a_window_looks_back_at_is_what_was_read_not_what_was_made_of_it() -> None:
    seen = np.array([[100.0, 104.0, 106.0, 108.0, 110.0]])
    laid = Laid(Grid(0, QUARTER_US, 5), seen, None, np.zeros(1, np.int64), np.zeros(1, bool), np.zeros(1, bool))
    nothing = Registers(np.array([np.inf]), np.array([NAN]), np.array([np.inf]))
    found = flows_of(laid, 2, 1, np.ones(1, bool), 0.1, nothing)
    assert found.lph[0].tolist() == [[102.0, 105.0], [107.0, 109.0]]
    assert laid.flow is not None
    assert laid.flow.tolist() == [[100.0, 104.0, 106.0, 108.0, 110.0]]


@pytest.mark.parametrize(
    ("there", "minutes"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], 15),
        ([0, 2, 4, 6], 30),
        ([1, 2, 3], 15),
        # gaps among the first four stamps 1, 1, 3 and the last four 3, 1, 1: the lower of the middle ones
        ([0, 1, 2, 5, 6, 7], 15),
        ([0, 3], 45),
        ([4], 0),
    ],
)
def test_the_interval_of_a_device_with_gaps(there: list[int], minutes: int) -> None:
    flow = np.full((1, 8), NAN)
    flow[0, there] = 1.0
    laid = Laid(Grid(0, QUARTER_US, 8), flow[None], None, np.zeros(1, np.int64), np.zeros(1, bool), np.zeros(1, bool))
    nothing = Registers(np.array([np.inf]), np.array([NAN]), np.array([np.inf]))
    assert flows_of(laid, 1, 0, np.zeros(1, bool), 0.1, nothing).interval_us[0, 0] == minutes * 60_000_000
