"""References that round: what a step of theirs may make is no error of the meter."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize

from tests.judging import every_quarter_hour, moments_of, paired_frame
from tests.unit.test_ambiguous import KIND, METERS, PAIRS, POLICY, RISING, Floats, look
from transforms.fit.lines import Ints
from transforms.judge.coarse import _left, meter_steps_of
from transforms.judge.paired import Paired
from transforms.judge.words import REASON_NAMES
from transforms.judge.worked import work_out
from transforms.summarise.pairs import Pairs
from transforms.windows import Window

DRAWS = np.random.default_rng(3).permuted(RISING, axis=1)
#: what a household draws in a quarter of an hour
LITTLE = np.exp(np.random.default_rng(4).uniform(np.log(25.0), np.log(300.0), RISING.shape))
WINDOW = Window(datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=12))


def verdicts(q: Floats, q_meter: Floats, *, exact: bool = False, from_register: bool = False) -> Counter[str]:
    """How many meters were judged for which reason, that show this where their references show that, but for half a percent of
    scatter, unless it is exact."""
    shown = q_meter if exact else q_meter * (1 + 0.005 * np.random.default_rng(6).standard_normal(q_meter.shape))
    frame = paired_frame(METERS, KIND).with_columns(from_register=pl.lit(from_register))
    us, paired = every_quarter_hour(METERS, PAIRS), Paired.of(frame, POLICY)
    units = [np.rint(flow * KIND.per_lph).ravel() for flow in (q, shown)]
    pairs, first = us.ravel(), np.arange(METERS + 1) * PAIRS

    def look_at(whom: Ints) -> Pairs:
        places = (whom[:, None] * PAIRS + np.arange(PAIRS)).ravel()
        return Pairs(whom, first[: len(whom) + 1], pairs[places], *(flow[places] for flow in units))

    worked = work_out(paired, moments_of(us, q, shown, KIND, POLICY.window.parts), POLICY, WINDOW, look_at)
    return Counter(REASON_NAMES[number] for number in worked.reason)


@pytest.mark.parametrize("step", [36.0, 22.7124707])
def test_what_a_reference_cuts_off_is_no_offset_of_the_meter(step: float) -> None:
    """Hundredths of a litre per second, and tenths of a gallon per minute."""
    seen = look(np.floor(DRAWS / step) * step, DRAWS, exact=True)
    assert seen.looked.all()
    assert seen.ambiguous.all()


def test_a_meter_that_is_off_by_more_than_the_step_makes_is_off() -> None:
    assert look(np.floor(DRAWS / 10.0) * 10.0, 1.12 * DRAWS, exact=True).ambiguous.mean() < 0.2


def test_a_reference_that_does_not_round_has_no_step() -> None:
    assert look(DRAWS, 1.05 * DRAWS).ambiguous.sum() < 0.05 * METERS


def _reads(step: float, way: str) -> Floats:
    """What references show that round while `LITTLE` flows."""
    return np.floor(LITTLE / step) * step if way == "cut off" else np.round(LITTLE / step) * step


@pytest.mark.parametrize("way", ["cut off", "rounded"])
@pytest.mark.parametrize("step", [10.0, 22.7124707, 36.0])
def test_a_sound_meter_is_not_unsteady_because_its_reference_rounds(step: float, way: str) -> None:
    judged = verdicts(_reads(step, way), LITTLE)
    assert set(judged) <= {"reference_coarse", "within_mpe", "no_flow", "undecided"}, judged
    assert judged["reference_coarse"] > METERS / 4


@pytest.mark.parametrize("way", ["cut off", "rounded"])
def test_what_is_more_than_rounding_stays_what_it_is(way: str) -> None:
    """A scatter of a fifth and an error of a quarter beside steps that make less, a lag, and a step of the meter itself."""
    rng = np.random.default_rng(11)
    reads, noise = _reads(10.0, way), rng.standard_normal(LITTLE.shape)
    late = np.roll(LITTLE, 2, axis=1)
    later = np.arange(LITTLE.shape[1]) >= LITTLE.shape[1] // 2
    for shown in (LITTLE * (1 + 0.3 * noise), 1.6 * LITTLE, late, np.where(later, 1.6, 1.0) * LITTLE):
        judged = verdicts(reads, shown)
        assert judged["reference_coarse"] < 0.1 * METERS, judged


def test_a_scatter_is_none_of_a_reference_whose_steps_are_small() -> None:
    noise = np.random.default_rng(12).standard_normal(DRAWS.shape)
    judged = verdicts(np.round(DRAWS), DRAWS * (1 + 0.08 * noise))
    assert judged["scatter"] > 0.9 * METERS, judged


def test_few_flows_tell_a_step_where_readings_repeat() -> None:
    """Of a trickle a reference in whole tens shows two or three flows, time and again."""
    trickle = np.random.default_rng(13).uniform(16.0, 34.0, DRAWS.shape)
    judged = verdicts(np.round(trickle / 10) * 10, trickle)
    assert judged["reference_coarse"] > 0.9 * METERS, judged


def test_the_best_relation_within_limits_is_found() -> None:
    """Against a search: the least sum of squares about a gain and an offset that are bounded."""
    rng = np.random.default_rng(14)
    for _ in range(60):
        n = int(rng.integers(3, 12))
        x, weights, step, most = rng.uniform(50, 500, n), rng.uniform(0.01, 1.0, n), float(rng.uniform(1, 40)), 0.05
        own = float(rng.uniform(0, 40))
        y = x * (1 + rng.uniform(-0.2, 0.2)) + rng.uniform(-60, 60) + rng.normal(0, 3, n)
        edges = np.array([0, n])
        one = np.arange(1)
        (found,), (many,) = _left(
            one, edges, np.arange(n), x, y, weights, np.array([step]), np.array([own]), np.array([most])
        )
        told = 1 / (1 / weights + (step**2 + own**2) / 12)

        def left(relation: Floats, x: Floats = x, y: Floats = y, told: Floats = told) -> float:
            return float((told * (y - x - relation[0] * x - relation[1]) ** 2).sum())

        bounds = [(-most, most), (-step / 2 - own, step + own / 2)]
        searched = min(minimize(left, start, bounds=bounds).fun for start in ([0, 0], [most, step], [-most, -step / 2]))
        assert many == n
        assert found == pytest.approx(searched, rel=1e-5, abs=1e-7)


def test_a_small_error_that_is_shown_is_none_of_a_reference_whose_steps_are_small() -> None:
    """It is no more than the pairs scatter, each by itself; all of them together show it."""
    judged = verdicts(np.round(DRAWS), 1.032 * DRAWS)
    assert judged["linear_mapping"] + judged["linear_in_band"] > 0.9 * METERS, judged


@pytest.mark.parametrize("way", ["cut off", "rounded"])
def test_a_sound_meter_is_not_off_because_its_readings_are_rounded(way: str) -> None:
    """Exported in whole tens, while its model shows tenths; one that is off beside that is off."""
    judged = verdicts(LITTLE, _reads(10.0, way), exact=True)
    assert set(judged) <= {"meter_coarse", "meter_cut_off", "within_mpe", "no_flow", "undecided"}, judged
    assert judged["meter_cut_off" if way == "cut off" else "meter_coarse"] >= METERS / 4, judged
    noise = np.random.default_rng(15).standard_normal(LITTLE.shape)
    for shown in (1.6 * LITTLE, LITTLE * (1 + 0.3 * noise)):
        cut = np.floor(shown / 10.0) if way == "cut off" else np.round(shown / 10.0)
        judged = verdicts(LITTLE, cut * 10.0, exact=True)
        assert judged["meter_coarse"] + judged["meter_cut_off"] < 0.05 * METERS, judged


def test_what_a_register_cuts_off_it_adds_to_the_next_flow() -> None:
    """So it may scatter by its steps, but an error is one."""
    reads = np.diff(np.floor(np.cumsum(LITTLE, axis=1) / 10.0) * 10.0, axis=1, prepend=0.0)
    judged = verdicts(LITTLE, reads, exact=True, from_register=True)
    assert judged["scatter"] <= 1 and judged["meter_coarse"] >= METERS / 4, judged
    judged = verdicts(LITTLE, _reads(10.0, "cut off"), exact=True, from_register=True)
    assert judged["meter_cut_off"] == 0 and judged["scatter"] > METERS / 4, judged


def test_few_flows_tell_no_steps_that_are_hardly_larger_than_the_models() -> None:
    """By chance six or seven flows are all of them even; that they are multiples of fifty can be no chance."""
    first = np.array([0, 6, 12])
    flows = np.concatenate(
        [np.array([24.0, 30.0, 58.0, 92.0, 112.0, 146.0]), np.array([25.0, 50.0, 50.0, 50.0, 75.0, 25.0])]
    )
    assert (steps_in_units(first, flows * 100.0) == [0.0, 2500.0]).all()


def steps_in_units(first: Ints, flows: Floats) -> Floats:
    return meter_steps_of(first, flows, np.full(len(first) - 1, 100.0))


def test_steps_that_a_model_has_are_in_its_scatter_already() -> None:
    noise = np.random.default_rng(16).standard_normal(DRAWS.shape)
    judged = verdicts(DRAWS, np.round(DRAWS * (1 + 0.08 * noise), 1), exact=True)
    assert judged["scatter"] > 0.9 * METERS, judged
