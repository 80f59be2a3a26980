"""The pages of an audit as a person sees them: at a desk's and a phone's width, searched, sorted, without their script."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports.audit.customer import write_customer
from reports.audit.meters import ranked
from reports.audit.pages import meter_pages, overview_page
from tests.audit_report_fixture import fake_audit, hostile_audit
from tests.browser.devtools import Chromium
from tests.browser.pages import DESK, PHONE, STICKS_OUT

pytestmark = pytest.mark.browser

SHOWN = "[...document.querySelectorAll('#_list tbody tr')].filter(e => !e.hidden)"
TYPE = "(text => {{ const e = document.getElementById('_find'); e.value = text; e.dispatchEvent(new Event('input')) }})({!r})"


@pytest.fixture(scope="module", params=["plain", "hostile"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    view = fake_audit(meters=30, flagged=9, days=20) if request.param == "plain" else hostile_audit()
    home = tmp_path_factory.mktemp("audit")
    (home / "meters").mkdir()
    (home / "index.html").write_text(overview_page(view, "operator"), encoding="utf-8")
    for name, page in meter_pages(view, 3):
        (home / name).write_text(page, encoding="utf-8")
    write_customer(home / "meters", view, ranked(view)["feature_code"][0])
    return home


@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("name", ["index.html", "meters/0001.html", "meters/0003.html", "meters/index.html"])
def test_pages_load_quietly_and_nothing_sticks_out(browser: Chromium, folder: Path, name: str, width: int) -> None:
    browser.open(folder / name, width)
    assert browser.requests() == [(folder / name).as_uri()]
    assert browser.complaints() == []
    assert browser.value("window.hit === undefined")
    assert browser.value("document.documentElement.scrollWidth") == width
    assert browser.value(STICKS_OUT) == []
    charts = "[...document.querySelectorAll('svg.chart')].filter(e => e.getClientRects().length)"
    texts = f"{charts}.flatMap(e => [...e.querySelectorAll('text')])"
    assert browser.value(f"{charts}.length") >= 1
    assert browser.value(f"Math.min(...{texts}.map(t => t.getBoundingClientRect().height))") > 9


def test_the_list_is_searched(browser: Chromium, folder: Path) -> None:
    browser.open(folder / "index.html", DESK)
    many = browser.value(f"{SHOWN}.length")
    code = browser.value("document.querySelectorAll('#_list tbody th .code')[1].textContent")
    browser.value(TYPE.format(code))
    assert 1 <= browser.value(f"{SHOWN}.length") < many
    assert browser.value(f"{SHOWN}[0].querySelector('th .code').textContent") == code
    assert f"of {many} meters" in browser.value("document.getElementById('_told').textContent")
    browser.value(TYPE.format("no such meter"))
    assert browser.value(f"{SHOWN}.length") == 0
    browser.value(TYPE.format(""))
    assert browser.value(f"{SHOWN}.length") == many


def test_the_list_is_sorted_by_its_heads_and_by_the_menu(browser: Chromium, folder: Path) -> None:
    browser.open(folder / "index.html", DESK)
    errors = "[...document.querySelectorAll('#_list [data-k=error]')].map(e => Number(e.dataset.v))"
    before = browser.value(errors)
    browser.value("document.querySelector('th[data-key=error] button').click()")
    assert browser.value(errors) == sorted(before)
    assert browser.value("document.querySelector('th[data-key=error]').getAttribute('aria-sort')") == "ascending"
    browser.value("document.querySelector('th[data-key=error] button').click()")
    assert browser.value(errors) == sorted(before, reverse=True)
    browser.value(
        "(() => { const e = document.getElementById('_order'); e.value = 'place up'; e.dispatchEvent(new Event('change')) })()"
    )
    assert browser.value(errors) == before


def test_a_link_to_a_meter_arrives_at_its_row(browser: Chromium, folder: Path) -> None:
    browser.open(folder / "index.html", DESK)
    last = browser.value("[...document.querySelectorAll('#_list tbody tr')].at(-1).id")
    browser.value(TYPE.format("no such meter"))
    browser.value(f"location.hash = '#{last}'")
    browser.value("new Promise(done => setTimeout(done, 50))")
    row = f"document.getElementById('{last}')"
    assert browser.value(f"{row}.hidden") is False
    assert browser.value(f"{row}.getBoundingClientRect().top < innerHeight && {row}.getBoundingClientRect().bottom > 0")


def test_without_its_script_the_page_says_the_same(browser: Chromium, folder: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(folder / "index.html", DESK)
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)
    assert browser.value("document.getElementById('_tools').hidden")
    assert browser.value(f"{SHOWN}.length") >= 9
    assert browser.value("document.querySelectorAll('#_list button').length") == 0


def test_smuggled_markup_may_do_nothing(browser: Chromium, folder: Path, tmp_path: Path) -> None:
    smuggled = '<script>window.hit = 1</script><img src="http://192.0.2.1/x.png" onerror="window.hit = 1"></body>'
    file = tmp_path / "index.html"
    file.write_text((folder / "index.html").read_text(encoding="utf-8").replace("</body>", smuggled), encoding="utf-8")
    browser.open(file, DESK)
    assert browser.value("window.hit === undefined")
    assert len(browser.complaints()) >= 2


def test_heads_and_captions_are_there_for_those_who_listen(browser: Chromium, folder: Path) -> None:
    for name in ("index.html", "meters/0001.html", "meters/index.html"):
        browser.open(folder / name, DESK)
        assert browser.value("[...document.querySelectorAll('table')].every(e => e.caption && e.caption.textContent)")
        assert browser.value("[...document.querySelectorAll('th')].every(e => e.scope)")
        assert browser.value("[...document.querySelectorAll('svg.chart')].every(e => e.querySelector('title, desc'))")
        assert browser.value("document.querySelectorAll('h1').length") == 1


def test_it_prints_with_every_row(browser: Chromium, folder: Path) -> None:
    browser.open(folder / "index.html", 700)
    browser.value(TYPE.format("no such meter"))
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        rows = "[...document.querySelectorAll('#_list tbody tr')].filter(e => e.getClientRects().length).length"
        assert browser.value(rows) >= 9
        assert browser.value(STICKS_OUT) == []
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
