"""Dumps: what is known of one file while it is being ingested."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transforms.fingerprint import TextFacts
from transforms.ingest.accounts import DumpAccount
from transforms.ingest.discover import Candidate
from transforms.ingest.document import lay_out
from transforms.ingest.fields import FileFaultError
from transforms.ingest.mapping import names_read
from transforms.ingest.text import first_line, unpack
from transforms.ingest.wide import WideColumn, wide_columns


@dataclass
class Dump:
    """One dump on its way through a batch.

    Attributes
    ----------
    number : int
        Position in the batch, in the order of paths; the first of several dumps with the same reading accepts it.
    text : Path or None
        Its lines as UTF-8, the file itself where nothing had to be unpacked; of Parquet the copy that is read.
    header : list of str
        Column names of CSV; their positions where the file names none.
    first_line : int
        Number of the first line that holds data.
    wide : tuple of WideColumn
        The columns of a wide layout.
    rows : int
        Rows that the count of lines promises.
    fault : FileFaultError or None
        Why the whole dump is set aside.
    garbled : bool
        Whether a replacement character marks bytes that were no text in the stated encoding.
    read, accepted, duplicate, replaced, others, reasons
        The account as it grows; see `DumpAccount`.
    """

    number: int
    candidate: Candidate
    sha256: str
    size: int
    facts: TextFacts | None
    text: Path | None = None
    header: list[str] = field(default_factory=list)
    first_line: int = 1
    wide: tuple[WideColumn, ...] = ()
    rows: int = 0
    fault: FileFaultError | None = None
    note: str | None = None
    garbled: bool = False
    read: int = 0
    accepted: int = 0
    duplicate: int = 0
    replaced: int = 0
    others: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    before: dict[str, Any] | None = None
    retried: int = 0
    min_ts: str | None = None
    max_ts: str | None = None

    @property
    def skip_rows(self) -> int:
        return self.candidate.source.skip_rows if self.candidate.source else 0

    @property
    def delimiter(self) -> str:
        return self.candidate.source.delimiter if self.candidate.source else ","

    @property
    def quote(self) -> str:
        return self.candidate.source.quote if self.candidate.source else '"'

    @property
    def comment(self) -> str | None:
        return self.candidate.source.comment if self.candidate.source else None

    def account(self) -> DumpAccount:
        one = self.candidate
        return DumpAccount(
            file=one.file,
            stream=one.stream,
            source=one.source_name,
            sha256=self.sha256,
            bytes=self.size,
            read=self.read,
            accepted=self.accepted,
            duplicate=self.duplicate,
            quarantined=sum(self.reasons.values()),
            replaced=self.replaced,
            others=self.others,
            reasons=dict(sorted(self.reasons.items())),
            note=self.note,
            retried=self.retried,
            min_ts=self.min_ts,
            max_ts=self.max_ts,
        )


def prepare(dump: Dump, scratch: Path) -> None:
    """Unpack a dump where need be, read its header, and note faults of the file as a whole."""
    one = dump.candidate
    if dump.size == 0:
        dump.note = "empty_file"
    if one.format == "parquet":
        return
    encoding = one.source.encoding if one.source else "utf-8"
    dump.text = one.path
    if one.compression or encoding != "utf-8":
        unpacked = unpack(one.path, scratch / f"text-{dump.number:06d}", one.compression, encoding)
        dump.text, dump.facts, dump.garbled = unpacked.path, unpacked.facts, unpacked.replaced
        if unpacked.fault:
            dump.fault = FileFaultError("unreadable_file", unpacked.fault)
    lines = dump.facts.lines if dump.facts else 0
    if lines == 0 and dump.fault is None:
        dump.note = "empty_file"
        return
    if one.is_document and dump.text is not None and dump.fault is None:
        _lay_out(dump, scratch)
        lines = dump.facts.lines if dump.facts else 0
    if one.format == "csv":
        _read_header(dump)
    else:
        dump.first_line = dump.skip_rows + 1
        if one.source is not None and one.source.wide is not None:
            dump.wide = wide_columns(one.source, one.source.wide.columns)
    dump.rows = max(0, lines - dump.first_line + 1) if dump.text is not None else 0


def _lay_out(dump: Dump, scratch: Path) -> None:
    """Put the lines of a document's records in place of the document."""
    source, document = dump.candidate.source, dump.text
    if source is None or document is None:
        return
    dump.text = scratch / f"text-{dump.number:06d}-records"
    try:
        dump.facts = lay_out(document, dump.text, source.records)
    except FileFaultError as fault:
        dump.fault, dump.text = fault, None


def _read_header(dump: Dump) -> None:
    source = dump.candidate.source
    named = source is None or source.header
    found = first_line(dump.text, dump.skip_rows, dump.comment, blank=not named) if dump.text else None
    dump.first_line = (found[0] if found else dump.skip_rows + 1) + named
    if dump.fault is not None:
        return
    if found is None or (not found[1].strip() and (dump.facts is None or dump.facts.lines <= 1)):
        dump.note = "empty_file"
        dump.text = None
        return
    if not found[1].strip():
        dump.fault = FileFaultError("missing_column", "no header line")
        return
    line = found[1].replace("\0", "")
    quoting = {"quotechar": dump.quote} if dump.quote else {"quoting": csv.QUOTE_NONE}
    try:
        fields = next(csv.reader([line], delimiter=dump.delimiter, **quoting), [])  # type: ignore[arg-type]
    except csv.Error as error:
        dump.fault = FileFaultError("missing_column", f"the header cannot be read ({error})")
        return
    dump.header = [name.strip() for name in fields] if named else [str(place + 1) for place in range(len(fields))]
    try:
        if source is not None and source.wide is not None:
            dump.wide = wide_columns(source, dump.header)
        _check_doubled(dump)
    except FileFaultError as fault:
        dump.fault = fault


def _check_doubled(dump: Dump) -> None:
    times = Counter(dump.header)
    read = names_read(dump.candidate) | {column.name for column in dump.wide}
    doubled = sorted(name for name in read if times[name] > 1)
    if doubled:
        raise FileFaultError("duplicate_column", f"the header names {doubled[0]!r} {times[doubled[0]]} times")
