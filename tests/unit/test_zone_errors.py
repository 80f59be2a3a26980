"""Errors by flow zone: the error, its uncertainty, and what may be said against the limits."""

from __future__ import annotations

import numpy as np
import pytest

from transforms.fit import zone_errors

RATES = (16.0, 25.6, 1600.0, 2000.0)


def pairs(
    seed: int, errors: tuple[float, float, float], n: int = 30, noise: float = 0.005
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    edges = [(16.0, 25.6), (25.6, 1600.0), (1600.0, 2000.0)]
    x = np.concatenate([rng.uniform(low, high, n) for low, high in edges])
    return x, x * (1 + np.repeat(errors, n)) * (1 + noise * rng.normal(size=3 * n))


def test_verdicts_by_zone() -> None:
    zones = zone_errors(*pairs(1, (-0.08, 0.005, 0.0195)), *RATES)
    assert [zone.zone for zone in zones] == ["q1_q2", "q2_q3", "q3_q4"]
    assert [zone.verdict for zone in zones] == ["outside", "inside", "undecided"]
    assert [zone.mpe for zone in zones] == [0.05, 0.02, 0.02]
    assert [zone.error for zone in zones] == pytest.approx([-0.08, 0.005, 0.0195], abs=0.003)
    strict = zone_errors(*pairs(1, (-0.08, 0.005, 0.0195)), *RATES, accuracy_class=1)
    assert [zone.verdict for zone in strict] == ["outside", "inside", "outside"]
    loose = zone_errors(*pairs(1, (-0.08, 0.005, 0.0195)), *RATES, tolerance=2.0)
    assert [zone.verdict for zone in loose] == ["inside", "inside", "inside"]


def test_error_is_that_of_the_volume() -> None:
    zone = zone_errors([100.0, 300.0, 500.0], [101.0, 303.0, 520.0], *RATES)[1]
    assert zone.error == pytest.approx(924 / 900 - 1)
    assert zone.n == 3


def test_uncertainty_is_the_scatter_of_repeated_windows() -> None:
    many = [zone_errors(*pairs(seed, (0.0, 0.0, 0.0)), *RATES) for seed in range(600)]
    for k in range(3):
        errors, stated = np.array([(zones[k].error, zones[k].u) for zones in many]).T
        assert errors.std() == pytest.approx(stated.mean(), rel=0.08)
        assert np.mean(np.abs(errors) < [zones[k].expanded for zones in many]) == pytest.approx(0.954, abs=0.03)


def test_calibration_of_the_reference_stays_whole() -> None:
    x, y = pairs(2, (0.0, 0.0, 0.0), n=3000)
    free, bound = zone_errors(x, y, *RATES)[1], zone_errors(x, y, *RATES, common=0.01)[1]
    assert bound.u == pytest.approx(np.hypot(free.u, 0.01 * (1 + free.error)), rel=1e-12)
    assert free.u < 0.001
    assert bound.expanded > 0.02
    assert bound.verdict == "undecided"


def test_readings_that_never_differ_share_their_rounding() -> None:
    zone = zone_errors(np.full(50, 20.0), np.full(50, 20.0), *RATES, resolution=1.0)[0]
    assert zone.u == pytest.approx(1 / np.sqrt(12) / 20)


def test_too_few_pairs_are_not_evaluated() -> None:
    zones = zone_errors(
        [10.0, 20.0, 21.0, 2000.0, 2000.0, 1900.0, 3000.0], [10, 20, 21, 2000, 2001, 1899, 3000], *RATES
    )
    assert [zone.n for zone in zones] == [2, 0, 3]
    assert [zone.verdict for zone in zones] == ["not evaluated", "not evaluated", "inside"]
    assert np.isnan(zones[0].error)


@pytest.mark.parametrize(
    ("rates", "more", "message"),
    [
        ((16.0, 25.6, 1600.0, 1900.0), {}, "1.25 times q3"),
        (RATES, {"accuracy_class": 3}, "give 1 or 2"),
        (RATES, {"least": 1}, "two pairs"),
    ],
)
def test_wrong_flow_rates_or_class_are_refused(
    rates: tuple[float, float, float, float], more: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        zone_errors([20.0], [20.0], *rates, **more)  # type: ignore[arg-type]
