"""The page of an explanation as a person sees it: headless Chromium at a desk's and a phone's width, and on paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.browser.devtools import Chromium
from tests.browser.pages import DESK, PHONE, STICKS_OUT
from tests.runs.test_hostile_names import NAMES, write
from tests.workspaces import output

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=[9, 19, 0], ids=["markup", "long", "scatter"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Meters with a name that is markup, one without a place to break, and one that is unsteady."""
    home = tmp_path_factory.mktemp("explained")
    small = write(home / "workspace", NAMES, "<i>M</i> `$x$`")
    small.run()
    file = home / "page.html"
    exit_code, _ = output(["explain", "--workspace", str(small.root), "--html", str(file), "--", NAMES[request.param]])
    assert exit_code == 0
    return file


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_it_loads_quietly_and_nothing_sticks_out(browser: Chromium, page: Path, width: int) -> None:
    browser.open(page, width)
    assert browser.value("document.title").endswith("Meterwright")
    assert browser.requests() == [page.as_uri()]
    assert browser.complaints() == []
    assert browser.value("document.scripts.length") == 0
    assert browser.value("document.documentElement.scrollWidth") == width
    assert browser.value(STICKS_OUT) == []


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_charts_are_drawn_and_readable(browser: Chromium, page: Path, width: int) -> None:
    browser.open(page, width)
    charts = "[...document.querySelectorAll('svg.chart')]"
    assert browser.value(f"{charts}.length") == 3
    assert browser.value(f"Math.min(...{charts}.map(e => e.getBoundingClientRect().width))") > 250
    texts = f"{charts}.flatMap(e => [...e.querySelectorAll('text')])"
    assert browser.value(f"Math.min(...{texts}.map(t => t.getBoundingClientRect().height))") > 9


def test_what_was_not_evaluated_looks_unlike_what_passed(browser: Chromium, page: Path) -> None:
    browser.open(page, DESK)
    look = (
        "(o) => {{ const e = document.querySelector('.o-{0}'); const m = getComputedStyle(e, '::before');"
        " return [e.textContent, m.content, m.backgroundColor, m.borderStyle, getComputedStyle(e).color] }}"
    )
    passed, unasked = (browser.value(f"({look.format(each)})()") for each in ("passed", "not_evaluated"))
    assert (passed[0], unasked[0]) == ("passed", "not evaluated")
    assert all(ours != theirs for ours, theirs in zip(passed, unasked, strict=True))


def test_on_a_phone_each_check_stands_by_itself(browser: Chromium, page: Path) -> None:
    browser.open(page, PHONE)
    assert browser.value("getComputedStyle(document.querySelector('table.checks td')).display") == "block"
    wide = "[...document.querySelectorAll('table.checks')].every(e => e.scrollWidth <= e.parentElement.clientWidth)"
    assert browser.value(wide)


def test_it_prints_on_few_pages(browser: Chromium, page: Path, tmp_path: Path) -> None:
    browser.open(page, 700)
    paper = tmp_path / "page.pdf"
    browser.print_pdf(paper)
    pages = len(re.findall(rb"/Type\s*/Page\b", paper.read_bytes()))
    assert 2 <= pages <= 6
