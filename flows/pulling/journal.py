"""The journal: what was fetched from a place, so that nothing is fetched twice.

One JSON line a file in ``raw/pulled/NAME/.journal.jsonl``, written before the file gets its name. It only saves work: without
it files are fetched again, and come out equal to those that are there.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = ".journal.jsonl"


@dataclass(frozen=True)
class Entry:
    """A file as it was fetched.

    Attributes
    ----------
    place, name
        Where it was, and what it is called there.
    size
        Bytes fetched.
    stamp
        What the server said about this version: etag, or time of change; empty where it says nothing.
    sha256
        Of the content.
    file
        Its path below the source's folder.
    """

    place: str
    name: str
    size: int
    stamp: str
    sha256: str
    file: str


def read_journal(folder: Path) -> list[Entry]:
    """The entries so far, oldest first. A last line that was cut off, by a kill while it was written, does not count."""
    try:
        lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    entries = []
    for line in lines:
        try:
            found = json.loads(line)
            entries.append(Entry(**{name: kind(found[name]) for name, kind in _KINDS.items()}))
        except (ValueError, KeyError, TypeError):
            continue  # what cannot be read is fetched again, and nothing worse comes of it
    return entries


def note(folder: Path, entry: Entry) -> None:
    """Add an entry and bring it to disk."""
    file = folder / FILE
    # after a line that was cut off, a new one must begin
    fresh = not file.exists() or file.read_bytes()[-1:] in (b"", b"\n")
    with file.open("a", encoding="utf-8") as journal:
        journal.write(("" if fresh else "\n") + json.dumps(asdict(entry), ensure_ascii=True, sort_keys=True) + "\n")
        journal.flush()
        os.fsync(journal.fileno())


_KINDS = {"place": str, "name": str, "size": int, "stamp": str, "sha256": str, "file": str}
