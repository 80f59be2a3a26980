"""The lake and its ledger: what a commit is, what a second ingest adds, and what a killed one leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest

from tests.ingesting import frame, readings, registry
from transforms import digests
from transforms.errors import LakeError, RegistryError
from transforms.ingest import IngestResult, ingest, run, store, unread
from transforms.ingest.devices import bucket_count
from transforms.ingest.discover import glob_pattern
from transforms.lake import Lake
from transforms.sources import Column, Source
from transforms.workspace import Workspace

HEADER = "feature_code,timestamp,flow_lph"
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "it's [a] workspace*")


def put(workspace: Workspace, file: str, rows: Sequence[str], header: str = HEADER) -> Path:
    path = workspace.raw / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def take(workspace: Workspace, **more: object) -> IngestResult:
    given = registry(sources=more.pop("sources", ()), pairs=more.pop("pairs", None))  # type: ignore[arg-type]
    return ingest(workspace, given, absurd_flow_lph=1e4, threads=2, memory_mb=400, **more)  # type: ignore[arg-type]


def row(code: str, minutes: int, flow: float) -> str:
    return f"{code},{(START + timedelta(minutes=minutes)).isoformat()},{flow}"


def ledger(workspace: Workspace) -> bytes:
    return (workspace.lake / "ledger.json").read_bytes()


def test_a_workspace_without_lake_has_an_empty_one(workspace: Workspace) -> None:
    lake = Lake.open(workspace)
    assert (lake.generation, lake.n_buckets, lake.dumps, lake.files, lake.conflicts()) == (0, 0, [], [], None)
    assert lake.devices().is_empty()
    assert lake.files_for("meter", START, START + timedelta(days=1)) == []


def test_nothing_to_ingest_makes_no_lake(workspace: Workspace) -> None:
    workspace.root.mkdir()
    assert take(workspace) == IngestResult((), 0)
    assert not workspace.lake.exists()


def test_the_ledger_describes_files_dumps_and_devices(workspace: Workspace) -> None:
    put(workspace, "meter/a.csv", [row("WM-1", 0, 1), row("WM-2", 60 * 24 + 15, 2)])
    put(
        workspace,
        "flowmeter/b.csv",
        ["WM-1,FM-1,2026-01-01T00:00:00Z,100"],
        "feature_code,flowmeter_id,timestamp,volume_l",
    )
    take(workspace, bucket_count=1)
    lake = Lake.open(workspace)
    assert (lake.generation, lake.n_buckets) == (1, 1)
    assert [file["path"] for file in lake.files] == [
        "stream=meter/date=2026-01-01/bucket=000/g000001.parquet",
        "stream=meter/date=2026-01-02/bucket=000/g000001.parquet",
        "stream=flowmeter/date=2026-01-01/bucket=000/g000001.parquet",
    ]
    assert [(file["has_flow"], file["has_volume"], file["rows"]) for file in lake.files] == [
        (True, False, 1),
        (True, False, 1),
        (False, True, 1),
    ]
    assert (lake.files[1]["min_ts"], lake.files[1]["max_ts"]) == ("2026-01-02T00:15:00Z", "2026-01-02T00:15:00Z")
    assert [(dump["file"], dump["read"], dump["min_ts"], dump["max_ts"]) for dump in lake.dumps] == [
        ("flowmeter/b.csv", 1, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("meter/a.csv", 2, "2026-01-01T00:00:00Z", "2026-01-02T00:15:00Z"),
    ]
    assert lake.devices().rows() == [
        (0, "meter", "WM-0", None, 0),  # registered: numbered beforehand, though it never reported
        (1, "meter", "WM-1", None, 0),
        (2, "meter", "WM-2", None, 0),
        (3, "flowmeter", "WM-1", "FM-1", 0),
    ]
    found = frame(lake.files_for("meter", START, START + timedelta(days=9))[0].path)
    assert dict(found.schema) == {
        "device_no": pl.Int32,
        "ts": pl.Datetime("us"),
        "flow_lph": pl.Float64,
        "volume_l": pl.Float64,
    }


def test_files_for_looks_at_stream_time_and_bucket(workspace: Workspace) -> None:
    put(workspace, "meter/a.csv", [row(f"WM-{k}", 60 * hour, k) for k in range(20) for hour in (1, 13, 25)])
    take(workspace, bucket_count=4)
    lake = Lake.open(workspace)
    day = timedelta(days=1)
    assert {file.bucket for file in lake.files_for("meter", START, START + day)} == {0, 1, 2, 3}
    assert {file.bucket for file in lake.files_for("meter", START, START + day, bucket=2)} == {2}
    assert {file.date for file in lake.files_for("meter", START, START + day)} == {START.date()}
    assert lake.files_for("meter", START, START + timedelta(hours=1)) == []
    assert lake.files_for("meter", START + timedelta(hours=13, microseconds=1), START + day) == []
    assert lake.files_for("flowmeter", START, START + 9 * day) == []
    by_bucket = {
        code: file.bucket
        for file in lake.files_for("meter", START, START + day)
        for code in frame(file.path).join(lake.devices(), on="device_no")["feature_code"].unique()
    }
    assert by_bucket == dict(lake.devices().select("feature_code", "bucket").rows())


def test_files_are_sorted_by_device_and_time(workspace: Workspace) -> None:
    rows = [row(f"WM-{(k * 7) % 50}", 15 * ((k * 13) % 96), k) for k in range(4800)]
    put(workspace, "meter/a.csv", rows)
    take(workspace, bucket_count=2)
    for entry in Lake.open(workspace).files:
        keys = frame(workspace.lake / entry["path"]).select("device_no", "ts")
        assert keys.equals(keys.sort("device_no", "ts"))


def test_the_same_content_is_one_dump_whatever_its_name(workspace: Workspace) -> None:
    path = put(workspace, "meter/a.csv", [row("WM-1", 0, 1)])
    take(workspace)
    before = ledger(workspace)
    path.rename(workspace.raw / "meter" / "z.csv")
    put(workspace, "meter/copy.csv", [row("WM-1", 0, 1)])
    result = take(workspace)
    assert (result.new_dumps, result.skipped) == ((), 2)
    assert ledger(workspace) == before


def test_a_changed_file_is_a_new_dump(workspace: Workspace) -> None:
    put(workspace, "meter/a.csv", [row("WM-1", 0, 1)])
    take(workspace)
    put(workspace, "meter/a.csv", [row("WM-1", 0, 1), row("WM-1", 15, 2)])
    result = take(workspace)
    assert (result.read, result.accepted, result.duplicate) == (2, 1, 1)
    assert [dump["file"] for dump in Lake.open(workspace).dumps] == ["meter/a.csv", "meter/a.csv"]


def test_contradictions_with_the_lake_are_remembered_with_their_values(workspace: Workspace) -> None:
    put(workspace, "meter/a.csv", [row("WM-1", 0, 1), row("WM-1", 15, 5)])
    take(workspace)
    put(workspace, "meter/b.csv", [row("WM-1", 0, 2)])
    assert take(workspace).reasons == {"conflicting": 1}
    # the refused value once more is a duplicate, a third value is refused as well
    put(workspace, "meter/c.csv", [row("WM-1", 0, 3), row("WM-1", 0, 2), row("WM-1", 0, 1)])
    result = take(workspace)
    assert (result.read, result.accepted, result.duplicate, result.reasons) == (3, 0, 2, {"conflicting": 1})
    conflicts = Lake.open(workspace).conflicts()
    assert conflicts is not None
    assert frame(conflicts)["flow_lph"].to_list() == [2.0, 3.0]
    assert [flow for *_, flow, _ in readings(workspace, conflicts=False)] == [5.0]
    aside = sorted(
        row for path in workspace.quarantine.glob("*.parquet") for row in frame(path).select("file", "line").rows()
    )
    assert aside == [("meter/b.csv", 2), ("meter/c.csv", 2)]


def test_lake_files_that_cannot_overlap_are_not_read(workspace: Workspace) -> None:
    put(workspace, "meter/a.csv", [row("WM-1", 0, 1)])
    take(workspace, bucket_count=1)
    first = workspace.lake / Lake.open(workspace).files[0]["path"]
    first.write_bytes(b"not looked at")
    put(workspace, "meter/b.csv", [row("WM-1", 15, 1)])
    assert take(workspace).accepted == 1
    put(workspace, "meter/c.csv", [row("WM-2", 0, 1)])
    assert take(workspace).accepted == 1
    put(workspace, "meter/d.csv", [row("WM-1", 0, 2)])
    with pytest.raises(LakeError, match="rebuilt from raw"):
        take(workspace)


def test_readings_on_both_sides_of_a_batch_border_agree(workspace: Workspace) -> None:
    for number in range(4):
        put(workspace, f"meter/{number}.csv", [row("WM-1", 15 * k, k) for k in range(number * 2, number * 2 + 4)])
    with patch.object(unread, "BATCH_BYTES", 1):
        result = take(workspace)
    assert (result.read, result.accepted, result.duplicate) == (16, 10, 6)
    assert [dump.accepted for dump in result.new_dumps] == [4, 2, 2, 2]
    assert Lake.open(workspace).generation == 4


def test_few_bad_rows_in_a_long_dump_keep_their_lines(workspace: Workspace) -> None:
    rows = [row(f"WM-{k % 7}", 15 * (k // 7), k % 9000) for k in range(20_000)]
    bad = {5: "WM-1,never,1", 9_999: "WM-2,2026-01-01T00:00:00Z,NaN", 19_999: ",2026-01-01T00:00:00Z,1"}
    for position, text in bad.items():
        rows[position] = text
    put(workspace, "meter/a.csv", rows)
    result = take(workspace)
    assert (result.read, result.accepted, result.quarantined) == (20_000, 19_997, 3)
    aside = frame(next(workspace.quarantine.glob("*.parquet")))
    assert aside.select("line", "reason", "row").rows() == [
        (7, "bad_timestamp", bad[5]),
        (10_001, "not_finite", bad[9_999]),
        (20_001, "no_feature_code", bad[19_999]),
    ]


def test_quarantine_is_safe_to_open_in_a_spreadsheet(workspace: Workspace) -> None:
    put(workspace, "meter/=cmd.csv", ["=HYPERLINK(0),never,1", "@x,never,1", "-1,never,1", "plain,never,1"])
    take(workspace)
    shown = pl.read_csv(next(workspace.quarantine.glob("*.csv")), glob=False)
    assert shown["row"].to_list() == ["'=HYPERLINK(0),never,1", "'@x,never,1", "'-1,never,1", "plain,never,1"]
    assert set(shown["file"]) == {"meter/=cmd.csv"}
    assert frame(next(workspace.quarantine.glob("*.parquet")))["row"][0] == "=HYPERLINK(0),never,1"


@pytest.mark.parametrize("name", ["it's.csv", "a b.csv", "[1].csv", "a*b?.csv", "{x,y}.csv", "ü.csv", "-rf.csv"])
def test_file_names_mean_nothing(workspace: Workspace, name: str) -> None:
    put(workspace, f"meter/{name}", [row("WM-1", 0, 1)])
    put(workspace, "meter/aXb1.csv", [row("WM-1", 15, 1)])
    result = take(workspace)
    assert sorted(dump.file for dump in result.new_dumps) == sorted([f"meter/{name}", "meter/aXb1.csv"])
    assert result.accepted == 2


def test_many_files_of_one_shape_are_told_apart(workspace: Workspace) -> None:
    for number in range(40):
        put(workspace, f"meter/[{number}] it's.csv", [row(f"WM-{number}", 15 * k, k) for k in range(number)])
    result = take(workspace)
    assert [dump.accepted for dump in sorted(result.new_dumps, key=lambda dump: dump.read)] == list(range(40))


def test_unfinished_hidden_and_foreign_files_are_left_alone(workspace: Workspace, tmp_path: Path) -> None:
    put(workspace, "meter/a.csv", [row("WM-1", 0, 1)])
    for name in ("meter/.hidden.csv", "meter/b.csv.part", "meter/c.tmp", ".git/x.csv", "other/d.csv"):
        put(workspace, name, [row("WM-2", 0, 1)])
    put(workspace, "meter/readme.txt", [])
    secret = tmp_path / "secret.csv"
    secret.write_text(f"{HEADER}\n{row('WM-3', 0, 1)}\n")
    (workspace.raw / "meter" / "link.csv").symlink_to(secret)
    (workspace.raw / "meter" / "folder").symlink_to(tmp_path)
    (workspace.raw / "meter" / "gone.csv").symlink_to(tmp_path / "nowhere.csv")
    os.mkfifo(workspace.raw / "meter" / "pipe.csv")
    result = take(workspace)
    assert [dump.file for dump in result.new_dumps] == ["meter/a.csv"]
    assert result.ignored == (
        ("meter/folder", "outside_raw"),
        ("meter/gone.csv", "not_a_file"),
        ("meter/link.csv", "outside_raw"),
        ("meter/pipe.csv", "not_a_file"),
        ("meter/readme.txt", "unknown_format"),
    )


def test_a_file_may_be_claimed_by_several_sources(workspace: Workspace) -> None:
    put(workspace, "site/a.csv", ["2026-01-01T00:00:00Z,5,7"], "t,q,v")
    fixed = {"feature_code": Column(value="X"), "timestamp": Column(("t",))}
    flow, volume = {**fixed, "flow_lph": Column(("q",))}, {**fixed, "volume_l": Column(("v",))}
    sources = (
        Source("a", "flowmeter", "site/*.csv", "csv", columns=flow),
        Source("b", "meter", "**/a.csv", "csv", columns=volume),
        Source("c", "meter", "site/?.csv", "csv", columns=volume),
    )
    result = take(workspace, sources=sources)
    assert [(dump.source, dump.accepted, dump.duplicate) for dump in result.new_dumps] == [
        ("a", 1, 0),
        ("b", 1, 0),
        ("c", 0, 1),
    ]
    assert take(workspace, sources=sources).skipped == 3


def test_stamp_formats_are_read_or_refused(workspace: Workspace) -> None:
    put(workspace, "x/a.csv", ["05/01/26 00:15:00,1"], "t,q")
    columns = {"feature_code": Column(value="X"), "flow_lph": Column(("q",))}

    def source(pattern: str) -> Source:
        stamp = Column(("t",), format=pattern)
        return Source("s", "meter", "x/*", "csv", timezone="+00:00", columns={**columns, "timestamp": stamp})

    with pytest.raises(RegistryError, match=r"\[sources\.s\].*'%d/%m/%y %Q'"):
        take(workspace, sources=(source("%d/%m/%y %Q"),))
    assert take(workspace, sources=(source("%d/%m/%y %T"),)).accepted == 1
    assert readings(workspace)[0][2] == datetime(2026, 1, 5, 0, 15, tzinfo=UTC)


@pytest.mark.parametrize("text", ["\n", "\r\n\r\n", "\n\n\n"])
def test_a_file_of_blank_lines_is_empty(workspace: Workspace, text: str) -> None:
    path = put(workspace, "meter/a.csv", [])
    path.write_bytes(text.encode())
    (dump,) = take(workspace).new_dumps
    assert (dump.read, dump.note) == (0, "empty_file")


@pytest.mark.parametrize(
    ("glob", "file", "claimed"),
    [
        ("*.csv", "a.csv", True),
        ("*.csv", "x/a.csv", False),
        ("**/*.csv", "a.csv", True),
        ("**/*.csv", "x/y/a.csv", True),
        ("x/**/a.csv", "x/a.csv", True),
        ("x/[ab].csv", "x/b.csv", True),
        ("x/[!ab].csv", "x/b.csv", False),
        ("x/a?.csv", "x/a/.csv", False),
        ("x/a+(b).csv", "x/a+(b).csv", True),
        ("x/[.csv", "x/[.csv", True),
    ],
)
def test_globs(glob: str, file: str, claimed: bool) -> None:
    import re

    assert bool(re.fullmatch(glob_pattern(glob), file)) is claimed


def test_a_flowmeter_without_code_lies_where_pairs_put_it(workspace: Workspace) -> None:
    put(workspace, "meter/a.csv", [row(f"WM-{k}", 0, 1) for k in range(30)])
    put(workspace, "flowmeter/b.csv", [row(f"FM-{k}", 0, 1) for k in range(30)], "flowmeter_id,timestamp,flow_lph")
    span = pl.Datetime("us", "UTC")
    pairs = pl.DataFrame(
        {"feature_code": [f"WM-{k}" for k in range(29)], "flowmeter_id": [f"FM-{k}" for k in range(29)]}
    ).with_columns(valid_from=pl.lit(None, span), valid_to=pl.lit(None, span))
    take(workspace, bucket_count=8, pairs=pairs)
    devices = Lake.open(workspace).devices()
    meters = devices.filter(stream="meter").with_columns(flowmeter_id=pl.col("feature_code").str.replace("WM", "FM"))
    silent = devices.filter((pl.col("stream") == "flowmeter") & pl.col("feature_code").is_null())
    both = silent.join(meters, on="flowmeter_id").filter(pl.col("flowmeter_id") != "FM-29")
    assert both.height == 29
    assert both["bucket"].equals(both["bucket_right"], null_equal=True)


@pytest.mark.parametrize(
    ("meters", "buckets"), [(0, 1), (100, 1), (40_000, 2), (100_000, 4), (10**6, 64), (10**9, 256)]
)
def test_buckets_grow_with_the_fleet(meters: int, buckets: int) -> None:
    assert bucket_count(meters) == buckets


def test_the_number_of_buckets_is_kept(workspace: Workspace) -> None:
    put(workspace, "meter/a.csv", [row("WM-1", 0, 1)])
    take(workspace, bucket_count=4)
    put(workspace, "meter/b.csv", [row("WM-1", 15, 1)])
    take(workspace, bucket_count=16)
    assert Lake.open(workspace).n_buckets == 4


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (b"{", "damaged"),
        (b"[]", "lacks a part"),
        (b'{"version": 1}', "lacks a part"),
        (b"\xff\xfe", "damaged"),
    ],
)
def test_a_damaged_ledger_is_said_not_guessed(workspace: Workspace, damage: bytes, words: str) -> None:
    put(workspace, "meter/a.csv", [row("WM-1", 0, 1)])
    take(workspace)
    (workspace.lake / "ledger.json").write_bytes(damage)
    with pytest.raises(LakeError, match=words):
        Lake.open(workspace)
    with pytest.raises(LakeError, match="rebuilt from raw"):
        take(workspace)


def test_another_version_and_missing_files_are_refused(workspace: Workspace) -> None:
    put(workspace, "meter/a.csv", [row("WM-1", 0, 1)])
    take(workspace)
    lake = Lake.open(workspace)
    (workspace.lake / lake.files[0]["path"]).unlink()
    with pytest.raises(LakeError, match="gone"):
        lake.files_for("meter", START, START + timedelta(days=1))
    content = json.loads(ledger(workspace))
    (workspace.lake / "ledger.json").write_text(json.dumps({**content, "version": 99}))
    with pytest.raises(LakeError, match="version 99"):
        Lake.open(workspace)
    (workspace.lake / "ledger.json").write_text(json.dumps({**content, "devices": "devices-9.parquet"}))
    with pytest.raises(LakeError, match="devices-9"):
        Lake.open(workspace)


class Killed(BaseException):
    """Stands for a kill at one place."""


def _fill(workspace: Workspace) -> None:
    for number in range(3):
        put(workspace, f"meter/{number}.csv", [row(f"WM-{k}", 60 * number, k) for k in range(50)] + ["WM-1,never,1"])
        put(workspace, f"flowmeter/{number}.csv", [row(f"WM-{k}", 60 * number, k) for k in range(50)])


def _state(workspace: Workspace) -> dict[str, bytes]:
    return {
        path.relative_to(workspace.root).as_posix(): path.read_bytes()
        for folder in (workspace.lake, workspace.quarantine)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "digests.json"
    }


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an ingest leaves that nobody killed."""
    workspace = Workspace(tmp_path_factory.mktemp("calm"))
    _fill(workspace)
    with patch.object(unread, "BATCH_BYTES", 1):
        take(workspace)
    return _state(workspace)


