"""Corrections: what a meter does with its raw flow, and how one is composed with another, for lines and curves."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from transforms.correction import MOST_POINTS, Correction, CorrectionError
from transforms.errors import MeterwrightError

CURVE = Correction(points=((20.0, 24.0), (300.0, 310.0), (1400.0, 1350.0)))
FLOWS = np.array([0.0, 1e-3, 1.0, 5.0, 16.0, 20.0, 33.3, 150.0, 300.0, 900.0, 1400.0, 2500.0, 3125.0])
#: what nine digits of a point may do to a far flow [L/h]
DIGITS = 0.03

slopes = st.floats(0.7, 1.4)


@st.composite
def increasing(draw: st.DrawFn, most: int = MOST_POINTS) -> list[tuple[float, float]]:
    """Points of a curve near the identity: steps of 1 to 400 L/h, local slopes from 0.7 to 1.4."""
    n = draw(st.integers(2, most))
    x = draw(st.floats(1.0, 60.0))
    y = x + draw(st.floats(-20.0, 20.0))
    points = [(x, y)]
    for _ in range(n - 1):
        step = draw(st.floats(1.0, 400.0))
        x, y = x + step, y + step * draw(slopes)
        points.append((x, y))
    return points


@st.composite
def corrections(draw: st.DrawFn) -> Correction:
    if draw(st.booleans()):
        return Correction(draw(slopes), draw(st.floats(-20.0, 20.0)))
    points = [(x, y) for x, y in draw(increasing()) if y >= 0]
    assume(len(points) >= 2)
    return Correction(points=tuple(points))


measured_curves = increasing().map(lambda points: tuple(np.array(points).T))


def undone(q: np.ndarray, q_meter: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The true flow behind what a meter shows, segment by segment, the end ones continued."""
    found = np.interp(shown, q_meter, q)
    low, high = shown < q_meter[0], shown > q_meter[-1]
    found[low] = q[0] + (shown[low] - q_meter[0]) * (q[1] - q[0]) / (q_meter[1] - q_meter[0])
    found[high] = q[-1] + (shown[high] - q_meter[-1]) * (q[-1] - q[-2]) / (q_meter[-1] - q_meter[-2])
    return found


def test_a_line_as_the_formats_write_it() -> None:
    line = Correction(0.96993, -4.0737)
    assert line.apply([0.0, 2.0, 100.0]) == pytest.approx([0.0, 0.0, 92.9193])
    assert line.to_json() == {"gain": 0.96993, "offset_lph": -4.0737}
    assert Correction.from_json({"gain": 0.96993, "offset_lph": -4.0737}) == line
    assert Correction(1.0, -0.0).to_json() == {"gain": 1.0, "offset_lph": 0.0}


def test_a_curve_is_linear_between_points_and_continued_by_its_end_segments() -> None:
    first, last = 286.0 / 280.0, 1040.0 / 1100.0
    found = CURVE.apply([0.0, 10.0, 20.0, 160.0, 300.0, 850.0, 1400.0, 2000.0])
    expected = [0.0, 24 - 10 * first, 24.0, 167.0, 310.0, 830.0, 1350.0, 1350 + 600 * last]
    assert found == pytest.approx(expected, abs=1e-9)
    assert CURVE.slopes() == pytest.approx([first, last])
    assert CURVE.offset_at_zero == pytest.approx(24 - 20 * first)


def test_a_curve_cuts_off_at_zero() -> None:
    assert Correction(points=((20.0, 5.0), (40.0, 25.0))).apply([0.0, 10.0, 15.0, 16.0]).tolist() == [0, 0, 0, 1]


def test_no_flow_and_no_reading_stay_so() -> None:
    for correction in (Correction(1.1, 7.0), CURVE):
        found = correction.apply([-3.0, 0.0, np.nan])
        assert found[:2].tolist() == [0.0, 0.0]
        assert np.isnan(found[2])


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"gain": 0.0, "offset_lph": 1.0}, "gain above zero"),
        ({"gain": float("nan"), "offset_lph": 1.0}, "gain above zero"),
        ({"gain": 1.0}, "offset_lph"),
        ({"points": [[1.0, 1.0]]}, "1 points; give 2 to 16"),
        ({"points": [[k, k] for k in range(17)]}, "17 points; give 2 to 16"),
        ({"points": [[1.0, 5.0], [2.0, 5.0]]}, "increase strictly"),
        ({"points": [[2.0, 5.0], [2.0, 6.0]]}, "increase strictly"),
        ({"points": [[1.0, 2.0], [2.0, float("inf")]]}, "finite"),
        ({"points": [[1.0, 2.0, 3.0]]}, "cannot be read"),
        ({"points": [1.0, 2.0]}, "cannot be read"),
    ],
)
def test_what_is_no_correction_is_refused(given_: dict[str, object], said: str) -> None:
    with pytest.raises(CorrectionError, match=said):
        Correction.from_json(given_)
    assert issubclass(CorrectionError, MeterwrightError)


