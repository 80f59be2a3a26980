"""Which runs there are: the revisions of each window, in order, and the chain that every commit makes longer by one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from transforms.outbox.history import History
from transforms.outbox.runs import read_manifest, run_folders, span_of
from transforms.windows import Window
from transforms.workspace import Workspace


def read_history(workspace: Workspace, window: Window | None = None) -> History:
    """Read the manifests of the runs of earlier windows; of all windows if none is given.

    Raises
    ------
    MeterwrightError
        If a run's manifest is missing or unreadable: the outbox was tampered with.
    """
    runs = []
    for folder in run_folders(workspace):
        manifest = read_manifest(folder)
        runs.append((span_of(manifest), int(manifest["revision"]), folder, manifest))
    runs.sort(key=lambda run: run[:2])
    own = (window.start, window.end) if window else None
    by_window: dict[tuple[datetime, datetime], list[tuple[Path, dict[str, Any]]]] = {}
    for span, _, folder, manifest in runs:
        if own is None or span < own:
            by_window.setdefault(span, []).append((folder, manifest))
    return History(
        folders=tuple(revisions[-1][0] for revisions in by_window.values()),
        manifests=tuple(revisions[-1][1] for revisions in by_window.values()),
        later=own is not None and any(span > own for span, *_ in runs),
        older=tuple(tuple(folder for folder, _ in revisions[:-1]) for revisions in by_window.values()),
        head=chain_end([(folder, manifest) for _, _, folder, manifest in runs]),
        rest=tuple(folder for span, _, folder, _ in runs if own is not None and span >= own),
    )


def newest_revision(workspace: Workspace, window: Window) -> dict[str, Any] | None:
    """The manifest of a window's newest revision, None if the window has no run."""
    folders = (folder for folder in run_folders(workspace) if folder.name.rpartition("_r")[0] == window.name)
    return max((read_manifest(folder) for folder in folders), key=lambda found: int(found["revision"]), default=None)


def chain_end(runs: Sequence[tuple[Path, dict[str, Any]]]) -> dict[str, str] | None:
    """The run that was committed last: each run names the one before it, and this one is named by none.

    So the chain follows the order of commits, also where a revision of an old window comes after newer windows. Should
    more than one run be unnamed, which only tampering or a restored backup does, the latest by window and revision is
    taken.

    Parameters
    ----------
    runs
        Folders and manifests of all runs, ordered by window and revision.

    Returns
    -------
    dict or None
        ``run_id`` and ``manifest_sha256``, the digest of the bytes of its manifest.json; None where there is no run.
    """
    named = {str(link.get("run_id")) for _, manifest in runs if isinstance(link := manifest.get("previous"), dict)}
    ends = [folder for folder, _ in runs if folder.name not in named]
    if not ends:
        return None
    digest = hashlib.sha256((ends[-1] / "manifest.json").read_bytes()).hexdigest()
    return {"run_id": ends[-1].name, "manifest_sha256": digest}
