"""Several dumps that say the same or differ, with the expected outcome beside them, whichever comes first."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.ingesting import flows, readings, registry
from transforms.ingest import ingest
from transforms.lake import Lake
from transforms.sources import read_sources
from transforms.workspace import Workspace

FOLDER = Path(__file__).parent.parent / "dumps" / "several"
CASES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}
COUNTS = ("read", "accepted", "duplicate", "quarantined", "replaced")
HEADER = "feature_code,timestamp,flow_lph"


@pytest.fixture(params=["at_once", "first_to_last", "last_to_first"])
def found(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Of each case the accounting and what is used; the meters of the cases are different ones, and share one lake."""
    workspace, known = Workspace(tmp_path), registry(sources=read_sources(FOLDER / "sources.toml"))
    steps: list[list[tuple[str, list[str]]]] = [[] for _ in range(4)]
    for case in CASES.values():
        dumps = list(case["dumps"].items())
        for number, dump in enumerate(reversed(dumps) if request.param == "last_to_first" else dumps):
            steps[0 if request.param == "at_once" else number].append(dump)
    case_of = {file: name for name, case in CASES.items() for file in case["dumps"]}
    counted: dict[str, Counter[str]] = {name: Counter(dict.fromkeys(COUNTS, 0)) for name in CASES}
    for step in filter(None, steps):
        for file, lines in step:
            path = workspace.raw / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join([HEADER, *lines]) + "\n")
        for dump in ingest(workspace, known, absurd_flow_lph=1e4, threads=1, memory_mb=400).new_dumps:
            counted[case_of[dump.file]].update({key: getattr(dump, key) for key in COUNTS})
    used = flows(workspace, datetime(2026, 3, 1, tzinfo=UTC), 48, {})
    codes = {name: next(iter(case["dumps"].values()))[0].split(",")[0] for name, case in CASES.items()}
    return {
        name: {
            **counted[name],
            "used": [[c, f"{at:%Y-%m-%dT%H:%M:%S}", flow] for c, at, flow in used if c == codes[name]],
        }
        for name in CASES
    }


def test_what_several_dumps_make_together(found: dict[str, dict[str, Any]]) -> None:
    assert found == {name: {key: case[key] for key in (*COUNTS, "used")} for name, case in CASES.items()}


def test_what_is_said_again_is_stored_once(tmp_path: Path) -> None:
    """A file that grows by a reading a day: no reading is there twice, and nobody needs to look at versions."""
    workspace = Workspace(tmp_path)
    (workspace.raw / "meter").mkdir(parents=True)

    def take(name: str, lines: list[str]) -> list[bool]:
        (workspace.raw / "meter" / name).write_text("\n".join([HEADER, *lines]) + "\n")
        ingest(workspace, registry(), absurd_flow_lph=1e4, threads=1, memory_mb=400)
        return [file["corrected"] for file in Lake.open(workspace).files]

    lines = [f"WM-0,2026-03-01T0{hour}:00:00Z,{hour}" for hour in range(5)]
    for many in (2, 3, 5):
        assert not any(take(f"2026-03-1{many}.csv", lines[:many]))
    assert [flow for *_, flow, _ in readings(workspace)] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert len(list(workspace.lake.glob("repeats-*.parquet"))) == len(Lake.open(workspace).repeats) == 2
    # older than the newest that said it, newer than the first
    marks = take("2026-03-13_v2.csv", [lines[0].replace("Z,0", "Z,9"), lines[3].replace("Z,3", "Z,9")])
    assert marks == [False, False, False, True]
    start = datetime(2026, 3, 1, tzinfo=UTC)
    assert [flow for *_, flow in flows(workspace, start, 12, {})] == [0.0, 1.0, 2.0, 3.0, 4.0]
