"""Discover: which files below raw/ are dumps of which stream, and who says how to read them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transforms.sources import Source
from transforms.sources.newest import version_of_name
from transforms.workspace import STREAMS, UNFINISHED

#: what a file's name says about its format, for files that no source claims
FORMATS: Final = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}
COMPRESSIONS: Final = {".gz": "gzip", ".zst": "zstd"}


@dataclass(frozen=True)
class Candidate:
    """A file that is read as one dump of one stream.

    Attributes
    ----------
    path : Path
        Where it lies.
    file : str
        The same relative to raw/, with forward slashes.
    source : Source or None
        How it is read; None for plain columns.
    format : str
        ``csv``, ``jsonl`` (with or without run-length frames) or ``parquet``.
    compression : str or None
        ``gzip``, ``zstd`` or None.
    """

    path: Path
    file: str
    stream: str
    source: Source | None
    format: str
    compression: str | None

    @property
    def source_name(self) -> str | None:
        return self.source.name if self.source else None

    @property
    def is_document(self) -> bool:
        """Whether the file is one JSON document."""
        return self.source is not None and self.source.format == "json"

    @property
    def version(self) -> int | None:
        """What the file's name says of its version; None where it says nothing, or the source goes by something else."""
        if self.source is not None and (self.source.conflict or self.source.version is not None):
            return None
        return version_of_name(self.file)

    @property
    def told_by_name(self) -> str | None:
        """What its readings take from what the file is called: the same content is another dump where that is another.

        The file itself, or its version, or None.
        """
        if self.source is not None and self.source.named_by_file:
            return self.file
        return None if self.version is None else told_by_version(self.version)


def told_by_version(version: int | None) -> str:
    """A version as `Candidate.told_by_name` has it; no file has such a name."""
    return f"/{version}"


def discover(raw: Path, sources: Sequence[Source]) -> tuple[list[Candidate], list[tuple[str, str]]]:
    """List the dumps below raw/ in the order of their paths, and the files that only look like dumps.

    Hidden files and those that end in ``.part`` or ``.tmp`` are still being written and are left for later. A file in
    ``raw/meter`` or ``raw/flowmeter`` that no source claims is read with plain columns.

    Returns
    -------
    list of Candidate
        Sorted by path, stream and source.
    list of (str, str)
        Files that are not read, with ``outside_raw``, ``unknown_format``, ``not_a_file`` or ``bad_name`` (no UTF-8).
    """
    patterns = [(source, re.compile(glob_pattern(source.claims))) for source in sources]
    found: list[Candidate] = []
    ignored: list[tuple[str, str]] = []
    for path in _walk(raw):
        file = path.relative_to(raw).as_posix()
        if not _is_text(file):
            ignored.append((file.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"), "bad_name"))
            continue
        claims = [source for source, pattern in patterns if pattern.fullmatch(file)]
        home = file.split("/", 1)[0]
        if not claims and home not in STREAMS:
            continue
        fault = _fault(path, raw)
        compression, kind = _by_name(path.name)
        if not fault and not claims and kind is None:
            fault = "unknown_format"
        if fault:
            ignored.append((file, fault))
            continue
        found += [
            Candidate(path, file, source.stream, source, _source_format(source), compression) for source in claims
        ]
        if not claims and kind:
            found.append(Candidate(path, file, home, None, kind, compression))
    found.sort(key=lambda one: (one.file, one.stream, one.source_name or ""))
    return found, sorted(ignored)


def glob_pattern(glob: str) -> str:
    """A glob relative to raw/ as a regular expression: ``*`` and ``?`` stay within a folder, ``**/`` spans folders."""
    out: list[str] = []
    position = 0
    while position < len(glob):
        if glob.startswith("**/", position):
            out.append("(?:[^/]+/)*")
            position += 3
            continue
        letter = glob[position]
        closing = glob.find("]", position + 2) if letter == "[" else -1
        if letter == "*":
            out.append("[^/]*")
        elif letter == "?":
            out.append("[^/]")
        elif closing > 0:
            inside = glob[position + 1 : closing]
            negated = inside.startswith("!")
            letters = inside[negated:].replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
            out.append(f"(?!/)[{'^' if negated else ''}{letters}]")
            position = closing
        else:
            out.append(re.escape(letter))
        position += 1
    return "".join(out)


def _walk(folder: Path) -> Iterator[Path]:
    """Every entry that is no folder, hidden and unfinished ones left out; links to folders are not followed."""
    for parent, folders, files in os.walk(folder, followlinks=False):
        here = Path(parent)
        linked = [name for name in folders if (here / name).is_symlink() and not name.startswith(".")]
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in linked)
        for name in sorted(files + linked):
            if not name.startswith(".") and not name.endswith(UNFINISHED):
                yield here / name


def _is_text(name: str) -> bool:
    """Whether a name is valid UTF-8; one that is not could be neither printed nor written into a ledger."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _fault(path: Path, raw: Path) -> str | None:
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):  # a link that leads nowhere, or to itself, which Python 3.11 and 3.12 tell apart
        return "not_a_file"
    if not real.is_relative_to(raw.resolve()):
        return "outside_raw"
    return None if stat.S_ISREG(real.stat().st_mode) else "not_a_file"


def _by_name(name: str) -> tuple[str | None, str | None]:
    lower = name.lower()
    compression = next((kind for ending, kind in COMPRESSIONS.items() if lower.endswith(ending)), None)
    if compression:
        lower = lower.rsplit(".", 1)[0]
    kind = next((kind for ending, kind in FORMATS.items() if lower.endswith(ending)), None)
    return compression, None if compression and kind == "parquet" else kind


def _source_format(source: Source) -> str:
    return "jsonl" if source.format in ("json", "rle") else source.format
