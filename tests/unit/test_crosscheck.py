"""What readings say against their mapping: silence for good ones, one plain sentence for each way to feed them wrongly."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from transforms.crosscheck import Concern, concerns
from transforms.registry import Registry
from transforms.registry.models import Model

START = datetime(2026, 1, 5, tzinfo=UTC)
N, METERS = 200, 6
CODES = [f"WM-{k}" for k in range(METERS)]


def registry(rollover_l: float | None = None, pairs: Mapping[str, str] | None = None) -> Registry:
    """Six meters of one model: Q1 16, Q3 2500, Q4 3125 L/h."""
    model = Model("M", 16.0, 25.6, 2500.0, 3125.0, 2, (1.0, 10.0), rollover_l=rollover_l)
    meters = pl.DataFrame(
        {"feature_code": CODES, "model": ["M"] * METERS, "serial": [f"S{code}" for code in CODES], "rollover_l": [None] * METERS},
        schema_overrides={"rollover_l": pl.Float64},
    )  # fmt: skip
    paired = None
    if pairs is not None:
        paired = pl.DataFrame({"flowmeter_id": list(pairs), "feature_code": list(pairs.values())})
    return Registry(meters, {"M": model}, paired, None, None, (), "")


def flows(k: int) -> np.ndarray:
    """Litres in each quarter of an hour at meter ``k``."""
    rng = np.random.default_rng(k)
    return rng.integers(0, 150, N) * (rng.random(N) < 0.5)


def readings(
    stream: str = "meter", *, register: bool = True, scale: float = 1.0, shift: timedelta = timedelta(0),
    codes: list[str] = CODES, step: timedelta = timedelta(minutes=15), own: float = 1.0,
) -> pl.DataFrame:  # fmt: skip
    """Six devices every quarter of an hour, as a trial has them."""
    frames = []
    for k, code in enumerate(codes):
        litres = flows(k) * own
        values = (1e6 * (k + 1) + np.cumsum(litres) if register else litres * 4.0) * scale
        frames.append(
            pl.DataFrame(
                {
                    "stream": stream,
                    "feature_code": code,
                    "flowmeter_id": None if stream == "meter" else f"F-{code}",
                    "timestamp": [START + step * j + shift for j in range(N)],
                    "flow_lph": None if register else values,
                    "volume_l": values if register else None,
                },
                schema={
                    "stream": pl.String, "feature_code": pl.String, "flowmeter_id": pl.String,
                    "timestamp": pl.Datetime("us", "UTC"), "flow_lph": pl.Float64, "volume_l": pl.Float64,
                },
            )
        )  # fmt: skip
    return pl.concat(frames)


def counted(frame: pl.DataFrame, **reasons: int) -> dict[str, Any]:
    lost = sum(reasons.values())
    return {
        "read": frame.height + lost,
        "accepted": frame.height,
        "duplicate": 0,
        "quarantined": lost,
        "reasons": reasons,
    }


def found(frame: pl.DataFrame, known: Registry | None = None, **reasons: int) -> list[Concern]:
    return concerns(frame, counted(frame, **reasons), known or registry(), timedelta(hours=12))


def both(meter: pl.DataFrame, flowmeter: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([flowmeter, meter])


REFERENCE = readings("flowmeter", register=False, own=1.03)


@pytest.mark.parametrize(
    "good",
    [readings(), readings(register=False), REFERENCE, both(readings(), REFERENCE), both(readings(register=False), REFERENCE)],
)  # fmt: skip
def test_nothing_is_said_of_good_readings(good: pl.DataFrame) -> None:
    assert found(good) == []


@pytest.mark.parametrize(
    ("frame", "code", "words"),
    [
        (readings(scale=1000.0), "above_q4", "6 of 6 devices show more than Q4"),
        (readings(register=False, scale=60.0), "above_q4", "is the unit right"),
        (readings(register=False, scale=0.001), "below_q1", "never come up to Q1 (16 L/h at least)"),
        (readings(register=False, scale=0.0), "nothing_flows", "no water flows in any of 6 devices"),
        (readings().with_columns(flow_lph="volume_l", volume_l=None), "flow_never_falls", "is it a register"),
        (readings(register=False).with_columns(volume_l="flow_lph", flow_lph=None), "register_falls", "6 of 6 devices falls"),
        (readings(step=timedelta(days=1)), "one_time_of_day", "of 200 days stand at 00:00 UTC"),
        (readings(step=timedelta(hours=5)), "seldom", "every 5 h is too seldom for windows of 12 h"),
        (readings(codes=[f"SWM-{k}" for k in range(METERS)]), "unregistered_codes", "most are serials of meters.csv"),
        (readings(codes=["A", "B"]), "unregistered_codes", "such as 'A'"),
        (both(readings(), readings("flowmeter", codes=["X", "Y"])), "no_pairs", "such as 'WM-0', has a flowmeter"),
        (both(readings(shift=timedelta(minutes=3)), REFERENCE), "few_pairs", "only 0 of"),
        (both(readings(scale=0.001), REFERENCE), "ratio", "of the meter m3 taken for L"),
        (both(readings(), readings("flowmeter", register=False, scale=1 / 3.6)), "ratio", "m3/h taken for L/s"),
        (both(readings(), readings("flowmeter", register=False, scale=60)), "ratio", "0.01667 times the volume"),
        (both(readings(register=False, shift=timedelta(minutes=-15)), REFERENCE), "lag", "15 min earlier: does one"),
        (both(readings(shift=timedelta(hours=1)), REFERENCE), "lag", "60 min later: is the time zone"),
    ],
)  # fmt: skip
def test_each_way_to_feed_wrongly_has_its_sentence(frame: pl.DataFrame, code: str, words: str) -> None:
    said = {one.code: one.sentence for one in found(frame)}
    assert words in said.get(code, str(said))


@pytest.mark.parametrize(
    ("reasons", "code"),
    [
        ({"conflicting": 400}, "contradicting"),
        ({"future": 1}, "future"),
        ({"bad_timestamp": 100}, "bad_timestamp"),
        ({"not_a_number": 100}, "not_a_number"),
        ({"absurd": 200}, "absurd"),
    ],
)
def test_rows_set_aside_in_numbers_are_no_accident(reasons: dict[str, int], code: str) -> None:
    (one,) = found(readings(), **reasons)
    assert (one.code, one.grave) == (code, True)
    assert found(readings(), **dict.fromkeys(set(reasons) - {"future"}, 2)) == []


def test_no_reading_at_all_is_grave() -> None:
    (one, _) = concerns(
        readings().clear(), counted(readings().clear(), bad_timestamp=50), registry(), timedelta(hours=12)
    )
    assert (one.code, one.grave) == ("no_readings", True)


def test_uneven_gaps() -> None:
    gaps = np.random.default_rng(1).integers(1, 120, N).cumsum()
    frame = readings(register=False).with_columns(
        timestamp=pl.concat([pl.Series([START + timedelta(minutes=int(minute)) for minute in gaps])] * METERS)
    )
    assert [one.code for one in found(frame)] == ["uneven"]


def test_a_flowmeter_without_feature_codes_is_that_of_its_pair() -> None:
    alone = readings("flowmeter", register=False, scale=1000.0).with_columns(feature_code=pl.lit(None, pl.String))
    pairs = {f"F-{code}": code for code in CODES}
    said = [one.code for one in found(both(readings(), alone), registry(pairs=pairs))]
    assert "ratio" in said


@pytest.mark.parametrize(("width", "in_litres"), [(1e7, 1.0), (1e5, 1.0), (1e6, 3.785411784)])
def test_a_register_that_begins_again_tells_its_width(width: float, in_litres: float) -> None:
    values = pl.Series((width - 5000 + np.cumsum(flows(1))) % width * in_litres)
    frame = readings(codes=["WM-1"]).with_columns(volume_l=values)
    (one,) = found(frame)
    assert one.code == "likely_rollover"
    assert f"rollover_l = {width * in_litres:.12g} in meters.csv or for the model" in one.sentence
    assert found(frame, registry(width * in_litres)) == []
    assert (
        "while the registry says" in {one.code: one for one in found(frame, registry(9e9))}["likely_rollover"].sentence
    )
    assert [one.code for one in found(frame, registry(1e3))] == ["likely_rollover", "beyond_rollover"]


def test_an_exchange_is_no_width() -> None:
    values = pl.Series(np.concatenate([5_123_456 + np.cumsum(flows(1))[:100], np.cumsum(flows(2))[:100]]).astype(float))
    assert found(readings(codes=["WM-1"]).with_columns(volume_l=values)) == []
