"""Digests: those of files and of whole folders, and notes of them, so that years of old dumps are not read again by every ingest.

A file counts as unchanged while size, inode and both times are the same. Times are coarse, so a file that changed
shortly before the notes were taken is read again: the same caution that Git takes, and it needs no clock but the file
system's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_NAME: Final = "digests.json"
#: no file system's clock ticks slower [ns]
_COARSEST: Final = 2_000_000_000


class Digests:
    """The notes about files that the lake has, kept beside the ledger. Without them everything is just read again."""

    def __init__(self, lake: Path) -> None:
        self._file = lake / _NAME
        self._notes: dict[str, list[int | str]] = {}
        self._fresh: dict[str, list[int | str]] = {}
        self._taken_ns = 0
        try:
            notes = json.loads(self._file.read_bytes())
            self._taken_ns = self._file.stat().st_mtime_ns
        except (FileNotFoundError, ValueError):
            return
        if isinstance(notes, dict):
            self._notes = notes

    def known(self, file: str, path: Path) -> str | None:
        """The SHA-256 of an unchanged file; None if it has to be read."""
        note = self._notes.get(file)
        if not isinstance(note, list) or not note:
            return None
        state = state_of(path)
        if note[:-1] != state or max(state[1:3]) + _COARSEST > self._taken_ns:
            return None
        self._fresh[file] = note
        return str(note[-1])

    def remember(self, file: str, state: list[int], sha256: str) -> None:
        """Note the digest of a file; ``state`` is `state_of` the file before it was read."""
        self._fresh[file] = [*state, sha256]

    def save(self) -> None:
        """Keep the notes about the files that were met this time."""
        if self._fresh == self._notes and all(
            max(int(note[1]), int(note[2])) + _COARSEST <= self._taken_ns for note in self._notes.values()
        ):
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        draft = self._file.with_suffix(".tmp")
        draft.write_text(json.dumps(self._fresh, ensure_ascii=False, sort_keys=True), encoding="utf-8")
        draft.replace(self._file)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sums_of(folder: Path, known: Mapping[str, str]) -> str:
    """The digests of all files below a folder, sorted by name, as ``sha256sum`` writes and checks them; those ``known``
    already are not taken again."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return "".join(f"{known.get(name) or sha256_of(folder / name)}  {name}\n" for name in names)


def state_of(path: Path) -> list[int]:
    """What changes when a file does: size [bytes], both times [ns], inode."""
    now = path.stat()
    return [now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino]
