"""What every behaviour's docstring says about its meters, told by the numbers of simulated fleets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl
import pytest

from transforms.simulate import (
    BEHAVIOURS,
    SHARES,
    SIMPLE_SHARES,
    Fleet,
    Plan,
    VolumeErrors,
    registry_files,
    truth_table,
)
from transforms.simulate.demand import Array

START = datetime(2026, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
HOURS = np.arange(96) / 4


class Drawn:
    """A fleet of one behaviour over 24 h at 15 min, with all its readings."""

    def __init__(self, name: str, meters: int = 200) -> None:
        self.fleet = Fleet.draw(Plan(meters, 1, START, QUARTER, 11, shares={name: 1.0}))
        (self.block,) = self.fleet.blocks()
        self.truth = self.fleet.truth
        self.flow, self.meter, self.reference = self.block.flow, self.block.meter, self.block.reference
        self.ordinary = self.flow >= 60.0

    def error(self, where: Array | None = None) -> Array:
        """Relative error of the meter against the true flow, at ordinary flows."""
        chosen = self.ordinary if where is None else self.ordinary & where
        return self.meter[chosen] / self.flow[chosen] - 1.0

    def column(self, parameter: str) -> Array:
        return np.broadcast_to(self.truth[parameter][:, None], self.flow.shape)


drawn = cache(Drawn)


def test_shares_are_whole_and_hold_every_behaviour() -> None:
    assert set(SHARES) == set(BEHAVIOURS)
    assert sum(SHARES.values()) == pytest.approx(1.0)
    steady = sum(share for name, share in SHARES.items() if BEHAVIOURS[name].verdict == "steady")
    unsteady = sum(share for name, share in SHARES.items() if BEHAVIOURS[name].verdict == "unsteady")
    assert (SHARES["healthy"], round(steady, 3), round(unsteady, 3)) == (0.8, 0.091, 0.06)
    assert sum(SIMPLE_SHARES.values()) == pytest.approx(1.0)


def test_low_flow_fades_upwards() -> None:
    found = drawn("low_flow")
    bend, scale = found.truth["bend"], found.truth["scale_lph"]
    assert bend.min() >= 0.15 and bend.max() <= 0.5
    q2, q3 = (np.array([getattr(m, name) for m in found.fleet.models])[found.fleet.kind] for name in ("q2", "q3"))
    assert np.all((scale >= 2.5 * q2) & (scale <= 0.1 * q3 + 1e-9))
    low = found.error(found.flow < 0.5 * found.column("scale_lph"))
    high = found.error(found.flow > 4 * found.column("scale_lph"))
    assert np.median(low) < -0.09 and np.median(high) > -0.01
    expected = found.flow * (1 - found.column("bend") * np.exp(-found.flow / found.column("scale_lph")))
    assert np.allclose(found.block.shown, expected)


def test_power_is_right_at_its_pivot() -> None:
    found = drawn("power")
    bend = found.truth["bend"]
    assert np.all((np.abs(bend) >= 0.06) & (np.abs(bend) <= 0.12)) and 0.3 < np.mean(bend > 0) < 0.7
    ratio = found.flow / found.column("scale_lph")
    assert np.abs(found.error((ratio > 0.9) & (ratio < 1.1))).max() < 0.06
    above = (ratio > 2) & (found.column("bend") > 0)
    assert found.error(above).min() > 0.0
    assert np.median(found.error((ratio > 2) & (found.column("bend") < 0))) < -0.04


def test_deposits_grow_with_the_flow_up_to_the_largest_seen() -> None:
    found = drawn("deposits")
    half_day = found.flow[:, :48]
    seen = half_day.max(axis=1) > 60
    error = found.block.shown[:, :48].max(axis=1)[seen] / half_day.max(axis=1)[seen] - found.truth["a1"][seen]
    assert np.allclose(error, found.truth["bend"][seen], atol=1e-9)
    assert error.min() >= 0.06 and error.max() <= 0.15


def test_drift_moves_in_a_straight_line_over_each_window() -> None:
    found = drawn("drift")
    drift = found.truth["drift"]
    assert np.all((np.abs(drift) >= 0.08) & (np.abs(drift) <= 0.25))
    for window in (slice(0, 48), slice(48, 96)):
        passed = np.broadcast_to(HOURS[:48] / 12, found.flow[:, window].shape)
        expected = found.column("a1")[:, window] - 1 + found.column("drift")[:, window] * passed
        chosen = found.ordinary[:, window]
        error = (found.meter[:, window] / np.where(chosen, found.flow[:, window], 1.0) - 1)[chosen]
        assert np.std(error - expected[chosen]) < 0.012


def test_step_jumps_once_in_the_middle_of_each_window() -> None:
    found = drawn("step")
    begins, step = found.truth["begins_h"], found.truth["step"]
    flowing = found.flow[:, :48] >= found.fleet.q1[:, None]
    before = (flowing & (HOURS[:48] < begins[:, None])).sum(axis=1)
    many = flowing.sum(axis=1) >= 15
    share = (before / np.maximum(flowing.sum(axis=1), 1))[many]
    assert many.sum() > 40 and share.min() >= 0.16 and share.max() <= 0.84
    some = flowing.sum(axis=1) >= 6
    assert before[some].min() >= 3 and (flowing.sum(axis=1) - before)[some].min() >= 3
    assert np.all((np.abs(step) >= 0.06) & (np.abs(step) <= 0.2))
    after = np.mod(HOURS, 12)[None, :] >= begins[:, None]
    assert np.abs(np.mean(found.error(~after))) < 0.002
    change = found.error(after) - found.column("step")[found.ordinary & after]
    assert np.abs(np.mean(change)) < 0.002 and np.std(change) < 0.02


def test_stuck_shows_one_value_from_its_moment_on() -> None:
    found = drawn("stuck")
    after = np.mod(HOURS, 12)[None, :] >= found.truth["begins_h"][:, None]
    assert np.array_equal(found.meter[after], found.column("stuck_lph")[after])
    assert np.abs(found.error(~after)).max() < 0.06
    assert 0.2 < np.mean(found.truth["begins_h"] == 0) < 0.4
    assert 0.3 < np.mean(found.truth["stuck_lph"] == 0) < 0.5
    assert np.all(found.block.shown[after] == found.meter[after]), "the truth knows what is forced"


def test_dropout_loses_a_share_of_the_flow() -> None:
    found = drawn("dropout")
    zeroed = found.meter[found.ordinary] == 0
    assert np.mean(zeroed) == pytest.approx(np.mean(found.column("zeroed")[found.ordinary]), abs=0.02)
    assert np.abs(found.error(found.meter > 0)).max() < 0.06


def test_clock_skew_is_the_right_flow_at_the_wrong_time() -> None:
    found = drawn("clock_skew")
    lag = found.truth["lag"].astype(int)
    assert set(np.abs(lag)) == {1, 2, 3, 4} and 0.3 < np.mean(lag > 0) < 0.7
    for number in range(0, 200, 20):
        moved = found.fleet.demand.flow(np.array([number]), -lag[number], 96, 15)[0]
        assert np.allclose(found.block.shown[number], found.truth["a1"][number] * moved)
        overlap = slice(4, 92)
        assert np.array_equal(moved[overlap], np.roll(found.flow[number], lag[number])[overlap])


def test_reverse_flow_runs_the_register_backwards_in_some_hours() -> None:
    found = drawn("reverse_flow")
    back = found.flow < 0
    assert np.mean(back) == pytest.approx(np.mean(found.truth["backwards"]), abs=0.03)
    per_hour = back.reshape(200, 24, 4).mean(axis=2)
    assert set(np.unique(per_hour)) == {0.0, 1.0}
    assert np.all(found.reference[back] > 0) and np.all(found.meter[back] < 0)
    (registers,) = [part for part in found.block.parts if part.column == "volume_l"]
    steps = np.diff(registers.values, axis=1)
    assert steps.min() < 0 and steps.min() > -16 and np.all(steps[~back[:, 1:]] >= 0)


@pytest.mark.parametrize(("name", "step"), [("register_litres", 1.0), ("register_m3", 1000.0)])
def test_registers_are_quantised_and_monotone(name: str, step: float) -> None:
    found = drawn(name)
    none, registers, _ = found.block.parts
    assert len(none.rows) == 0 and len(registers.rows) == 200
    assert np.all(np.mod(registers.values, step) == 0) and np.all(np.diff(registers.values, axis=1) >= 0)
    counted = np.cumsum(found.meter, axis=1) / 4
    exact = found.truth["register_start_l"][:, None] + counted
    assert np.all(np.abs(exact - registers.values - step / 2) <= step / 2 + 1e-6)
    text = registry_files(found.fleet)["models.toml"]
    assert f"resolution = {step * 4}" in text
    assert found.fleet.meters["model"].unique().to_list() == [found.fleet.models[found.fleet.kind[0]].name]


def test_half_of_the_register_meters_are_linear() -> None:
    found = drawn("register_litres_linear")
    assert found.fleet.meters["model"].n_unique() == 1
    assert np.all(np.abs(found.truth["a1"] - 1) >= 0.04)
    assert (BEHAVIOURS["register_litres_linear"].form, BEHAVIOURS["register_litres"].form) == ("linear", None)


def test_an_exchanged_meter_begins_its_register_anew_in_each_window() -> None:
    found = drawn("exchanged")
    _, registers, _ = found.block.parts
    falls = np.diff(registers.values, axis=1) < 0
    stamps = np.ceil(found.truth["begins_h"] * 4).astype(int)
    expected = np.zeros_like(falls)
    for window in (0, 48):
        expected[np.arange(200), stamps + window - 1] = True
    # a new register near zero does not fall when it is exchanged before it has counted a litre
    assert np.all(falls <= expected) and np.all(falls[:, :47].sum(axis=1) == 1)
    assert np.all(registers.values[np.arange(200), stamps] <= 2)


def test_a_noisy_reference_scatters_and_its_meter_does_not() -> None:
    found = drawn("reference_noisy")
    spread = np.std((found.reference / np.where(found.flow == 0, 1, found.flow) - 1)[found.ordinary])
    assert 0.08 < spread < 0.13 and np.std(found.error()) < 0.012


def test_biased_references_are_off_by_the_same_and_alone_share_their_calibration_date() -> None:
    found = drawn("reference_biased")
    (bias,) = set(found.truth["reference_bias"])
    assert 0.03 <= abs(bias) <= 0.08
    ratio = found.reference[found.ordinary] / found.flow[found.ordinary] - 1
    assert np.mean(ratio) == pytest.approx(bias, abs=0.001)
    mixed = Fleet.draw(Plan(3000, 40, START, timedelta(hours=1), 3))
    text = registry_files(mixed)["flowmeters.csv"]
    table = pl.read_csv(text.encode()).join(mixed.meters, on="flowmeter_id")
    biased = table.filter(pl.col("behaviour") == "reference_biased")
    assert biased.group_by("flowmeter_id").len()["len"].to_list() == [2] * 30
    assert biased["calibrated_on"].n_unique() == 2
    others = table.filter(pl.col("behaviour") != "reference_biased")["calibrated_on"]
    assert not set(biased["calibrated_on"]) & set(others)


def test_few_samples_are_few() -> None:
    found = drawn("few_samples")
    sent = ~np.isnan(found.meter)
    assert 0.05 <= sent.mean() <= 0.2
    assert not np.isnan(found.reference).any()


def test_the_truth_tells_the_volume_error_of_the_first_half_day() -> None:
    fleet = Fleet.draw(Plan(400, 1, START, QUARTER, 2, shares={"linear": 0.5, "no_flow": 0.25, "low_flow": 0.25}))
    (block,) = fleet.blocks()
    errors = VolumeErrors(fleet)
    errors.add(block)
    table = truth_table(fleet, errors)
    assert {"verdict", "form", "a1", "a2", "reference_gain", "demand_scale", "begins", "source"} <= set(table.columns)
    told = dict(table.group_by("behaviour").agg(pl.col("form").first()).rows())
    assert told == {"linear": "linear", "no_flow": None, "low_flow": "curve"}
    assert table.filter(pl.col("behaviour") == "no_flow")["volume_error"].null_count() == 100
    assert set(table.filter(pl.col("behaviour") == "no_flow")["verdict"]) == {"inconclusive"}
    for row in np.flatnonzero(fleet.behaviour == "linear")[:20]:
        flow = block.flow[row, :48][block.flow[row, :48] >= fleet.q1[row]]
        if len(flow):
            shown = fleet.truth["a1"][row] * flow + fleet.truth["a2"][row]
            assert table["volume_error"][int(row)] == pytest.approx(shown.sum() / flow.sum() - 1, abs=1e-8)
