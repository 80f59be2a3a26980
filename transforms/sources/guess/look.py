"""Looking: the first part of a file as a table of texts, whatever its format, compression, encoding and dialect."""

from __future__ import annotations

import codecs
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
        ``csv``, ``jsonl``, ``parquet`` or ``rle``.
    table
        The rows as texts, null where nothing stands; columns by name, or ``1``, ``2`` ... where there is no header.
    encoding
        Of the text.
    dialect
        Of CSV, else None.
    whole
        Whether this is all of the file.
    """

    format: str
    table: pl.DataFrame
    encoding: str = "utf-8"
    dialect: Dialect | None = None
    whole: bool = True
    reasons: list[str] = field(default_factory=list)


def look_at(path: Path) -> Looked:
    """Look at the beginning of a file.

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
    text, encoding, why = _decoded(data, whole)
    lines = split_lines(text, whole)
    if not lines:
        raise LookError(f"{path.name} holds no lines of text; give a CSV, JSON Lines or Parquet file")
    reasons = [reason for reason in (how, why) if reason]
    if lines[0].lstrip().startswith(("{", "[")):
        return _json(path, lines, encoding, whole, reasons)
    dialect, rows = dialect_of(lines)
    rows += [row for piece in _pieces(path, encoding) for row in csv.reader(piece, delimiter=dialect.delimiter) if row]
    if not rows or len(rows[0]) < 2:
        raise LookError(f"{path.name} has no columns that could be told apart; give a CSV, JSON Lines or Parquet file")
    names = dialect.names or [str(k) for k in range(1, len(rows[0]) + 1)]
    columns = {name: [row[k].strip() or None if k < len(row) else None for row in rows] for k, name in enumerate(names)}
    table = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    return Looked("csv", table, encoding, dialect, whole, [*reasons, *dialect.reasons])


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
        for k in range(1, _PIECES + 1):
            file.seek(ENOUGH + (size - ENOUGH - _PIECE) * k // _PIECES if size > ENOUGH + _PIECE else ENOUGH)
            text = file.read(_PIECE).decode(encoding, "replace")
            pieces.append(split_lines(text, whole=False)[1:])
        return pieces


def _decoded(data: bytes, whole: bool) -> tuple[str, str, str]:
    """The text, the encoding as sources.toml calls it, and why that one."""
    marks = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
    for mark, name in marks:
        if data.startswith(mark):
            text = codecs.getincrementaldecoder("utf-8-sig" if name == "utf-8" else name)("replace").decode(data)
            return text, name, f"a byte order mark says {name}"
    try:
        return codecs.getincrementaldecoder("utf-8")("strict").decode(data, final=whole), "utf-8", ""
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
        return text, "cp1252", "some bytes are no UTF-8, so it is taken for cp1252 (Western Windows)"


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
        raise LookError(f"{path.name} begins like JSON, but no line of it is a JSON object; write one object a line")
    if len(records) < len(lines):
        reasons = [*reasons, f"{len(lines) - len(records)} of {len(lines)} lines are no JSON objects"]
    if all("runs" in record and "interval_s" in record for record in records):
        return Looked(
            "rle", pl.DataFrame({"runs": [str(record["runs"])[:60] for record in records]}), encoding, whole=whole
        )
    flat = [_flat(record) for record in records]
    names = list(dict.fromkeys(name for record in flat for name in record))
    table = pl.DataFrame(
        {name: [record.get(name) for record in flat] for name in names}, schema=dict.fromkeys(names, pl.String)
    )
    return Looked("jsonl", table, encoding, whole=whole, reasons=reasons)


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
    return split_lines(_decoded(data, whole)[0], whole)[: count + 1]
