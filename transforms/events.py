"""Events: the lines of JSON that come into raw/ beside the dumps: acks, what terminals say of photos, a person's reviews.

They are read where they lie and never changed. Lines that cannot be used stand in the quarantine, each time all of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from transforms.workspace import Workspace

#: so much of a refused line is kept
KEPT: Final = 2000
#: stands for the lines of a file that is not followed
OUTSIDE: Final = b"a link"


def lines_of(workspace: Workspace, folder: str) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Every line that is not blank of ``raw/FOLDER/*.jsonl``, files in the order of their names, each with its place.

    Only a line feed ends a line, as in JSON Lines. Hidden files, folders and links that lead nowhere are left alone. Links
    that lead out of raw/ are not followed, as with dumps: such a file has one line, `OUTSIDE`, which `parsed` refuses.
    """
    home, raw = workspace.raw / folder, workspace.raw.resolve()
    for path in sorted(home.glob("*.jsonl")) if home.is_dir() else []:
        if path.name.startswith(".") or not path.is_file():
            continue
        name = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        inside = path.resolve().is_relative_to(raw)
        for number, line in enumerate(path.read_bytes().split(b"\n") if inside else [OUTSIDE], start=1):
            if line.strip():
                yield {"file": f"raw/{folder}/{name}", "line": number}, line


def kept(line: bytes) -> str:
    """What is kept of a refused line."""
    return line[:KEPT].decode("utf-8", "replace")


def refusal(place: Mapping[str, Any], reason: str, detail: str, line: bytes) -> dict[str, Any]:
    """A refused line: ``file, line, reason, detail, row``."""
    return {**place, "reason": reason, "detail": detail, "row": kept(line)}


def parsed(line: bytes, texts: Sequence[str], longest: int | None = None) -> tuple[dict[str, Any], str]:
    """A line of at most ``longest`` bytes as an object in which some keys are text, or an empty one and what is wrong."""
    if line is OUTSIDE:
        return {}, "is a link to a place outside raw/, which is not followed"
    if longest is not None and len(line) > longest:
        return {}, f"is longer than {longest:,} bytes"
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
