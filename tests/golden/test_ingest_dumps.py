"""A matrix of tiny dumps, one per fault and feature, each with its expected outcome beside it."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.ingesting import readings, registry
from transforms.ingest import ingest
from transforms.lake import Lake
from transforms.reasons import QUARANTINE_REASONS
from transforms.sources import Column, Source
from transforms.workspace import Workspace

DUMPS = Path(__file__).parent.parent / "dumps"
CASES = sorted(path.name.removesuffix(".json") for path in DUMPS.glob("*.json"))


def _source(given: dict[str, Any]) -> Source:
    columns = {
        name: Column(**{**column, "names": tuple(column.get("names", ()))})
        for name, column in given.get("columns", {}).items()
    }
    return Source(**{**given, "name": "vendor", "glob": "vendor/*", "columns": columns})


@pytest.mark.parametrize("case", CASES)
def test_dump(case: str, tmp_path: Path) -> None:
    expected = json.loads((DUMPS / f"{case}.json").read_text(encoding="utf-8"))
    workspace = Workspace(tmp_path)
    sources = (_source(expected["source"]),) if "source" in expected else ()
    folder = workspace.raw / ("vendor" if sources else expected["stream"])
    folder.mkdir(parents=True)
    shutil.copyfile(DUMPS / case, folder / case)

    result = ingest(workspace, registry(sources=sources), absurd_flow_lph=10_000.0, threads=2, memory_mb=400)

    (dump,) = result.new_dumps
    counts = {key: getattr(dump, key) for key in ("read", "accepted", "duplicate", "quarantined", "reasons")}
    assert counts == {key: expected[key] for key in counts}
    assert dump.read == dump.accepted + dump.duplicate + dump.quarantined
    assert dump.reasons.keys() <= QUARANTINE_REASONS.keys()
    assert dump.note == expected.get("note")
    assert (dump.stream, dump.source) == (expected["stream"], "vendor" if sources else None)
    if "readings" in expected:
        wanted = [
            (code, number, datetime.fromisoformat(ts).replace(tzinfo=UTC), flow, volume)
            for code, number, ts, flow, volume in expected["readings"]
        ]
        assert readings(workspace) == wanted
    aside = sorted(workspace.quarantine.glob("*.parquet")) if workspace.quarantine.exists() else []
    assert len(aside) == (1 if dump.quarantined else 0)
    if aside:
        rows = pl.read_parquet(aside[0])
        assert rows.columns == ["file", "line", "reason", "detail", "row"]
        assert rows.height == dump.quarantined
        if "lines" in expected:
            assert sorted(map(list, rows.select("line", "reason").rows()), key=str) == sorted(
                expected["lines"], key=str
            )
        with aside[0].with_suffix(".csv").open(encoding="utf-8", newline="") as file:
            assert len(list(csv.DictReader(file))) == dump.quarantined

    # the same raw folder once more adds nothing
    ledger = (workspace.lake / "ledger.json").read_bytes()
    again = ingest(workspace, registry(sources=sources), absurd_flow_lph=10_000.0, threads=2, memory_mb=400)
    assert (again.new_dumps, again.skipped) == ((), 1)
    assert (workspace.lake / "ledger.json").read_bytes() == ledger
    assert Lake.open(workspace).dumps[0]["file"] == f"{folder.name}/{case}"


def test_every_reason_has_a_dump() -> None:
    seen = {reason for path in DUMPS.glob("*.json") for reason in json.loads(path.read_text())["reasons"]}
    assert seen == QUARANTINE_REASONS.keys()
