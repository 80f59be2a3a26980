"""Text: a dump's bytes as lines of UTF-8, whatever they were packed in, with a count of the lines."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from transforms.fingerprint import LineCounter, TextFacts

_CHUNK: Final = 1 << 20
_PACKED_CHUNK: Final = 1 << 16
_BOM: Final = codecs.BOM_UTF8
#: stands where bytes were no text in the stated encoding
REPLACEMENT: Final = "\ufffd"


@dataclass(frozen=True)
class Unpacked:
    """A text that was decompressed or transcoded into scratch.

    Attributes
    ----------
    fault : str or None
        Why it could not be unpacked to its end.
    replaced : bool
        Whether some bytes were no text in the stated encoding; `REPLACEMENT` stands in their place.
    """

    path: Path
    facts: TextFacts
    fault: str | None
    replaced: bool


def unpack(path: Path, target: Path, compression: str | None, encoding: str) -> Unpacked:
    """Write a dump's text to ``target`` as uncompressed UTF-8, as far as it can be read."""
    counter, fault, replaced = LineCounter(), None, False
    decoder = None if codecs.lookup(encoding).name == "utf-8" else codecs.getincrementaldecoder(encoding)("replace")
    with target.open("wb") as out:
        try:
            for chunk in _chunks(path, compression):
                text = chunk
                if decoder is not None:
                    decoded = decoder.decode(chunk)
                    replaced = replaced or REPLACEMENT in decoded
                    text = decoded.encode()
                counter.update(text)
                out.write(text)
        except (OSError, EOFError, zlib.error) as error:
            fault = str(error) or type(error).__name__
        if decoder is not None and fault is None:
            rest = decoder.decode(b"", final=True)
            replaced = replaced or REPLACEMENT in rest
            counter.update(rest.encode())
            out.write(rest.encode())
    return Unpacked(target, counter.facts(), fault, replaced)


def _chunks(path: Path, compression: str | None) -> Iterator[bytes]:
    with path.open("rb") as raw:
        if compression == "gzip":
            yield from _gunzip(raw)
        elif compression == "zstd":
            yield from _unzstd(raw)
        else:
            while chunk := raw.read(_CHUNK):
                yield chunk


def _gunzip(raw: IO[bytes]) -> Iterator[bytes]:
    """All members of a gzip file. Made by hand, because the standard reader drops what precedes a fault in its buffer."""
    inflate = zlib.decompressobj(31)
    fresh, rest = True, b""
    while chunk := rest or raw.read(_PACKED_CHUNK):
        rest = b""
        if fresh and not (chunk := chunk.lstrip(b"\0")):
            continue
        fresh = False
        before = inflate.copy()
        try:
            yield inflate.decompress(chunk)
        except zlib.error:
            # byte by byte, for all that can be had before the fault
            for position in range(len(chunk)):
                yield before.decompress(chunk[position : position + 1])
            raise
        if inflate.eof:
            rest, fresh, inflate = inflate.unused_data, True, zlib.decompressobj(31)
    if not fresh:
        raise EOFError("the compressed stream ends before its end mark")


def _unzstd(raw: IO[bytes]) -> Iterator[bytes]:
    import pyarrow as pa

    with pa.CompressedInputStream(pa.PythonFile(raw, "r"), "zstd") as file:
        while chunk := file.read(_PACKED_CHUNK):
            yield chunk


def first_line(path: Path, skip_rows: int, comment: str | None = None) -> tuple[int, str] | None:
    """The first line after ``skip_rows`` lines that is no comment: its number, and its text without line break; None if
    the text ends before, or the line is blank."""
    with path.open("rb") as file:
        number = 1
        for _ in range(skip_rows):
            if not file.readline(_CHUNK):
                return None
            number += 1
        while line := file.readline(_CHUNK):
            if number == 1:
                line = line.removeprefix(_BOM)
            if comment is None or not line.startswith(comment.encode()):
                break
            number += 1
    return (number, line.rstrip(b"\r\n").decode("utf-8", "replace")) if line.strip() else None
