"""Parquet of others is read by a child process: if that dies of a file, the others of the batch still go in."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.ingesting import readings, registry
from transforms.ingest import ingest, parquet_copy
from transforms.workspace import Workspace

#: a child that dies of every file whose name says so, the way a reader does that runs into memory not its own
CHILD = """
import json, os, shutil, signal, sys
order = json.load(sys.stdin)
for source, target in order[3]:
    if "deadly" in source:
        os.kill(os.getpid(), signal.SIGKILL)
    shutil.copyfile(source, target)
    print("null", flush=True)
"""


def test_the_child_dies_and_the_batch_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "child.py").write_text(CHILD)
    monkeypatch.setattr(parquet_copy, "_CHILD", tmp_path / "child.py")
    workspace = Workspace(tmp_path / "workspace")
    (workspace.raw / "meter").mkdir(parents=True)
    for k, name in enumerate(("a", "b-deadly", "c", "d-deadly")):
        rows = {"feature_code": ["WM-1"], "timestamp": [f"2026-01-01T0{k}:00:00Z"], "flow_lph": [float(k)]}
        pl.DataFrame(rows).write_parquet(workspace.raw / "meter" / f"{name}.parquet")
    result = ingest(workspace, registry(), absurd_flow_lph=1e4, threads=1, memory_mb=400)
    assert [(dump.accepted, dump.reasons) for dump in result.new_dumps] == [
        (1, {}),
        (0, {"unreadable_file": 1}),
        (1, {}),
        (0, {"unreadable_file": 1}),
    ]
    assert [flow for _, _, _, flow, _ in readings(workspace)] == [0.0, 2.0]
