"""An audit's PDF and workbook, read back by other programs: text and bookmarks, numbers and their types."""

from __future__ import annotations

import ctypes
import re
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pypdfium2
import pytest

from reports.audit import AuditView
from reports.audit.customer import write_customer
from reports.audit.meters import ranked
from reports.audit.pages import overview_page
from reports.audit.pdf import write_pdf
from reports.audit.pdf_text import CHINESE, SANS, runs, safe
from reports.audit.workbook import _not_judged, write_workbook
from reports.audit.workbook_columns import kind_of
from tests.audit_report_fixture import fake_audit, hostile_audit
from transforms.schemas import AUDIT_METERS


@cache
def small() -> AuditView:
    return fake_audit(meters=24, flagged=6, days=20)


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pdf") / "report.pdf"
    write_pdf(file, small(), "operator", most=2)
    return file


@pytest.fixture(scope="module", params=["plain", "hostile"])
def book(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("xlsx") / "tables.xlsx"
    write_workbook(file, small() if request.param == "plain" else hostile_audit(), "operator")
    return file


def text_of(file: Path) -> list[str]:
    document = pypdfium2.PdfDocument(file)
    return [document[place].get_textpage().get_text_bounded() for place in range(len(document))]


def test_the_pdf_says_what_the_page_says(paper: Path) -> None:
    everything = "\n".join(text_of(paper))
    for wanted in ("24 meters were compared", "Compliance", "Fleet by group", "Can it be trusted", "raw/meter/2024-07"):
        assert wanted in everything
    assert all(code in everything for code in ranked(small())["feature_code"])


def test_the_list_has_a_column_for_money_where_a_tariff_holds(paper: Path, tmp_path: Path) -> None:
    nothing = pl.lit(None, pl.Float64)
    free = replace(small(), meters=small().meters.with_columns(under_billed=nothing, over_billed=nothing))
    assert [">Billed</th>" in overview_page(view, "operator") for view in (small(), free)] == [True, False]
    write_pdf(tmp_path / "report.pdf", free, "operator", most=0)
    for file, billed in ((paper, True), (tmp_path / "report.pdf", False)):
        (listed, *_) = [text.split() for text in text_of(file) if "What it does" in text]
        assert ("Billed" in listed) is billed
        assert "Mis-registered" in listed


def test_of_many_meters_the_workbook_has_the_reasons_of_those_that_are_asked_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    view = small()
    rows = pl.DataFrame(
        {"feature_code": sorted(view.meters["feature_code"]), "reason": "no_flow", "n_windows": 1, "volume_l": 0.0}
    ).with_columns(first=pl.lit(datetime(2026, 1, 1, tzinfo=UTC)), last=pl.lit(datetime(2026, 1, 2, tzinfo=UTC)))
    view = replace(view, not_judged=rows)
    assert _not_judged(view).height == 24
    monkeypatch.setattr("reports.audit.workbook.MOST_REASONS", 23)
    asked = view.meters.filter(pl.col("flagged") | (pl.col("n_inconclusive") == pl.col("n_windows")))["feature_code"]
    assert 0 < len(asked) < 24
    assert _not_judged(view)["feature_code"].to_list() == sorted(asked)


def test_the_pdf_says_how_each_dump_was_read_and_why_rows_were_set_aside(tmp_path: Path) -> None:
    entry = small().facts["inputs"][0]
    dumps = [
        {**entry, "file": "ecan/K37.csv", "stream": "meter", "source": "k37-meter", "reasons": {"not_a_number": 3}},
        {**entry, "file": "ecan/K37.csv", "stream": "flowmeter", "source": "k37-reference", "reasons": {}},
    ]
    view = replace(small(), facts={**small().facts, "inputs": dumps})
    write_pdf(tmp_path / "report.pdf", view, "operator", most=1)
    text = re.sub(r"\s+", " ", " ".join(text_of(tmp_path / "report.pdf")))
    assert "meter · k37-meter; 3 × the value is not a number" in text
    assert "flowmeter · k37-reference" in text


def test_every_page_of_the_pdf_knows_its_number(paper: Path) -> None:
    pages = text_of(paper)
    assert all(f"Page {place} of {len(pages)}" in text for place, text in enumerate(pages, start=1))
    assert all("Audit of riverside, 2024-07-01 to 2024-07-21, for the operator" in text for text in pages)


def test_the_pdf_has_bookmarks_for_sections_and_only_so_many_meters(paper: Path) -> None:
    document = pypdfium2.PdfDocument(paper)
    titles = [mark.get_title() for mark in document.get_toc()]
    assert titles[:4] == ["Compliance", "Volume and money", "Errors of the fleet", "Fleet by group"]
    worst = ranked(small())["feature_code"].to_list()
    assert [title for title in titles if title[:1].isdigit()] == [f"1. {worst[0]}", f"2. {worst[1]}"]


def test_the_pdf_bears_its_title_language_and_the_date_of_the_audit(paper: Path) -> None:
    told = pypdfium2.PdfDocument(paper).get_metadata_dict()
    assert (told["Title"], told["CreationDate"]) == ("Audit 2024-07-01 to 2024-07-21", "D:20240721000000+00'00'")
    content = paper.read_bytes()
    assert b"/Lang (en)" in content and b"/DisplayDocTitle true" in content and b"/PageMode /UseOutlines" in content


def structure(document: pypdfium2.PdfDocument, place: int) -> list[tuple[str, str]]:
    """Roles and alternative texts of a page's structure in the order of reading."""
    raw, found = pypdfium2.raw, []

    def text(getter: Any, element: Any) -> str:
        room = (ctypes.c_ushort * 4096)()
        size = getter(element, room, 8192)
        return bytes(room)[: max(size - 2, 0)].decode("utf-16-le")

    def walk(element: Any) -> None:
        found.append((text(raw.FPDF_StructElement_GetType, element), text(raw.FPDF_StructElement_GetAltText, element)))
        for k in range(raw.FPDF_StructElement_CountChildren(element)):
            if child := raw.FPDF_StructElement_GetChildAtIndex(element, k):
                walk(child)

    tree = raw.FPDF_StructTree_GetForPage(document[place])
    for k in range(raw.FPDF_StructTree_CountChildren(tree)):
        walk(raw.FPDF_StructTree_GetChildAtIndex(tree, k))
    raw.FPDF_StructTree_Close(tree)
    return found


def test_the_pdf_is_tagged_in_the_order_of_reading(paper: Path) -> None:
    document = pypdfium2.PdfDocument(paper)
    assert pypdfium2.raw.FPDFCatalog_IsTagged(document)
    first = [role for role, _ in structure(document, 0)]
    assert first[0] == "Document" and first[1:3] == ["P", "H1"] and "TOC" in first
    everything = [each for place in range(len(document)) for each in structure(document, place)]
    # each chart says what it shows
    figures = [alt for role, alt in everything if role == "Figure"]
    assert len(figures) >= 6 and all(len(alt) > 20 for alt in figures)
    assert any(alt.startswith("Error distribution of the fleet. ") for alt in figures)
    roles = [role for role, _ in everything]
    for wanted in ("H2", "H3", "Table", "TR", "TH", "TD", "P"):
        assert wanted in roles
    # a row's cells follow it, heads before numbers
    at = roles.index("Table")
    assert roles[at + 1 : at + 3] == ["TR", "TH"]


def test_the_pdf_embeds_its_font_and_draws_vectors(paper: Path) -> None:
    written = paper.read_bytes()
    assert b"DejaVuSans" in written and b"/FontFile2" in written
    assert b"/Subtype /Image" not in written and b"/Subtype/Image" not in written


def test_the_letter_has_its_chart(tmp_path: Path) -> None:
    view = small()
    write_customer(tmp_path, view, view.meters["feature_code"][0])
    (text,) = text_of(tmp_path / "report.pdf")
    # under the bars the month stands in figures, in the table by its name
    assert "July 2024" in text and "2024-07" in text


def test_hostile_names_do_no_harm_in_the_pdf(tmp_path: Path) -> None:
    file = tmp_path / "report.pdf"
    write_pdf(file, hostile_audit(), "operator", most=3)
    everything = "\n".join(text_of(file))
    assert "<script>window.hit=1</script>" in everything.replace("\r\n", "")
    assert b"/JavaScript" not in file.read_bytes() and b"/JS" not in file.read_bytes()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("WM-1", [(SANS, "WM-1")]),
        ("漢字-水表", [(CHINESE, "漢字"), (SANS, "-"), (CHINESE, "水表")]),
        ("a\u202eb", [(SANS, "a[U+202E]b")]),
        ("\U0001f600", [(SANS, "\U0001f600")]),  # DejaVu has some faces
        ("\U0002000b", [(SANS, "[U+2000B]")]),
    ],
)
def test_each_character_has_a_font_or_is_written_out(text: str, expected: list[tuple[str, str]]) -> None:
    assert list(runs(text)) == expected


