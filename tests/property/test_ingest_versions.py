"""Corrections: whatever the order of dumps and their cut, the newest version of each reading is the one that is used."""

from __future__ import annotations

import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ingesting import flows, registry
from transforms.ingest import ingest, run
from transforms.sources import Column, Source
from transforms.workspace import Workspace

START = datetime(2026, 1, 1, tzinfo=UTC)
#: code, quarter of an hour, flow, version; without a version the row comes by a source that has none
Row = tuple[str, int, int, int | None]
rows: st.SearchStrategy[list[Row]] = st.lists(
    st.tuples(
        st.sampled_from(["WM-1", "WM-2"]), st.integers(0, 1), st.integers(1, 3), st.sampled_from([None, 1, 2, 10])
    ),
    min_size=1,
    max_size=24,
)
COLUMNS = {"feature_code": Column(("id",)), "timestamp": Column(("ts",)), "flow_lph": Column(("q",))}
SOURCES = [
    Source("with", "meter", "with/*", "csv", columns=COLUMNS, version=Column(("version",))),
    Source("without", "meter", "without/*", "csv", columns=COLUMNS),
]


def _expected(drawn: list[Row]) -> tuple[dict[str, int], list[tuple[str, datetime, float]]]:
    """The accounting and what is used, by the definition."""
    values: dict[tuple[str, int], dict[int, set[int]]] = {}
    for code, quarter, flow, version in drawn:
        values.setdefault((code, quarter), {}).setdefault(version or 0, set()).add(flow)
    groups = [group for versions in values.values() for group in versions.values()]
    distinct = sum(map(len, groups))
    counts = {
        "read": len(drawn),
        "accepted": len(groups),
        "duplicate": len(drawn) - distinct,
        "quarantined": distinct - len(groups),
        "replaced": len(groups) - len(values),
    }
    used = []
    for (code, quarter), versions in values.items():
        newest = versions[max(versions)]
        if len(newest) == 1:
            used.append((code, START + quarter * timedelta(minutes=15), float(*newest)))
    return counts, sorted(used)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=rows, data=st.data())
def test_the_newest_version_is_used_whatever_the_order(drawn: list[Row], data: st.DataObject) -> None:
    counts, used = _expected(drawn)
    shuffled = data.draw(st.permutations(drawn))
    turn_of = data.draw(st.lists(st.integers(0, 2), min_size=len(drawn), max_size=len(drawn)))
    small_batches = data.draw(st.booleans())
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        found: Counter[str] = Counter()
        for turn in range(3):
            taken = [row for row, of_turn in zip(shuffled, turn_of, strict=True) if of_turn == turn]
            for name, versioned in (("with", True), ("without", False)):
                here = [row for row in taken if (row[3] is not None) == versioned]
                lines = [f"id,ts,q,version,turn{turn}", *map(_line, here)]
                (workspace.raw / name).mkdir(parents=True, exist_ok=True)
                (workspace.raw / name / f"{turn}.csv").write_text("\n".join(lines) + "\n")
            with patch.object(run, "BATCH_BYTES", 1 if small_batches else run.BATCH_BYTES):
                result = ingest(workspace, registry(sources=SOURCES), absurd_flow_lph=1e4, threads=1, memory_mb=400)
            for dump in result.new_dumps:
                assert dump.read == dump.accepted + dump.duplicate + dump.quarantined
                assert dump.replaced <= dump.accepted
                assert sum(dump.reasons.values()) == dump.reasons.get("conflicting", 0)
            found.update({key: getattr(result, key) for key in counts})
        assert {key: found[key] for key in counts} == counts
        assert flows(workspace, START, 12, {}) == used


def _line(row: Row) -> str:
    code, quarter, flow, version = row
    stamp = START + quarter * timedelta(minutes=15)
    return f"{code},{stamp:%Y-%m-%dT%H:%M:%SZ},{flow},{version or ''},"
