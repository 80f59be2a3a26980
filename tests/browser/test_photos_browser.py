"""Pages with photos as a person sees them: they load nothing, show their pictures, and the contact sheet can be searched."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from reports.photos import section
from reports.review import render_contact_sheet
from reports.run import render_run
from tests.browser.devtools import Chromium
from tests.browser.pages import DESK, PHONE, STICKS_OUT
from tests.run_report_fixture import fake_report
from transforms.photos.thumbnail import data_uri
from transforms.schemas import READINGS
from transforms.screens import Screen

pytestmark = pytest.mark.browser

SCREENS = (Screen("main", "volume", "m3", 8, 3), Screen("gain", "gain", "", 5, 4))


def readings() -> pl.DataFrame:
    """Three readings: of a meter whose name is markup, of one without a place to break, and one that a person decided."""
    names = ("<img src=x onerror=alert(1)>", "W" * 60, "WM-3")
    rows: list[dict[str, Any]] = []
    for k, name in enumerate(names):
        rows.append(
            dict.fromkeys(READINGS)
            | {
                "feature_code": name,
                "captured_at": datetime(2026, 1, 1, 5 + k, tzinfo=UTC),
                "file": f"{name}.jpg",
                "sha256": str(k) * 64,
                "reading_id": f"p-{k}",
                "screen": "main",
                "quantity": "volume",
                "unit": "m3",
                "value": 120.5 + k,
                "confidence": 0.61,
                "status": "review" if k < 2 else "accepted",
                "reason": "implausible" if k < 2 else "reviewed",
                "candidates": [{"screen": "main", "text": f"0012{k}.500", "value": 120.5 + k, "confidence": 0.61}],
                "wire_low": 10.0,
                "wire_high": 11.0,
                "consequence": "display_differs" if k == 2 else None,
                "decided_by": "Ana" if k == 2 else None,
                "decided_at": datetime(2026, 1, 1, 13, tzinfo=UTC) if k == 2 else None,
            }
        )
    return pl.DataFrame(rows, schema=READINGS, orient="row")


def picture() -> str:
    written = io.BytesIO()
    Image.new("RGB", (320, 240), "teal").save(written, "JPEG")
    return data_uri(written.getvalue())


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_the_contact_sheet_can_be_searched_and_loads_nothing(browser: Chromium, tmp_path: Path, width: int) -> None:
    page = tmp_path / "index.html"
    frame = readings()
    shown = {name: picture() for name in frame["reading_id"]}
    page.write_text(render_contact_sheet(frame, shown, dict.fromkeys(frame["feature_code"], SCREENS)))
    browser.open(page, width)
    assert browser.complaints() == []
    assert [each for each in browser.requests() if not each.startswith("data:")] == [page.as_uri()]
    assert browser.value("[...document.images].every(i => i.complete && i.naturalWidth === 320)")
    assert browser.value("document.documentElement.scrollWidth") == width
    assert browser.value(STICKS_OUT) == []
    search = "(t => {{ const f = document.getElementById('search'); f.value = t; f.dispatchEvent(new Event('input'));"
    search += " return [...document.querySelectorAll('article')].filter(a => !a.hidden).length }})({!r})"
    assert [browser.value(search.format(text)) for text in ("wm-3", "implausible", "far from", "00121.500", "")] == [
        1,
        0,
        2,
        1,
        3,
    ]


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_a_run_shows_photos_beside_their_readings(browser: Chromium, tmp_path: Path, width: int) -> None:
    page = tmp_path / "run.html"
    report = fake_report(20)
    frame = readings()
    page.write_text(
        render_run(replace(report, readings=frame, pictures={name: picture() for name in frame["reading_id"]}))
    )
    browser.open(page, width)
    assert browser.complaints() == []
    assert [each for each in browser.requests() if not each.startswith("data:")] == [page.as_uri()]
    assert browser.value("document.querySelectorAll('#photos img').length") == 3
    assert browser.value("[...document.querySelectorAll('#photos img')].every(i => i.naturalWidth === 320)")
    assert browser.value("document.querySelector('#photos tbody tr').textContent.includes('by Ana')"), "urgent first"
    assert browser.value("document.documentElement.scrollWidth") == width
    assert browser.value(STICKS_OUT) == []


def test_what_is_not_shown_is_counted() -> None:
    told = section(readings(), {}, 1)
    assert told is not None and told["more"] == "2" and len(told["rows"]) == 1
