"""Decide: what is sent for steady meters, lines and curves, and which guard keeps a command back."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from transforms.correction import Correction
from transforms.decide import Decision, Situation, decide
from transforms.decide.suspects import suspect_references
from transforms.policy import Policy
from transforms.schemas import VERDICTS
from transforms.state import Episode, MeterState
from transforms.windows import Window, parse_time

START = parse_time("2026-01-01T00:00:00Z")
WINDOW = Window(START, timedelta(hours=12))
NOW = parse_time("2026-01-01T12:05:00Z")
CURVE = {
    "form": "curve",
    "curve_q_lph": [20.0, 300.0, 1400.0],
    "curve_q_meter_lph": [24.0, 310.0, 1350.0],
    "curve_error_lph": 0.25,
}
KINDS = {
    **VERDICTS,
    "drift_spread": pl.Float64,
    "scatter_ratio": pl.Float64,
    "calibrated_on": pl.Date,
    "curve_q_lph": pl.List(pl.Float64),
    "curve_q_meter_lph": pl.List(pl.Float64),
    "curve_error_lph": pl.Float64,
    "imprecise": pl.Boolean,
    "marginal": pl.Boolean,
}


def steady(code: str = "WM-1", **changes: Any) -> dict[str, Any]:
    return {
        "feature_code": code,
        "flowmeter_id": f"F-{code}",
        "model": "T",
        "verdict": "steady",
        "form": "linear",
        "reason": "linear_mapping",
        "volume_error": 0.04,
        "a1": 1.03,
        "a1_se": 0.001,
        "a2": 4.0,
        "a2_se": 0.5,
        "q_min_lph": 20.0,
        "q_max_lph": 1400.0,
        **changes,
    }


def healthy(code: str, **changes: Any) -> dict[str, Any]:
    return steady(code, verdict="healthy", form=None, reason="within_mpe", volume_error=0.001, **changes)


def frame(rows: list[dict[str, Any]], *, absent: tuple[str, ...] = ()) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={name: kind for name, kind in KINDS.items() if name not in absent})


def decided(rows: list[dict[str, Any]], states: dict[str, MeterState] | None = None, **situation: Any) -> Decision:
    return decided_on(frame(rows), states, **situation)


def decided_on(judged: pl.DataFrame, states: dict[str, MeterState] | None = None, **situation: Any) -> Decision:
    limits = judged.select("feature_code", max_gain_change=pl.lit(0.25), max_offset_lph=pl.lit(60.0))
    told = Situation(**{"states": states or {}, "episodes": {}, "confirmed": {}, "stale": False, **situation})
    return decide(judged, limits, Policy(), WINDOW, WINDOW.run_id(1), NOW, told)


def test_a_line_is_sent_as_ever_whatever_the_judgement_gives_beside() -> None:
    """The optional columns may be absent, null or false: the command is the same to its id."""
    extra = ("calibrated_on", "curve_q_lph", "curve_q_meter_lph", "curve_error_lph", "imprecise", "marginal")
    without = decided_on(frame([steady()], absent=extra))
    (command,) = without.commands
    assert command["correction"] == {"gain": 0.970873786, "offset_lph": -3.88349515}
    assert {"curve", "approximation_lph"}.isdisjoint(command)
    assert decided([steady()]) == decided([steady(imprecise=False, marginal=False)]) == without


def test_a_curve_carries_its_points_and_how_near_they_are() -> None:
    (command,) = decided([steady(**CURVE)]).commands
    assert command["correction"] == {"points": [[24.0, 20.0], [310.0, 300.0], [1350.0, 1400.0]]}
    assert command["curve"] == {"points": [[20.0, 24.0], [300.0, 310.0], [1400.0, 1350.0]]}
    assert (command["form"], command["a1"], command["a2"]) == ("curve", 1.03, 4.0)
    assert command["approximation_lph"] == 0.25


def test_a_curve_is_composed_with_the_curve_in_force() -> None:
    """Where the first shows 300 L/h it was 293 raw; what the second then sees is that much too high."""
    first = Correction(points=((24.0, 20.0), (310.0, 300.0), (1350.0, 1400.0)))
    again = steady(form="curve", curve_q_lph=[50.0, 500.0, 1000.0], curve_q_meter_lph=[50.0, 520.0, 1000.0])
    (command,) = decided([again], {"WM-1": MeterState(sequence=4, in_force=first)}).commands
    sent = Correction.from_json(command["correction"])
    raw = [100.0, 310.0, 900.0, 1300.0]
    low, middle, high, top = first.apply(raw)
    expected = [50 + (v - 50) * 450 / 470 for v in (low, middle)] + [500 + (v - 520) * 500 / 480 for v in (high, top)]
    assert sent.apply(raw) == pytest.approx(expected)
    assert command["sequence"] == 5
    assert "approximation_lph" not in command


def test_a_line_measured_on_a_curve_in_force_leaves_as_points() -> None:
    first = Correction(points=((24.0, 20.0), (310.0, 300.0), (1350.0, 1400.0)))
    (command,) = decided([steady(a1=1.0, a2=4.0)], {"WM-1": MeterState(sequence=1, in_force=first)}).commands
    assert command["correction"] == {"points": [[24.0, 16.0], [310.0, 296.0], [1350.0, 1396.0]]}
    assert "curve" not in command


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"a1": 0.69}, {"gain_wanted": 1.44927536}),
        ({"a1": 1.0, "a2": 70.0}, {"offset_wanted_lph": -70.0}),
        (CURVE | {"curve_q_meter_lph": [24.0, 310.0, 1000.0]}, {"gain_wanted": 1.5942029}),
        (CURVE | {"curve_q_meter_lph": [95.0, 375.0, 1475.0]}, {"offset_wanted_lph": -75.0}),
    ],
)
def test_beyond_the_limits_of_the_model(given: dict[str, Any], wanted: dict[str, float]) -> None:
    found = decided([steady(**given)])
    assert found.commands == []
    (order,) = found.work_orders
    assert (order["reason"], order["priority"]) == ("beyond_limits", "high")
    assert wanted.items() <= order["evidence"].items()


@pytest.mark.parametrize(
    "given",
    [{"a1": -0.2}, CURVE | {"curve_q_meter_lph": [24.0, 24.0, 1350.0]}, CURVE | {"curve_q_lph": None}],
)
def test_what_no_parameters_undo_needs_a_visit(given: dict[str, Any]) -> None:
    found = decided([steady(**given)])
    assert found.commands == []
    assert [order["reason"] for order in found.work_orders] == ["not_increasing"]


@pytest.mark.parametrize("reason", ["imprecise", "marginal"])
@pytest.mark.parametrize("a1", [1.03, 0.5])
def test_what_is_not_known_well_enough_waits(reason: str, a1: float) -> None:
    found = decided([steady(a1=a1, **{reason: True}), steady("WM-2")])
    assert [command["feature_code"] for command in found.commands] == ["WM-2"]
    assert found.withheld == [{"feature_code": "WM-1", "reason": reason}]
    assert found.work_orders == []


def test_a_window_that_is_too_old_is_said_before_anything_else() -> None:
    assert decided([steady(imprecise=True)], stale=True).withheld[0]["reason"] == "stale_window"


BAD, GOOD = date(2025, 12, 20), date(2025, 12, 28)


def batch(side: float, *, off: int, of: int, day: date = BAD, **changes: Any) -> list[dict[str, Any]]:
    """Some meters on references of one day, the first ``off`` of them steadily off to one side."""
    names = [f"{day:%d}-{k:02d}" for k in range(of)]
    return [
        steady(name, volume_error=side * 0.04, a1=1 + side * 0.04, a2=0.0, calibrated_on=day, **changes)
        if k < off
        else healthy(name, calibrated_on=day, **changes)
        for k, name in enumerate(names)
    ]


ELSEWHERE = batch(1, off=2, of=100, day=GOOD)


@pytest.mark.parametrize(("side", "word"), [(1, "high"), (-1, "low")])
def test_references_calibrated_together_that_see_the_same_are_suspect(side: int, word: str) -> None:
    found = decided(batch(side, off=8, of=10) + ELSEWHERE)
    assert found.suspects == [
        {
            "by": "calibrated_on",
            "reference": "2025-12-20",
            "side": word,
            "judged": 10,
            "off": 8,
            "median_volume_error": side * 0.04,
            "share_elsewhere": 0.02 if side > 0 else 0.0,
        }
    ]
    assert found.withheld == [{"feature_code": f"20-{k:02d}", "reason": "reference_suspect"} for k in range(8)]
    assert [command["feature_code"] for command in found.commands] == ["28-00", "28-01"]


def test_a_flowmeter_that_watches_several_meters_is_suspect() -> None:
    found = decided(batch(1, off=8, of=10, flowmeter_id="F-9") + ELSEWHERE)
    assert [(each["by"], each["reference"]) for each in found.suspects] == [
        ("calibrated_on", "2025-12-20"),
        ("flowmeter_id", "F-9"),
    ]
    undated = frame(batch(1, off=8, of=10, flowmeter_id="F-9") + ELSEWHERE, absent=("calibrated_on",))
    assert [each["reference"] for each in decided_on(undated).suspects] == ["F-9"]
    assert len(decided_on(undated).withheld) == 8


@pytest.mark.parametrize(
    ("covered", "reasons"),
    [
        ((1.0, 1.0), ["reference_shared"] * 2),
        ((0.55, 0.45), []),
        ((1.0, 0.0), []),
        ((0.9, 0.3), ["reference_shared"] * 2),
    ],
    ids=["both at once", "moved at noon", "the other one shows nothing", "more than there is"],
)
def test_a_flowmeter_is_on_one_pipe_at_a_time(covered: tuple[float, float], reasons: list[str]) -> None:
    rows = [
        steady(f"WM-{k}", flowmeter_id="F-9", coverage=part, n_pairs=round(48 * part)) for k, part in enumerate(covered)
    ]
    rows.append(steady("WM-5", coverage=1.0, n_pairs=48))
    found = decided(rows)
    assert [entry["reason"] for entry in found.withheld] == reasons
    assert [command["feature_code"] for command in found.commands] == ["WM-5"] if reasons else ["WM-0", "WM-1", "WM-5"]


def test_a_suspect_reference_comes_before_a_visit() -> None:
    """Half of what flows: each meter alone would be beyond its limits. Its neighbour that is off for itself waits, too."""
    rows = [row | ({"a1": 0.5} if row["verdict"] == "steady" else {}) for row in batch(-1, off=8, of=10)]
    rows[8] = steady(rows[8]["feature_code"], volume_error=0.04, calibrated_on=BAD)
    found = decided(rows + ELSEWHERE)
    assert found.work_orders == []
    assert [entry["reason"] for entry in found.withheld] == ["reference_suspect"] * 9


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(batch(1, off=4, of=4) + ELSEWHERE, id="too few meters"),
        pytest.param(batch(1, off=3, of=10) + ELSEWHERE, id="no more than the share"),
        pytest.param(batch(1, off=2, of=5) + ELSEWHERE, id="may be chance"),
        pytest.param(batch(1, off=8, of=10) + batch(1, off=60, of=100, day=GOOD), id="the rest is off as well"),
        pytest.param(batch(1, off=8, of=10), id="no rest to compare with"),
        pytest.param(
            [row | {"volume_error": (-1) ** k * 0.04} for k, row in enumerate(batch(1, off=6, of=20))] + ELSEWHERE,
            id="off to both sides",
        ),
        pytest.param([row | {"calibrated_on": None} for row in batch(1, off=8, of=10)] + ELSEWHERE, id="no date known"),
        pytest.param(
            [row | {"verdict": "inconclusive"} for row in batch(1, off=6, of=6)] + batch(1, off=4, of=4, day=GOOD),
            id="not judged",
        ),
    ],
)
def test_what_chance_explains_is_not_suspect(rows: list[dict[str, Any]]) -> None:
    assert suspect_references(frame(rows), Policy()).batches == []


def test_an_empty_fleet_has_no_suspects() -> None:
    assert decided([]) == Decision([], [], [], False, [])
    bare = frame([steady()], absent=("calibrated_on", "flowmeter_id"))
    assert suspect_references(bare, Policy()).meters == frozenset()


def test_a_fleet_of_good_meters_has_no_suspects_by_chance() -> None:
    """A hundred days of a hundred meters, 5 % off at random: at the level asked for none is suspect."""
    many = pl.int_range(10_000, eager=True)
    off = many.shuffle(seed=3) < 500
    judged = pl.DataFrame(
        {
            "feature_code": many.cast(pl.String),
            "flowmeter_id": many.cast(pl.String),
            "verdict": pl.select(pl.when(off).then(pl.lit("steady")).otherwise(pl.lit("healthy"))).to_series(),
            "volume_error": pl.select(pl.when(off).then(0.04).otherwise(0.0)).to_series(),
            "calibrated_on": pl.select(pl.lit(BAD) + pl.duration(days=many % 100)).to_series(),
        }
    )
    assert suspect_references(judged, Policy()).batches == []


@pytest.mark.parametrize(
    ("open_", "now", "kept"),
    [
        ("scatter", "step", True),
        ("step", "clock_skew", True),
        ("scatter", "scatter", True),
        ("scatter", "stuck", False),
        ("beyond_limits", "scatter", False),
    ],
)
def test_names_of_one_need_are_one_work_order(open_: str, now: str, kept: bool) -> None:
    """What a window calls a step the next may call scatter: nobody must go twice for that."""
    row = steady(verdict="unsteady", form=None, reason=now)
    episode = Episode(open_, "2025-12-24T00:00:00Z", "w-1")
    (order,) = decided([row], episodes={"WM-1": episode}).work_orders
    assert (order["reason"], order["since"]) == ((open_, episode.since) if kept else (now, "2026-01-01T00:00:00Z"))


def test_a_command_says_which_windows_it_rests_on() -> None:
    since = START - timedelta(days=4)
    (command,) = decided([steady(pooled_windows=9, pooled_since=since, n_flowing=143)]).commands
    assert command["pooled"] == {"windows": 9, "since": "2025-12-28T00:00:00Z", "n_flowing": 143}
    assert "pooled" not in decided([steady()]).commands[0]
