"""What a dossier and its pages say, on made-up answers: nothing that was not asked may look as if it had passed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from reports.terminal_plot import error_plot
from transforms.decide.answers import guards_said
from transforms.judge.dossier import SPEAKS_FOR, STAGES, Check, Question
from transforms.judge.dossier.check import chance, percent, times
from transforms.judge.dossier.kinds import what_it_looks_like
from transforms.judge.dossier.prerequisites import BLOCKS, could_be_judged, same_and_in_use
from transforms.judge.dossier.relation import is_it_steady
from transforms.judge.dossier.surety import sure_enough
from transforms.policy import Policy
from transforms.windows import Window

WINDOW = Window(datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=12))
ASKED = Question("drift", "Drift", "Does it move?", STAGES[2])
LISTED: dict[str, Any] = {
    "feature_code": "WM-1",
    "model": "M",
    "flowmeter_id": "F-1",
    "n_meter": 48,
    "n_reference": 47,
    "calibrated_on": date(2025, 12, 20),
}
COMMAND = {"state": "ready", "correction": {"gain": 0.9, "offset_lph": -2.0}}
LIMITS = {"max_gain_change": 0.25, "max_offset_lph": 60.0}


def prerequisites(blocked: str | None, **known: Any) -> dict[str, Check]:
    calibrated = known.pop("calibrated", True)
    checks = could_be_judged({**LISTED, **known}, blocked, None, Policy(), WINDOW, calibrated=calibrated)
    return {check.key: check for check in checks}


def test_what_was_not_evaluated_speaks_for_nothing() -> None:
    check = ASKED.not_evaluated("too few pairs", limit=1.0, unit="%")
    assert (check.outcome, check.speaks_for, check.value, check.limit) == ("not_evaluated", (), None, 1.0)
    with pytest.raises(ValueError, match="was not evaluated and speaks for"):
        Check("drift", "Drift", "?", STAGES[2], "not_evaluated", "no", speaks_for=("steady",))


def test_an_answer_keeps_its_numbers_and_drops_those_that_are_none() -> None:
    check = ASKED.told(False, "it moves", ("steady",), ("unsteady",), value=float("nan"), limit=2.0, unit="%")
    assert (check.outcome, check.speaks_for, check.value, check.limit, check.unit) == (
        "failed",
        ("unsteady",),
        None,
        2.0,
        "%",
    )


@pytest.mark.parametrize("place", range(len(BLOCKS)))
def test_what_blocks_fails_what_came_before_passed_and_what_comes_after_was_not_asked(place: int) -> None:
    checks = prerequisites(BLOCKS[place][0])
    outcomes = [checks[question.key].outcome for _, question in BLOCKS]
    assert outcomes == ["passed"] * place + ["failed"] + ["not_evaluated"] * (len(BLOCKS) - place - 1)
    assert checks[BLOCKS[place][1].key].speaks_for == ("inconclusive",)
    assert [checks[key].outcome for key in ("pairs", "coverage", "flowing")] == ["not_evaluated"] * 3


def test_the_age_of_a_calibration_is_counted_to_the_last_day() -> None:
    check = prerequisites("reference_expired", calibrated_on=date(2025, 11, 30))["reference_calibrated"]
    assert (check.value, check.limit, check.unit) == (32.0, 31.0, "d")
    assert (
        check.sentence
        == "F-1 was calibrated on 2025-11-30, 32 days before the last day of the window; 31 days are allowed"
    )
    none = prerequisites("reference_expired", calibrated_on=None)["reference_calibrated"]
    assert none.value is None
    assert "has no calibration before" in none.sentence


def test_without_a_list_of_flowmeters_nothing_is_said_of_calibration() -> None:
    checks = prerequisites(None, calibrated=False)
    for key in ("reference_known", "reference_calibrated"):
        assert checks[key].outcome == "not_evaluated"
        assert "no flowmeters.csv" in checks[key].sentence


def test_of_a_silent_meter_the_pairing_is_not_known() -> None:
    checks = prerequisites("meter_missing", n_meter=None, n_reference=None, flowmeter_id=None)
    assert checks["pairing"].outcome == "not_evaluated"
    assert (checks["meter_reported"].outcome, checks["meter_reported"].value) == ("failed", 0.0)


def test_a_meter_that_changed_is_named_with_the_time_and_judged_if_enough_is_left() -> None:
    at = datetime(2026, 1, 1, 5, tzinfo=UTC)
    outcomes = {reason: same_and_in_use(at, None, reason)[1] for reason in ("within_mpe", "parameters_changed")}
    assert [check.outcome for check in outcomes.values()] == ["passed", "failed"]
    assert all("2026-01-01T05:00:00Z" in check.sentence for check in outcomes.values())


def test_a_meter_that_was_not_in_use_is_told_so() -> None:
    in_use, _ = same_and_in_use(None, "decommissioned", "decommissioned")
    assert (in_use.outcome, in_use.speaks_for) == ("failed", ("inconclusive",))
    assert in_use.sentence == "the meter was taken out of use before the window"


def test_nothing_is_asked_of_readings_that_do_not_count() -> None:
    why = "the meter did not report"
    checks = [
        *is_it_steady(None, None, why, why, Policy()),
        *what_it_looks_like(None, why, why, Policy(), WINDOW, 0),
        *sure_enough(None, None, {"verdict": "inconclusive"}, Policy()),
    ]
    assert {check.outcome for check in checks} == {"not_evaluated"}
    assert {check.stage for check in checks} == set(STAGES[2:])


def said(verdict: str, **more: Any) -> dict[str, Check]:
    given = {"command": None, "order": None, "withheld": [], "limits": LIMITS, "decided": True, **more}
    return {check.key: check for check in guards_said(verdict, **given)}


def test_a_command_that_is_there_passed_every_guard() -> None:
    guards = said("steady", command=COMMAND)
    assert {check.outcome for check in guards.values()} == {"passed"}
    assert guards["limits"].value == pytest.approx(0.1)
    assert guards["limits"].limit == 0.25


def test_a_held_command_was_stopped_by_the_breaker() -> None:
    guards = said("steady", command={**COMMAND, "state": "held"})
    assert [key for key, check in guards.items() if check.outcome == "failed"] == ["breaker"]
    assert guards["breaker"].speaks_for == ("no command",)


@pytest.mark.parametrize(
    "reason",
    ["reference_suspect", "stale_window", "changed_since", "in_flight", "attempts_spent", "unconfirmed", "imprecise"],
)
def test_a_refusal_fails_one_guard_and_leaves_the_others_unasked(reason: str) -> None:
    guards = said("steady", withheld=[reason])
    failed = [key for key, check in guards.items() if check.outcome == "failed"]
    assert failed == {"imprecise": [], "attempts_spent": ["attempts"]}.get(
        reason, [reason]
    )  # that one is the judge's own answer
    assert {check.outcome for key, check in guards.items() if key not in failed} == {"not_evaluated"}


def test_a_correction_beyond_the_limits_is_told_with_both_numbers() -> None:
    evidence = {"gain_wanted": 1.45, "offset_wanted_lph": 3.0, "max_gain_change": 0.25, "max_offset_lph": 60.0}
    guards = said("steady", order={"reason": "beyond_limits", "evidence": evidence})
    assert guards["limits"].outcome == "failed"
    assert guards["limits"].value == pytest.approx(0.45)


def test_without_a_run_or_a_steady_deviation_no_guard_was_asked() -> None:
    for guards in (said("steady", decided=False), said("healthy"), said("unsteady", order={"reason": "scatter"})):
        assert {check.outcome for check in guards.values()} == {"not_evaluated"}
    stale = said("unsteady", withheld=["stale_window"])
    assert [key for key, check in stale.items() if check.outcome == "failed"] == ["stale_window"]


def test_all_that_a_guard_speaks_for_is_known() -> None:
    assert {word for check in said("steady", withheld=["in_flight"]).values() for word in check.speaks_for} <= set(
        SPEAKS_FOR
    )


def test_numbers_are_written_short() -> None:
    assert [percent(x) for x in (0.02, 0.0123, -0.1234, 1.0)] == ["2 %", "1.23 %", "\u221212.3 %", "100 %"]
    assert percent(0.0123, plus=True) == "+1.23 %"
    assert (chance(0.5), chance(0.0), chance(1e-5)) == ("P = 0.5", "P < 1e-12", "P = 1e-05")
    assert (times(1, "pair"), times(2000, "pair")) == ("1 pair", "2,000 pairs")


def test_the_plot_puts_pairs_where_they_belong() -> None:
    q = np.array([20.0, 200.0, 2000.0, 2000.0])
    lines = error_plot(
        q, q * np.array([1.04, 1.0, 0.97, 0.97]), [(15.6, 25.0, 0.05), (25.0, 3125.0, 0.02)], width=80, height=9
    )
    assert len(lines) == 10
    assert max(map(len, lines)) <= 80
    rows = {mark: [k for k, line in enumerate(lines[:-1]) if mark in line.split("|")[1]] for mark in ("o", "8")}
    assert rows == {"o": [1, 4], "8": [6]}
    assert lines[4].startswith("  0.0 % |")
    assert lines[1].index("o") < lines[4].index("o") < lines[6].index("8")
    assert lines[-1].split() == ["20", "50", "100", "200", "500", "1000", "L/h"]


def test_pairs_beyond_the_plots_edge_say_so() -> None:
    q = np.linspace(100.0, 1000.0, 40)
    error = np.r_[np.zeros(38), 9.0, -0.9]
    lines = error_plot(q, q * (1 + error), [(10.0, 2000.0, 0.02)], width=60, height=7)
    assert "^" in lines[0]
    assert "v" in lines[6]
    assert error_plot(np.empty(0), np.empty(0), []) == []
