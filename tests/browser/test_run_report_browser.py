"""The report of a run as a person sees it: headless Chromium at a desk's and a phone's width, and on paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reports.run import render_run
from tests.browser.devtools import Chromium
from tests.browser.pages import DESK, PHONE, STICKS_OUT
from tests.run_report_fixture import fake_report, hostile_report

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=["plain", "hostile"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    report = fake_report() if request.param == "plain" else hostile_report()
    file = tmp_path_factory.mktemp("report") / "index.html"
    file.write_text(render_run(report), encoding="utf-8")
    return file


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_it_loads_quietly_and_asks_for_nothing(browser: Chromium, page: Path, width: int) -> None:
    browser.open(page, width)
    assert browser.value("document.title").endswith("Meterwright")
    assert browser.requests() == [page.as_uri()]
    assert browser.complaints() == []
    assert browser.value("document.scripts.length") == 0
    assert browser.value("window.hit === undefined")


def test_even_markup_that_got_in_could_do_nothing(browser: Chromium, tmp_path: Path) -> None:
    smuggled = '<script>window.hit = 1</script><img src="http://192.0.2.1/x.png" onerror="window.hit = 1"></body>'
    file = tmp_path / "smuggled.html"
    file.write_text(render_run(fake_report()).replace("</body>", smuggled), encoding="utf-8")
    browser.open(file, DESK)
    assert browser.value("document.scripts.length") == 1
    assert browser.value("window.hit === undefined")
    assert len(browser.complaints()) >= 2  # the browser says what it refused


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_nothing_sticks_out_of_the_window(browser: Chromium, page: Path, width: int) -> None:
    browser.open(page, width)
    assert browser.value("innerWidth") == width
    assert browser.value("document.documentElement.scrollWidth") == width
    assert browser.value(STICKS_OUT) == []


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_charts_are_drawn_and_readable(browser: Chromium, page: Path, width: int) -> None:
    browser.open(page, width)
    shown = "[...document.querySelectorAll('svg.chart')].filter(e => e.getClientRects().length)"
    assert browser.value(f"{shown}.length") == 21  # ten meters and the fleet
    assert browser.value(f"Math.min(...{shown}.map(e => e.getBoundingClientRect().width))") > 250
    smallest = (
        f"Math.min(...{shown}.flatMap(e => [...e.querySelectorAll('text')]).map(t => t.getBoundingClientRect().height))"
    )
    assert browser.value(smallest) > 9
    drawn = f"{shown}.every(e => e.getBBox().width > 200 && e.querySelectorAll('path').length > 3)"
    assert browser.value(drawn)


def test_wide_tables_scroll_inside(browser: Chromium, page: Path) -> None:
    browser.open(page, PHONE)
    assert browser.value("[...document.querySelectorAll('.scroll')].some(e => e.scrollWidth > e.clientWidth)")


def test_text_is_dark_on_light(browser: Chromium, page: Path) -> None:
    browser.open(page, DESK)
    colours = browser.value("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    ink, paper = (sum(int(part) for part in re.findall(r"\d+", colour)[:3]) for colour in colours)
    assert ink < 200 and paper > 720


def test_it_prints_with_everything_open_and_nothing_cut(browser: Chromium, page: Path, tmp_path: Path) -> None:
    browser.open(page, 700)  # about the width of A4 between its margins
    closed = "[...document.querySelectorAll('details .codes')].filter(e => e.checkVisibility()).length"
    everything = browser.value("document.querySelectorAll('details .codes').length")
    assert browser.value(closed) < everything
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.value(closed) == everything
        assert browser.value(STICKS_OUT) == []
        assert browser.value("getComputedStyle(document.querySelector('figure')).breakInside") == "avoid"
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
    paper = tmp_path / "run.pdf"
    browser.print_pdf(paper)
    written = paper.read_bytes()
    assert written.startswith(b"%PDF-")
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", written)) <= 16
    boxes = {
        tuple(round(float(edge)) for edge in box.split()) for box in re.findall(rb"/MediaBox\s*\[([^\]]*)\]", written)
    }
    assert [(abs(width - 595) <= 1, abs(height - 842) <= 1) for _, _, width, height in boxes] == [(True, True)]  # A4
