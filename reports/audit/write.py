"""The files of an audit's report: pages, PDF and workbook, for the audience that reads them."""

from __future__ import annotations

from pathlib import Path

from reports.audit.pages import meter_pages, overview_page
from reports.audit.view import AuditView, for_audience


def write_audit_report(folder: Path, view: AuditView, audience: str = "operator", meter: str | None = None) -> None:
    shown = for_audience(view, audience)
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "index.html", overview_page(shown, audience))
    (folder / "meters").mkdir(exist_ok=True)
    for name, page in meter_pages(shown):
        _write(folder / name, page)


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", newline="\n")
