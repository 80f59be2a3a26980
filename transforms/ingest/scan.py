"""Scan: a plain CSV dump read in one compiled pass, in pieces by several threads, as columns of numbers.

What the pass finds is not judged yet: `transforms.ingest.plain` asks what its texts mean and what is wrong with the rows
that are not plainly good.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from transforms.ingest.scan_loop import (
    DONE,
    FEATURE_CODE,
    FLOWMETER_ID,
    LONGEST,
    ODD,
    STAMP,
    TEXTS,
    Bytes,
    Floats,
    Numbers,
    Rows,
    Texts,
    read_lines,
)

#: bytes that are read at once, and of a piece of a file
_BLOCK: Final = 4 << 20
_PIECE: Final = 128 << 20
#: a header and a line are shorter than this
_LINE: Final = 1 << 18
#: texts of a kind, and pairs of them, in a piece, and letters of them
_ROOM: Final = 1 << 20
_LETTERS: Final = 32 << 20


@dataclass(frozen=True)
class Form:
    """How the lines of a dump are read, see `transforms.ingest.scan_loop.read_lines`.

    Attributes
    ----------
    delimiter, quote, point : str
        One ASCII character each; ``quote`` empty where there is none.
    roles : tuple of int
        What each column holds.
    values : tuple of str
        The kinds of values, ``flow`` or ``volume``, in the order in which ``roles`` numbers them.
    factors, most : tuple of float
        By kind of value.
    """

    delimiter: str
    quote: str
    point: str
    roles: tuple[int, ...]
    values: tuple[str, ...]
    factors: tuple[float, ...]
    most: tuple[float, ...]


@dataclass(frozen=True)
class Scan:
    """A dump's rows, in the order of its lines.

    Attributes
    ----------
    device, stamp : ndarray of int32
        By row: its place in ``devices``, `ODD` where the row is not plainly good; its place in ``stamps``.
    values : dict of ndarray of float64
        ``flow`` [L/h] and ``volume`` [L], those there are; not a number where a row has none.
    devices : DataFrame
        feature_code and flowmeter_id as the dump writes them, null where it has no such column; some more than once.
    stamps : Series
        Texts of stamps, some more than once.
    """

    device: Numbers
    stamp: Numbers
    values: dict[str, Floats]
    devices: pl.DataFrame
    stamps: pl.Series


def scan(path: Path, first_line: int, rows: int, form: Form, threads: int) -> Scan | None:
    """Read the lines of a CSV text without NUL and without lone carriage returns.

    Parameters
    ----------
    path : Path
        The text.
    first_line : int
        The first that holds data (1-based).
    rows : int
        Lines from there on, blank ones at the end left out.
    form : Form
        How they are read.
    threads : int
        Pieces that are read at once.

    Returns
    -------
    Scan or None
        None where it is not as plain as that: a quote, bytes that are no UTF-8, a line or a list of devices without end.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        edges = _edges(handle, first_line, max(threads, -(-os.fstat(handle).st_size // _PIECE)))
        if edges is None:
            return None
        with ThreadPoolExecutor(threads) as pool:
            pieces = list(pool.map(partial(_read_piece, handle, form), edges, edges[1:]))
    finally:
        os.close(handle)
    found = [piece for piece in pieces if piece is not None]
    return _joined(found, rows) if len(found) == len(pieces) else None


def _edges(handle: int, first_line: int, count: int) -> list[int] | None:
    """Where pieces of whole lines begin, and where the last ends; None if lines are too long to tell."""
    size = os.fstat(handle).st_size
    head, begin = os.pread(handle, _LINE, 0), 0
    for _ in range(first_line - 1):
        begin = head.find(b"\n", begin) + 1
        if begin == 0:
            return None
    edges = [begin]
    for number in range(1, count):
        near = begin + (size - begin) * number // count
        ahead = os.pread(handle, _LINE, near - 1)
        if b"\n" not in ahead:
            return None
        edges.append(near + ahead.index(b"\n"))
    return sorted({*edges, size}) if size > begin else None


def _read_piece(handle: int, form: Form, begin: int, end: int) -> Scan | None:
    dialect = (ord(form.delimiter), ord(form.quote or "\0"), ord(form.point))
    roles, factors, most = np.array(form.roles), np.array(form.factors), np.array(form.most)
    texts = _no_texts()
    buffer = np.zeros(_BLOCK + _LINE + 2 * LONGEST, np.uint8)
    kept, found = 0, []
    while begin < end:
        view = memoryview(buffer)[kept : kept + min(_BLOCK, end - begin)]
        length = os.preadv(handle, [view], begin)
        if length == 0:
            return None
        begin, filled = begin + length, kept + length
        if begin == end and buffer[filled - 1] != ord("\n"):
            buffer[filled] = ord("\n")
            filled += 1
        whole = _last_break(buffer, filled)
        if filled - whole > _LINE:
            return None
        count = int(np.count_nonzero(buffer[:whole] == ord("\n")))
        rows = Rows(np.empty(count, np.int32), np.empty(count, np.int32), np.empty((len(factors), count)))
        how, _, foreign = read_lines(buffer, whole, dialect, roles, factors, most, texts, rows)
        if how != DONE or (foreign and not _is_utf8(buffer[:whole])):
            return None
        found.append(rows)
        kept = filled - whole
        buffer[:kept] = buffer[whole:filled].copy()
    return _piece(found, texts, form)


def _no_texts() -> Texts:
    return Texts(
        slots=np.zeros((TEXTS, 2 * _ROOM), np.int32),
        begins=np.empty((TEXTS, _ROOM), np.int64),
        lengths=np.empty((TEXTS, _ROOM), np.int32),
        after=np.zeros((TEXTS, _ROOM), np.int32),
        letters=np.empty((TEXTS, _LETTERS), np.uint8),
        filled=np.zeros((TEXTS, 2), np.int64),
        pair_slots=np.zeros(2 * _ROOM, np.int32),
        codes=np.empty(_ROOM, np.int32),
        ids=np.empty(_ROOM, np.int32),
        pairs=np.zeros(1, np.int64),
    )


def _last_break(buffer: Bytes, filled: int) -> int:
    """Where the last whole line of a buffer ends, 0 if there is none."""
    tail = buffer[max(0, filled - _LINE) : filled].tobytes()
    found = tail.rfind(b"\n")
    return 0 if found < 0 else filled - len(tail) + found + 1


def _is_utf8(lines: Bytes) -> bool:
    try:
        lines.tobytes().decode()
    except UnicodeDecodeError:
        return False
    return True


def _piece(found: Sequence[Rows], texts: Texts, form: Form) -> Scan | None:
    codes, ids, stamps = (_strings(texts, kind) for kind in (FEATURE_CODE, FLOWMETER_ID, STAMP))
    if codes is None or ids is None or stamps is None:
        return None
    if FLOWMETER_ID in form.roles:
        count = int(texts.pairs[0])
        codes, ids = _taken(codes, texts.codes[:count]), _taken(ids, texts.ids[:count])
    else:
        ids = pl.repeat(None, len(codes), dtype=pl.String, eager=True)
    return Scan(
        np.concatenate([rows.device for rows in found]),
        np.concatenate([rows.stamp for rows in found]),
        {name: np.concatenate([rows.values[kind] for rows in found]) for kind, name in enumerate(form.values)},
        pl.DataFrame({"feature_code": codes, "flowmeter_id": ids}),
        stamps,
    )


def _strings(texts: Texts, kind: int) -> pl.Series | None:
    """The texts of a kind; None if they are no UTF-8."""
    count, end = (int(number) for number in texts.filled[kind])
    offsets = np.append(texts.begins[kind, :count], end).astype(np.int32)
    letters = texts.letters[kind, :end].copy()
    strings = pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(letters))
    try:
        strings.validate(full=True)
    except pa.ArrowInvalid:
        return None
    return pl.Series(strings, dtype=pl.String)


def _taken(strings: pl.Series, numbers: Numbers) -> pl.Series:
    """Some of the texts by number, null for `ODD`."""
    return strings.gather(pl.Series(numbers).replace(ODD, None).cast(pl.UInt32))


def _joined(pieces: Sequence[Scan], rows: int) -> Scan | None:
    """All pieces of a dump as one; None if the lines are not as many as they were, blank ones at the end aside."""
    device_begins = np.cumsum([0, *(len(piece.devices) for piece in pieces)])
    stamp_begins = np.cumsum([0, *(len(piece.stamps) for piece in pieces)])
    for piece, device_begin, stamp_begin in zip(pieces, device_begins.tolist(), stamp_begins.tolist(), strict=False):
        piece.stamp[:] += stamp_begin
        piece.device[piece.device != ODD] += device_begin
    device = np.concatenate([piece.device for piece in pieces])
    if len(device) < rows or (device[rows:] != ODD).any():
        return None
    return Scan(
        device[:rows],
        np.concatenate([piece.stamp for piece in pieces])[:rows],
        {name: np.concatenate([piece.values[name] for piece in pieces])[:rows] for name in pieces[0].values},
        pl.concat([piece.devices for piece in pieces]),
        pl.concat([piece.stamps for piece in pieces]),
    )
