"""Writing a run: every file into a staging folder, then one rename."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from transforms.damage import writable
from transforms.digests import sha256_of
from transforms.errors import MeterwrightError
from transforms.private import write_new
from transforms.schemas import EFFECTS, MOMENTS, READINGS, VERDICTS
from transforms.signature import SigningKey, sealed
from transforms.workspace import Workspace

MANIFEST_SCHEMA = "meterwright.manifest/1"


@dataclass(frozen=True)
class Run:
    """Everything one run says. ``facts`` are the manifest's keys beside the files and their digests."""

    run_id: str
    verdicts: pl.DataFrame
    moments: pl.DataFrame
    effects: pl.DataFrame
    readings: pl.DataFrame
    commands: list[dict[str, Any]]
    notices: list[dict[str, Any]]
    work_orders: list[dict[str, Any]]
    facts: Mapping[str, Any]


def begin(workspace: Workspace, run_id: str, moments: pl.DataFrame) -> Path:
    """Make the folder that `stage` fills, a left-over one is replaced, and write into it what no decision changes.

    The sums are most of what a run has to write; who has them early need not wait for them later.
    """
    folder = _fresh(workspace, run_id)
    _write_table(folder / "moments.parquet", moments, MOMENTS)
    return folder


def stage(workspace: Workspace, run: Run, key: SigningKey | None = None, begun: Path | None = None) -> Path:
    """Write a run's files into a folder of their own beside the outbox and return it.

    The manifest is signed if there is a key. ``begun`` is what `begin` returned for this run, if it was called.
    """
    folder = begun or begin(workspace, run.run_id, run.moments)
    tables = {
        "verdicts.parquet": (run.verdicts, VERDICTS),
        "readings.parquet": (run.readings, READINGS),
        "effects.parquet": (run.effects, EFFECTS),
    }
    lists = {"commands.jsonl": run.commands, "notices.jsonl": run.notices, "work_orders.jsonl": run.work_orders}
    rows = {"moments.parquet": run.moments.height}
    for name, (frame, schema) in tables.items():
        _write_table(folder / name, frame, schema)
        rows[name] = frame.height
    rows |= _write_lists(folder, lists)
    return _finish(folder, run.run_id, run.facts, rows, key)


def _write_table(path: Path, frame: pl.DataFrame, schema: Mapping[str, pl.DataType | type[pl.DataType]]) -> None:
    table = frame.select(pl.col(column).cast(kind) for column, kind in schema.items())
    with writable(path):
        table.write_parquet(path)


def stage_revision(
    workspace: Workspace,
    run_id: str,
    of: Path,
    lists: Mapping[str, list[dict[str, Any]]],
    facts: Mapping[str, Any],
    key: SigningKey | None = None,
) -> Path:
    """Stage a run that has the files of an earlier revision, byte for byte, except those in ``lists``.

    Raises
    ------
    MeterwrightError
        If a file of the earlier revision is not what its manifest says.
    """
    folder = _fresh(workspace, run_id)
    known = json.loads((of / "manifest.json").read_text(encoding="utf-8"))["files"]
    rows = _write_lists(folder, lists)
    for name in sorted(set(known) - set(lists)):
        shutil.copyfile(of / name, folder / name)
        if _fingerprint(folder / name) != {part: known[name][part] for part in ("sha256", "bytes")}:
            raise MeterwrightError(f"outbox/{of.name}/{name} was altered; see: meterwright outbox verify {of.name}")
        rows[name] = known[name]["rows"]
    return _finish(folder, run_id, facts, rows, key)


def commit(workspace: Workspace, staged: Path, run_id: str) -> Path:
    """Let a staged run appear in the outbox by one rename."""
    target = workspace.run(run_id)
    target.parent.mkdir(parents=True, exist_ok=True)
    staged.rename(target)
    _sync(target.parent)
    return target


def _fresh(workspace: Workspace, run_id: str) -> Path:
    folder = workspace.scratch / f"outbox-{run_id}"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def _write_lists(folder: Path, lists: Mapping[str, list[dict[str, Any]]]) -> dict[str, int]:
    for name, items in lists.items():
        write_new(folder / name, _lines(items))
    return {name: len(items) for name, items in lists.items()}


def _finish(
    folder: Path, run_id: str, facts: Mapping[str, Any], rows: Mapping[str, int], key: SigningKey | None
) -> Path:
    """Write the manifest and see to it that all is on disk."""
    files = {name: {**_fingerprint(folder / name), "rows": rows[name]} for name in sorted(rows)}
    manifest = sealed({"schema": MANIFEST_SCHEMA, "run_id": run_id, **facts, "files": files}, key)
    write_new(folder / "manifest.json", spelt(manifest))
    for path in folder.iterdir():
        _sync(path)
    _sync(folder)
    return folder


def spelt(manifest: Mapping[str, Any]) -> str:
    """The text of a manifest.json. It has this one spelling, so that not even white space can change unseen.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    return json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _lines(items: Iterable[Mapping[str, Any]]) -> str:
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode  # `json.dumps` would make one for each line
    return "".join(encode(item) + "\n" for item in items)


def _fingerprint(path: Path) -> dict[str, Any]:
    return {"sha256": sha256_of(path), "bytes": path.stat().st_size}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
