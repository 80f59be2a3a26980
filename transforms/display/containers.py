"""What a JPEG, PNG or MP4 file says about itself, read from its first bytes and its structure without decoding anything.

Only what is needed to decode safely: the type by content, the size of the picture, whether the file is whole, how many
passes a progressive JPEG takes, how long a clip runs.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

#: types of PNG chunks that make the picture; all others hold words about it, and are left out before decoding
_PNG_PICTURE: Final = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
#: a JPEG marker with something behind it: neither a filled or stuffed byte nor one that stands alone
_MARKER: Final = re.compile(rb"\xff[^\x00\x01\xd0-\xd7\xff]")
#: frame markers of JPEG (SOF), and those of them that are progressive
_FRAMES: Final = tuple(m for m in range(0xC0, 0xD0) if m not in (0xC4, 0xC8, 0xCC))
_PROGRESSIVE: Final = (0xC2, 0xC6, 0xCA, 0xCE)


class Truncated(Exception):
    """The file ends before what it announces."""


class Broken(Exception):
    """The file's structure is not that of its type; the text says what is wrong."""


@dataclass(frozen=True)
class Still:
    """A photo's size [pixels], and for JPEG how many passes a progressive one takes (1 for others)."""

    width: int
    height: int
    passes: int = 1


@dataclass(frozen=True)
class Clip:
    """A clip's largest track [pixels] and how long it runs [s]."""

    width: int
    height: int
    seconds: float


def kind(data: bytes) -> Literal["jpeg", "png", "mp4"] | None:
    """The type of a file by its first bytes; None if it is none of the three."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(_PNG_START):
        return "png"
    if data[4:8] == b"ftyp":
        return "mp4"
    return None


def jpeg(data: bytes) -> Still:
    """Size and passes of a JPEG file.

    Raises
    ------
    Truncated
        If it ends before its end marker.
    Broken
        If it holds no picture.
    """
    at, found, passes, progressive = 2, None, 0, False
    while match := _MARKER.search(data, at):
        at, marker = match.start(), data[match.start() + 1]
        if marker == 0xD9:
            if found is None or not passes or not all(found):
                raise Broken("no picture in it")
            return Still(*found, passes if progressive else 1)
        if at + 4 > len(data):
            raise Truncated
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < 2:
            raise Broken("a segment without a length")
        if marker in _FRAMES:
            if at + 9 > len(data):
                raise Truncated
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            found, progressive = (width, height), marker in _PROGRESSIVE
        if marker == 0xDA:
            passes += 1
        # After a start of scan this leads into its coded bytes, in which only markers matter to the search.
        at += 2 + length
    raise Truncated


def png(data: bytes) -> tuple[Still, bytes]:
    """Size of a PNG file, and the file without anything but its picture.

    Raises
    ------
    Truncated
        If it ends before its last chunk.
    Broken
        If a chunk's checksum is wrong or the first chunk is no header.
    """
    at, kept, found = len(_PNG_START), [_PNG_START], None
    while True:
        if at + 12 > len(data):
            raise Truncated
        length, name = struct.unpack(">I4s", data[at : at + 8])
        end = at + 12 + length
        if end > len(data):
            raise Truncated
        if found is None:
            if name != b"IHDR" or length != 13:
                raise Broken("its first chunk is no header")
            found = Still(*struct.unpack(">II", data[at + 8 : at + 16]))
        if name in _PNG_PICTURE:
            if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                raise Broken(f"the checksum of chunk {name.decode('ascii')} is wrong")
            kept.append(data[at:end])
        at = end
        if name == b"IEND":
            return found, b"".join(kept)


def mp4(data: bytes) -> Clip:
    """Size and length of an MP4 file.

    Raises
    ------
    Truncated
        If a box reaches beyond the file, or the table of frames was never written.
    Broken
        If it holds no moving picture.
    """
    movie = next((body for name, body in _boxes(data) if name == b"moov"), None)
    if movie is None:
        raise Truncated
    seconds = 0.0
    sizes: list[tuple[int, int]] = []
    for name, body in _boxes(movie):
        if name == b"mvhd":
            seconds = max(seconds, _seconds(body))
        elif name == b"trak":
            for inner, content in _boxes(body):
                if inner == b"tkhd" and len(content) >= 8:
                    width, height = struct.unpack(">II", content[-8:])
                    sizes.append((width >> 16, height >> 16))
                elif inner == b"mdia":
                    seconds = max([seconds, *(_seconds(c) for n, c in _boxes(content) if n == b"mdhd")])
    width, height = max(sizes, key=lambda pair: pair[0] * pair[1], default=(0, 0))
    if not width or not height or seconds <= 0:
        raise Broken("no moving picture in it")
    return Clip(width, height, seconds)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and bodies of the boxes that follow each other."""
    at = 0
    while at + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        head = 8
        if length == 1:
            if at + 16 > len(data):
                raise Truncated
            length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        elif length == 0:
            length = len(data) - at
        if length < head:
            raise Broken("a box without a length")
        if at + length > len(data):
            raise Truncated
        yield name, data[at + head : at + length]
        at += length


def _seconds(header: bytes) -> float:
    """Length by a movie's or track's header [s]; 0 if it says none."""
    if len(header) < 20:
        raise Broken("a header that is too short")
    if header[0] == 1:
        if len(header) < 32:
            raise Broken("a header that is too short")
        scale, length = struct.unpack(">IQ", header[20:32])
    else:
        scale, length = struct.unpack(">II", header[12:20])
    return float(length) / float(scale) if scale else 0.0
