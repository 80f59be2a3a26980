"""The flow rates and limits of OIML R 49."""

import math

import pytest

from transforms.metrology import MPE, ZONES, FlowRates, flow_rate_faults, zone_mpe
from transforms.units import FLOW_TO_LPH, VOLUME_TO_L

# Q3 [m3/h] and R of meters on the market, as their data sheets give them in L/h: Q1, Q2, Q3, Q4
REAL = [
    (15.625, 25.0, 2500.0, 3125.0),  # Q3 2.5, R160
    (25.0, 40.0, 4000.0, 5000.0),  # Q3 4, R160
    (10.0, 16.0, 2500.0, 3125.0),  # Q3 2.5, R250
    (2.0, 3.2, 1600.0, 2000.0),  # Q3 1.6, R800
    (50.8, 81.3, 16000.0, 20000.0),  # Q3 16, R315, rounded as printed
]


@pytest.mark.parametrize("rates", REAL)
def test_data_sheets_pass(rates: tuple[float, float, float, float]) -> None:
    assert flow_rate_faults(*rates) == []


def test_zone_limits_are_those_of_the_standard() -> None:
    assert MPE == {1: (0.03, 0.01), 2: (0.05, 0.02)}
    assert dict(zip(ZONES, zone_mpe(2), strict=True)) == {"q1_q2": 0.05, "q2_q3": 0.02, "q3_q4": 0.02}
    assert zone_mpe(1) == (0.03, 0.01, 0.01)
    with pytest.raises(KeyError):
        zone_mpe(3)


def test_zones_tile_the_range() -> None:
    rates = FlowRates(25.0, 40.0, 4000.0, 5000.0)
    assert rates.zone_edges == ((25.0, 40.0), (40.0, 4000.0), (4000.0, 5000.0))
    assert rates.ratio == 160.0


@pytest.mark.parametrize(
    ("rates", "says"),
    [
        ((500.0, 800.0, 4000.0, 5000.0), "R = q3/q1 = 8 "),
        ((2.0, 3.2, 2200.0, 2750.0), "R = q3/q1 = 1100 "),
        ((25.0, 40.0, 4000.0, 6000.0), "q4 = 6000 must be 1.25 times q3, which is 5000"),
        ((25.0, 50.0, 4000.0, 5000.0), "q2 = 50 must be 1.6 times q1, which is 40"),
        ((0.0, 40.0, 4000.0, 5000.0), "q1 = 0 is not a flow rate"),
        ((25.0, 40.0, math.inf, 5000.0), "q3 = inf is not a flow rate"),
        ((25.0, 40.0, math.nan, -1.0), "q4 = -1 is not a flow rate"),
        ((4000.0, 40.0, 25.0, 5000.0), "must rise from q1 to q4"),
    ],
)
def test_what_contradicts_the_standard_is_said(rates: tuple[float, float, float, float], says: str) -> None:
    assert any(says in sentence for sentence in flow_rate_faults(*rates))


def test_one_per_cent_is_granted_for_rounding() -> None:
    assert flow_rate_faults(25.0, 40.3, 4000.0, 5040.0) == []
    assert len(flow_rate_faults(25.0, 40.5, 4000.0, 5060.0)) == 2


def test_units_agree_with_their_definitions() -> None:
    assert VOLUME_TO_L["gal"] == pytest.approx(231 * 2.54**3 / 1000, rel=1e-12)
    assert VOLUME_TO_L["ft3"] == pytest.approx((0.3048 * 10) ** 3, rel=1e-12)
    assert FLOW_TO_LPH["gal/min"] == pytest.approx(60 * VOLUME_TO_L["gal"])
    assert FLOW_TO_LPH["L/s"] == 3600
    assert FLOW_TO_LPH["m3/h"] == VOLUME_TO_L["m3"] == 1000
