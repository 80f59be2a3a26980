"""Looking: the first part of a file as a table of texts, whatever its format, compression, encoding and dialect."""

from __future__ import annotations

import csv
import io
import json
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from transforms.errors import MeterwrightError
from transforms.sources.guess.decode import decoded
from transforms.sources.guess.dialect import Dialect, dialect_of, split_lines

#: bytes of the file's text that are looked at from its beginning, and rows of Parquet
ENOUGH: Final = 1 << 20
_ROWS: Final = 20_000
#: pieces of the rest that are looked at as well, and the bytes of each: a register may stand still for the first weeks
_PIECES: Final = 6
_PIECE: Final = 1 << 16
_DEPTH: Final = 4


class LookError(MeterwrightError):
    """The file is none that could be an export, or cannot be opened."""


@dataclass(frozen=True)
class Looked:
    """What a file looks like.

    Attributes
    ----------
    format
        ``csv``, ``jsonl``, ``json``, ``parquet`` or ``rle``.
    table
        The rows as texts, null where nothing stands; columns by name, or ``1``, ``2`` ... where there is no header.
    encoding
        Of the text.
    dialect
        Of CSV, else None.
    whole
        Whether this is all of the file.
    lines
        The line that each row stands on; None where that is not known. Empty for a format without lines.
    records
        Where the array of records stands in a JSON document, dotted; empty where it is the document.
    """

    format: str
    table: pl.DataFrame
    encoding: str = "utf-8"
    dialect: Dialect | None = None
    whole: bool = True
    reasons: list[str] = field(default_factory=list)
    lines: list[int | None] = field(default_factory=list)
    records: str = ""


