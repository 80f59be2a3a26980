"""Lines: a text in chunks of numbered lines, with what is wrong with a line as such."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from transforms.ingest.rules import NUMBER
from transforms.ingest.text import REPLACEMENT

#: bytes; no reading and no sensible run-length frame is longer
LINE_LIMIT: Final = 1 << 18
#: characters of a bad line that are kept
KEPT: Final = 2000
_BLOCK: Final = 1 << 24
_BREAK: Final = 10
#: lines that a quoted field may span
_SPAN: Final = 16

SCHEMA: Final = pa.schema(
    [
        ("line", pa.int64()),
        ("text", pa.string()),
        ("fault", pa.uint8()),
        ("fields", pa.list_(pa.string())),
    ]
)


def line_chunks(
    path: Path, *, first_line: int, columns: int = 0, delimiter: str = ",", quote: str = '"', replaced: bool = False
) -> Iterator[pa.Table]:
    """Read a UTF-8 text line by line, tolerating everything.

    Parameters
    ----------
    path : Path
        The text.
    first_line : int
        Lines before this one (1-based) are left out.
    columns : int
        Number of fields of a CSV record; 0 where the lines are no CSV, and quotes mean nothing.
    delimiter : str
        Between the fields.
    quote : str
        Around a field; empty where there is none.
    replaced : bool
        Whether a replacement character marks bytes that were no text.

    Yields
    ------
    pyarrow.Table
        `SCHEMA`: ``line``, ``text`` (perhaps with its line break; cut where the line is at fault), ``fault`` (number of
        a reason, 0 for none),
        ``fields`` (null where a plain split at the delimiter gives them).
    """
    number = 1
    dialect = _Dialect(columns, delimiter, quote) if columns and quote else None
    with path.open("rb") as file:
        carry, final = b"", False
        while not final:
            block = file.read(_BLOCK)
            final = not block
            data = carry + block
            end = len(data) if final else data.rfind(b"\n") + 1
            if end == 0:
                # a line without end: what is beyond the limit will not be looked at
                carry = data[: LINE_LIMIT + 1]
                continue
            body, carry = data[:end], data[end:]
            if number == 1:
                body = body.removeprefix(codecs.BOM_UTF8)
            table = None if replaced or (dialect and dialect.quoted(body)) else _clean_lines(body, number)
            left: list[bytes] = []
            if table is None:
                table, left = _one_by_one(_split(body), number, dialect, replaced, final)
            number = number + body.count(b"\n") - len(left)
            carry = b"".join(line + b"\n" for line in left) + carry
            kept = table.slice(int(np.searchsorted(table["line"].to_numpy(), first_line)))
            if kept.num_rows:
                yield kept


def chosen_lines(path: Path, numbers: Sequence[int], quote: str = '"') -> pa.Table | None:
    """Some lines of a text as `line_chunks` would give them; None if they are not plain lines."""
    wanted = np.array(sorted(numbers), dtype=np.int64)
    bodies: list[bytes] = []
    number, taken = 1, 0
    with path.open("rb") as file:
        for raw in iter(lambda: file.readlines(_BLOCK), []):
            until = int(np.searchsorted(wanted, number + len(raw)))
            bodies += [raw[line - number] for line in wanted[taken:until].tolist()]
            number, taken = number + len(raw), until
    if len(bodies) != len(wanted) or (quote and any(quote.encode() in body for body in bodies)):
        return None
    if bodies and not bodies[-1].endswith(b"\n"):
        bodies[-1] += b"\n"
    table = _clean_lines(b"".join(bodies), 1)
    if table is None or table.num_rows != len(wanted):
        return None
    return table.set_column(0, SCHEMA.field("line"), pa.array(wanted))


@dataclass(frozen=True)
class _Dialect:
    """CSV with quotes: how many fields a record has, what stands between and around them."""

    columns: int
    delimiter: str
    quote: str

    def quoted(self, body: bytes) -> bool:
        """Whether there is any quote."""
        return self.quote.encode() in body

    def record(self, text: str) -> list[str] | None:
        """The fields of a record of one line; None if its quotes do not balance."""
        if self.quote not in text:
            return text.rstrip("\r").split(self.delimiter)
        records = self._records([text.rstrip("\r")])
        return None if records is None else records[0] if records else []

    def record_of_lines(self, text: str) -> list[str] | None:
        """The fields of one record of several lines; None if it is not exactly one."""
        records = self._records(text.splitlines(keepends=True))
        return records[0] if records is not None and len(records) == 1 else None

    def _records(self, lines: list[str]) -> list[list[str]] | None:
        try:
            return list(csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote, strict=True))
        except csv.Error:
            return None


def _split(body: bytes) -> list[bytes]:
    lines = body.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _clean_lines(body: bytes, number: int) -> pa.Table | None:
    """Lines about which there is nothing to say; each text keeps its line break. None if there is."""
    if b"\0" in body:
        return None
    ends = np.flatnonzero(np.frombuffer(body, np.uint8) == _BREAK) + 1
    if body and (not len(ends) or ends[-1] != len(body)):
        ends = np.append(ends, len(body))
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    count = len(ends)
    if count and int(np.diff(offsets).max()) > LINE_LIMIT:
        return None
    texts = pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(body))
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return None
    return pa.table(
        [
            pa.array(np.arange(number, number + count)),
            texts,
            pa.array(np.zeros(count, np.uint8)),
            pa.nulls(count, SCHEMA.field("fields").type),
        ],
        schema=SCHEMA,
    )


def _one_by_one(
    lines: list[bytes], number: int, dialect: _Dialect | None, replaced: bool, final: bool
) -> tuple[pa.Table, list[bytes]]:
    """Lines among which some are odd, and those at the end that are better read together with the next."""
    rows: list[tuple[int, str, int, list[str] | None]] = []
    position = 0
    while position < len(lines):
        raw = lines[position]
        text, fault = _text(raw, replaced)
        fields: list[str] | None = None
        used = 1
        if not fault and dialect and dialect.quote in text:
            fields = dialect.record(text)
            if fields is None:
                if position + _SPAN > len(lines) and not final:
                    break
                fields, used = _spanning(lines[position : position + _SPAN], dialect, replaced)
            if fields is None:
                fault = NUMBER["bad_row"]
            elif used > 1:
                text = b"\n".join(lines[position : position + used]).decode()
        rows.append((number + position, text[:KEPT] if fault else text, fault, fields))
        position += used
    columns_of_rows = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    arrays = [pa.array(values, kind) for values, kind in zip(columns_of_rows, SCHEMA.types, strict=True)]
    return pa.table(arrays, schema=SCHEMA), lines[position:]


def _text(raw: bytes, replaced: bool) -> tuple[str, int]:
    if len(raw) > LINE_LIMIT:
        return raw[: 4 * KEPT].decode("utf-8", "replace"), NUMBER["line_too_long"]
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace"), NUMBER["not_utf8"]
    if "\0" in text:
        return text.replace("\0", REPLACEMENT), NUMBER["bad_row"]
    return text, NUMBER["not_utf8"] if replaced and REPLACEMENT in text else 0


def _spanning(lines: list[bytes], dialect: _Dialect, replaced: bool) -> tuple[list[str] | None, int]:
    """A record whose quoted field holds line breaks.

    A quote that would swallow a line which is a good record by itself is a stray one: then only its own line is lost.
    """
    text, _ = _text(lines[0], replaced)
    for used, raw in enumerate(lines[1:], start=2):
        more, fault = _text(raw, replaced)
        alone = None if fault else dialect.record(more)
        if fault or (alone is not None and len(alone) == dialect.columns):
            return None, 1
        text += "\n" + more
        fields = dialect.record_of_lines(text)
        if fields is not None:
            return (fields, used) if len(fields) == dialect.columns else (None, 1)
    return None, 1
