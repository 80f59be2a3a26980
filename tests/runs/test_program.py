"""The program from outside: exit codes, what goes to which stream, setting up, and one run at a time."""

from __future__ import annotations

import fcntl
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from polars.exceptions import PolarsError

from flows.cli.main import main
from flows.cli.telling import fetched
from flows.pulling import Pulled
from tests.workspaces import MODEL, Small, demand, noisy
from transforms.workspace import REGISTRY_FILES

Q = demand()
TRUE = noisy(Q, 0.002)
SCATTER = noisy(Q, 0.25)
Streams = tuple[int, str, str]


@pytest.fixture
def ready(small: Small) -> Small:
    """A workspace with one good meter, not yet run."""
    small.registry(["WM-1"])
    return small.dump("meter", {"WM-1": TRUE}).dump("flowmeter", {"WM-1": Q})


def call(capfd: pytest.CaptureFixture[str], *arguments: object) -> Streams:
    """Exit code, standard output and standard error; a traceback is never right."""
    capfd.readouterr()
    code = main([str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def run(capfd: pytest.CaptureFixture[str], root: Path, *more: object, until: str = "2026-01-01T12:00:00Z") -> Streams:
    return call(capfd, "run", "--workspace", root, "--engine", "plain", "--until", until, "--now", until, *more)


def test_done(ready: Small, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capfd, ready.root)
    assert code == 0
    assert "96 read = 96 accepted + 0 duplicate + 0 quarantined" in out
    assert "20260101T000000Z_12h_r1: 1 healthy; 0 commands, 0 held, 0 work orders" in out
    assert str(ready.root / "reports" / "20260101T000000Z_12h_r1" / "index.html") in out
    assert "judged 1 meters" in err
    assert run(capfd, ready.root)[0] == 0, "nothing new to do"


_FULL = "No space left on device"
_OF_DUCKDB = f'Async write failed: {{"exception_message":"Could not write file \\"l/d.parquet\\": {_FULL}"}}'


@pytest.mark.parametrize(
    ("error", "where"),
    [
        (OSError(28, _FULL), ""),
        (OSError(28, _FULL, "lake/a.parquet"), "lake/a.parquet"),
        (duckdb.IOException(_OF_DUCKDB), "l/d.parquet"),
        (PolarsError(f"{_FULL} (os error 28)"), ""),
    ],
    ids=["bare", "named", "DuckDB", "Polars"],
)
def test_a_full_disk_is_said_and_not_shown_as_a_fault_of_the_program(
    ready: Small, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: Exception, where: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("flows.cycle.ingest_dumps", fail)
    code, out, err = run(capfd, ready.root)
    assert (code, out) == (1, "")
    said = err.splitlines()[-1]
    assert said.startswith(f"meterwright: {_FULL}{f': {where}' if where else ''}; make room on the disk")
    assert "run the same command again" in said


def test_json_is_one_object_and_nothing_else(ready: Small, capfd: pytest.CaptureFixture[str]) -> None:
    (ready.root / "raw" / "meter" / "note.xlsx").write_bytes(b"PK")
    (ready.root / "raw" / "meter" / "bad.csv").write_text("feature_code,timestamp,flow_lph\nWM-1,yesterday,3\n")
    code, out, err = run(capfd, ready.root, "--json")
    found = json.loads(out)
    assert out.count("\n") == 1
    assert err
    assert code == 3
    assert set(found) == {"ingest", "pull", "runs"}
    assert found["ingest"] == {
        "dumps": 3,
        "skipped": 0,
        "read": 97,
        "accepted": 96,
        "duplicate": 0,
        "quarantined": 1,
        "replaced": 0,
        "others": 0,
        "faulty": [{"file": "meter/bad.csv", "stream": "meter", "reasons": {"bad_timestamp": 1}, "note": None}],
        "ignored": [{"file": "meter/note.xlsx", "reason": "unknown_format"}],
    }
    (one,) = found["runs"]
    assert set(one) == {"run_id", "fresh", "counts", "rows", "report"}
    assert (one["run_id"], one["fresh"]) == ("20260101T000000Z_12h_r1", True)
    assert one["counts"] == ready.manifest()["counts"]
    assert one["rows"] == ready.manifest()["rows"]
    assert json.loads(run(capfd, ready.root, "--json")[1])["runs"][0]["fresh"] is False
    # docs/formats.md names each key, and no other
    found["pull"] = fetched([Pulled("s", files=["pulled/s/a.csv"], failures=["b.csv: gone"])])
    page = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith(("| `pull[]", "| `ingest.", "| `runs[]"))]
    assert {name for row in rows for name in re.findall("`(.+?)`", row.split("|")[1])} == set(keys(found))
    for name in ("counts", "rows"):
        (told,) = (row for row in rows if row.startswith(f"| `runs[].{name}`"))
        assert set(one[name]) - set(re.findall(r"`(\w+)`", told)) == set()


def keys(found: object, path: str = "") -> Iterator[str]:
    """The paths of all that is not taken apart any more, as docs/formats.md writes them."""
    if isinstance(found, dict) and path not in ("runs[].counts", "runs[].rows", "ingest.faulty[].reasons"):
        for name, value in found.items():
            yield from keys(value, f"{path}.{name}".lstrip("."))
    elif isinstance(found, list):
        assert found
        yield from (name for one in found for name in keys(one, f"{path}[]"))
    else:
        yield path


@pytest.mark.parametrize("command", [["init"], ["policy"], ["ingest"]])
def test_every_other_command_speaks_json_too(
    ready: Small, capfd: pytest.CaptureFixture[str], command: list[str]
) -> None:
    code, out, _ = call(capfd, *command, "--workspace", ready.root, "--json")
    assert code == 0
    assert isinstance(json.loads(out), dict)
    assert out.count("\n") == 1


def test_files_that_are_no_dumps_are_named(ready: Small, capfd: pytest.CaptureFixture[str]) -> None:
    (ready.root / "raw" / "meter" / "export.xlsx").write_bytes(b"PK")
    (ready.root / "raw" / "flowmeter" / "elsewhere.csv").symlink_to(ready.root / "registry" / "meters.csv")
    (ready.root / "raw" / "meter" / "late.csv.part").write_text("still being written")
    (ready.root / "raw" / "meter" / "loop.csv").symlink_to("loop.csv")
    code, out, _ = run(capfd, ready.root)
    assert code == 0
    assert "raw/meter/loop.csv was not read: it is no ordinary file" in out
    assert "raw/meter/export.xlsx was not read: its name ends in no known format" in out
    assert "raw/flowmeter/elsewhere.csv was not read: it is a link to a place outside raw" in out
    assert ".part" not in out


def test_quarantined(ready: Small, capfd: pytest.CaptureFixture[str]) -> None:
    (ready.root / "raw" / "meter" / "bad.csv").write_text("feature_code,timestamp,flow_lph\nWM-1,yesterday,3\n")
    code, out, _ = run(capfd, ready.root)
    assert code == 3
    assert "meter/bad.csv (meter): 1 bad_timestamp" in out
    assert ready.verdicts()["WM-1"]["verdict"] == "healthy"
    assert run(capfd, ready.root)[0] == 0, "set aside once, and nothing new to do"


def test_not_a_workspace(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for place in (tmp_path / "nowhere", tmp_path):
        code, out, err = run(capfd, place)
        assert (code, out) == (2, "")
        assert f"{place} is no workspace" in err
        assert "meterwright init" in err
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    assert run(capfd, tmp_path / "file")[0] == 2
    assert call(capfd, "init", "--workspace", tmp_path / "file")[0] == 2


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--until", "yesterday"], "'yesterday' is not a time"),
        (["--until", "2026-01-01T12:00:00"], "add Z for UTC"),
        (["--now", "2026-13-01T00:00:00Z"], "is not a time"),
        (["--until", "0001-01-01T00:00:00+14:00"], "is not a time"),
        (["--until", "0001-01-01T00:00:00Z"], "lies outside 2000 to 2100"),
        (["--now", "9999-12-31T23:59:59Z"], "lies outside 2000 to 2100"),
        (["--from", "tomorrow"], "'tomorrow' is not a time"),
        (["--from", "2026-01-01T00:00:01Z"], "no complete window of 12h from"),
        (["--window", "7h"], "does not divide the day"),
        (["--window", "soon"], "is not a length of time"),
        (["--window", "9" * 17 + "d"], "at most 366 days"),
        (["--window", "1s"], "cannot be cut into 4 parts"),
        (["--workers", "0"], "--workers is 0"),
        (["--workers", "many"], "--workers"),
        (["--engine", "dask"], "--engine"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_wrong_usage(ready: Small, capfd: pytest.CaptureFixture[str], more: list[str], says: str) -> None:
    code, out, err = run(capfd, ready.root, *more)
    assert (code, out) == (2, "")
    assert says in err
    assert not (ready.root / "outbox").exists()
    assert not (ready.root / "lake").exists()


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("meters.csv", "feature_code,model\nWM-1,GONE\n", "registry/meters.csv row 2 (feature_code WM-1)"),
        ("meters.csv", "feature_code\nWM-1\n", "registry/meters.csv"),
        ("models.toml", MODEL.replace("q4 = 3125.0", "q4 = 9999.0"), "registry/models.toml line"),
        ("models.toml", "[[[", "registry/models.toml line 1"),
        ("pairs.csv", "feature_code,flowmeter_id\nWM-1,F-1\nWM-1,F-2\n", "registry/pairs.csv row 3"),
        ("flowmeters.csv", "flowmeter_id,calibrated_on\nF-1,yesterday\n", "registry/flowmeters.csv row 2"),
        ("terminals.csv", "feature_code,terminal_id,channel\nWM-1,,sms\n", "registry/terminals.csv row 2"),
        ("sources.toml", "[sources.x]\n", "registry/sources.toml"),
        ("policy.toml", "tolerance = -1\n", "registry/policy.toml line 1: tolerance = -1"),
        ("policy.toml", "tolerence = 1\n", "did you mean 'tolerance'?"),
    ],
)
def test_a_wrong_registry_or_policy(
    ready: Small, capfd: pytest.CaptureFixture[str], name: str, text: str, says: str
) -> None:
    (ready.root / "registry" / name).write_text(text)
    code, out, err = run(capfd, ready.root)
    assert (code, out) == (2, "")
    assert says in err
    assert not (ready.root / "outbox").exists()


def test_a_missing_registry_file(ready: Small, capfd: pytest.CaptureFixture[str]) -> None:
    (ready.root / "registry" / "models.toml").unlink()
    code, _, err = run(capfd, ready.root)
    assert code == 2
    assert "registry/models.toml" in err


def test_the_wrong_number_of_workers_in_the_environment(
    ready: Small, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METERWRIGHT_WORKERS", "all")
    code, _, err = run(capfd, ready.root)
    assert code == 2
    assert "METERWRIGHT_WORKERS is 'all'" in err


HOLDER = """
import sys
from collections.abc import Iterator
from pathlib import Path
from flows.lock import hold
from transforms.workspace import REGISTRY_FILES
from transforms.workspace import Workspace
with hold(Workspace(Path(sys.argv[1])), "audit"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_run_at_a_time(ready: Small, capfd: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(ready.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        approve = ["outbox", "approve", "20260101T000000Z_12h_r1"]
        for command in (["run", "--engine", "plain", "--until", "2026-01-01T12:00:00Z"], ["ingest"], approve):
            code, out, err = call(capfd, *command, "--workspace", ready.root)
            assert (code, out) == (5, "")
            assert f"process {other.pid} on " in err
            assert re.search(r"\(audit, since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\) holds the workspace", err)
            assert socket.gethostname() in err
        assert not (ready.root / "outbox").exists()
        assert not (ready.root / "lake").exists()
        assert call(capfd, "policy", "--workspace", ready.root)[0] == 0, "reading is no run"
        other.kill()
    assert str(other.pid) in (ready.root / ".lock").read_text(), "killed, it left its note behind"
    assert run(capfd, ready.root)[0] == 0, "a lock dies with its holder"
    assert (ready.root / ".lock").read_bytes() == b""


def test_a_holder_that_has_not_said_who_it_is(ready: Small, capfd: pytest.CaptureFixture[str]) -> None:
    with (ready.root / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for note in ("", "[]", "{"):
            (ready.root / ".lock").write_text(note)
            code, _, err = run(capfd, ready.root)
            assert code == 5
            assert "another process holds the workspace" in err


def test_a_damaged_outbox_is_a_failure_with_a_remedy(ready: Small, capfd: pytest.CaptureFixture[str]) -> None:
    run(capfd, ready.root)
    for damage in ("{", "[]", '{"revision": 1}', '{"window_start": "x", "window_end": "y", "revision": 1}'):
        (ready.folder() / "manifest.json").write_text(damage)
        code, out, err = run(capfd, ready.root)
        assert (code, out) == (1, "")
        assert "outbox/20260101T000000Z_12h_r1/manifest.json cannot be read" in err
        assert "restore the folder from a backup" in err
    (ready.folder() / "manifest.json").unlink()
    code, out, err = run(capfd, ready.root, until="2026-01-02T00:00:00Z")
    assert (code, out) == (1, "")
    assert "outbox/20260101T000000Z_12h_r1/manifest.json cannot be read" in err


def test_a_damaged_lake_is_a_failure_with_a_remedy(ready: Small, capfd: pytest.CaptureFixture[str]) -> None:
    run(capfd, ready.root)
    (ready.root / "lake" / "ledger.json").write_text("{")
    code, out, err = run(capfd, ready.root, until="2026-01-02T00:00:00Z")
    assert (code, out) == (1, "")
    assert "it is rebuilt from raw" in err


def test_a_new_workspace_waits_for_its_meters(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "new" / "workspace"
    code, out, _ = call(capfd, "init", "--workspace", root)
    assert code == 0
    assert "meterwright run" in out
    assert {path.name for path in root.iterdir()} == {"registry", "raw"}
    assert {path.name for path in (root / "raw").iterdir()} == {"meter", "flowmeter", "acks", "images"}
    code, out, _ = run(capfd, root)
    assert code == 0
    assert "no meters" in out
    small = Small(root)
    with (root / "registry" / "meters.csv").open("a") as file:
        file.write("WM-1,T-R160,SN-1,2024-05-01,,Main Street 1\n")
    with (root / "registry" / "models.toml").open("a") as file:
        file.write(MODEL)
    small.dump("meter", {"WM-1": SCATTER * 2}).dump("flowmeter", {"WM-1": Q * 2})
    code, out, _ = run(capfd, root, until="2026-01-02T00:00:00Z")
    assert code == 0
    assert "1 unsteady; 0 commands, 0 held, 1 work orders" in out


def test_init_leaves_what_is_there(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Small(tmp_path).registry(["WM-1"])
    before = (tmp_path / "registry" / "meters.csv").read_text()
    code, out, _ = call(capfd, "init", "--workspace", tmp_path)
    assert code == 0
    assert "kept: meters.csv, models.toml" in out
    assert (tmp_path / "registry" / "meters.csv").read_text() == before
    found = json.loads(call(capfd, "init", "--workspace", tmp_path, "--json")[1])
    assert found["written"] == []
    assert len(found["kept"]) == len(REGISTRY_FILES)


def test_the_policy_in_force_and_where_it_comes_from(small: Small, capfd: pytest.CaptureFixture[str]) -> None:
    small.registry([], policy_toml='tolerance = 2.0\n[window]\nlength = "6h"\n')
    code, out, _ = call(capfd, "policy", "--workspace", small.root)
    assert code == 0
    told: dict[str, Any] = {line.split()[0]: " ".join(line.split()[1:]) for line in out.splitlines()}
    assert told["tolerance"] == "2.0 policy.toml line 1 (default 1.0)"
    assert told["window.length"] == "6h policy.toml line 3 (default 12h)"
    assert told["confirm_windows"] == "1 default"
    found = json.loads(call(capfd, "policy", "--workspace", small.root, "--json")[1])
    assert found["keys"]["tolerance"] == {"value": 2.0, "default": 1.0, "origin": "policy.toml line 1"}
    assert found["keys"]["max_attempts"] == {"value": 3, "default": 3, "origin": "default"}
    assert told["digest"] == found["digest"]


def test_the_workspace_may_come_from_the_environment(
    ready: Small, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METERWRIGHT_WORKSPACE", str(ready.root))
    until = "2026-01-01T12:00:00Z"
    assert call(capfd, "run", "--engine", "plain", "--until", until, "--now", until)[0] == 0
    assert ready.verdicts()["WM-1"]["verdict"] == "healthy"


def test_several_windows_in_one_go(small: Small, capfd: pytest.CaptureFixture[str]) -> None:
    small.registry(["WM-1"]).dump("meter", {"WM-1": TRUE + SCATTER}).dump("flowmeter", {"WM-1": Q * 2})
    code, out, _ = run(capfd, small.root, "--from", "2026-01-01T00:00:00Z", until="2026-01-02T05:00:00Z")
    assert code == 0
    assert [line.split(":")[0] for line in out.splitlines() if line.startswith("2026")] == [
        "20260101T000000Z_12h_r1",
        "20260101T120000Z_12h_r1",
    ]
    assert len(small.lines("work_orders.jsonl", "20260101T120000Z_12h_r1")) == 1


def test_a_window_that_is_not_over_is_not_judged(ready: Small, capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(
        capfd, "run", "--workspace", ready.root, "--engine", "plain",
        "--until", "2026-01-02T00:00:00Z", "--now", "2026-01-01T23:00:00Z",
    )  # fmt: skip
    assert code == 2
    assert "not over" in err
    assert not (ready.root / "outbox").exists()
