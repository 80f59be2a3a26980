"""An audit as a workbook for those who count again: typed numbers, units in the notes of the heads, nothing that runs.

Strings are written as strings, never as formulas or links, whatever they begin with. The same view gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from reports.audit.overview import figures, sentences, span_of, title, totals
from reports.audit.view import LIMITS, AuditView
from reports.audit.what_if import what_if_tables
from reports.audit.words import curve
from reports.audit.workbook_columns import NOTES, WINDOW_COLUMNS, kind_of
from reports.wording import visible
from transforms.match.register_findings import FINDINGS
from transforms.schemas import AUDIT_FLEET, AUDIT_METERS, AUDIT_WINDOWS, NOT_JUDGED, REGIMES

#: rows that a sheet can hold, one of them the head
MOST_ROWS = 1_048_576
#: rows of windows without a verdict, by meter and reason, up to which the workbook has those of all meters
MOST_REASONS = 5_000
#: windows that the workbook takes: more would take minutes to write and to open
MOST_WINDOWS = 300_000
_AT_ONCE = 200
_LONGEST = 32_767  # characters of a cell
_EXCEL_EPOCH_DAYS = 25_569  # from 1899-12-30 to 1970-01-01
_FORMATS = {
    "text": "@",
    "count": "#,##0",
    "percent": "0.00%",
    "litres": "#,##0.0",
    "flow": "#,##0.0",
    "money": "#,##0.00",
    "number": "0.00000",
    "date": "yyyy-mm-dd",
    "time": "yyyy-mm-dd hh:mm",
}
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "nan_inf_to_errors": False,
    "default_date_format": "yyyy-mm-dd hh:mm",
}


def write_workbook(file: Path, view: AuditView, audience: str, most_windows: int = MOST_WINDOWS) -> None:
    """Write ``tables.xlsx``. Windows are in it while they are not too many, else its first sheet says where they are."""
    from xlsxwriter import Workbook

    windows = int(view.meters["n_windows"].sum())
    _, end = span_of(view)
    with Workbook(str(file), {**_OPTIONS, "tmpdir": str(file.parent)}) as book:
        # the only date in the file is the audit's own
        book.set_properties(
            {"title": f"Audit {title(view)}", "author": "Meterwright", "created": end.replace(tzinfo=None)}
        )
        sheets = _Sheets(book, {name: book.add_format({"num_format": mask}) for name, mask in _FORMATS.items()})
        sheets.pairs("summary", _summary(view, audience, windows, windows <= most_windows))
        hidden = set() if audience == "operator" else {"site"}
        sheets.frame("meters", view.meters, [name for name in AUDIT_METERS if name not in hidden])
        sheets.frame("regimes", view.regimes, list(REGIMES))
        sheets.frame("fleet", view.fleet, list(AUDIT_FLEET))
        sheets.frame("limits", _limits(view), list(_limits(view).columns))
        sheets.frame("registers", view.registers, list(FINDINGS))
        sheets.frame("not judged", _not_judged(view), list(NOT_JUDGED))
        for name, table in what_if_tables(view):
            sheets.frame(name, table, table.columns)
        if 0 < windows <= most_windows:
            columns = [name for name in AUDIT_WINDOWS if name in WINDOW_COLUMNS]
            sheets.frames("windows", _windows(view, columns), columns)
        inputs = _inputs(view)
        sheets.frame("inputs", inputs, inputs.columns)


def _summary(view: AuditView, audience: str, windows: int, held: bool) -> list[tuple[str, Any]]:
    facts = view.facts
    given = totals(view)
    where = (
        "in the sheet windows"
        if held
        else f"{windows:,} rows are too many for a workbook; they are in windows.parquet beside this file"
    )
    return [
        ("audience", audience),
        *(("in words", sentence) for sentence in sentences(view)),
        *figures(view),
        ("windows of all meters", where),
        *((f"total {name}", value) for name, value in _numbers(view.summary.get("volume") or {})),
        *((f"under-billed, {each['currency']}", each["under"]) for each in given["money"]),
        *((f"over-billed, {each['currency']}", each["over"]) for each in given["money"]),
        *((f"net under-billed, {each['currency']}", f"{each['net']} ({each['interval']})") for each in given["money"]),
        ("in-service factor on the permissible error", view.in_service),
        ("audit", facts.get("digest")),
        ("Meterwright", facts.get("code_version")),
        ("policy digest", facts.get("policy_digest")),
        ("registry digest", facts.get("registry_digest")),
        *((f"version of {name}", version) for name, version in sorted((facts.get("versions") or {}).items())),
        ("command that repeats it", facts.get("command")),
        ("policy", facts.get("policy")),
    ]


def _not_judged(view: AuditView) -> pl.DataFrame:
    """Why windows have no verdict: of all meters, or where that is much, of the flagged ones and those without any verdict."""
    if view.not_judged.height <= MOST_REASONS:
        return view.not_judged
    asked = view.meters.filter(pl.col("flagged") | (pl.col("n_inconclusive") == pl.col("n_windows")))
    return view.not_judged.join(asked.select("feature_code"), on="feature_code", how="semi", maintain_order="left")


def _numbers(given: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in sorted(given.items()) if isinstance(value, int | float | str)]


def _limits(view: AuditView) -> pl.DataFrame:
    """Flow rates and limits of each model, on verification and in service."""
    known = view.limits.select([name for name in LIMITS if name != "feature_code"])
    limits = known.unique(maintain_order=True).sort("model", nulls_last=True)
    return limits.with_columns(
        mpe_low_in_service=pl.col("mpe_low") * view.in_service, mpe_high_in_service=pl.col("mpe_high") * view.in_service
    )


def _windows(view: AuditView, columns: Sequence[str]) -> Iterable[pl.DataFrame]:
    """The windows of all meters, a few meters at a time."""
    codes = view.meters["feature_code"].sort().to_list()
    for begin in range(0, len(codes), _AT_ONCE):
        yield view.windows(codes[begin : begin + _AT_ONCE], columns)


def _inputs(view: AuditView) -> pl.DataFrame:
    columns = ("file", "stream", "source", "sha256", "bytes", "read", "accepted", "duplicate", "quarantined", "reasons")
    rows = [
        {**{name: entry.get(name) for name in columns}, "reasons": _reasons(entry.get("reasons"))}
        for entry in [*(view.facts.get("inputs") or []), {"file": "all", **(view.facts.get("rows") or {})}]
    ]
    kinds = {name: pl.Int64 if name in columns[4:9] else pl.String for name in columns}
    return pl.DataFrame(rows, schema=kinds)


def _reasons(given: object) -> str:
    items = sorted(given.items()) if isinstance(given, Mapping) else []
    return ", ".join(f"{name}: {many}" for name, many in items)


@dataclass(frozen=True)
class _Sheets:
    """Writes sheets of one workbook, row after row, as constant memory wants it."""

    book: Any
    formats: Mapping[str, Any]

    def pairs(self, name: str, rows: Sequence[tuple[str, Any]]) -> None:
        """A sheet of names and values."""
        sheet = self.book.add_worksheet(name)
        sheet.set_column(0, 0, 44)
        sheet.set_column(1, 1, 100)
        bold = self.book.add_format({"bold": True, "valign": "top"})
        wrap = self.book.add_format({"text_wrap": True, "num_format": "@"})
        for place, (label, value) in enumerate(rows):
            sheet.write_string(place, 0, visible(label)[:_LONGEST], bold)
            if isinstance(value, int | float) and math.isfinite(value):
                sheet.write_number(place, 1, value)
            elif value is not None:
                lines = "\n".join(visible(line) for line in str(value).splitlines())
                sheet.write_string(place, 1, lines[:_LONGEST], wrap)

    def frame(self, name: str, table: pl.DataFrame, columns: Sequence[str]) -> None:
        """A sheet of one table, cut to what a sheet can hold."""
        self.frames(name, [table.head(MOST_ROWS - 1)], columns)

    def frames(self, name: str, tables: Iterable[pl.DataFrame], columns: Sequence[str]) -> None:
        """A sheet of several tables with the same columns, one after the other."""
        sheet = self.book.add_worksheet(name)
        kinds = [kind_of(column) for column in columns]
        head = self.book.add_format(
            {"bold": True, "bg_color": "#F1F3F4", "bottom": 1, "text_wrap": True, "valign": "top"}
        )
        for place, column in enumerate(columns):
            sheet.set_column(place, place, 22 if kinds[place] in {"text", "time"} else 14)
            sheet.write_string(0, place, column, head)
            if column in NOTES:
                sheet.write_comment(0, place, NOTES[column], {"author": "Meterwright", "x_scale": 1.6})
        sheet.freeze_panes(1, 1)
        row = 0
        for table in tables:
            ready, writers = _ready(table.select(columns), sheet)
            cells = list(zip(range(len(columns)), writers, (self.formats[kind] for kind in kinds), strict=True))
            for values in ready.iter_rows():
                row += 1
                for value, (place, write, look) in zip(values, cells, strict=True):
                    if value is not None:
                        write(row, place, value, look)
        if columns:
            sheet.autofilter(0, 0, max(row, 1), len(columns) - 1)


def _ready(table: pl.DataFrame, sheet: Any) -> tuple[pl.DataFrame, list[Any]]:
    """The table with times and dates as Excel counts them, texts made harmless, and what writes each column."""
    made = [_column(column, sheet) for column in table.iter_columns()]
    return pl.DataFrame([column for column, _ in made]), [writer for _, writer in made]


def _column(column: pl.Series, sheet: Any) -> tuple[pl.Series, Any]:
    if column.dtype == pl.Boolean:
        return column, sheet.write_boolean
    if column.dtype in (pl.Date, pl.Datetime):
        micros = column.cast(pl.Datetime("us")).dt.epoch("us")
        return micros.cast(pl.Float64) / 86_400_000_000 + _EXCEL_EPOCH_DAYS, sheet.write_number
    if column.dtype.is_float():
        short = column.round_sig_figs(9)
        return short.set(~short.is_finite(), None), sheet.write_number
    if column.dtype.is_numeric():
        return column, sheet.write_number
    if column.dtype == pl.List:
        column = pl.Series(column.name, [None if each is None else curve(each) for each in column.to_list()], pl.String)
    shown = {text: visible(text)[:_LONGEST] for text in column.cast(pl.String).unique() if text is not None}
    return column.cast(pl.String).replace(shown), sheet.write_string
