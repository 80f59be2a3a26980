"""Runs: the folders of the outbox, and their manifests and lines as they were written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from transforms.damage import RESTORE, legible
from transforms.errors import MeterwrightError, UsageError
from transforms.windows import Window, parse_time
from transforms.workspace import Workspace

_RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z_[0-9]+[hms]_r([1-9][0-9]*)")


def run_folders(workspace: Workspace) -> list[Path]:
    """The folders of all runs, in the order of their names."""
    if not workspace.outbox.is_dir():
        return []
    return sorted(path for path in workspace.outbox.iterdir() if is_run_id(path.name))


def is_run_id(name: str) -> bool:
    """Whether a name could be that of a run's folder."""
    return _RUN_ID.fullmatch(name) is not None


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of one run.

    Raises
    ------
    MeterwrightError
        If it is missing or unreadable.
    """
    try:
        file = folder / "manifest.json"
        stamp = file.stat()
        manifest = _parsed(file, stamp.st_mtime_ns, stamp.st_size, stamp.st_ino)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, UsageError) as error:
        raise MeterwrightError(
            f"outbox/{folder.name}/manifest.json cannot be read ({error.__class__.__name__}); "
            "restore the folder from a backup, or move it away if it is not one of Meterwright's"
        ) from error
    return manifest


@lru_cache(maxsize=4096)
def _parsed(file: Path, *_stamp: int) -> dict[str, Any]:
    """A manifest, parsed once in a process: a run of the cycle asks for all of them several times."""
    manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    span_of(manifest)
    int(manifest["revision"])
    parts = [*manifest["inputs"], *manifest["files"].values(), manifest["counts"], manifest["feedback"]]
    if not all(isinstance(part, dict) for part in parts):
        raise TypeError
    return manifest


def forget_manifests() -> None:
    """Let the next question read all manifests from their files, as a process of its own would."""
    _parsed.cache_clear()


def read_lines(file: Path) -> list[dict[str, Any]]:
    """All lines of a JSON Lines file of the outbox. Only a line feed ends a line: names may hold other separators.

    Raises
    ------
    MeterwrightError
        If it cannot be read.
    """
    with legible(file, RESTORE):
        return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


def window_of(manifest: Mapping[str, Any]) -> Window:
    """The window that a run is about."""
    start, end = span_of(manifest)
    return Window(start, end - start)


def span_of(manifest: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """Begin and end of the window that a run is about."""
    return parse_time(manifest["window_start"]), parse_time(manifest["window_end"])