def test_paragraph_markup_is_escaped() -> None:
    assert safe("<b>&</b>") == "&lt;b&gt;&amp;&lt;/b&gt;"


@pytest.mark.parametrize(("language", "word"), [("fr", "Votre compteur"), ("zh", "您的水表")])
def test_a_customers_pdf_speaks_the_language(tmp_path: Path, language: str, word: str) -> None:
    view = fake_audit(meters=12, flagged=3, days=20, language=language)
    write_customer(tmp_path, view, ranked(view)["feature_code"][0])
    assert word in "\n".join(text_of(tmp_path / "report.pdf"))


def test_the_workbook_runs_nothing(book: Path) -> None:
    with zipfile.ZipFile(book) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            assert b"<f>" not in content and b"<f " not in content and b"<hyperlink" not in content, name
            assert not name.endswith(("vbaProject.bin", ".exe"))
    for sheet in openpyxl.load_workbook(book):
        for line in sheet.iter_rows():
            assert not [cell.coordinate for cell in line if cell.data_type == "f" or cell.hyperlink]


def test_the_workbook_holds_the_meters_with_types() -> None:
    rows = _sheet("meters")
    head, body = rows[0], rows[1:]
    assert head == list(AUDIT_METERS)
    first = dict(zip(head, body[0], strict=True))
    given = small().meters.row(0, named=True)
    assert first["feature_code"] == given["feature_code"]
    assert first["misregistered_l"] == pytest.approx(given["misregistered_l"], rel=1e-8)
    assert first["n_windows"] == 40 and isinstance(first["n_windows"], int)
    assert first["installed_on"] == datetime(2012, 1, 5)  # noqa: DTZ001 - a date
    assert first["flagged"] is given["flagged"]
    assert len(body) == small().meters.height


