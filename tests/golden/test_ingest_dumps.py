"""A matrix of tiny dumps, one per fault and feature, each with its expected outcome beside it."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest

from tests.ingesting import flows, readings, registry
from transforms.ingest import IngestResult, ingest, stage
from transforms.lake import Lake
from transforms.reasons import QUARANTINE_REASONS
from transforms.sources import Choice, Column, Source, read_sources
from transforms.workspace import Workspace

DUMPS = Path(__file__).parent.parent / "dumps"
CASES = sorted(path.name.removesuffix(".json") for path in DUMPS.glob("*.json"))


NOW = datetime(2026, 11, 1, tzinfo=UTC)


def _sources(case: str, folder: Path) -> tuple[Source, ...]:
    """The mapping that lies beside a dump, read as sources.toml is read."""
    if not (DUMPS / f"{case}.toml").exists():
        return ()
    (folder / "registry").mkdir(parents=True)
    shutil.copyfile(DUMPS / f"{case}.toml", folder / "registry" / "sources.toml")
    return read_sources(folder / "registry" / "sources.toml")


@pytest.mark.parametrize("case", CASES)
def test_dump(case: str, tmp_path: Path) -> None:
    expected = json.loads((DUMPS / f"{case}.json").read_text(encoding="utf-8"))
    workspace = Workspace(tmp_path)
    sources = _sources(case, tmp_path)
    folder = workspace.raw / ("vendor" if sources else expected["stream"])
    folder.mkdir(parents=True)
    shutil.copyfile(DUMPS / case, folder / case)

    def taken() -> IngestResult:
        known = registry(sources=sources)
        return ingest(workspace, known, absurd_flow_lph=10_000.0, threads=2, memory_mb=400, not_after=NOW)

    result = taken()

    (dump,) = result.new_dumps
    counts = {key: getattr(dump, key) for key in ("read", "accepted", "duplicate", "quarantined", "reasons")}
    assert counts == {key: expected[key] for key in counts}
    assert dump.read == dump.accepted + dump.duplicate + dump.quarantined
    assert dump.reasons.keys() <= QUARANTINE_REASONS.keys()
    assert dump.note == expected.get("note")
    assert (dump.replaced, dump.others) == (expected.get("replaced", 0), expected.get("others", 0))
    assert (dump.stream, dump.source) == (expected["stream"], "vendor" if sources else None)
    if "readings" in expected:
        wanted = [
            (code, number, datetime.fromisoformat(ts).replace(tzinfo=UTC), flow, volume)
            for code, number, ts, flow, volume in expected["readings"]
        ]
        assert readings(workspace) == wanted
    if "flows" in expected:
        start = datetime.fromisoformat(expected["from"]).replace(tzinfo=UTC)
        wanted_flows = [
            (code, datetime.fromisoformat(ts).replace(tzinfo=UTC), pytest.approx(lph))
            for code, ts, lph in expected["flows"]
        ]
        assert flows(workspace, start, 12, expected.get("register", {})) == wanted_flows
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
    again = taken()
    assert (again.new_dumps, again.skipped) == ((), 1)
    assert (workspace.lake / "ledger.json").read_bytes() == ledger
    assert Lake.open(workspace).dumps[0]["file"] == f"{folder.name}/{case}"


def test_the_careful_way_reads_mapped_dumps_alike(tmp_path: Path) -> None:
    cases = [case for case in CASES if (DUMPS / f"{case}.toml").exists() and case.endswith(".csv")]
    mapped = [
        replace(source, name=f"s{number}", glob=f"vendor/{case}")
        for number, case in enumerate(cases)
        for source in _sources(case, tmp_path / case)
    ]
    outcomes = []
    for quick in (True, False):
        workspace = Workspace(tmp_path / str(quick))
        (workspace.raw / "vendor").mkdir(parents=True)
        for case in cases:
            shutil.copyfile(DUMPS / case, workspace.raw / "vendor" / case)
        with patch.object(stage, "_may_be_quick", stage._may_be_quick if quick else lambda _: False):
            known = registry(sources=mapped)
            result = ingest(workspace, known, absurd_flow_lph=10_000.0, threads=1, memory_mb=400, not_after=NOW)
        outcomes.append((result, readings(workspace)))
    assert len(outcomes[0][0].new_dumps) == len(cases)
    assert outcomes[0] == outcomes[1]


def test_every_reason_has_a_dump() -> None:
    seen = {reason for path in DUMPS.glob("*.json") for reason in json.loads(path.read_text())["reasons"]}
    assert seen == QUARANTINE_REASONS.keys()


DATA = Path(__file__).parent.parent.parent / "data"
STAMP = Column(("Date", "Time"), format="%d/%m/%Y %H:%M:%S")


def _site(name: str, glob: str, register: str, flow: str) -> list[Source]:
    shared = {"feature_code": Column(value=name), "timestamp": STAMP}
    return [
        Source(
            f"{name}-{stream}",
            stream,
            glob,
            "csv",
            timezone="+12:00",
            columns={**shared, canonical: Column((of,), unit=unit)},
        )
        for stream, canonical, of, unit in (
            ("meter", "volume_l", register, "m3"),
            ("flowmeter", "flow_lph", flow, "L/s"),
        )
    ]


def test_groundwater_recordings(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    shutil.copytree(DATA / "raw" / "ecan", workspace.raw / "ecan")
    sources = [
        *_site("K37-3110", "ecan/K37*.csv", "CuMeters", "Flow_Scaled"),
        *_site("L37-0812-m1", "ecan/L37*.csv", "GLOBAL.Volume1", "GLOBAL.Flow1"),
    ]
    result = ingest(workspace, registry(sources=sources), absurd_flow_lph=1e6, threads=2, memory_mb=400)
    assert [(dump.source, dump.read, dump.accepted) for dump in result.new_dumps] == [
        ("K37-3110-flowmeter", 35_073, 35_073),
        ("K37-3110-meter", 35_073, 35_073),
        ("L37-0812-m1-flowmeter", 8_720, 8_720),
        ("L37-0812-m1-meter", 8_720, 8_720),
    ]
    assert {(dump.min_ts, dump.max_ts) for dump in result.new_dumps[:2]} == {
        ("2019-06-30T12:00:00Z", "2020-06-30T11:45:00Z")
    }
    registers = [volume for code, *_, volume in readings(workspace) if code == "K37-3110" and volume is not None]
    assert (min(registers), max(registers)) == (214_357_000.0, 258_347_000.0)


def test_one_content_under_two_names_that_tell_something_is_two_dumps(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (workspace.raw / "vendor").mkdir(parents=True)
    for code in ("WM-1", "WM-2"):
        (workspace.raw / "vendor" / f"{code}.csv").write_text("ts,q\n2026-01-01T00:00:00Z,0\n2026-01-01T00:15:00Z,x\n")
    columns = {"feature_code": Column(file=r"(WM-\d+)"), "timestamp": Column(("ts",)), "flow_lph": Column(("q",))}
    known = registry(sources=[Source("vendor", "meter", "vendor/*", "csv", columns=columns)])
    first = ingest(workspace, known, absurd_flow_lph=1e4, threads=1, memory_mb=400)
    assert [(dump.read, dump.accepted, dump.quarantined) for dump in first.new_dumps] == [(2, 1, 1), (2, 1, 1)]
    assert [row[0] for row in readings(workspace)] == ["WM-1", "WM-2"]
    assert len(list(workspace.quarantine.glob("*.parquet"))) == 2
    assert ingest(workspace, known, absurd_flow_lph=1e4, threads=1, memory_mb=400).new_dumps == ()


@pytest.mark.parametrize("first", ["day_r1.csv", "day_r2.csv"])
@pytest.mark.parametrize("together", [True, False])
def test_the_newer_dump_by_its_name_corrects_the_older(tmp_path: Path, first: str, together: bool) -> None:
    texts = {
        "day_r1.csv": "WM-1,2026-01-01T00:00:00Z,1\nWM-1,2026-01-01T00:15:00Z,2\nWM-1,2026-01-01T00:30:00Z,3\n",
        "day_r2.csv": "WM-1,2026-01-01T00:15:00Z,20\nWM-1,2026-01-01T00:30:00Z,3\nWM-1,2026-01-01T00:45:00Z,4\n",
    }
    workspace = Workspace(tmp_path)
    (workspace.raw / "vendor").mkdir(parents=True)
    columns = {"feature_code": Column(("id",)), "timestamp": Column(("ts",)), "flow_lph": Column(("q",))}
    source = Source("vendor", "meter", "vendor/*", "csv", columns=columns, version=Column(file=r"_r(\d+)"))
    known = registry(sources=[source])
    results = []
    for names in ([*texts],) if together else ([first], [name for name in texts if name != first]):
        for name in names:
            (workspace.raw / "vendor" / name).write_text("id,ts,q\n" + texts[name])
        results.append(ingest(workspace, known, absurd_flow_lph=1e4, threads=1, memory_mb=400))
    totals = [sum(getattr(one, key) for one in results) for key in ("read", "accepted", "duplicate", "replaced")]
    assert totals == [6, 5, 1, 1]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert [flow for _, _, flow in flows(workspace, start, 1, {})] == [1.0, 20.0, 3.0, 4.0]


def test_a_correction_lifts_a_contradiction(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (workspace.raw / "vendor").mkdir(parents=True)
    columns = {"feature_code": Column(("id",)), "timestamp": Column(("ts",)), "flow_lph": Column(("q",))}
    source = Source("vendor", "meter", "vendor/*", "csv", columns=columns, version=Column(("exported",)))
    start, counts = datetime(2026, 1, 1, tzinfo=UTC), []
    for number, rows in enumerate([[(1, 5), (1, 6)], [(2, 6)], [(3, 7), (3, 8)], [(1, 6)]]):
        lines = [f"WM-1,2026-01-01T00:00:00Z,{flow},2026-01-0{version}T00:00:00Z" for version, flow in rows]
        (workspace.raw / "vendor" / f"{number}.csv").write_text("\n".join(["id,ts,q,exported", *lines]) + "\n")
        result = ingest(workspace, registry(sources=[source]), absurd_flow_lph=1e4, threads=1, memory_mb=400)
        used = [flow for _, _, flow in flows(workspace, start, 1, {})]
        counts.append((result.accepted, result.duplicate, result.reasons, result.replaced, used))
    assert counts == [
        (1, 0, {"conflicting": 1}, 0, []),
        (1, 0, {}, 1, [6.0]),
        (1, 0, {"conflicting": 1}, 1, []),
        (0, 1, {}, 0, []),
    ]
    assert len(list(workspace.quarantine.glob("*.parquet"))) == 2


def test_what_a_meter_can_measure_is_asked_of_its_own_model(tmp_path: Path) -> None:
    """One model takes 5,000 L/h, the other 1,000; one clock is two minutes ahead, which the registry knows."""
    outcomes = []
    for quick in (True, False):
        workspace = Workspace(tmp_path / str(quick))
        (workspace.raw / "meter").mkdir(parents=True)
        rows = [("SMALL", "00:00", 900), ("SMALL", "00:15", 1100), ("LARGE", "00:00", 1100), ("LARGE", "00:15", 5100)]
        rows += [("LATE", "00:02", 10), ("LATE", "00:17", 11), ("LATE", "00:17", 12), ("NEW", "00:00", 4900)]
        lines = [f"{code},2026-01-01T{time}:00Z,{flow}" for code, time, flow in rows]
        (workspace.raw / "meter" / "a.csv").write_text("\n".join(["feature_code,timestamp,flow_lph", *lines]) + "\n")
        codes = {"feature_code": ["SMALL", "LARGE", "LATE"], "model": ["S", "L", "L"]}
        meters = pl.DataFrame({**codes, "clock_offset_s": [None, None, 120.0]})
        limits = {"S": 1000.0, "L": 5000.0}
        with patch.object(stage, "_may_be_quick", stage._may_be_quick if quick else lambda _: False):
            known = replace(registry(), meters=meters)
            result = ingest(workspace, known, absurd_flow_lph=5000.0, absurd_by_model=limits, threads=1, memory_mb=400)
        aside = pl.read_parquet(next(workspace.quarantine.glob("*.parquet"))).select("line", "reason").sort("line")
        outcomes.append((result, readings(workspace), aside.rows()))
    assert outcomes[0] == outcomes[1]
    _, found, aside_rows = outcomes[0]
    assert [(code, f"{ts:%H:%M}", flow) for code, _, ts, flow, _ in found] == [
        ("LARGE", "00:00", 1100.0),
        ("LATE", "00:00", 10.0),
        ("LATE", "00:15", 11.0),
        ("NEW", "00:00", 4900.0),
        ("SMALL", "00:00", 900.0),
    ]
    assert aside_rows == [(3, "absurd"), (5, "absurd"), (8, "conflicting")]


def test_several_sources_share_the_rows_of_one_file(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (workspace.raw / "vendor").mkdir(parents=True)
    rows = ["id,ts,v,kind", "A,2026-01-01T00:00:00Z,1,water", "A,2026-01-01T00:00:00Z,9,clamp", "A,x,1,water"]
    (workspace.raw / "vendor" / "all.csv").write_text("\n".join(rows) + "\n")
    columns = {"feature_code": Column(("id",)), "timestamp": Column(("ts",)), "flow_lph": Column(("v",))}
    known = registry(
        sources=[
            Source(stream, stream, "vendor/*", "csv", columns=columns, where=Choice("kind", (kind,)))
            for stream, kind in (("meter", "water"), ("flowmeter", "clamp"))
        ]
    )
    result = ingest(workspace, known, absurd_flow_lph=1e4, threads=1, memory_mb=400)
    assert [(one.source, one.read, one.accepted, one.reasons, one.others) for one in result.new_dumps] == [
        ("flowmeter", 1, 1, {}, 2),
        ("meter", 2, 1, {"bad_timestamp": 1}, 1),
    ]
    assert [row[3] for row in readings(workspace)] == [1.0, 9.0]


def test_household_recording(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (workspace.raw / "house").mkdir(parents=True)
    shutil.copyfile(next((DATA / "demand").glob("ampds2*.parquet")), workspace.raw / "house" / "water.parquet")
    shared = {"feature_code": Column(value="house"), "timestamp": Column(("unix_ts",), format="epoch_s")}
    sources = [
        Source("m", "meter", "house/*", "parquet", columns={**shared, "volume_l": Column(("counter",), unit="L")}),
        Source(
            "f", "flowmeter", "house/*", "parquet", columns={**shared, "flow_lph": Column(("avg_rate",), unit="L/min")}
        ),
    ]
    result = ingest(workspace, registry(sources=sources), absurd_flow_lph=1e4, threads=2, memory_mb=400)
    assert [(dump.source, dump.accepted, dump.quarantined) for dump in result.new_dumps] == [
        ("f", 87_840, 0),
        ("m", 87_840, 0),
    ]
    of_meter = [row for row in readings(workspace) if row[4] is not None]
    assert of_meter[0][2:] == (datetime(2012, 9, 1, tzinfo=UTC), None, 127_826.5)


def test_bytes_that_are_no_text_are_not_taken_for_replaced_readings(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    (workspace.raw / "meter").mkdir(parents=True)
    (workspace.raw / "vendor").mkdir()
    (workspace.raw / "vendor" / "a.csv").write_bytes(
        "feature_code,timestamp,flow_lph\nWM-1,2026-01-01T00:00:00Z,5\nWM-\u00e4,2026-01-01T00:00:00Z,6\n".encode(
            "utf-16"
        )
        + b"\x00\xd8"
    )
    (tmp_path / "sources.toml").write_text(
        '[sources.vendor]\nstream = "meter"\nglob = "vendor/*"\nformat = "csv"\nencoding = "utf-16"\n'
        '[sources.vendor.columns]\nfeature_code = "feature_code"\ntimestamp = "timestamp"\nflow_lph = "flow_lph"\n'
    )
    known = registry(sources=read_sources(tmp_path / "sources.toml"))
    (dump,) = ingest(workspace, known, absurd_flow_lph=10_000.0, threads=1, memory_mb=400, not_after=NOW).new_dumps
    assert (dump.replaced, dump.accepted, dump.read) == (0, 2, dump.accepted + dump.quarantined)
