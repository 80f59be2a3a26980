"""Files that hold phone numbers: only their owner may read them, from the moment they are there."""

from __future__ import annotations

import os
from pathlib import Path

#: names of such files, in the registry and in the outbox
PRIVATE = frozenset({"terminals.csv", "notices.jsonl"})

OWNER_ONLY, USUAL = 0o600, 0o644


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet; one of `PRIVATE` for its owner only, whatever the process's umask.

    Raises
    ------
    FileExistsError
        If it is there.
    """
    mode = OWNER_ONLY if path.name in PRIVATE else USUAL
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def open_to_others(path: Path) -> bool:
    """Whether a file is there and others than its owner have access to it."""
    return path.is_file() and bool(path.stat().st_mode & 0o077)
