"""Local names: what a server calls a file becomes a harmless path below the source's own folder."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath
from typing import Final

from transforms.workspace import UNFINISHED

#: a part of a path that may stay as it is
_HARMLESS: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=,@~-]{0,99}")
#: endings that say what a file is, and must stay behind whatever is added to a name
_ENDINGS: Final = re.compile(r"((?:\.[A-Za-z0-9]{1,8}){0,2})$")
_DEPTH: Final = 8


def local_name(remote: str) -> str:
    """A relative path for a file of a place; names that are not harmless are changed and told apart by a digest."""
    parts = [part for part in remote.split("/") if part]
    if 0 < len(parts) <= _DEPTH and all(_harmless(part) for part in parts):
        return "/".join(parts)
    stem, endings = _cut(re.sub(r"[^A-Za-z0-9._-]", "_", parts[-1] if parts else "file"))
    digest = hashlib.sha256(remote.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return f"{stem.strip('._-')[:60] or 'file'}~{digest}{'' if endings.endswith(UNFINISHED) else endings}"


def version_name(name: str, version: int) -> str:
    """The name of another version of a file, its endings kept: ``day~v2.csv.gz``."""
    path = PurePosixPath(name)
    stem, endings = _cut(path.name)
    return path.with_name(f"{stem}~v{version}{endings}").as_posix()


def _harmless(part: str) -> bool:
    return bool(_HARMLESS.fullmatch(part)) and not part.endswith((*UNFINISHED, "."))


def _cut(name: str) -> tuple[str, str]:
    endings = _ENDINGS.search(name)
    found = endings[1] if endings else ""
    if len(found) == len(name):
        return name, ""
    return name[: len(name) - len(found)], found