def test_identity() -> None:
    assert Correction().is_identity
    assert Correction(points=((1.0, 1.0), (7.0, 7.0))).is_identity
    assert not Correction(1.0, 0.1).is_identity
    assert not CURVE.is_identity


def test_limits_of_a_line_are_its_gain_and_offset() -> None:
    assert Correction(0.9, -3.0).largest_gain_change() == pytest.approx(0.1)
    assert Correction(0.9, -3.0).steepest(100.0, 200.0) == 0.9
    assert Correction(0.9, -3.0).offset_at_zero == -3.0


def test_limits_of_a_curve_look_at_the_segments_within_a_range() -> None:
    bent = Correction(points=((10.0, 10.0), (20.0, 23.0), (100.0, 103.0), (200.0, 193.0)))
    assert bent.steepest() == pytest.approx(1.3)
    assert bent.steepest(20.0, 150.0) == pytest.approx(0.9)
    assert bent.largest_gain_change(30.0, 90.0) == pytest.approx(0.0)
    assert bent.steepest(1000.0, 2000.0) == pytest.approx(0.9)
    assert bent.steepest(1.0, 2.0) == pytest.approx(1.3)


@given(corrections())
def test_the_limits_bound_what_a_correction_moves(correction: Correction) -> None:
    moved = np.abs(correction.apply(FLOWS) - FLOWS)
    assert (moved <= abs(correction.offset_at_zero) + correction.largest_gain_change() * FLOWS + 1e-6).all()


def test_lines_stay_lines() -> None:
    both = Correction(0.97, -4.0).then_line(1.02, 1.0)
    assert (both.gain, both.offset_lph, both.points) == (0.97 / 1.02, -5.0 / 1.02, ())


def test_a_curve_after_a_line_is_the_measured_curve_turned_round() -> None:
    found = Correction().then_curve([20.0, 300.0, 1400.0], [24.0, 310.0, 1350.0])
    assert found.points == ((24.0, 20.0), (310.0, 300.0), (1350.0, 1400.0))
    assert found.approximation_lph == 0.0


def test_bends_of_both_curves_meet() -> None:
    """The first bends at 100 L/h raw; the second where the first shows 220, which is 200 L/h raw."""
    first = Correction(points=((50.0, 50.0), (100.0, 100.0), (300.0, 340.0)))
    both = first.then_curve([40.0, 220.0, 400.0], [40.0, 220.0, 418.0])
    assert both.points == ((40.0, 40.0), (100.0, 100.0), (200.0, 220.0), (365.0, 400.0))


def test_points_below_zero_are_cut_at_the_axis() -> None:
    assert CURVE.then_line(1.0, 64.0).points[0] == (pytest.approx(20 + 40 / (286 / 280)), 0.0)
    shifted = Correction(1.0, -30.0).then_curve([5.0, 50.0, 500.0], [5.0, 60.0, 500.0])
    assert all(raw >= 0 and true >= 0 for raw, true in shifted.points)


@pytest.mark.parametrize("a1", [0.0, -1.0, float("nan"), float("inf")])
def test_a_meter_that_does_not_follow_cannot_be_corrected(a1: float) -> None:
    for correction in (Correction(), CURVE):
        with pytest.raises(CorrectionError, match="cannot be undone"):
            correction.then_line(a1, 0.0)


@pytest.mark.parametrize(
    ("q", "q_meter", "said"),
    [
        ([1.0], [1.0], "two or more"),
        ([], [], "two or more"),
        ([1.0, 2.0], [1.0], "two or more"),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 2.0], "increase strictly"),
        ([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], "increase strictly"),
        ([1.0, 2.0], [1.0, 1.0 + 1e-12], "fall together"),
    ],
)
def test_a_curve_that_does_not_increase_cannot_be_undone(q: list[float], q_meter: list[float], said: str) -> None:
    with pytest.raises(CorrectionError, match=said):
        Correction().then_curve(q, q_meter)


