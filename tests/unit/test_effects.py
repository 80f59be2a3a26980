"""Effects: what a window, or several together, show of a command, and of one that was never answered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from transforms.decide import awaited, judge_effects
from transforms.schemas import VERDICTS
from transforms.state import Attempt, MeterState
from transforms.windows import iso, parse_time

START = parse_time("2026-01-02T00:00:00Z")
APPLIED = START - timedelta(hours=11)


def waiting(status: str, at: str = iso(APPLIED)) -> pl.DataFrame:
    attempt = Attempt("c-1", 1, "2026-01-01T00:00:00Z", "2026-01-01T12:00:00Z", status, at)
    applied = {"changed_at": parse_time(at), "awaiting": "c-1"} if status == "applied" else {}
    states = {"A": MeterState(sequence=1, last_command="c-1", attempts=(attempt,), **applied)}
    return awaited(states, START + timedelta(hours=12))


def row(verdict: str, error: float, doubt: float | None, **more: Any) -> dict[str, Any]:
    reason = "undecided" if verdict == "inconclusive" else "x"
    told = {"feature_code": "A", "window_start": START, "verdict": verdict, "reason": reason, "volume_error": error}
    return {**told, "uncertainty_q2_q3": doubt, **more}


def effect(open_: pl.DataFrame, now: dict[str, Any], before: dict[str, Any]) -> str | None:
    judged = pl.DataFrame([now], schema=VERDICTS)
    past = pl.DataFrame([before], schema=VERDICTS).with_columns(command_id=pl.lit("c-1"))
    found = judge_effects(open_, judged, past)
    return found["effect"][0] if found.height else None


OFF = row("steady", 0.03, 0.006)


@pytest.mark.parametrize(
    ("status", "now", "wanted"),
    [
        ("applied", row("healthy", 0.001, 0.006), "cured"),
        ("applied", row("steady", 0.015, 0.006), "improved"),
        ("applied", row("steady", 0.029, 0.006), "no_effect"),
        ("applied", row("steady", 0.05, 0.006), "worse"),
        # an undecided meter tells only what is sure: 3 % less 1 % is more than the 1 % that both are known to
        ("applied", row("inconclusive", 0.010, 0.008), "improved"),
        ("applied", row("inconclusive", 0.024, 0.008), None),
        ("applied", row("inconclusive", 0.060, 0.008), None),
        # and all of it once the error is known as well as before
        ("applied", row("inconclusive", 0.024, 0.0065), "no_effect"),
        ("applied", row("inconclusive", 0.060, 0.0065), "worse"),
        ("applied", row("inconclusive", 0.001, None), None),
        ("applied", row("inconclusive", 0.001, 0.006, reason="no_flow"), None),
        # one that was never answered shows itself only by what an error does not do by itself
        ("expired", row("healthy", 0.001, 0.006), "cured"),
        ("expired", row("healthy", 0.024, 0.006), None),
        ("expired", row("steady", 0.014, 0.006), "improved"),
        ("expired", row("steady", 0.018, 0.006), None),
        ("expired", row("steady", 0.05, 0.006), None),
    ],
)
def test_what_a_window_shows_of_a_command(status: str, now: dict[str, Any], wanted: str | None) -> None:
    assert effect(waiting(status), now, OFF) == wanted


@pytest.mark.parametrize("status", ["rejected", "failed", "in_flight"])
def test_a_command_that_was_refused_or_is_in_flight_has_no_effect(status: str) -> None:
    assert waiting(status).is_empty()


def test_a_window_that_began_before_a_command_expired_tells_nothing_of_it() -> None:
    now = row("healthy", 0.001, 0.006)
    assert effect(waiting("expired", iso(START + timedelta(hours=1))), now, OFF) is None
    assert effect(waiting("expired", iso(START)), now, OFF) == "cured"
