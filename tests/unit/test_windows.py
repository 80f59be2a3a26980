"""Windows, instants and lengths of time: what is read, what is refused, and that windows tile from 00:00 UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import UsageError
from transforms.windows import Window, check_length, iso, newest_complete, parse_span, parse_time, windows_between

LENGTHS = [timedelta(hours=h) for h in (1, 2, 3, 4, 6, 8, 12, 24)] + [timedelta(minutes=m) for m in (1, 15, 90)]
instants = st.integers(0, 7_000_000_000_000_000).map(lambda us: datetime(1971, 1, 1, tzinfo=UTC) + us * MICROSECOND)
MICROSECOND = timedelta(microseconds=1)
lengths = st.sampled_from(LENGTHS)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("15m", timedelta(minutes=15)),
        ("15min", timedelta(minutes=15)),
        ("12h", timedelta(hours=12)),
        (" 2d ", timedelta(days=2)),
        ("90s", timedelta(seconds=90)),
        ("12 h", timedelta(hours=12)),
    ],
)
def test_a_length_of_time(text: str, span: timedelta) -> None:
    assert parse_span(text) == span


@pytest.mark.parametrize(
    "text", ["", "12", "h", "0h", "-1h", "1.5h", "1h30m", "12H", "12 hours", "1e3s", "９h", "9" * 5000 + "h"]
)
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(UsageError, match="15m, 12h or 2d"):
        parse_span(text)


@pytest.mark.parametrize("text", ["367d", "9" * 13 + "d", "9" * 18 + "s"])
def test_a_length_of_time_has_a_limit(text: str) -> None:
    assert parse_span("366d") == timedelta(days=366)
    with pytest.raises(UsageError, match="give at most 366 days"):
        parse_span(text)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-01T12:00:00Z", at("2026-01-01T12:00:00+00:00")),
        ("2026-01-01T12:00Z", at("2026-01-01T12:00:00+00:00")),
        ("20260101T120000Z", at("2026-01-01T12:00:00+00:00")),
        ("2026-01-01T12:00:00.000001Z", at("2026-01-01T12:00:00.000001+00:00")),
        ("2026-01-02T01:00:00+13:00", at("2026-01-01T12:00:00+00:00")),
        (" 2026-01-01 12:00:00Z ", at("2026-01-01T12:00:00+00:00")),
    ],
)
def test_an_instant(text: str, instant: datetime) -> None:
    found = parse_time(text)
    assert found == instant
    assert found.tzinfo is UTC


@pytest.mark.parametrize("text", ["", "now", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "1767268800", "12:00Z"])
def test_what_is_no_instant(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        parse_time(text)


@pytest.mark.parametrize("text", ["2026-01-01T12:00:00", "2026-01-01"])
def test_an_instant_needs_its_offset(text: str) -> None:
    with pytest.raises(UsageError, match="add Z"):
        parse_time(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00-12:00"])
def test_an_instant_beyond_the_calendar(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        parse_time(text)


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (at("2026-01-01T12:00:00+00:00"), "2026-01-01T12:00:00Z"),
        (at("2026-01-01T12:00:00.5+00:00"), "2026-01-01T12:00:00.500000Z"),
        (datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=-3, minutes=-30))), "2026-01-01T15:30:00Z"),
    ],
)
def test_how_an_instant_is_written(instant: datetime, text: str) -> None:
    assert iso(instant) == text


@given(instants)
def test_an_instant_survives_writing(instant: datetime) -> None:
    assert parse_time(iso(instant)) == instant


@pytest.mark.parametrize(
    ("start", "length", "name"),
    [
        ("2026-01-01T12:00:00Z", "12h", "20260101T120000Z_12h"),
        ("2026-01-01T18:00:00Z", "6h", "20260101T180000Z_6h"),
        ("2026-01-01T00:00:00Z", "1d", "20260101T000000Z_24h"),
        ("2026-01-01T01:30:00Z", "90m", "20260101T013000Z_90m"),
        ("2026-01-01T00:00:30Z", "30s", "20260101T000030Z_30s"),
    ],
)
def test_the_name_of_a_window(start: str, length: str, name: str) -> None:
    window = Window(parse_time(start), parse_span(length))
    assert window.name == name
    assert window.run_id(2) == f"{name}_r2"


@pytest.mark.parametrize("text", ["7h", "5h", "25h", "2d", "11m", "7s"])
def test_a_window_must_divide_the_day(text: str) -> None:
    with pytest.raises(UsageError, match="does not divide the day"):
        check_length(parse_span(text))


@pytest.mark.parametrize(
    ("until", "start"),
    [
        ("2026-01-01T12:00:00Z", "2026-01-01T00:00:00Z"),
        ("2026-01-01T11:59:59.999999Z", "2025-12-31T12:00:00Z"),
        ("2026-01-01T23:59:59Z", "2026-01-01T00:00:00Z"),
        ("2026-01-02T01:00:00+01:00", "2026-01-01T12:00:00Z"),
        ("1970-01-01T00:00:00Z", "1969-12-31T12:00:00Z"),
    ],
)
def test_the_newest_complete_window(until: str, start: str) -> None:
    assert newest_complete(parse_time(until), timedelta(hours=12)).start == parse_time(start)


@given(instants, lengths)
def test_the_newest_complete_window_ends_last_at_or_before(until: datetime, length: timedelta) -> None:
    window = newest_complete(until, length)
    midnight = window.start.replace(hour=0, minute=0, second=0, microsecond=0)
    assert window.end <= until < window.end + length
    assert (window.start - midnight) % length == timedelta(0)


@given(instants, lengths, st.integers(0, 40), st.timedeltas(timedelta(0), timedelta(hours=12)))
def test_windows_between_tile_the_span(begin: datetime, length: timedelta, count: int, rest: timedelta) -> None:
    until = begin + count * length + rest % length
    found = windows_between(begin, until, length)
    assert all(one.end == two.start for one, two in pairwise(found))
    assert all(begin <= window.start and window.end <= until for window in found)
    assert len(found) in (count - 1, count) or (count == 0 and not found)
    if found:
        assert found[0].start - begin < length
        assert until - found[-1].end < length


def test_no_window_fits_an_empty_or_reversed_span() -> None:
    noon = parse_time("2026-01-01T12:00:00Z")
    assert windows_between(noon, noon, timedelta(hours=12)) == []
    assert windows_between(noon, noon - timedelta(days=3), timedelta(hours=12)) == []
    assert windows_between(noon, noon + timedelta(hours=11), timedelta(hours=12)) == []
    assert len(windows_between(noon, noon + timedelta(hours=12), timedelta(hours=12))) == 1
