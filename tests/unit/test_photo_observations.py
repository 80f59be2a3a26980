"""What photos say of a meter, checked by hand and against least squares worked out another way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.photos.observations import Line, Observation, Shown, flow_observed, volume_observed
from transforms.photos.plausible import Anchor, bounds_of
from transforms.photos.wire import Flows, Span, Wire, microseconds
from transforms.registry import Model
from transforms.screens import Screen

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
CLOCK = timedelta(minutes=2)
HOUR = timedelta(hours=1)
MODEL = Model("T", 15.625, 25.0, 2500.0, 3125.0, 2, (4.0, 60.0), repeatability=0.01, resolution=0.1)
MAIN = Screen("main", "volume", "m3", 8, 3)
FLOW = Screen("flow", "flow", "m3/h", 5, 3)
ALWAYS = Span(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def flows(values: list[float], begin: datetime = NOON) -> Flows:
    edges = np.array([microseconds(begin + k * QUARTER) for k in range(len(values) + 1)])
    return Flows(edges[:-1], edges[1:], np.array(values))


def wire(
    meter: list[float] | None = None, reference: list[float] | None = None, registers: dict[int, float] | None = None
) -> Wire:
    """``registers`` by quarters of an hour after noon."""
    sent = registers or {}
    return Wire(
        meter=flows(meter) if meter else None,
        registers_at=np.array([microseconds(NOON + k * QUARTER) for k in sent], dtype=np.int64),
        registers_l=np.array(list(sent.values())),
        reference=flows(reference) if reference else None,
        flowmeter_id="F",
        watched=ALWAYS,
    )


def later(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_a_volume_between_two_registers_by_hand() -> None:
    """Four quarters at 400 L/h are 400 L; the photos lie on the edges of intervals without flow."""
    seen = wire(reference=[0.0, 400.0, 400.0, 400.0, 400.0, 0.0, 0.0])
    found = volume_observed(
        Shown("a", later(5), 1000.0, 1.0), Shown("b", later(85), 1420.0, 1.0), seen, timedelta(0), 0.005
    )
    assert found is not None
    assert (found.x, found.t, found.shown) == (pytest.approx(400.0), pytest.approx(1.0), pytest.approx(420.0))
    assert found.sd == pytest.approx((2 / 12 + 4 * (0.005 * 100) ** 2) ** 0.5)
    assert (found.low_lph, found.high_lph, found.covered) == (400.0, 400.0, 0.0)


def test_a_photo_in_the_middle_of_flow_is_less_sure() -> None:
    """Half of an interval of 100 L lies in the span: as if its water came at one moment, that is 50 L, give or take 50."""
    seen = wire(reference=[400.0] * 8)
    sure = volume_observed(Shown("a", later(15), 0.0, 1.0), Shown("b", later(75), 400.0, 1.0), seen, timedelta(0), 0.0)
    half = volume_observed(
        Shown("a", later(22.5), 0.0, 1.0), Shown("b", later(75), 350.0, 1.0), seen, timedelta(0), 0.0
    )
    assert sure is not None and half is not None
    assert sure.sd == pytest.approx((2 / 12) ** 0.5)
    assert half.sd == pytest.approx((2 / 12 + 50**2) ** 0.5)


def test_no_volume_where_the_reference_is_not_known() -> None:
    whole = wire(reference=[400.0] * 4)
    first, last = Shown("a", later(5), 0.0, 1.0), Shown("b", later(85), 1.0, 1.0)
    assert volume_observed(first, last, whole, CLOCK, 0.005) is None, "it ends after an hour"
    assert volume_observed(first, first, whole, CLOCK, 0.005) is None
    changed = Wire(None, np.zeros(0, np.int64), np.zeros(0), flows([400.0] * 8), "F", Span(later(30), ALWAYS.end))
    assert volume_observed(first, last, changed, CLOCK, 0.005) is None, "another flowmeter watched it at first"


def test_a_flow_is_a_point_only_where_it_does_not_move() -> None:
    still, moving = wire(reference=[400.0, 410.0, 405.0]), wire(reference=[400.0, 900.0, 405.0])
    shown = Shown("a", later(20), 420.0, 1.0)
    found = flow_observed(shown, still, CLOCK, 0.005, 0.1, 15.0)
    assert found is not None
    assert (found.x, found.t, found.shown) == (pytest.approx(405.0), 1.0, 420.0)
    assert found.sd == pytest.approx((1 / 12 + 100 / 12 + (0.005 * 405) ** 2) ** 0.5)
    assert flow_observed(shown, moving, CLOCK, 0.005, 0.1, 15.0) is None
    assert flow_observed(shown, wire(reference=[4.0, 4.0, 4.0]), CLOCK, 0.005, 0.1, 15.0) is None, "below Q1"


positive = st.floats(0.1, 1000.0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(positive, st.floats(0.1, 24.0), positive, st.floats(0.05, 50.0)), min_size=1, max_size=5),
    st.floats(1e-4, 0.1),
    st.floats(1e-3, 10.0),
)
def test_joining_is_weighted_least_squares(rows: list[tuple[float, ...]], a1_se: float, a2_se: float) -> None:
    """The same as stacking prior and observations, each row divided by its standard uncertainty, and solving by QR."""
    found = Line(1.02, 3.0, a1_se**2, 0.0, a2_se**2).joined(
        [Observation(x, t, shown, sd, 0.0, 0.0, 0.0, (str(k),)) for k, (x, t, shown, sd) in enumerate(rows)]
    )
    design = np.array([[1 / a1_se, 0.0], [0.0, 1 / a2_se], *([x / sd, t / sd] for x, t, _, sd in rows)])
    wanted = np.array([1.02 / a1_se, 3.0 / a2_se, *(shown / sd for _, _, shown, sd in rows)])
    solved, *_ = np.linalg.lstsq(design, wanted)
    inverse = np.linalg.pinv(design)
    covariance = inverse @ inverse.T
    assert (found.a1, found.a2) == pytest.approx(tuple(solved), rel=1e-6, abs=1e-8)
    assert found.v11 == pytest.approx(covariance[0, 0], rel=1e-4, abs=1e-12)
    assert found.v22 == pytest.approx(covariance[1, 1], rel=1e-4, abs=1e-9)


def test_what_is_known_exactly_stays() -> None:
    found = Line(1.0, 4.0, 0.0, 0.0, 1.0).joined([Observation(400.0, 1.0, 410.0, 1.0, 0, 0, 0, ("a",))])
    assert (found.a1, found.v11) == (1.0, 0.0)
    assert (found.a2, found.v22) == (pytest.approx(7.0), pytest.approx(0.5))


def bounds(screen: Screen, at: datetime, sent: Wire | None, anchor: Anchor | None = None, clock: timedelta = CLOCK):
    return bounds_of(screen, at, MODEL, sent, anchor, clock, HOUR, 0.1)


def test_a_register_lies_between_those_sent_before_and_after() -> None:
    found = bounds(MAIN, later(22), wire(registers={0: 100_000.0, 1: 100_050.0, 2: 100_120.0, 3: 100_120.0}))
    assert found is not None
    spare = 0.001 + 0.1 * 0.25 / 1000  # one step of the display, and one of the wire: 0.1 L/h over a quarter of an hour
    assert (found.low, found.high) == (pytest.approx(100.05 - spare), pytest.approx(100.12 + spare))
    assert found.widest_high == pytest.approx(found.high + 2.5)
    assert found.agrees(100.1) and not found.agrees(100.2) and found.plausible(100.2) and not found.plausible(110.1)


def test_before_the_first_and_after_the_last_register_no_more_than_q4_can_have_flowed() -> None:
    last = bounds(MAIN, later(60), wire(registers={0: 100_000.0}), clock=timedelta(0))
    first = bounds(MAIN, later(0), wire(registers={4: 100_000.0}), clock=timedelta(0))
    assert last is not None and first is not None
    assert last.high - last.low == pytest.approx(3.125, abs=0.01)
    assert first.high - first.low == pytest.approx(3.125, abs=0.01)
    assert bounds(MAIN, later(0), None) is None
    assert bounds(MAIN, later(0), wire()) is None


def test_flows_sent_carry_an_earlier_register_on() -> None:
    """100 L in the hour between, none near either photo; nothing is known before the first quarter and after the sixth."""
    sent = wire(meter=[0.0, 100.0, 100.0, 100.0, 100.0, 0.0])
    found = bounds(MAIN, later(85), sent, Anchor(later(5), 5000.0))
    assert found is not None
    assert (found.low, found.high) == (pytest.approx(5.1, abs=0.0012), pytest.approx(5.1, abs=0.0012))
    gap = bounds(MAIN, later(145), sent, Anchor(later(5), 5000.0), clock=timedelta(0))
    assert gap is not None
    assert gap.high - gap.low == pytest.approx(3.125 * 55 / 60, abs=0.003)
    assert bounds(MAIN, later(85), sent) is None, "there is nothing to carry on"


def test_a_flow_is_bound_by_its_interval_and_the_next_ones() -> None:
    still = bounds(FLOW, later(20), wire(meter=[400.0, 410.0, 405.0]))
    assert still is not None and still.settled
    spare = 0.1 + 1.0 + 3 * 0.01 * 410
    assert (still.low, still.high) == (pytest.approx((400 - spare) / 1000), pytest.approx((410 + spare) / 1000))
    moving = bounds(FLOW, later(20), wire(meter=[0.0, 410.0, 405.0]))
    assert moving is not None and not moving.settled
    assert (moving.low, moving.high) == (0.0, 3.125)
    none = bounds(FLOW, later(20), wire(meter=[0.0, 0.0, 0.0]))
    assert none is not None and none.agrees(0.001) and not none.agrees(0.01)
    assert bounds(FLOW, later(60), wire(meter=[400.0] * 3)) is None


def test_parameters_are_held_against_what_is_possible_at_all() -> None:
    gain = bounds(Screen("gain", "gain", "", 5, 4), NOON, None)
    assert gain is not None and gain.plausible(0.93) and not gain.plausible(9.3)
