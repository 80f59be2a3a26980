"""Lines about photos and reviews, whatever they hold: each is accounted for, none stops a run, none leads out of raw/images."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from transforms.photos import fold_reviews, read_reviews, take_in
from transforms.photos.places import picture_path
from transforms.photos.reviews import fits
from transforms.registry import Model, Registry
from transforms.schemas import READINGS
from transforms.screens import Screen
from transforms.workspace import Workspace

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MAIN = Screen("main", "volume", "m3", 8, 3)
RECORD = pl.DataFrame(schema=READINGS)

word = st.sampled_from(["WM-1", "WM-2", "+1", "a.jpg", "b/c.png", "../x", "main", "accepted", "rejected"]) | st.text(
    max_size=8
)
moment = st.sampled_from(["2026-01-01T05:00:00Z", "2026-01-01T23:00:00+13:00", "2031-01-01T00:00:00Z", "noon", ""])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | word | moment,
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)
photo = st.fixed_dictionaries(
    {"feature_code": word | anything, "terminal_id": word, "captured_at": moment | anything, "file": word | anything},
    optional={"command_id": anything},
)
review = st.fixed_dictionaries(
    {"reading_id": word, "decision": word, "by": word | anything, "at": moment},
    optional={"value": st.floats() | st.integers() | anything, "screen": word},
)
lines = st.lists(
    st.binary(max_size=20) | (photo | review | anything).map(lambda said: json.dumps(said).encode()), max_size=8
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("photos"))
    images = workspace.raw / "images"
    (images / "b").mkdir(parents=True)
    (workspace.raw / "reviews").mkdir()
    (images / "a.jpg").write_bytes(b"one")
    (images / "b" / "c.png").write_bytes(b"two")
    return workspace


def registry() -> Registry:
    model = Model("T", 15.625, 25.0, 2500.0, 3125.0, 2, (4.0, 60.0), screens=(MAIN,))
    meters = pl.DataFrame({"feature_code": ["WM-1", "WM-2"], "model": ["T", "T"]})
    terminals = pl.DataFrame({"feature_code": ["WM-1", "WM-2"], "terminal_id": ["+1", "+1"], "channel": ["sms", "sms"]})
    return Registry(meters, {"T": model}, None, None, terminals, (), "")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines)
@example([b"\x00\r\x00"])
def test_every_line_is_accounted_for(place: Workspace, given_lines: list[bytes]) -> None:
    (place.raw / "images" / "m.jsonl").write_bytes(b"\n".join(given_lines))
    (place.raw / "reviews" / "r.jsonl").write_bytes(b"\n".join(given_lines))
    found = take_in(place, registry(), RECORD, NOW, NOW, timedelta(minutes=2), timedelta(hours=2))
    account = found.account
    kinds = ("taken", "known", "duplicate", "waiting", "gone", "refused")
    assert account["read"] == sum(account[kind] for kind in kinds)
    assert account["read"] == sum(1 for line in b"\n".join(given_lines).split(b"\n") if line.strip())
    assert account["taken"] == len(found.photos) and account["refused"] == len(found.refused)
    assert {photo.file for photo in found.photos} <= {"a.jpg", "b/c.png"}
    said, refused = fold_reviews(read_reviews(place, NOW), {}, {})
    assert said == [] and len(refused) <= account["read"]
    json.dumps(found.refused), json.dumps(refused)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(["..", ".", "", "b", "a.jpg", "c.png", "/", "\\", "~", "\ud800", "x" * 300]), max_size=5
    ).map("/".join)
)
def test_no_name_leads_out_of_the_folder(place: Workspace, name: str) -> None:
    path, fault = picture_path(place, name)
    assert (path is None) == bool(fault)
    if path is not None:
        images = place.raw / "images"
        assert path.resolve().is_relative_to(images.resolve()) and path in {images / "a.jpg", images / "b" / "c.png"}


@given(st.integers(0, 10**8 - 1))
def test_all_that_a_display_can_show_fits_it_and_nothing_finer(shown: int) -> None:
    value = shown / 1000
    assert fits(value, MAIN)
    assert not fits(value + 0.0004, MAIN)
    assert not fits(value + 1e5, MAIN)
    assert not any(fits(odd, MAIN) for odd in (-1.0, float("nan"), float("inf"), 1e300))


def test_a_workspace_without_photos_has_none(tmp_path: Path) -> None:
    account: dict[str, Any] = take_in(Workspace(tmp_path), registry(), RECORD, NOW, NOW, timedelta(0)).account
    assert account["read"] == 0 and not (tmp_path / ".cache").exists()
