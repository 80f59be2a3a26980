"""Reading a registry's CSV file as columns of text, each row with its line number in the file."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from transforms.faults import LISTED, Faults, near, shown
from transforms.toml import file_name

_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Layout:
    """The columns of a table; ``private`` where it holds personal data, so that no message may show any of its text."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    private: bool = False


def read_csv(file: Path, layout: Layout, faults: Faults) -> pl.DataFrame | None:
    """Read a table whose first line names its columns.

    Blank lines are skipped, values lose the white space at their ends, and an empty value is null. Columns that are
    neither required nor optional are ignored.

    Returns
    -------
    polars.DataFrame or None
        ``row`` (line number in the file) and every required and optional column, as text; None where the file cannot be
        read, with the faults noted.
    """
    name = file_name(file)
    data = _read_bytes(file, name, faults)
    if data is None:
        return None
    header = _read_header(data, name, layout, faults)
    if header is None:
        return None
    columns, header_line = header
    quotes = data.count(b'"')
    try:
        # with an odd number of quotes one is left open, and the reader would take it without a word
        raw = None if quotes % 2 else pl.read_csv(io.BytesIO(data.lstrip(b"\r\n")), infer_schema=False)
    except pl.exceptions.PolarsError:
        # the reader's own message would show the file's text, and it lacks the line
        raw = None
    if raw is not None and raw.width != len(columns):
        # the reader ends lines at line feeds only, Python's at returns as well: a file that has both kinds is told apart in no
        # way that is sure
        sentence = (
            "some lines end in a bare return (CR), others in a line feed; save the file with one kind of line ends"
        )
        faults.add(name, sentence, row=header_line)
        return None
    if raw is None:
        _explain_unreadable(data, name, len(columns), faults)
        return None
    wanted = (*layout.required, *layout.optional)
    # columns that are not ours may even lack a name, as in a header that ends in commas
    raw.columns = [column if column in wanted else f"\t{place}" for place, column in enumerate(columns)]
    return _tidy(raw, header_line, quotes > 0, wanted)


def _read_bytes(file: Path, name: str, faults: Faults) -> bytes | None:
    """The file's bytes, if they are UTF-8: without a byte order mark, and with line feeds where it had bare returns."""
    try:
        data = file.read_bytes().removeprefix(_BOM)
    except OSError as error:
        faults.add(name, f"the file cannot be read ({error.strerror}); check its permissions")
        return None
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        faults.add(name, "the file holds NUL bytes; save it as CSV in UTF-8", row=line)
        return None
    try:
        if not data.isascii():
            data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        faults.add(name, "the text is not UTF-8; save the file as CSV in UTF-8", row=line)
        return None
    return data.replace(b"\r", b"\n") if b"\r" in data and b"\n" not in data else data


def _lines(data: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")


def _read_header(data: bytes, name: str, layout: Layout, faults: Faults) -> tuple[list[str], int] | None:
    """The columns' names and the line on which the header ends."""
    reader = csv.reader(_lines(data))
    try:
        columns = next((fields for fields in reader if fields), None)
    except csv.Error:
        columns = ["?"]
    if columns is None:
        faults.add(name, f"the file is empty; its first line must be {','.join(layout.required)}", row=1)
        return None
    columns = [column.strip() for column in columns]
    line = reader.line_num
    twice = sorted({column for column in columns if column and columns.count(column) > 1})
    known = [*layout.required, *layout.optional]
    for column in twice:
        label = shown(column) if column in known or not layout.private else "a name"
        faults.add(name, f"the header has {label} twice; keep one of the columns", row=line)
    missing = [column for column in layout.required if column not in columns]
    spare = [column for column in columns if column and column not in known]
    for column in missing:
        hint = f"add it, the header must have {', '.join(layout.required)}"
        if len(columns) == 1 and any(mark in columns[0] for mark in ";\t|"):
            hint = "separate the columns by commas"
        elif not layout.private and (similar := near(column, spare)):
            hint = f"add it{similar}"
        faults.add(name, f"the column {column} is missing; {hint}", row=line)
    return None if missing or twice else (columns, line)


def _tidy(raw: pl.DataFrame, header_line: int, quoted: bool, wanted: tuple[str, ...]) -> pl.DataFrame:
    """Number the rows by the lines they begin on, drop blank ones, trim the text and add what is absent."""
    begins = pl.int_range(pl.len(), dtype=pl.Int64) + header_line + 1
    if quoted:
        feeds = (pl.col(column).str.count_matches("\n", literal=True).fill_null(0) for column in raw.columns)
        inner = pl.sum_horizontal(feeds).cast(pl.Int64)
        begins = begins + inner.cum_sum() - inner
    absent = [pl.lit(None, pl.String).alias(column) for column in wanted if column not in raw.columns]
    return (
        raw.lazy()
        .with_columns(begins.alias("row"), pl.all().str.strip_chars())
        .with_columns(pl.when(pl.col(column) != "").then(pl.col(column)) for column in raw.columns)
        .filter(~pl.all_horizontal(pl.col(raw.columns).is_null()))
        .with_columns(absent)
        .select("row", *wanted)
        .collect()
    )


def _explain_unreadable(data: bytes, name: str, width: int, faults: Faults) -> None:
    """Find the lines that stop the reader. Only ever run on a file that is known to be broken."""
    reader = csv.reader(_lines(data), strict=True)
    found = 0
    begin = 1
    try:
        for fields in reader:
            if len(fields) > width:
                found += 1
                if found <= LISTED:
                    sentence = (
                        f"{len(fields)} values where the header has {width}; put quotes around values with commas"
                    )
                    faults.add(name, sentence, row=begin)
            begin = reader.line_num + 1
    except csv.Error:
        found += 1
        faults.add(name, "the quotes do not match from here on; write a quote inside quotes twice", row=begin)
    faults.count += max(0, found - LISTED)
    if not found:
        odd = next((n for n, line in enumerate(data.split(b"\n"), start=1) if line.count(b'"') % 2), 1)
        faults.add(
            name, "a quote stands in a value that has no quotes around it; put them there, or remove it", row=odd
        )
