"""A folder of exports as a workspace that lasts as long as its audit: the dumps are linked, never touched.

An audit that was stopped goes on with what it took in, if the exports are still the same. One that was replaced, changed or
taken away since then is noticed by its digest, and the audit begins afresh: a lake forgets no reading, so what the old
export said would be judged beside, or against, what the new one says.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from reports.wording import visible
from transforms.digests import Digests, sha256_of, state_of
from transforms.errors import UsageError
from transforms.ingest.discover import glob_pattern
from transforms.lake import Lake
from transforms.registry import Registry
from transforms.workspace import STREAMS, Workspace

#: how the names of throw-away workspaces begin that are being removed
_GONE: Final = ".gone-"


def throw_away(place: Workspace, exports: Path, registry: Registry, progress: Callable[[str], None]) -> Workspace:
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
    for gone in place.scratch.glob(f"{_GONE}*"):
        shutil.rmtree(gone)
    _link_all(files, names, workspace.raw / prefix)
    other = _other_than_taken_in(workspace)
    if other is not None:
        progress(f"exports: {visible(other)} is not what it was when this audit was begun, so it begins afresh")
        take_away(workspace)
        _link_all(files, names, workspace.raw / prefix)
    return workspace


def take_away(workspace: Workspace) -> None:
    """Remove a throw-away workspace, at once for whoever looks for it: a kill meanwhile leaves no half of a lake behind."""
    gone = workspace.root.with_name(f"{_GONE}{workspace.root.name}")
    workspace.root.rename(gone)
    shutil.rmtree(gone)


def _other_than_taken_in(workspace: Workspace) -> str | None:
    """A dump that the lake has and that is not there any more, or says something else; None if there is none.

    Of files whose size, inode and times are those that ingest noted no byte is read.
    """
    taken = {dump["file"]: dump["sha256"] for dump in Lake.open(workspace).dumps}
    notes = Digests(workspace.lake)
    for file, digest in taken.items():
        path = workspace.raw / file
        if not path.is_file():
            return str(file)
        found = notes.known(file, path)
        if found is None:
            state = state_of(path)
            found = sha256_of(path)
            notes.remember(file, state, found)
        if found != digest:
            return str(file)
    if taken:
        notes.save()
    return None


def _link_all(files: list[Path], names: list[str], folder: Path) -> None:
    """Have a folder hold these files by these names, and no others."""
    wanted = set(names)
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in wanted:
            path.unlink()
    for path, name in zip(files, names, strict=True):
        _link(path, folder / name)


def _link(source: Path, target: Path) -> None:
    """Let a file appear at another place without copying it, where the file system can do that."""
    if target.exists() and target.samefile(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.part")
    draft.unlink(missing_ok=True)
    try:
        os.link(source, draft)
    except OSError:
        shutil.copyfile(source, draft)
    draft.replace(target)