@pytest.mark.parametrize("place", ["commit", "write_parts", "write_devices", "set_aside"])
@pytest.mark.parametrize("turn", [1, 2])
def test_a_killed_ingest_leaves_nothing_that_counts(
    calm: dict[str, bytes], tmp_path: Path, place: str, turn: int
) -> None:
    rough = Workspace(tmp_path / "rough")
    _fill(rough)
    with patch.object(unread, "BATCH_BYTES", 1):
        original = getattr(run, place)
        calls = 0

        def killing(*args: object, **more: object) -> object:
            nonlocal calls
            calls += 1
            if calls == turn:
                raise Killed
            return original(*args, **more)

        with patch.object(run, place, killing), pytest.raises(Killed):
            take(rough)
        take(rough)
    assert _state(rough) == calm


def test_a_rename_that_never_came_leaves_only_left_overs(workspace: Workspace) -> None:
    put(workspace, "meter/a.csv", [row("WM-1", 0, 1)])
    with patch.object(store, "sync", side_effect=[None] * 2 + [Killed]), pytest.raises(Killed):
        take(workspace)
    assert Lake.open(workspace).generation == 0
    assert list(workspace.lake.rglob("*.parquet"))
    take(workspace)
    listed = {entry["path"] for entry in Lake.open(workspace).files}
    assert {path.relative_to(workspace.lake).as_posix() for path in workspace.lake.rglob("g*.parquet")} == listed
    assert list(workspace.scratch.iterdir()) == []


