"""How an audit speaks: volumes, intervals, histories, addresses, and a customer's language, against hand-written sentences."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from reports.audit import words
from reports.audit.anchors import anchor
from reports.audit.bars import bars
from reports.audit.customer_words import LANGUAGES, TEXTS
from reports.audit.local import Local
from reports.audit.timescale import TimeScale, focused, thinned
from reports.audit.windows import Windows
from reports.wording import THIN
from transforms import notices

START, END = datetime(2025, 1, 15, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC)


def plain(text: str) -> str:
    return text.replace(THIN, " ").replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("litres", "expected"),
    [
        (0.0, "0.0 L"),
        (3.14, "+3.1 L"),
        (-412.4, "−412 L"),
        (9_999.0, "+9 999 L"),
        (-12_345.0, "−12.3 m³"),
        (1_234_567.0, "+1 235 m³"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_volumes_in_words(litres: float | None, expected: str) -> None:
    assert plain(words.volume(litres, plus=True)) == expected


def test_an_interval_has_one_unit() -> None:
    assert plain(words.volume_interval(-12_345.0, 900.0)) == "−12.3 to +0.9 m³"
    assert words.volume_interval(None, 900.0) == ""


@pytest.mark.parametrize(
    ("value", "currency", "expected"),
    [(1234.5, "EUR", "1 234.50 EUR"), (2_000_000.4, "EUR", "2 000 000 EUR"), (None, "EUR", "–"), (1.0, None, "1.00")],
)
def test_money_in_words(value: float | None, currency: str | None, expected: str) -> None:
    assert plain(words.money(value, currency)) == expected


def regime(number: int, form: str | None, **more: Any) -> dict[str, Any]:
    begins = datetime(2025, 1, 17 + number, tzinfo=UTC)
    given = {
        "regime": number,
        "begins": begins,
        "begins_low": datetime(2025, 1, 15, 12, tzinfo=UTC),
        "begins_high": datetime(2025, 1, 20, tzinfo=UTC),
        "ends": END,
        "form": form,
        "a1": 1.031,
        "a2": 0.0,
        "volume_error": 0.031,
    }
    return {**given, **more}


def row(**more: Any) -> dict[str, Any]:
    names = (
        *("volume_l", "misregistered_l", "misregistered_low_l", "misregistered_high_l", "under_billed", "over_billed"),
        *("currency", "drift_per_month", "drift_low", "drift_high", "crosses_on", "crosses_low", "crosses_high"),
    )
    return {**dict.fromkeys(names), **more}


def test_the_story_of_a_step() -> None:
    said = words.story(
        row(
            volume_l=50_000.0,
            misregistered_l=1_240.0,
            misregistered_low_l=1_100.0,
            misregistered_high_l=1_390.0,
            under_billed=0.0,
            over_billed=2.67,
            currency="EUR",
        ),
        [regime(1, "healthy", volume_error=0.002), regime(2, "linear")],
        (START, END),
    )
    step, cost = (plain(each) for each in said)
    assert step == (
        "Since 2025-01-19 (it began within 2025-01-15 12:00 to 2025-01-20) it reads 3.1 % high; before that it read inside "
        "its permissible error (+0.20 %)."
    )
    assert cost == (
        "It registered 1 240 L too much of the 50.0 m³ that flowed (95 % interval +1 100 to +1 390 L): 2.67 EUR over-billed."
    )


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("unsteady", "Over the whole span it keeps no steady relation to its reference (+3.10 % while water flows)."),
        ("healthy", "Over the whole span it reads inside its permissible error (+3.10 %)."),
        ("linear", "Over the whole span it reads 3.1 % high."),
        (None, "Over the whole span it reads +3.10 % off, without a verdict."),
    ],
)
def test_one_regime_in_words(form: str | None, expected: str) -> None:
    assert [plain(each) for each in words.story(row(), [regime(1, form)], (START, END))] == [expected]


def test_evidence_that_is_short_is_not_stretched() -> None:
    brief = regime(1, "linear", ends=datetime(2025, 2, 1, tzinfo=UTC))
    said = plain(words.story(row(), [brief], (START, END))[0])
    assert said == "From 2025-01-18 to 2025-02-01, all that could be judged, it read 3.1 % high."
    last = regime(2, "linear", ends=datetime(2025, 3, 1, tzinfo=UTC))
    said = plain(words.story(row(), [regime(1, "healthy"), last], (START, END))[0])
    assert "it reads 3.1 % high, last seen on 2025-03-01; before that" in said


def test_an_offset_is_told_with_what_it_comes_to() -> None:
    said = plain(words.reads(regime(1, "offset", a1=1.0, a2=-5.7, volume_error=-0.115)))
    assert said == "reads 5.7 L/h too little (−11.5 % while water flows)"


@pytest.mark.parametrize("form", ["offset", "unsteady", "curve", "healthy"])
def test_the_error_that_stands_beside_is_not_said_once_more(form: str) -> None:
    told = regime(1, form, a1=1.0, a2=-5.7, volume_error=-0.115)
    alone = plain(words.reads(told))
    assert "−11.5 %" in alone
    assert plain(words.reads(told, beside=words.percent(-0.115))) == alone[: alone.index(" (−11.5 %")]
    assert plain(words.reads(told, beside=words.percent(-0.117))) == alone


def test_what_nothing_is_known_of_is_not_told() -> None:
    assert words.story(row(), [], (START, END)) == []
    assert words.story(row(volume_l=0.0, misregistered_l=0.0), [], (START, END)) == []
    assert words.reads(regime(1, None, volume_error=None)) == "could not be judged"
    bent = regime(1, "curve", points=[[20.0, 17.0], [150.0, 145.5], [400.0, 404.0]], volume_error=-0.02)
    assert plain(words.reads(bent)) == (
        "reads 15.0 % low at 20.0 L/h and 1.00 % high at 400 L/h, along a curve in between (−2.00 % while water flows)"
    )
    drifts = regime(1, "linear", drift_per_month=0.004)
    assert plain(words.reads(drifts)) == "reads 3.1 % high on average while it drifts"
    assert plain(words.curve(bent["points"])) == "20.0 → 17.0; 150 → 146; 400 → 404"


@pytest.mark.parametrize(
    ("crossing", "expected"),
    [
        (
            {"crosses_on": date(2025, 9, 3), "crosses_low": date(2025, 8, 1)},
            "; it will cross the permissible error on 2025-09-03 (not before 2025-08-01).",
        ),
        (
            {"crosses_on": date(2025, 3, 3), "crosses_low": date(2025, 2, 1), "crosses_high": date(2025, 4, 1)},
            "; it crossed the permissible error on 2025-03-03 (2025-02-01 to 2025-04-01).",
        ),
        ({}, "."),
    ],
)
def test_a_drift_and_where_it_leads(crossing: dict[str, date], expected: str) -> None:
    drifts = row(drift_per_month=-0.0042, drift_low=-0.0046, drift_high=-0.0038, **crossing)
    said = plain(words.drift_sentence(drifts, END))
    assert said == f"Its error falls by 0.42 % a month (95 % interval 0.38 to 0.46 %){expected}"


def test_a_drift_that_may_be_none_is_not_told() -> None:
    assert words.drift_sentence(row(drift_per_month=0.001, drift_low=-0.001, drift_high=0.003), END) == ""


@pytest.mark.parametrize("code", ["WM-0042", "a.b_c-9", "A" * 64])
def test_plain_codes_are_their_own_anchors(code: str) -> None:
    assert anchor(code) == code


@pytest.mark.parametrize(
    "code",
    ["", "_list", "#x", "a b", "../../x", "<script>", "x-0123456789abcdef", "A" * 65, "漢字", "WM\u202e1", "\ud800"],
)
def test_other_codes_get_a_digest_for_an_anchor(code: str) -> None:
    made = anchor(code)
    assert made.startswith("x-") and len(made) == 18 and made != code


def test_bars_share_a_scale_about_zero() -> None:
    first, second, none = bars([(-10.0, -20.0, 0.0), (10.0, 5.0, 20.0), (None, None, None)])
    assert none is None
    assert first is not None and second is not None
    assert (first.low, first.value, first.high) == (0.0, 0.25, 0.5)
    assert (second.low, second.value, second.high) == (0.625, 0.75, 1.0)
    assert bars([(0.0, 0.0, 0.0)])[0] is not None


@pytest.mark.parametrize(
    ("days", "most", "expected"),
    [
        (30, 7, ["07-01", "07-06", "07-11", "07-16", "07-21", "07-26", "07-31"]),
        # on a telephone the first would stand in the second
        (365, 5, ["2024-10", "2025-01", "2025-04"]),
        (365, 12, ["2024-09", "2024-11", "2025-01", "2025-03", "2025-05"]),
        (3653, 12, ["2025-01", "2026-01", "2027-01", "2028-01", "2029-01", "2030-01"]),
    ],
)
def test_dates_under_a_time_axis(days: int, most: int, expected: list[str]) -> None:
    start = datetime(2024, 7, 1, tzinfo=UTC)
    marks = TimeScale(start, datetime.fromtimestamp(start.timestamp() + 86_400 * days, UTC)).marks(most)
    assert [text for _, text in marks][: len(expected)] == expected
    assert len(marks) <= most + 1


def test_thinning_keeps_both_ends() -> None:
    kept = thinned(1000, 7)
    assert len(kept) == 7 and kept[0] == 0 and kept[-1] == 999
    assert list(thinned(3, 7)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("language", "number", "day", "volume"),
    [
        ("en", "−1,234.5", "17 January 2025", "1.2 m³"),
        ("de", "−1.234,5", "17. Januar 2025", "1,2 m³"),
        ("fr", "−1 234,5", "17 janvier 2025", "1,2 m³"),
        ("es", "−1 234,5", "17 de enero de 2025", "1,2 m³"),
        ("zh", "−1,234.5", "2025年1月17日", "1.2 m³"),
    ],
)
def test_numbers_and_dates_of_a_language(language: str, number: str, day: str, volume: str) -> None:
    local = Local(language)
    assert plain(local.number(-1234.5, 1)) == number
    assert plain(local.day(date(2025, 1, 17))) == day
    assert plain(local.volume(1234.5)) == volume


def test_customers_are_spoken_to_in_every_language_of_the_notices() -> None:
    assert set(LANGUAGES) == set(notices.TEXTS["done"])
    for key, texts in TEXTS.items():
        assert set(texts) == set(LANGUAGES), key
        assert len({frozenset(_fields(text)) for text in texts.values()}) == 1, key


def _fields(text: str) -> list[str]:
    return [part.partition("}")[0] for part in text.split("{")[1:]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_customers_hear_no_jargon(language: str) -> None:
    everything = " ".join(re.sub(r"{.*?}", "", texts[language]) for texts in TEXTS.values()).lower()
    for jargon in (
        "regime",
        "interval",
        "q3",
        "mpe",
        "oiml",
        "drift",
        "window",
        "verdict",
        "parameter",
        "calibrat",
        "%",
    ):
        assert not re.search(rf"\b{jargon}", everything)


def test_a_time_line_goes_where_the_readings_are() -> None:
    whole = TimeScale(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC))
    starts = pl.datetime_range(whole.start, whole.end, "12h", closed="left", eager=True)
    windows = pl.DataFrame({"window_start": starts, "window_end": starts.dt.offset_by("12h")}).with_columns(
        verdict=pl.lit("healthy"), **dict.fromkeys(("error", "volume_l", "meter_volume_l"), pl.lit(0.0))
    )
    between = pl.col("window_start").is_between(datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 3, 9, 12, tzinfo=UTC))
    few = windows.with_columns(n_pairs=between.cast(pl.Int64) * 48)
    drawn = focused(whole, Windows.of(few))
    assert (drawn.start, drawn.end) == (datetime(2025, 2, 27, 12, tzinfo=UTC), datetime(2025, 3, 11, 12, tzinfo=UTC))
    assert focused(whole, Windows.of(windows.with_columns(n_pairs=pl.lit(48)))) == whole
    assert focused(whole, Windows.of(windows.with_columns(n_pairs=pl.lit(0)))) == whole
