"""Notices: the language of the terminal, nothing technical in the text, one for each terminal, ids that stay."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from transforms.notices import SCHEMA, TEXTS, language_for, notices_for

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)
END = BEGIN + timedelta(hours=72)
CODE = "WM-SEVEN"
COMMAND: dict[str, Any] = {
    "feature_code": CODE,
    "command_id": "c-0123",
    "a1": 1.0812345,
    "a2": 4.25,
    "correction": {"gain": 0.924869, "offset_lph": -3.9307},
}
ORDER: dict[str, Any] = {"feature_code": CODE, "order_id": "w-0123", "reason": "scatter", "evidence": {"a1": 1.08}}
EFFECT: dict[str, Any] = {"feature_code": CODE, "command_id": "c-0123", "effect": "cured", "volume_error_after": 0.001}
APPLIED: dict[str, Any] = {"feature_code": CODE, "command_id": "c-0123"}
SUBJECTS = {"self_maintenance": COMMAND, "photo_request": APPLIED, "done": EFFECT, "visit": ORDER}
KEYS = [
    "schema", "notice_id", "terminal_id", "channel", "language", "feature_code", "command_id", "kind", "text",
    "parameters", "not_before", "expires_at",
]  # fmt: skip


def terminal(number: str = "+64 21 555 0101", language: str = "en", channel: str = "sms") -> dict[str, str]:
    return {"terminal_id": number, "channel": channel, "language": language}


def make(kind: str, *terminals: dict[str, str], **changes: Any) -> list[dict[str, Any]]:
    return notices_for(kind, [{**SUBJECTS[kind], **changes}], {CODE: list(terminals)}, BEGIN, END)


@pytest.mark.parametrize("kind", sorted(TEXTS))
def test_every_kind_is_told_in_english_and_chinese_at_least(kind: str) -> None:
    assert {"en", "zh"} <= set(TEXTS[kind])
    assert set(TEXTS[kind]) == set(TEXTS["visit"])
    assert re.search(r"[\u4e00-\u9fff]", TEXTS[kind]["zh"])


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        ("zh", "zh"),
        ("zh-CN", "zh"),
        ("zh_CN", "zh"),
        ("zh-Hant-TW", "zh"),
        ("ZH-cn", "zh"),
        ("fr", "fr"),
        ("de-AT", "de"),
        ("mi", "en"),
        ("zhx", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_the_language_wanted_or_english(wanted: str | None, language: str) -> None:
    assert {language_for(wanted, kind) for kind in TEXTS} == {language}


@pytest.mark.parametrize("kind", sorted(TEXTS))
@pytest.mark.parametrize("language", sorted(TEXTS["visit"]))
def test_a_text_is_whole_and_says_nothing_technical(kind: str, language: str) -> None:
    (notice,) = make(kind, terminal(language=language))
    text = notice["text"]
    assert notice["language"] == language
    assert CODE in text
    assert not re.search(r"[{}]", text)
    rest = text.replace(CODE, "").replace("2026-01-01 12:00", "").replace("2026-01-04 12:00", "")
    assert not re.search(r"\d", rest), "a number that is no time"
    forbidden = r"\b(a1|a2|gain|offset|correction|parameters?|lph|L/h|command|scatter|drifting|linear|form|sms)\b"
    assert not re.search(forbidden, rest, re.IGNORECASE)
    assert "+64" not in text


@pytest.mark.parametrize("kind", sorted(TEXTS))
def test_a_notice_has_the_promised_keys(kind: str) -> None:
    (notice,) = make(kind, terminal())
    assert list(notice) == KEYS
    assert notice["schema"] == SCHEMA == "meterwright.notice/1"
    assert notice["kind"] == kind
    assert (notice["not_before"], notice["expires_at"]) == ("2026-01-01T12:00:00Z", "2026-01-04T12:00:00Z")


def test_parameters_go_beside_the_text_of_a_command_only() -> None:
    assert make("self_maintenance", terminal())[0]["parameters"] == {
        "a1": 1.0812345,
        "a2": 4.25,
        "correction": {"gain": 0.924869, "offset_lph": -3.9307},
    }
    assert make("self_maintenance", terminal())[0]["command_id"] == "c-0123"
    assert make("visit", terminal())[0]["parameters"] is None
    assert make("visit", terminal())[0]["command_id"] is None


def test_one_for_each_terminal_of_that_meter_and_no_other() -> None:
    terminals = {
        CODE: [terminal("1"), terminal("2", "zh-CN", "app")],
        "WM-OTHER": [terminal("3")],
    }
    subjects = [COMMAND, {**COMMAND, "feature_code": "WM-UNBOUND"}]
    found = notices_for("self_maintenance", subjects, terminals, BEGIN, END)
    assert [(n["terminal_id"], n["channel"], n["language"]) for n in found] == [("1", "sms", "en"), ("2", "app", "zh")]


def test_ids_tell_notices_apart() -> None:
    found = [
        *make("self_maintenance", terminal("1"), terminal("2")),
        *make("self_maintenance", terminal("1"), command_id="c-4567"),
        *make("visit", terminal("1")),
        *make("visit", terminal("1"), order_id="w-4567"),
    ]
    assert len({notice["notice_id"] for notice in found}) == 5
    assert all(re.fullmatch(r"n-[0-9a-f]{32}", notice["notice_id"]) for notice in found)


@pytest.mark.parametrize("kind", sorted(TEXTS))
def test_an_id_is_the_same_whenever_and_in_whatever_words_it_is_said(kind: str) -> None:
    (one,) = make(kind, terminal(language="en", channel="sms"))
    (other,) = notices_for(
        kind, [SUBJECTS[kind]], {CODE: [terminal(language="de", channel="app")]}, END, END + timedelta(days=1)
    )
    assert one["notice_id"] == other["notice_id"]
    assert one["text"] != other["text"]


def test_a_code_that_looks_like_a_template_is_written_as_it_is() -> None:
    odd = "{begin}%s{0.__class__}"
    (notice,) = notices_for("visit", [{**ORDER, "feature_code": odd}], {odd: [terminal()]}, BEGIN, END)
    assert odd in notice["text"]
