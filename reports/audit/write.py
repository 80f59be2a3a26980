"""The files of an audit's report: pages, PDF and workbook, for the audience that reads them."""

from __future__ import annotations

from pathlib import Path

from reports.audit.customer import write_customer
from reports.audit.pages import meter_pages, overview_page
from reports.audit.pdf import write_pdf
from reports.audit.view import AUDIENCES, AuditView, for_audience
from reports.audit.workbook import write_workbook
from transforms.errors import UsageError


def write_audit_report(folder: Path, view: AuditView, audience: str = "operator", meter: str | None = None) -> None:
    """Write the report into a folder, which is made if it is not there. The same view gives the same bytes.

    For operator and supervisor: ``index.html``, ``meters/0001.html`` and so on for the flagged meters (the worst first),
    ``report.pdf`` and ``tables.xlsx``. For a customer: ``index.html`` and ``report.pdf`` about the one ``meter``.

    Raises
    ------
    UsageError
        If there is no such audience, or a customer's report is asked for without a meter of the audit.
    """
    if audience not in AUDIENCES:
        raise UsageError(f"there is no audience {audience!r}; write one of {', '.join(AUDIENCES)}")
    if audience == "customer" and meter is None:
        raise UsageError("a customer's report is about one meter; name it by its feature code")
    folder.mkdir(parents=True, exist_ok=True)
    if audience == "customer" and meter is not None:
        write_customer(folder, view, meter)
        return
    shown = for_audience(view, audience)
    _write(folder / "index.html", overview_page(shown, audience))
    (folder / "meters").mkdir(exist_ok=True)
    for name, page in meter_pages(shown):
        _write(folder / name, page)
    write_pdf(folder / "report.pdf", shown, audience)
    write_workbook(folder / "tables.xlsx", shown, audience)


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", newline="\n")