@pytest.mark.slow
def test_sigkill_at_any_moment(tmp_path: Path) -> None:
    calm, rough = Workspace(tmp_path / "calm"), Workspace(tmp_path / "rough")
    for workspace in (calm, rough):
        for number in range(4):
            put(workspace, f"meter/{number}.csv", [row(f"WM-{k}", 15 * number, k) for k in range(9_000)])
    program = (
        "import sys; from pathlib import Path; from tests.ingesting import registry; from transforms.ingest import "
        "ingest, unread; from transforms.workspace import Workspace; unread.BATCH_BYTES = 1; "
        "ingest(Workspace(Path(sys.argv[1])), registry(), absurd_flow_lph=1e4, threads=2, memory_mb=400)"
    )
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", program, str(calm.root)], check=True)
    whole = time.monotonic() - begin
    for turn in range(5):
        process = subprocess.Popen([sys.executable, "-c", program, str(rough.root)])
        time.sleep(whole * (0.35 + 0.12 * turn))
        process.kill()
        process.wait()
    subprocess.run([sys.executable, "-c", program, str(rough.root)], check=True)
    assert _state(rough) == _state(calm)


def test_old_dumps_are_not_read_again(workspace: Workspace) -> None:
    path = put(workspace, "meter/a.csv", [row("WM-1", 0, 1)])
    os.utime(path, (1, 1))
    with patch.object(digests, "_COARSEST", -10_000_000_000):
        take(workspace)
        with patch.object(unread, "fingerprint", side_effect=AssertionError("read again")):
            assert take(workspace).skipped == 1
        path.write_text(f"{HEADER}\n{row('WM-1', 0, 2)}\n")
        os.utime(path, (1, 1))
        assert take(workspace).reasons == {"conflicting": 1}
    (workspace.lake / "digests.json").write_text("nonsense")
    assert take(workspace).skipped == 1


def test_totals_add_up_over_dumps(workspace: Workspace) -> None:
    put(workspace, "meter/a.csv", [row("WM-1", 0, 1), "WM-1,never,1", row("WM-1", 0, 1)])
    put(workspace, "meter/b.csv", [row("WM-1", 0, 1), row("WM-1", 0, 2), "WM-1,2026-01-01T00:00:00Z,-1"])
    result = take(workspace)
    assert (result.read, result.accepted, result.duplicate, result.quarantined) == (6, 1, 2, 3)
    assert result.reasons == {"bad_timestamp": 1, "conflicting": 1, "negative": 1}
    assert [dump["reasons"] for dump in Lake.open(workspace).dumps] == [
        {"bad_timestamp": 1},
        {"conflicting": 1, "negative": 1},
    ]
