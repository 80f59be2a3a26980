"""Writing a run: every file into a staging folder, then one rename."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from transforms.schemas import EFFECTS, READINGS, VERDICTS
from transforms.workspace import Workspace

MANIFEST_SCHEMA = "meterwright.manifest/1"

#: files that hold phone numbers are readable by their owner only
PRIVATE = frozenset({"notices.jsonl"})


@dataclass(frozen=True)
class Run:
    """Everything one run says. ``facts`` are the manifest's keys beside the files and their digests."""

    run_id: str
    verdicts: pl.DataFrame
    effects: pl.DataFrame
    commands: list[dict[str, Any]]
    notices: list[dict[str, Any]]
    work_orders: list[dict[str, Any]]
    facts: Mapping[str, Any]


def stage(workspace: Workspace, run: Run) -> Path:
    """Write a run's files into a folder of their own beside the outbox and return it; a left-over one is replaced."""
    folder = workspace.scratch / f"outbox-{run.run_id}"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    tables = {
        "verdicts.parquet": (run.verdicts, VERDICTS),
        "readings.parquet": (pl.DataFrame(schema=READINGS), READINGS),
        "effects.parquet": (run.effects, EFFECTS),
    }
    lists = {"commands.jsonl": run.commands, "notices.jsonl": run.notices, "work_orders.jsonl": run.work_orders}
    rows = {}
    for name, (frame, schema) in tables.items():
        frame.select(pl.col(column).cast(kind) for column, kind in schema.items()).write_parquet(folder / name)
        rows[name] = frame.height
    for name, items in lists.items():
        _write_text(folder / name, _lines(items), private=name in PRIVATE)
        rows[name] = len(items)
    files = {name: {**_fingerprint(folder / name), "rows": rows[name]} for name in sorted(rows)}
    manifest = {"schema": MANIFEST_SCHEMA, "run_id": run.run_id, **run.facts, "files": files, "signature": None}
    _write_text(folder / "manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    for path in folder.iterdir():
        _sync(path)
    _sync(folder)
    return folder


def commit(workspace: Workspace, staged: Path, run_id: str) -> Path:
    """Let a staged run appear in the outbox by one rename."""
    target = workspace.run(run_id)
    target.parent.mkdir(parents=True, exist_ok=True)
    staged.rename(target)
    _sync(target.parent)
    return target


def _lines(items: Iterable[Mapping[str, Any]]) -> str:
    encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode  # `json.dumps` would make one for each line
    return "".join(encode(item) + "\n" for item in items)


def _write_text(path: Path, text: str, *, private: bool = False) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"sha256": digest, "bytes": path.stat().st_size}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
