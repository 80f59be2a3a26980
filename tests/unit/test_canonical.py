"""Canonical JSON, digests and rounding: the same content has the same id."""

from __future__ import annotations

import hashlib
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.canonical import canonical, digest_of, rounded

plain = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    plain | texts, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)


def test_keys_are_sorted_and_nothing_is_wasted() -> None:
    assert canonical({"b": [1, 2.5, None], "a": {"d": True, "c": "水"}}) == '{"a":{"c":"水","d":true},"b":[1,2.5,null]}'


def test_a_digest_is_a_letter_and_32_digits_of_sha256() -> None:
    content = {"feature_code": "WM-1", "a1": 1.08}
    expected = hashlib.sha256(b'{"a1":1.08,"feature_code":"WM-1"}').hexdigest()[:32]
    assert digest_of(content, "c") == f"c-{expected}"
    assert re.fullmatch(r"c-[0-9a-f]{32}", digest_of(content, "c"))


@given(st.dictionaries(texts, values, max_size=5))
def test_the_order_of_keys_does_not_matter(content: dict[str, object]) -> None:
    assert digest_of(dict(reversed(content.items())), "x") == digest_of(content, "x")


@given(st.dictionaries(texts, values, max_size=3), texts, st.integers())
def test_other_content_has_another_id(content: dict[str, object], key: str, value: int) -> None:
    changed = {**content, key: {"other": value}}
    assert digest_of(changed, "x") != digest_of({**content, key: value}, "x")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_say_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a1": value})


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (None, 9, None),
        (0.0, 9, 0.0),
        (1.0, 9, 1.0),
        (1.23456789012, 9, 1.23456789),
        (0.000123456789012, 9, 0.000123456789),
        (123456789012.0, 9, 123456789000.0),
        (-2 / 3, 3, -0.667),
    ],
)
def test_rounding_keeps_significant_digits(value: float | None, digits: int, expected: float | None) -> None:
    assert rounded(value, digits) == expected


@given(st.floats(-1e12, 1e12))
def test_rounding_twice_changes_nothing_and_little_is_lost(value: float) -> None:
    once = rounded(value)
    assert once is not None
    assert rounded(once) == once
    assert abs(once - value) <= 5e-9 * abs(value)
