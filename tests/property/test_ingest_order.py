"""Order: readings sorted by numbers stand as plain sorting puts them; what cannot be sorted so is left to DuckDB."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ingesting import frame, readings, registry
from transforms.ingest import ingest, order, sort
from transforms.ingest.order import Ordered, fetch
from transforms.ingest.versions import Versions
from transforms.workspace import Workspace

START = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)
BUCKETS = (3, 0, 0, 2, 3, 0)
N_BUCKETS = 4

Reading = tuple[int, datetime, float | None, float | None]

values = st.one_of(st.none(), st.floats(0, 1e4, width=32))
drawn_readings = st.lists(
    st.tuples(
        st.integers(0, len(BUCKETS) - 1),
        st.builds(lambda day, second: START + timedelta(days=day, seconds=second), st.integers(-9000, 9000), st.one_of(
            st.sampled_from([0, 900, 86_399]), st.integers(0, 86_399))),
        values,
        values,
    ),
    min_size=1,
    max_size=60,
)  # fmt: skip


def versions_of(*versions: int | None) -> Versions:
    """Of dumps that are numbered from 0 on."""
    distinct = tuple(dict.fromkeys(versions))
    return Versions(distinct, np.array([distinct.index(version) for version in versions], np.uint8))


def ordered(found: list[Reading], *versions: int | None) -> Ordered | None:
    """Put readings in order that come by turns from so many dumps as there are versions."""
    with duckdb.connect() as con:
        con.execute("CREATE TABLE readings (device_no INTEGER, ts TIMESTAMP, flow DOUBLE, volume DOUBLE, dump INTEGER)")
        if found:
            rows = [(*one, number % len(versions or [None])) for number, one in enumerate(found)]
            con.executemany("INSERT INTO readings VALUES (?, ?, ?, ?, ?)", rows)
        told = versions_of(*(versions or [None]))
        fetched = fetch(con, "SELECT * FROM readings", ("flow", "volume"), np.array(BUCKETS), N_BUCKETS, told)
        return None if fetched is None else fetched.in_order()


@settings(max_examples=40, deadline=None)
@given(found=drawn_readings, versions=st.lists(st.sampled_from([None, 7, 2**62]), max_size=3))
def test_readings_stand_as_sorting_puts_them(found: list[Reading], versions: list[int | None]) -> None:
    done = ordered(found, *versions)
    times = Counter((device, ts) for device, ts, *_ in found)
    assert (done is None) == (max(times.values()) > 1)
    if done is None:
        return
    days = sorted({(ts.date(), BUCKETS[device]) for device, ts, *_ in found})
    parts = done.parts("meter", N_BUCKETS)
    assert [(part.date, part.bucket) for part in parts] == days
    for part in parts:
        wanted = sorted(
            (one for one in found if (one[1].date(), BUCKETS[one[0]]) == (part.date, part.bucket)),
            key=lambda one: one[:2],
        )
        table = pa.concat_tables(done.tables(part.number, rows=2))
        columns = ["device_no", "ts", "flow", "volume"]
        assert list(zip(*(table[name].to_pylist() for name in columns), strict=True)) == wanted
        assert part.has_version == (table.column_names[4:] == ["version"]) == any(version for version in versions)
        if part.has_version:
            of = {one[:2]: versions[number % len(versions)] for number, one in enumerate(found)}
            assert table["version"].to_pylist() == [of[one[:2]] for one in wanted]
        stamps = [ts.replace(tzinfo=UTC) for _, ts, *_ in wanted]
        devices = [device for device, *_ in wanted]
        assert (part.number, part.rows) == ((part.date - date(1970, 1, 1)).days * N_BUCKETS + part.bucket, len(wanted))
        assert (part.min_ts, part.max_ts) == (min(stamps), max(stamps))
        assert (part.min_device, part.max_device) == (min(devices), max(devices))
        assert part.has_flow == any(flow is not None for _, _, flow, _ in wanted)
        assert part.has_volume == any(volume is not None for *_, volume in wanted)
    everything = sorted((day, device, ts) for device, ts, *_ in found for day in [(ts.date(), BUCKETS[device])])
    instants = done.instants()
    assert instants["device_no"].to_pylist() == [device for _, device, _ in everything]
    assert instants["ts"].to_pylist() == [ts for *_, ts in everything]


def test_what_does_not_fit_is_left_to_the_database() -> None:
    good: list[Reading] = [(0, START, 1.0, None), (1, START, 2.0, None)]
    assert ordered(good) is not None
    assert ordered([*good, (0, START + timedelta(microseconds=1), 1.0, None)]) is None
    assert ordered([]) is None
    with patch.object(order, "MOST_READINGS", 1):
        assert ordered(good) is None
    with patch.object(order, "_BITS", 1):
        assert ordered(good) is None


@pytest.mark.parametrize("late", [False, True])
def test_both_ways_make_the_same_lake(tmp_path: Path, late: bool) -> None:
    """With readings of devices that nobody registered, volumes beside flows, gaps, and, late, ones that are known."""
    header = "feature_code,flowmeter_id,timestamp,flow_lph,volume_l"
    lines = [
        f"WM-{k % 7},FM-{k % 5},2026-01-0{1 + k % 3}T{k % 24:02d}:15:00Z,{k if k % 4 else ''},{k * 10 if k % 3 else 1}"
        for k in range(200)
    ]
    made = []
    for quick in (True, False):
        workspace = Workspace(tmp_path / str(quick))
        folder = workspace.raw / "flowmeter"
        folder.mkdir(parents=True)
        with patch.object(sort, "fetch", sort.fetch if quick else lambda *_: None):
            for name, some in {"2026-01-08": lines[:120], "b": lines[100 if late else 120 :]}.items():
                (folder / f"{name}.csv").write_text("\n".join([header, *some]) + "\n", encoding="utf-8")
                result = ingest(workspace, registry(3), absurd_flow_lph=1e4, threads=2, memory_mb=400, bucket_count=2)
                assert result.duplicate == (20 if late and name == "b" else 0)
        ledger = json.loads((workspace.lake / "ledger.json").read_text(encoding="utf-8"))
        tables = {file["path"]: frame(workspace.lake / file["path"]).rows() for file in ledger["files"]}
        made.append((ledger, tables, readings(workspace)))
    assert made[0] == made[1]
    assert len(made[0][2]) == len(lines)
