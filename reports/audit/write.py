"""The files of an audit's report: pages, PDF and workbook, for the audience that reads them.

They come as parts, each the call that writes its files, which can be made in any order and in different processes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

from reports.audit.customer import write_customer
from reports.audit.meters import about, ranked
from reports.audit.pages import Sheaf, overview_page, sheaves
from reports.audit.pdf import MOST_SECTIONS, write_pdf
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
    for write in parts_of(folder, view, audience, meter):
        write()


def parts_of(
    folder: Path, view: AuditView, audience: str = "operator", meter: str | None = None
) -> list[Callable[[], None]]:
    """The parts of `write_audit_report`, those that take longest first; each knows no more of the view than it shows."""
    if audience not in AUDIENCES:
        raise UsageError(f"there is no audience {audience!r}; write one of {', '.join(AUDIENCES)}")
    if audience == "customer" and meter is None:
        raise UsageError("a customer's report is about one meter; name it by its feature code")
    folder.mkdir(parents=True, exist_ok=True)
    if audience == "customer" and meter is not None:
        return [partial(write_customer, folder, view, meter)]
    shown = for_audience(view, audience)
    (folder / "meters").mkdir(exist_ok=True)
    # single pairs are drawn of a few meters, and are most of what would go to another process
    worst = about(shown, ranked(shown).head(MOST_SECTIONS)["feature_code"].to_list())
    light = replace(shown, points=worst.points)
    return [
        partial(write_pdf, folder / "report.pdf", light, audience),
        partial(write_workbook, folder / "tables.xlsx", light, audience),
        partial(_write_overview, folder, light, audience),
        *(partial(_write_pages, folder, sheaf) for sheaf in sheaves(shown)),
    ]


def load() -> None:
    """Import what the parts are made with, which they otherwise do when they first need it; what only the PDF needs is left to
    whoever makes that."""
    for name in ("jinja2", "matplotlib.ticker", "xlsxwriter"):
        import_module(name)


def _write_overview(folder: Path, view: AuditView, audience: str) -> None:
    _write(folder / "index.html", overview_page(view, audience))


def _write_pages(folder: Path, sheaf: Sheaf) -> None:
    for name, page in sheaf.pages():
        _write(folder / name, page)


def _write(file: Path, text: str) -> None:
    file.write_bytes(text.encode("utf-8"))
