"""Files of our own that cannot be read any more: each is named, with what to do, whoever asks for it first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flows.cli.main import main
from tests.workspaces import Small, demand
from transforms.damage import table_of_run
from transforms.errors import LakeError, MeterwrightError
from transforms.lake import Lake
from transforms.outbox import read_lines, read_manifest
from transforms.schemas import DEVICES
from transforms.workspace import Workspace

RUN = "20260101T000000Z_12h_r1"
MANIFEST: dict[str, Any] = {
    "window_start": "2026-01-01T00:00:00Z",
    "window_end": "2026-01-01T12:00:00Z",
    "revision": 1,
    "inputs": [],
    "files": {"commands.jsonl": {"rows": 0}},
    "counts": {},
    "feedback": {},
}
LEDGER: dict[str, Any] = {
    "version": 1, "n_buckets": 1, "generation": 1, "devices": "devices-1.parquet", "conflicts": None, "files": [], "dumps": [],
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": None},
        {"inputs": [1]},
        {"files": None},
        {"files": {"commands.jsonl": None}},
        {"counts": 3},
        {"feedback": []},
        {"window_start": "soon"},
        {"revision": None},
    ],
)
def test_a_manifest_without_a_part_that_runs_ask_for(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = tmp_path / RUN
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    assert read_manifest(folder) == MANIFEST
    (folder / "manifest.json").write_text(json.dumps({**MANIFEST, **changes}, indent=1))
    with pytest.raises(MeterwrightError, match=rf"outbox/{RUN}/manifest.json cannot be read .*restore the folder"):
        read_manifest(folder)
    (folder / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(MeterwrightError, match=r"manifest\.json cannot be read"):
        read_manifest(folder)


@pytest.mark.parametrize("content", [b'{"a": 1', b'{"\xe4": 1}\n', b"[" * 100_000, None])
def test_lines_of_a_run(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / RUN / "commands.jsonl"
    file.parent.mkdir()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(
        MeterwrightError, match=rf"^{RUN}/commands.jsonl cannot be read \(.*\); restore .*outbox verify"
    ):
        read_lines(file)


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more", None])
def test_a_table_of_a_run(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / RUN / "verdicts.parquet"
    file.parent.mkdir()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(MeterwrightError, match=rf"^{RUN}/verdicts.parquet cannot be read \(.*\); restore"):
        table_of_run(file)
    pl.DataFrame({"a": [1]}).write_parquet(file)
    with pytest.raises(MeterwrightError, match=r"verdicts\.parquet cannot be read"):
        table_of_run(file, ["verdict"])


@pytest.mark.parametrize(
    "changes",
    [{"files": None}, {"files": [{"path": "x"}]}, {"dumps": [{}]}, {"dumps": {"a": 1}}, {"repeats": ["x"]}],
)
def test_a_ledger_that_lists_something_else(tmp_path: Path, changes: dict[str, Any]) -> None:
    workspace = Workspace(tmp_path)
    workspace.lake.mkdir()
    pl.DataFrame(schema=DEVICES).write_parquet(workspace.lake / "devices-1.parquet")
    ledger = workspace.lake / "ledger.json"
    ledger.write_text(json.dumps(LEDGER))
    assert Lake.open(workspace).devices().is_empty()
    (workspace.lake / "devices-1.parquet").write_bytes(b"PAR1")
    with pytest.raises(LakeError, match=r"lake/devices-1.parquet cannot be read .*ingest again"):
        Lake.open(workspace).devices()
    ledger.write_text(json.dumps({**LEDGER, **changes}))
    with pytest.raises(LakeError, match=r"ledger.json lists what is no file or dump of a lake; .*ingest again"):
        Lake.open(workspace)


def test_a_file_of_readings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = Small(tmp_path).registry(["WM-1"])
    small.dump("meter", {"WM-1": demand()}).dump("flowmeter", {"WM-1": demand()})
    assert main(["ingest", "--workspace", str(tmp_path)]) == 0
    for file in (tmp_path / "lake").glob("stream=*/*/*/*.parquet"):
        file.write_bytes(b"PAR1 and no more")
    span = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z"]
    asked: list[Callable[[], int]] = [
        small.run,
        lambda: main(["explain", "WM-1", "--workspace", str(tmp_path), "--window", "12h"]),
        lambda: main(["audit", *span, "--workspace", str(tmp_path), "--workers", "1"]),
    ]
    for ask in asked:
        assert ask() == 1
        said = capsys.readouterr().err.splitlines()[-1]
        assert said.startswith("meterwright: a file of the lake cannot be read (")
        assert said.endswith("move the lake folder away and ingest again: it is rebuilt from raw")
