"""Fingerprint: what one pass over a file's bytes shows: its digest, its size and what its lines are like.

`ReadAhead` takes fingerprints in a thread of its own, so that a program may begin with the dumps while it still imports
what it needs and reads the registry. Nothing large is imported here, for the same reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Final

from transforms.digests import Digests, state_of
from transforms.workspace import STREAMS, Workspace

#: read at once: large, because a thread that comes back from hashing may have to wait for the interpreter's lock
_CHUNK: Final = 8 << 20
#: bytes that are read ahead at most: those of the dumps that are parsed first, and still in the system's cache then
_AHEAD: Final = 1 << 30
#: bytes at least of which NumPy counts line breaks, and at once
_MANY: Final = 1 << 20
#: bytes that nearly always reach back beyond the last line break
_SHORT: Final = 64
_BREAK: Final = 10
_TEXT: Final = (".csv", ".jsonl", ".ndjson")


@dataclass(frozen=True)
class TextFacts:
    """What one pass over the bytes of a text shows.

    Attributes
    ----------
    lines : int
        Number of lines, a last one without line break included, blank ones at the end not.
    plain : bool
        Whether the text holds neither a NUL nor a carriage return outside CR LF, so that lines are what they seem.
    """

    lines: int
    plain: bool


class LineCounter:
    """Counts lines and looks for odd bytes while chunks pass by."""

    def __init__(self) -> None:
        self._breaks = 0
        self._odd = False
        self._returns = 0
        self._pairs = 0
        self._tail = b""
        self._trailing_breaks = 0
        self._size = 0

    def update(self, chunk: bytes | bytearray) -> None:
        if not chunk:
            return
        self._size += len(chunk)
        self._breaks += _count_breaks(chunk)
        self._odd = self._odd or b"\0" in chunk
        if b"\r" in chunk:
            self._returns += chunk.count(b"\r")
            self._pairs += chunk.count(b"\r\n")
        if self._tail.endswith(b"\r") and chunk.startswith(b"\n"):
            self._pairs += 1
        ending, blank = _breaks_at_end(chunk)
        self._trailing_breaks = self._trailing_breaks + ending if blank else ending
        self._tail = bytes(chunk[-1:])

    def facts(self) -> TextFacts:
        unfinished = int(self._size > 0 and self._tail != b"\n")
        blank_end = max(0, self._trailing_breaks - 1)
        return TextFacts(self._breaks + unfinished - blank_end, not self._odd and self._returns == self._pairs)


def _count_breaks(chunk: bytes | bytearray) -> int:
    """Line breaks in a chunk. Where it is large, NumPy finds them in less than half the time."""
    if len(chunk) < _MANY:
        return chunk.count(b"\n")
    import numpy as np

    text = np.frombuffer(chunk, np.uint8)
    return sum(int(np.count_nonzero(text[begin : begin + _MANY] == _BREAK)) for begin in range(0, len(text), _MANY))


def _breaks_at_end(chunk: bytes | bytearray) -> tuple[int, bool]:
    """Line breaks after the last other character; and whether there is none."""
    if chunk[-_SHORT:].strip(b"\r\n"):
        chunk = chunk[-_SHORT:]
    kept = len(chunk.rstrip(b"\r\n"))
    return chunk.count(b"\n", kept), not kept


@dataclass(frozen=True)
class Fingerprint:
    """What was found in a file.

    Attributes
    ----------
    state : list of int
        `transforms.digests.state_of` the file before it was read, with the size that was read.
    sha256 : str
        Digest of the whole file.
    facts : TextFacts or None
        What its lines are like; None if nobody wanted to know.
    """

    state: list[int]
    sha256: str
    facts: TextFacts | None

    @property
    def size(self) -> int:
        return self.state[0]


def fingerprint(path: Path, *, count: bool) -> Fingerprint:
    """Read a file once; ``count`` where its bytes are lines of text."""
    state = state_of(path)
    sha, counter, size = hashlib.sha256(), LineCounter(), 0
    # one buffer for all of it: the system would have to clear the memory of each new one
    buffer = bytearray(min(_CHUNK, max(state[0], _MANY) + 1))
    with path.open("rb", buffering=0) as file:
        while length := file.readinto(buffer):
            if length < len(buffer):
                del buffer[length:]
            sha.update(buffer)
            size += length
            if count:
                counter.update(buffer)
    return Fingerprint([size, *state[1:]], sha.hexdigest(), counter.facts() if count else None)


class ReadAhead:
    """Fingerprints of text dumps that the lake does not seem to have, taken one after the other from now on."""

    def __init__(self, workspace: Workspace) -> None:
        self._futures: dict[Path, Future[Fingerprint]] = {path: Future() for path in _unread(workspace)}
        Thread(target=self._work, name="read ahead", daemon=True).start()

    def take(self, path: Path) -> Fingerprint | None:
        """The fingerprint of a file; None, at once, if it was not begun with. Then it never will be."""
        future = self._futures.get(path)
        return None if future is None or future.cancel() else future.result()

    def stop(self) -> None:
        """Begin with no further file."""
        for future in self._futures.values():
            future.cancel()

    def _work(self) -> None:
        for path, future in self._futures.items():
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(fingerprint(path, count=True))
                except OSError as error:
                    future.set_exception(error)


def _unread(workspace: Workspace) -> Iterator[Path]:
    notes, left = Digests(workspace.lake), _AHEAD
    for stream in STREAMS:
        for path in sorted((workspace.raw / stream).glob("*")):
            if path.name.startswith(".") or path.suffix.lower() not in _TEXT or not path.is_file():
                continue
            left -= path.stat().st_size
            if left < 0:
                return
            if notes.known(path.relative_to(workspace.raw).as_posix(), path) is None:
                yield path
