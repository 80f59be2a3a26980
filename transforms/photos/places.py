"""Where photos lie: which names in a manifest may be followed."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from transforms.digests import sha256_of
from transforms.workspace import UNFINISHED, Workspace

#: the folder below raw/ that terminals' photos and clips go to, and the one for what a person said about them
IMAGES: Final = "images"
REVIEWS: Final = "reviews"
#: a line about a photo or a review that is longer is none [bytes]
LONGEST_LINE: Final = 10_000
_LONGEST_NAME: Final = 255


def picture_path(workspace: Workspace, name: str) -> tuple[Path | None, str]:
    """The file that a manifest's ``file`` names, or None and why not: ``bad_file_name`` or ``missing_file``.

    A name may lead into folders below raw/images, never out of them. Links are not followed, whatever they lead to, and
    hidden and unfinished files are left alone.
    """
    if not name.isprintable() or "\\" in name or name.endswith((*UNFINISHED, ".jsonl")):
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


def digest_if_there(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal; empty if it cannot be read."""
    try:
        return sha256_of(path)
    except OSError:
        return ""
