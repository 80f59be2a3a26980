"""Curves as points: few enough, rising, and no further from the curve than they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.fit import (
    Curves,
    Points,
    fit_piecewise,
    fit_power,
    fit_quadratic,
    fit_straight,
    invert,
    is_monotone,
    to_points,
)


def exact(form: str, parameters: list[list[float]], low: float, high: float) -> Curves:
    """Curves with given parameters and no uncertainty."""
    p = np.array(parameters)
    m = len(p)
    one = np.ones(m)
    return Curves(
        form,
        p,
        np.zeros((m, p.shape[1], p.shape[1])),
        one,
        9 * one,
        9 * one,
        np.array([[low, high]] * m),
        np.empty((m, 0)),
    )


@settings(max_examples=100, deadline=None)
@given(st.floats(0.5, 1.5), st.floats(0.3, 2.0), st.floats(0.0, 50.0), st.floats(1.5, 500.0))
def test_power_laws_keep_within_the_error_they_state(c: float, b: float, low: float, ratio: float) -> None:
    high = max(low, 0.1) * ratio
    curves = exact("power", [[c, b]], low, high)
    points = to_points(curves)
    q = points.q[0][~np.isnan(points.q[0])]
    assert 2 <= len(q) <= 16
    assert (q[0], q[-1]) == (low, high)
    assert (np.diff(q) > 0).all()
    fine = np.linspace(low, high, 20_001)[None]
    off = np.abs(points.at(fine) - curves.at(fine))[0]
    assert off.max() <= points.error[0] * 1.05 + 1e-12 * high
    if low > 0:
        assert (off / fine[0]).max() <= points.relative[0] * 1.05 + 1e-12


def test_a_quadratic_states_its_error_exactly() -> None:
    points = to_points(exact("quadratic", [[3.0, 0.97, 2e-5]], 20.0, 2000.0))
    steps = np.diff(points.q[0])
    assert points.error[0] == pytest.approx(2e-5 * (steps**2).max() / 4, rel=1e-9)
    assert points.relative[0] < 5e-4


def test_the_error_is_shared_out_in_proportion_to_the_flow() -> None:
    curves = exact("power", [[1.0, 1.1]], 16.0, 2000.0)
    points = to_points(curves)
    even = np.linspace(16, 2000, 16)
    fine = np.linspace(16, 2000, 50_001)
    plain = np.abs(np.interp(fine, even, even**1.1) - fine**1.1) / fine
    assert points.relative[0] < plain.max() / 5


def test_no_more_points_than_needed() -> None:
    curves = exact("power", [[1.0, 1.0], [1.0, 1.001], [1.0, 1.2]], 16.0, 2000.0)
    points = to_points(curves, tolerance=1e-4)
    used = (~np.isnan(points.q)).sum(axis=1)
    assert used[0] == 2
    assert 2 < used[1] < used[2] == 16
    assert (points.relative[:2] <= 1e-4).all()
    with pytest.raises(ValueError, match="2 to 16"):
        to_points(curves, most=17)


def test_lines_are_given_exactly() -> None:
    x = np.tile(np.linspace(10, 1000, 60), (2, 1))
    y = np.where(x < 200, 0.8 * x, 160 + (x - 200))
    y[1] = 1.02 * x[1]
    w = np.ones_like(x)
    w[1, :20] = 0
    pieces = fit_piecewise(x, y, w, np.array([200.0]))
    points = to_points(pieces)
    assert points.q[0] == pytest.approx([10, 200, 1000])
    assert points.value[0] == pytest.approx([8, 160, 960])
    assert points.q[1][:2] == pytest.approx([x[1, 20], 1000])
    assert np.isnan(points.q[1][2])
    assert points.at(np.array([[5.0, 100.0, 2000.0]])) == pytest.approx(np.array([[4, 80, 1960], [5.1, 102, 2040]]))
    straight = to_points(fit_straight(x[1:], y[1:], w[1:]))
    assert straight.value[0] == pytest.approx([1.02 * x[1, 20], 1020])
    assert points.error.tolist() == [0, 0]


def test_monotone_is_said_of_the_range_seen() -> None:
    rising = exact("quadratic", [[0.0, 1.0, -0.001], [0.0, 1.0, -0.001]], 10.0, 400.0)
    rising.x_range[1, 1] = 600.0
    assert is_monotone(rising).tolist() == [True, False]
    assert is_monotone(rising, least_slope=0.3).tolist() == [False, False]
    assert is_monotone(exact("power", [[1.0, 0.9], [1.0, -0.1], [np.nan, np.nan]], 10.0, 20.0)).tolist() == [
        True,
        False,
        False,
    ]
    x = np.tile(np.linspace(0, 30, 31), (1, 1))
    hump = fit_piecewise(
        x, np.minimum(x, 10) - np.clip(x - 10, 0, 10) + np.maximum(x - 20, 0) * 2, 1 + 0 * x, [10.0, 20.0]
    )
    assert is_monotone(hump).tolist() == [False]


def test_inverse_goes_back_and_is_refused_where_there_is_none() -> None:
    curves = exact("quadratic", [[2.0, 0.9, 1e-4], [2.0, 0.9, -0.001], [2.0, 0.05, 0.0]], 20.0, 900.0)
    points = to_points(curves)
    inverse, exists = invert(points)
    assert exists.tolist() == [True, False, False]
    q = np.linspace(20, 900, 50)[None]
    assert inverse.at(points.at(q))[0] == pytest.approx(q[0], rel=1e-12)
    assert np.isnan(inverse.q[1:]).all()
    assert inverse.error[0] == pytest.approx(points.error[0] / (np.diff(points.value[0]) / np.diff(points.q[0])).min())
    assert invert(points, least_slope=0.0)[1].tolist() == [True, False, True]


def test_no_points_for_a_meter_without_a_curve() -> None:
    x = np.array([[10.0, 20.0, 30.0, 40.0], [10.0, 10.0, 10.0, 10.0]])
    for fit in (fit_quadratic, fit_power, fit_straight):
        points: Points = to_points(fit(x, 1.1 * x, np.ones_like(x)))
        assert np.isnan(points.q).all(axis=1).tolist() == [False, True]
        assert np.isnan(points.error).tolist() == [False, True]
        assert invert(points)[1].tolist() == [True, False]