def test_windows_are_in_the_workbook_with_their_times() -> None:
    rows = _sheet("windows")
    assert len(rows) == 1 + small().meters["n_windows"].sum()
    first = dict(zip(rows[0], rows[1], strict=True))
    assert str(first["window_start"]) == "2024-07-01 00:00:00" and str(first["window_end"]) == "2024-07-01 12:00:00"


@cache
def _workbook() -> Any:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tables.xlsx"
        write_workbook(file, small(), "operator")
        return openpyxl.load_workbook(file)


def _sheet(name: str) -> list[list[Any]]:
    return [list(line) for line in _workbook()[name].iter_rows(values_only=True)]


def test_heads_stay_are_filtered_and_explained() -> None:
    sheet = _workbook()["regimes"]
    assert sheet.freeze_panes == "B2" and sheet.auto_filter.ref.startswith("A1:U")
    assert "95 % interval" in sheet["Q1"].comment.text or "Litres" in sheet["Q1"].comment.text
    assert sheet["A1"].font.bold


def test_more_windows_than_a_sheet_holds_are_named_instead(tmp_path: Path) -> None:
    file = tmp_path / "tables.xlsx"
    write_workbook(file, small(), "operator", most_windows=500)
    read = openpyxl.load_workbook(file)
    assert "windows" not in read.sheetnames
    told = {line[0]: line[1] for line in read["summary"].iter_rows(values_only=True)}
    assert told["windows of all meters"].startswith("960 rows are too many for a workbook; they are in windows.parquet")


def test_a_supervisors_workbook_has_no_sites(tmp_path: Path) -> None:
    from reports.audit.view import for_audience

    file = tmp_path / "tables.xlsx"
    write_workbook(file, for_audience(small(), "supervisor"), "supervisor")
    cells = {
        cell for sheet in openpyxl.load_workbook(file) for line in sheet.iter_rows(values_only=True) for cell in line
    }
    assert not cells & {*small().meters["site"], "site"}
    assert not [cell for cell in cells if isinstance(cell, str) and "raw/" in cell]


def test_columns_know_how_they_look() -> None:
    kinds = {name: kind_of(name) for name in ("a2", "q1_lph", "volume_l", "drift_per_month", "crosses_on", "model")}
    assert list(kinds.values()) == ["flow", "flow", "litres", "percent", "date", "text"]
    floats = [name for name, kind in AUDIT_METERS.items() if kind == pl.Float64]
    assert not [name for name in floats if kind_of(name) == "text"]