@given(corrections(), st.floats(0.75, 1.3), st.floats(-20.0, 20.0))
def test_composition_with_a_line_is_one_after_the_other(first: Correction, a1: float, a2: float) -> None:
    shown = first.apply(FLOWS)
    expected = np.maximum((shown - a2) / a1, 0.0)
    uncut = shown > 0
    assert first.then_line(a1, a2).apply(FLOWS)[uncut] == pytest.approx(expected[uncut], rel=1e-6, abs=DIGITS)


@given(corrections(), measured_curves)
def test_composition_with_a_curve_is_one_after_the_other_within_the_stated_error(
    first: Correction, measured: tuple[np.ndarray, np.ndarray]
) -> None:
    both = first.then_curve(*measured)
    raw = np.concatenate([FLOWS, np.linspace(1.0, 9000.0, 997)])
    shown = first.apply(raw)
    expected = np.maximum(undone(*measured, shown), 0.0)
    uncut = shown > 0
    error = np.abs(both.apply(raw) - expected)[uncut]
    assert (error <= both.approximation_lph + DIGITS).all()
    assert len(both.points) <= MOST_POINTS


@given(corrections(), measured_curves)
def test_a_composed_curve_increases_stays_at_or_above_zero_and_outlives_json(
    first: Correction, measured: tuple[np.ndarray, np.ndarray]
) -> None:
    both = first.then_curve(*measured)
    assert all(a < b and c < d for (a, c), (b, d) in itertools.pairwise(both.points))
    assert min(both.points[0]) >= 0
    raw = np.linspace(0.0, 5000.0, 401)
    found = both.apply(raw)
    assert found[0] == 0.0
    assert (np.diff(found) >= 0).all()
    assert (np.diff(found[found > 0]) > 0).all()
    assert Correction.from_json(json.loads(json.dumps(both.to_json()))) == both


@given(corrections(), st.lists(measured_curves, min_size=1, max_size=6))
def test_curve_after_curve_stays_within_sixteen_points_with_its_error_stated(
    first: Correction, measured: list[tuple[np.ndarray, np.ndarray]]
) -> None:
    """Each step is checked against the correction that was in force before it, which is what the meter used."""
    raw = np.linspace(50.0, 4000.0, 201)
    for curve in measured:
        shown = first.apply(raw)
        then = first.then_curve(*curve)
        off = np.abs(then.apply(raw) - np.maximum(undone(*curve, shown), 0.0))[shown > 0]
        assert (off <= then.approximation_lph + DIGITS).all()
        first = then


def test_thinning_finds_the_choice_with_the_smallest_largest_error() -> None:
    """Against every choice of 16 out of 19 points that keeps both end segments."""
    rng = np.random.default_rng(5)
    x = np.cumsum(rng.uniform(20.0, 200.0, 19))
    y = np.cumsum(np.diff(x, prepend=0.0) * rng.uniform(0.8, 1.25, 19))
    found = Correction().then_curve(y, x)
    assert len(found.points) == MOST_POINTS
    least = min(
        np.abs(np.interp(x, np.delete(x, out), np.delete(y, out)) - y).max()
        for out in itertools.combinations(range(2, 17), 3)
    )
    assert found.approximation_lph == pytest.approx(least, abs=1e-5)
    assert found.points[:2] == tuple((pytest.approx(a), pytest.approx(b)) for a, b in zip(x[:2], y[:2], strict=True))


def test_a_smooth_curve_twice_corrected_loses_little() -> None:
    """A power law measured at 16 flows, then another: 30 bends become 16 points, within 0.1 % of the largest flow."""
    q = np.geomspace(16.0, 3125.0, 16)
    once = Correction().then_curve(q, q**1.01)
    again = once.then_curve(q, 1.02 * q - 15.0 * np.exp(-q / 300.0))
    assert len(again.points) == MOST_POINTS
    assert 0.0 < again.approximation_lph < 3.0


@given(corrections(), measured_curves)
def test_the_same_absolute_command_twice_is_once(first: Correction, measured: tuple[np.ndarray, np.ndarray]) -> None:
    """What is sent maps raw flow, whatever was in force: sent again it changes nothing, measured right it stays."""
    sent = first.then_curve(*measured)
    received = Correction.from_json(sent.to_json())
    assert (received.apply(FLOWS) == sent.apply(FLOWS)).all()
    q = np.array([30.0, 3000.0])
    assert sent.then_curve(q, q).apply(FLOWS) == pytest.approx(sent.apply(FLOWS), rel=1e-5, abs=DIGITS)
