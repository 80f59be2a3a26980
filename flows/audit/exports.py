"""A folder of exports as a workspace that lasts as long as its audit: the dumps are linked, never touched."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

from transforms.errors import UsageError
from transforms.ingest.discover import glob_pattern
from transforms.registry import Registry
from transforms.workspace import STREAMS, Workspace


def throw_away(place: Workspace, exports: Path, registry: Registry) -> Workspace:
    """Make, or find again, the workspace of a folder of exports within another workspace's ``.scratch``.

    A folder with ``meter/`` or ``flowmeter/`` in it, or with files that a source claims as they are named there, is taken
    as ``raw/`` itself; any other one as a folder in ``raw/`` of the same name, as the globs of sources.toml may know it.

    Raises
    ------
    UsageError
        If the folder is none, or nothing in it is a dump.
    """
    if not exports.is_dir():
        raise UsageError(f"--exports {exports} is no folder; name the one that holds the exports")
    exports = exports.resolve()
    files = sorted(path for path in exports.rglob("*") if path.is_file())
    patterns = [re.compile(glob_pattern(source.glob)) for source in registry.sources]
    names = [path.relative_to(exports).as_posix() for path in files]
    itself = any((exports / stream).is_dir() for stream in STREAMS)
    itself |= any(pattern.fullmatch(name) for pattern in patterns for name in names)
    prefix = "" if itself else f"{exports.name}/"
    known = itself or any(pattern.fullmatch(prefix + name) for pattern in patterns for name in names)
    if not known:
        raise UsageError(
            f"--exports {exports}: none of its {len(files)} files is claimed by a source of sources.toml, and there is no "
            f"meter/ or flowmeter/ in it; write a source whose glob matches, {prefix}NAME.csv for example"
        )
    digest = hashlib.sha256(f"{exports}\n{registry.digest}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
    workspace = Workspace(place.scratch / f"exports-{digest}")
    for path, name in zip(files, names, strict=True):
        _link(path, workspace.raw / (prefix + name))
    return workspace


def _link(source: Path, target: Path) -> None:
    """Let a file appear at another place without copying it, where the file system can do that."""
    if target.exists() and target.stat().st_size == source.stat().st_size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.part")
    draft.unlink(missing_ok=True)
    try:
        os.link(source, draft)
    except OSError:
        shutil.copyfile(source, draft)
    draft.replace(target)
