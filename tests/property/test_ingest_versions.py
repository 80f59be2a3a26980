"""Corrections: whatever the order of dumps and their cut, of different readings the newest is the one that is used."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.ingesting import flows, registry
from transforms.ingest import ingest, unread
from transforms.lake import Lake
from transforms.match.grid import Grid, lay
from transforms.sources import Column, Source
from transforms.workspace import Workspace

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=15)
#: names of dumps, the older before the newer, and what the column ``version`` says where a source reads it
NAMES = (
    "day.csv",
    "day_v2.csv",
    "day-rev10.csv",
    "day_2026-01-02.csv",
    "day_20260102_0600.csv",
    "2026-01-03_2026-01-02.csv",
)
STATED = (1, 2, 10)
#: code, quarter of an hour, flow, and which of the versions it is of: from the oldest to the newest
Row = tuple[str, int, int, int]
ORDER: list[str | int] = [NAMES[0], *STATED, *NAMES[1:]]
rows: st.SearchStrategy[list[Row]] = st.lists(
    st.tuples(st.sampled_from(["WM-1", "WM-2"]), st.integers(0, 1), st.integers(1, 3), st.integers(0, len(ORDER) - 1)),
    min_size=1,
    max_size=24,
)
COLUMNS = {"feature_code": Column(("id",)), "timestamp": Column(("ts",)), "flow_lph": Column(("q",))}
SOURCES = [
    Source("stated", "meter", "stated/*", "csv", columns=COLUMNS, version=Column(("version",))),
    Source("named", "meter", "named/**/*", "csv", columns=COLUMNS),
]


def _used(drawn: Iterable[Row]) -> list[tuple[str, datetime, float]]:
    """What is used, by the rule: the reading of the highest version, unless several have it."""
    newest: dict[tuple[str, int], tuple[int, set[int]]] = {}
    for code, quarter, flow, version in sorted(drawn, key=lambda row: row[3]):
        above, said = newest.get((code, quarter), (-1, set()))
        newest[code, quarter] = (version, {flow} if version > above else said | {flow})
    return sorted(
        (code, START + quarter * STEP, float(*said)) for (code, quarter), (_, said) in newest.items() if len(said) == 1
    )


def _counted(drawn: list[Row]) -> dict[str, int] | None:
    """The accounting in all; None where it depends on the order: a reading was said again that another contradicts."""
    instants: dict[tuple[str, int], set[tuple[int, int]]] = {}
    for code, quarter, flow, version in drawn:
        instants.setdefault((code, quarter), set()).add((flow, version))
    counts = Counter(read=len(drawn), accepted=0, duplicate=0, quarantined=0, replaced=0)
    for said in instants.values():
        versions, values = ({pair[place] for pair in said} for place in (1, 0))
        if len(said) > len(versions) and len(said) > len(values):
            return None
        accepted = min(len(versions), len(values))
        counts["accepted"] += accepted
        counts["quarantined"] += len(values) - accepted
        counts["replaced"] += accepted - 1
    counts["duplicate"] = len(drawn) - counts["accepted"] - counts["quarantined"]
    return dict(counts)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=rows, order=st.randoms(use_true_random=False), small_batches=st.booleans())
@example([("WM-1", 0, 1, 0), ("WM-1", 0, 1, 6), ("WM-1", 0, 2, 5)], None, False)
def test_the_newest_is_used_whatever_the_order(drawn: list[Row], order: object, small_batches: bool) -> None:
    turns = [(k % 3, k % 2) for k in range(len(drawn))]
    if order is not None:
        order.shuffle(drawn)  # type: ignore[attr-defined]
        turns = [(order.randrange(3), order.randrange(2)) for _ in drawn]  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        found: Counter[str] = Counter()
        for turn in range(3):
            taken = [(row, place) for row, (of_turn, place) in zip(drawn, turns, strict=True) if of_turn == turn]
            _lay_down(workspace.raw, taken, turn)
            with patch.object(unread, "BATCH_BYTES", 1 if small_batches else unread.BATCH_BYTES):
                result = ingest(workspace, registry(sources=SOURCES), absurd_flow_lph=1e4, threads=1, memory_mb=400)
            for dump in result.new_dumps:
                assert dump.read == dump.accepted + dump.duplicate + dump.quarantined
                assert dump.replaced <= dump.accepted
                assert sum(dump.reasons.values()) == dump.reasons.get("conflicting", 0)
            found.update(
                {key: getattr(result, key) for key in ("read", "accepted", "duplicate", "quarantined", "replaced")}
            )
            so_far = _used(row for row, (of_turn, _) in zip(drawn, turns, strict=True) if of_turn <= turn)
            assert flows(workspace, START, 12, {}) == so_far
            assert _laid(workspace) == so_far
        assert _counted(drawn) in (None, dict(found))


def _lay_down(raw: Path, taken: list[tuple[Row, int]], turn: int) -> None:
    """Write the dumps of a turn; each version may come in two of them, in two folders."""
    texts: dict[Path, list[str]] = {}
    for (code, quarter, flow, version), place in taken:
        name, stated = ORDER[version], ""
        if isinstance(name, int):
            path, stated = raw / "stated" / f"{turn}-{place}.csv", str(name)
        else:
            path = raw / "named" / f"{turn}-{place}" / name
        # no two dumps have the same bytes
        texts.setdefault(path, [f"id,ts,q,version,{turn}-{place}"])
        texts[path].append(f"{code},{START + quarter * STEP:%Y-%m-%dT%H:%M:%SZ},{flow},{stated},")
    for path, lines in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")


def _laid(workspace: Workspace) -> list[tuple[str, datetime, float]]:
    """The same readings as an audit takes them from the lake."""
    lake = Lake.open(workspace)
    devices = lake.devices().filter(stream="meter").sort("device_no")
    files = lake.files_for("meter", START, START + timedelta(days=1))
    if devices.is_empty():
        return []
    grid = Grid(int(START.timestamp()) * 1_000_000, int(STEP.total_seconds()) * 1_000_000, 2)
    laid = lay(files, devices["device_no"].to_numpy().astype(np.int64), grid, lake.conflicts())
    assert laid.flow is not None
    return sorted(
        (devices["feature_code"][int(row)], START + int(slot) * STEP, float(laid.flow[row, slot]))
        for row, slot in np.argwhere(~np.isnan(laid.flow))
    )
