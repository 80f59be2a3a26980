"""Reports told by a local clock: both clock changes, offsets, and files for programs that stay in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reports.audit.timescale import TimeScale
from reports.clock import shown_in, zone_name
from reports.wording import moment, span, stretch
from tests.workspaces import Small, demand, noisy


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "utc", "shown"),
    [
        ("UTC", "2026-03-29T00:30", "2026-03-29 00:30 UTC"),
        # Rome: on 29 March 2026 02:00 becomes 03:00, on 25 October 03:00 becomes 02:00, both at 01:00 UTC
        ("Europe/Rome", "2026-03-29T00:30", "2026-03-29 01:30 CET"),
        ("Europe/Rome", "2026-03-29T01:30", "2026-03-29 03:30 CEST"),
        ("Europe/Rome", "2026-10-25T00:30", "2026-10-25 02:30 CEST"),
        ("Europe/Rome", "2026-10-25T01:30", "2026-10-25 02:30 CET"),
        ("+12:00", "2026-06-30T12:05:36", "2026-07-01 00:05:36 UTC+12:00"),
        ("America/Sao_Paulo", "2026-01-01T02:00", "2025-12-31 23:00 UTC-03"),
    ],
)
def test_an_instant_by_the_clock_of_a_zone(zone: str, utc: str, shown: str) -> None:
    with shown_in(zone):
        assert moment(at(utc)) == shown
    assert zone_name() == "UTC"


def test_a_window_by_the_clock_of_a_zone() -> None:
    with shown_in("Europe/Rome"):
        assert span(at("2026-01-01T00:00"), at("2026-01-01T12:00")) == "Thursday 1 January 2026, 01:00 to 13:00 CET"
        # over the change the two ends are an hour further apart, or nearer, than they look
        assert span(at("2026-03-29T00:00"), at("2026-03-29T12:00")) == "Sunday 29 March 2026, 01:00 CET to 14:00 CEST"
        assert (
            stretch(at("2026-10-24T12:00"), at("2026-10-25T12:00")) == "2026-10-24 14:00 CEST to 2026-10-25 13:00 CET"
        )
        assert stretch(at("2026-01-01T12:00"), at("2026-01-02T00:00")) == "2026-01-01 13:00 to 2026-01-02 01:00 CET"


def test_months_begin_at_local_midnight() -> None:
    scale = TimeScale(at("2026-01-01T00:00"), at("2026-12-31T00:00"))
    with shown_in("Pacific/Auckland"):
        marks = {label: place for place, label in scale.marks(12)}
    assert marks["2026-02"] == 31 - 13 / 24  # UTC+13 in summer
    assert marks["2026-07"] == 181 - 12 / 24


def test_a_run_shows_local_time_and_writes_utc(small: Small) -> None:
    q = demand()
    small.registry(["HIGH"])
    small.dump("meter", {"HIGH": [1.08 * value for value in noisy(q, 0.002)]}).dump("flowmeter", {"HIGH": q})
    (small.root / "registry" / "policy.toml").write_text('[report]\ntimezone = "Asia/Kolkata"\n')
    small.run()
    (run,) = (small.root / "outbox").iterdir()
    page = (small.root / "reports" / run.name / "index.html").read_text()
    assert "05:30 to 17:30 IST" in page
    assert "times in Asia/Kolkata" in page
    assert "time, IST" in page
    assert "IST" not in "".join(path.read_text() for path in run.iterdir() if path.suffix in (".json", ".jsonl"))
    assert run.name.startswith("20260101T000000Z_12h")