def look_at(path: Path) -> Looked:
    """Look at the beginning of a file. Parquet of others is looked at in a copy that another process made.

    Raises
    ------
    LookError
        If it cannot be opened, is empty, or holds no rows of columns.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise LookError(f"{path.name}: {error.strerror}; give a file that can be read") from None
    if not head:
        raise LookError(f"{path.name} is empty; give one that holds readings")
    if head == b"PAR1":
        return _parquet(path)
    data, whole, how = _unpacked(path, head)
    text, encoding, why = decoded(data, whole)
    lines = split_lines(text, whole)
    if not lines:
        raise LookError(f"{path.name} holds no lines of text; give a CSV, JSON Lines or Parquet file")
    reasons = [reason for reason in (how, why) if reason]
    if lines[0].lstrip().startswith(("{", "[")):
        return _json(path, lines, encoding, whole, reasons)
    dialect, found = dialect_of(lines)
    rows: list[list[str]] = found.cells
    at: list[int | None] = [*found.lines]
    rest = [row for piece in _pieces(path, encoding) for row in csv.reader(piece, delimiter=dialect.delimiter) if row]
    rows, at = [*rows, *rest], [*at, *[None] * len(rest)]
    if not rows or len(rows[0]) < 2:
        raise LookError(f"{path.name} has no columns that could be told apart; give a CSV, JSON Lines or Parquet file")
    names = dialect.names or [str(k) for k in range(1, len(dialect.labels) + 1)]
    columns = {
        name: [row[k].strip() or None if k < len(row) else None for row in rows] for k, name in enumerate(names) if name
    }
    table = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    return Looked("csv", table, encoding, dialect, whole, [*reasons, *dialect.reasons], at)


def _parquet(path: Path) -> Looked:
    try:
        rows = pq.read_metadata(path).num_rows
        lazy = pl.scan_parquet(path, glob=False, hive_partitioning=False)
        each = max(_ROWS // _PIECES, 1)
        starts = sorted({max(0, rows - each) * k // (_PIECES - 1) for k in range(_PIECES)})
        frame = pl.concat([lazy.slice(start, each).collect() for start in starts]) if rows > _ROWS else lazy.collect()
    except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
        raise LookError(f"{path.name} begins like Parquet and cannot be read: {str(error).splitlines()[0]}") from None
    flat = frame.select(pl.col(name) for name, kind in frame.schema.items() if not kind.is_nested())
    texts = flat.with_columns(
        pl.col(name).dt.strftime("%Y-%m-%dT%H:%M:%S%.f" + ("%:z" if getattr(kind, "time_zone", None) else ""))
        if kind == pl.Datetime
        else pl.col(name).cast(pl.String)
        for name, kind in flat.schema.items()
    )
    return Looked("parquet", texts, whole=rows <= _ROWS)


def _unpacked(path: Path, head: bytes) -> tuple[bytes, bool, str]:
    """The first bytes of the text behind a compression, whether that is all, and what was found."""
    with path.open("rb") as file:
        if head[:2] == b"\x1f\x8b":
            packed = file.read(ENOUGH)
            try:
                data = zlib.decompressobj(31).decompress(packed, ENOUGH)
            except zlib.error as error:
                raise LookError(f"{path.name} begins like gzip and cannot be unpacked: {error}") from None
            return data, len(data) < ENOUGH and len(packed) < ENOUGH, "compressed with gzip"
        if head == b"\x28\xb5\x2f\xfd":
            try:
                with pa.CompressedInputStream(pa.PythonFile(file), "zstd") as stream:
                    data = stream.read(ENOUGH)
            except OSError as error:
                raise LookError(f"{path.name} begins like zstd and cannot be unpacked: {error}") from None
            return data, len(data) < ENOUGH, "compressed with zstd"
        data = file.read(ENOUGH)
        return data, len(data) < ENOUGH, ""


def _pieces(path: Path, encoding: str) -> list[list[str]]:
    """Lines from here and there in the rest of a plain text file, whole ones only."""
    size = path.stat().st_size
    if size <= ENOUGH or encoding == "utf-16":
        return []
    with path.open("rb") as file:
        if file.read(4) in (b"\x28\xb5\x2f\xfd",) or file.seek(0) or file.read(2) == b"\x1f\x8b":
            return []
        pieces = []
        # where the rest is hardly more than the pieces, all of it is one
        few = size - ENOUGH <= 2 * _PIECES * _PIECE
        for place in (
            [ENOUGH] if few else [ENOUGH + (size - ENOUGH - _PIECE) * k // _PIECES for k in range(1, _PIECES + 1)]
        ):
            file.seek(place)
            text = file.read(2 * _PIECES * _PIECE if few else _PIECE).decode(encoding, "replace")
            pieces.append(split_lines(text, whole=False)[1:])
        return pieces


def _json(path: Path, lines: list[str], encoding: str, whole: bool, reasons: list[str]) -> Looked:
    records = []
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            records.append(found)
    if not records:
        return _document(path, lines, encoding, whole, reasons)
    if len(records) < len(lines):
        reasons = [*reasons, f"{len(lines) - len(records)} of {len(lines)} lines are no JSON objects"]
    if all("runs" in record and "interval_s" in record for record in records):
        return Looked(
            "rle", pl.DataFrame({"runs": [str(record["runs"])[:60] for record in records]}), encoding, whole=whole
        )
    return Looked("jsonl", _as_table(records), encoding, whole=whole, reasons=reasons)


def _document(path: Path, lines: list[str], encoding: str, whole: bool, reasons: list[str]) -> Looked:
    """One JSON document: an array of records, or an object that holds one."""
    if not whole:
        raise LookError(
            f"{path.name} is one JSON document of more than {ENOUGH >> 20} MB; give a smaller one of its kind"
        )
    try:
        found = json.loads("\n".join(lines))
    except (ValueError, RecursionError):
        raise LookError(f"{path.name} begins like JSON and is none; write one object a line, or one document") from None
    place, records = _longest(found)
    if not records:
        raise LookError(f"{path.name} is JSON without an array of objects; give one that holds readings")
    where = f"under {place!r}" if place else "as its array"
    reason = f"one JSON document with {len(records)} records {where}"
    return Looked("json", _as_table(records), encoding, whole=whole, reasons=[*reasons, reason], records=place)


def _longest(value: Any, place: str = "", depth: int = 0) -> tuple[str, list[dict[str, Any]]]:
    """The longest array of objects in a JSON value, and its dotted path."""
    if isinstance(value, list):
        return place, [one for one in value if isinstance(one, dict)]
    if not isinstance(value, dict) or depth > _DEPTH:
        return place, []
    found = [
        _longest(inner, f"{place}.{key}" if place else key, depth + 1) for key, inner in value.items() if "." not in key
    ]
    return max(found, key=lambda one: len(one[1]), default=(place, []))


def _as_table(records: list[dict[str, Any]]) -> pl.DataFrame:
    flat = [_flat(record) for record in records]
    names = list(dict.fromkeys(name for record in flat for name in record))
    return pl.DataFrame(
        {name: [record.get(name) for record in flat] for name in names}, schema=dict.fromkeys(names, pl.String)
    )


def _flat(record: dict[str, Any], prefix: str = "", depth: int = 0) -> dict[str, str | None]:
    """A JSON object as dotted keys and texts; arrays are left out."""
    found: dict[str, str | None] = {}
    for key, value in record.items():
        if isinstance(value, dict) and depth < _DEPTH:
            found |= _flat(value, f"{prefix}{key}.", depth + 1)
        elif not isinstance(value, dict | list):
            found[prefix + key] = (
                None if value is None else json.dumps(value).strip('"') if not isinstance(value, str) else value
            )
    return found


def first_lines(path: Path, count: int) -> list[str]:
    """The first lines of a text file as they stand there, for people to look at."""
    with path.open("rb") as file:
        head = file.read(4)
    if head == b"PAR1":
        frame = pl.read_parquet(path, n_rows=count, glob=False, hive_partitioning=False)
        out = io.StringIO()
        frame.write_csv(out)
        return out.getvalue().splitlines()
    data, whole, _ = _unpacked(path, head)
    return split_lines(decoded(data, whole)[0], whole)[: count + 1]
