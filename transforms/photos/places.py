"""Where photos lie: which names in a manifest may be followed, and where lines that name none are set aside."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from transforms.workspace import Workspace

#: the folder below raw/ that terminals' photos and clips go to, and the one for what a person said about them
IMAGES: Final = "images"
REVIEWS: Final = "reviews"
#: so much of a refused line is kept, and a line longer than this is none
KEPT: Final = 2000
LONGEST_LINE: Final = 10_000
_LONGEST_NAME: Final = 255
_UNFINISHED: Final = (".part", ".tmp")


def picture_path(workspace: Workspace, name: str) -> tuple[Path | None, str]:
    """The file that a manifest's ``file`` names, or None and why not: ``bad_file_name`` or ``missing_file``.

    A name may lead into folders below raw/images, never out of them. Links are not followed, whatever they lead to, and
    hidden and unfinished files are left alone.
    """
    if not name.isprintable() or "\\" in name or name.endswith((*_UNFINISHED, ".jsonl")):
        return None, "bad_file_name"
    parts = name.split("/")
    if not all(part and not part.startswith(".") and len(part.encode()) <= _LONGEST_NAME for part in parts):
        return None, "bad_file_name"
    path = workspace.raw / IMAGES
    for part in parts:
        path = path / part
        try:
            mode = path.lstat().st_mode
        except (OSError, ValueError):
            return None, "missing_file"
        if stat.S_ISLNK(mode):
            return None, "bad_file_name"
    return (path, "") if stat.S_ISREG(mode) else (None, "bad_file_name")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def lines_of(workspace: Workspace, folder: str) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Every line that is not blank of ``raw/FOLDER/*.jsonl``, files in the order of their names, each with its place."""
    home = workspace.raw / folder
    for path in sorted(home.glob("*.jsonl")) if home.is_dir() else []:
        if path.name.startswith(".") or not path.is_file():
            continue
        name = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
            if line.strip():
                yield {"file": f"raw/{folder}/{name}", "line": number}, line


def refusal(place: Mapping[str, Any], reason: str, detail: str, line: bytes) -> dict[str, Any]:
    """A refused line: ``file, line, reason, detail, row``."""
    return {**place, "reason": reason, "detail": detail, "row": line[:KEPT].decode("utf-8", "replace")}


def parsed(line: bytes, texts: Sequence[str]) -> tuple[dict[str, Any], str]:
    """A line as an object in which some keys are text, or an empty one and what is wrong."""
    if len(line) > LONGEST_LINE:
        return {}, f"is longer than {LONGEST_LINE:,} bytes"
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}, "is not JSON"
    if not isinstance(found, dict):
        return {}, "is not an object"
    for key in texts:
        if not isinstance(found.get(key), str) or not found[key]:
            return {}, f"{key} is missing or no text"
    return found, ""


def set_aside_lines(workspace: Workspace, name: str, refused: Sequence[Mapping[str, Any]]) -> None:
    """Write refused lines to ``quarantine/NAME``, for its owner only: they may hold phone numbers, as they came.

    The file always holds all of them, so writing it twice is no harm.
    """
    target = workspace.quarantine / name
    if not refused and not target.exists():
        return
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = target.with_suffix(".tmp")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(item, ensure_ascii=False) + "\n" for item in refused)
    draft.replace(target)
