"""What a run writes, as FORMATS promises it to those who read the outbox: files, columns, keys, digests, privacy."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from contextlib import chdir
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.workspaces import Small, demand, noisy
from transforms.canonical import digest_of
from transforms.fleet import fleet_table
from transforms.ingest import ingest
from transforms.registry import load_registry
from transforms.workspace import Workspace

Q = demand()
TRUE = noisy(Q, 0.002)
PHONES = ["+64215550101", "+8613800138000", "0215550103"]
TERMINALS = (
    "feature_code,terminal_id,channel,language\n"
    f"GAIN,{PHONES[0]},sms,en\nGAIN,{PHONES[1]},app,zh-CN\nSCATTER,{PHONES[2]},sms,\nGOOD,{PHONES[2]},sms,fr\n"
)
UTC_TIME = pl.Datetime("us", "UTC")
F, S, I = pl.Float64, pl.String, pl.Int64  # noqa: E741 - a table of types reads best in one letter
TABLES = {
    "verdicts.parquet": {
        "feature_code": S, "flowmeter_id": S, "model": S, "window_start": UTC_TIME, "window_end": UTC_TIME,
        "verdict": S, "form": S, "reason": S, "n_pairs": I, "n_flowing": I, "coverage": F, "mean_diff_lph": F,
        "share_in_band": F, "volume_error": F, "error_q1_q2": F, "error_q2_q3": F, "error_q3_q4": F, "a1": F,
        "a1_se": F, "a2": F, "a2_se": F, "r2": F, "residual_std_lph": F, "q_min_lph": F, "q_max_lph": F,
        "correlation": F, "uncertainty_q1_q2": F, "uncertainty_q2_q3": F, "uncertainty_q3_q4": F, "scatter_ratio": F,
        "drift_spread": F, "lag_s": F, "changed_at": UTC_TIME, "dead_share": F, "pairs_needed": I,
        "pooled_verdict": S, "pooled_form": S, "pooled_reason": S, "pooled_windows": I, "pooled_since": UTC_TIME,
        "pooled_n_flowing": I, "pooled_volume_error": F, "pooled_uncertainty": F, "pooled_a1": F, "pooled_a1_se": F,
        "pooled_a2": F, "pooled_a2_se": F,
    },
    "moments.parquet": {
        "feature_code": S, "bin": pl.Int8, "q1_lph": F, "q2_lph": F, "q3_lph": F, "n": I, "sx": I, "sy": I, "sxx": I,
        "sxy": I, "syy": I, "x_min": I, "x_max": I, "y_min": I, "y_max": I, "from_register": pl.Boolean,
    },
    "readings.parquet": {
        "feature_code": S, "captured_at": UTC_TIME, "file": S, "sha256": S, "screen": S, "quantity": S, "value": F,
        "unit": S, "confidence": F, "status": S, "reason": S, "reading_id": S, "command_id": S, "frames": I,
        "candidates": pl.List(pl.Struct({"screen": S, "text": S, "value": F, "confidence": F})), "wire_low": F,
        "wire_high": F, "consequence": S, "decided_by": S, "decided_at": UTC_TIME,
    },
    "effects.parquet": {
        "feature_code": S, "command_id": S, "sequence": I, "applied_at": UTC_TIME, "effect": S,
        "volume_error_before": F, "volume_error_after": F,
    },
}  # fmt: skip
KEYS = {
    "commands.jsonl": [
        "schema", "command_id", "feature_code", "model", "sequence", "supersedes", "run_id", "window_start",
        "window_end", "issued_at", "expires_at", "state", "form", "a1", "a1_se", "a2", "a2_se", "q_min_lph",
        "q_max_lph", "procedure", "correction",
    ],
    "notices.jsonl": [
        "schema", "notice_id", "terminal_id", "channel", "language", "feature_code", "command_id", "kind", "text",
        "parameters", "not_before", "expires_at",
    ],
    "work_orders.jsonl": ["schema", "order_id", "feature_code", "reason", "evidence", "since", "priority"],
}  # fmt: skip
ACCOUNT = ("read", "accepted", "duplicate", "quarantined")


def gain(a1: float, a2: float = 0.0) -> list[float]:
    return [a1 * v + a2 if v > 0 else 0.0 for v in TRUE]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """A run with a meter of each kind, a repeated row and a bad one; nothing below changes it."""
    small = Small(tmp_path_factory.mktemp("outbox") / "workspace")
    small.registry(["GOOD", "GAIN", "OFFSET", "SCATTER", "SILENT"], terminals_csv=TERMINALS)
    meters = {"GOOD": TRUE, "GAIN": gain(1.08), "OFFSET": gain(1.0, 12.0), "SCATTER": noisy(Q, 0.25)}
    small.dump("meter", meters, name="meters.csv").dump("flowmeter", dict.fromkeys(meters, Q))
    small.dump("meter", {"GOOD": TRUE[:5], "STRANGER": [100.0]}, name="again.csv")
    with (small.root / "raw" / "meter" / "meters.csv").open("a") as file:
        file.write("GOOD,2026-01-01T06:07:00Z,-1\n")
    assert small.run() == 3
    return small


def content(small: Small) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in small.folder().iterdir()}


def test_every_file_is_there_and_no_other(done: Small) -> None:
    assert set(content(done)) == {*TABLES, *KEYS, "manifest.json"}
    assert [path.name for path in (done.root / "outbox").iterdir()] == ["20260101T000000Z_12h_r1"]
    assert (done.root / "reports" / "20260101T000000Z_12h_r1" / "index.html").is_file()


@pytest.mark.parametrize("name", sorted(TABLES))
def test_tables_have_the_promised_columns(done: Small, name: str) -> None:
    schema = pl.read_parquet_schema(done.folder() / name)
    assert list(schema.items()) == list(TABLES[name].items())


@pytest.mark.parametrize("name", sorted(KEYS))
def test_lines_have_the_promised_keys(done: Small, name: str) -> None:
    lines = done.lines(name)
    assert lines
    assert {tuple(line) for line in lines} == {tuple(KEYS[name])}
    assert {line["schema"] for line in lines} == {f"meterwright.{name.removesuffix('s.jsonl')}/1"}
    assert (done.folder() / name).read_bytes().endswith(b"}\n")


def test_a_row_for_every_meter_and_stranger_in_order(done: Small) -> None:
    frame = pl.read_parquet(done.folder() / "verdicts.parquet")
    assert frame["feature_code"].to_list() == ["GAIN", "GOOD", "OFFSET", "SCATTER", "SILENT", "STRANGER"]
    assert set(frame["verdict"]) == {"healthy", "steady", "unsteady", "inconclusive"}
    steady = pl.col("verdict") == "steady"
    assert frame.filter(steady)["form"].to_list() == ["linear", "offset"]
    assert frame.filter(~steady)["form"].is_null().all()
    assert frame.filter(steady | (pl.col("verdict") == "unsteady"))["a1"].is_not_null().all()
    assert not any(frame[name].is_nan().any() for name, kind in frame.schema.items() if kind == F)


def test_the_manifest_tells_who_when_and_by_which_rules(done: Small) -> None:
    manifest = done.manifest()
    assert {
        key: manifest[key] for key in ("schema", "run_id", "window_start", "window_end", "revision", "issued_at")
    } == {
        "schema": "meterwright.manifest/1",
        "run_id": "20260101T000000Z_12h_r1",
        "window_start": "2026-01-01T00:00:00Z",
        "window_end": "2026-01-01T12:00:00Z",
        "revision": 1,
        "issued_at": "2026-01-01T12:00:00Z",
    }
    assert manifest["registry_digest"] == load_registry(done.root / "registry").digest
    assert re.fullmatch(r"[0-9a-f]{64}", manifest["policy_digest"])
    assert manifest["code_version"]
    assert manifest["signature"] is None


def test_the_manifests_digests_are_those_of_the_files(done: Small) -> None:
    files = done.manifest()["files"]
    found = content(done)
    assert set(files) == set(found) - {"manifest.json"}
    for name, facts in files.items():
        assert facts["sha256"] == hashlib.sha256(found[name]).hexdigest()
        assert facts["bytes"] == len(found[name])
        rows = pl.read_parquet(found[name]).height if name in TABLES else len(done.lines(name))
        assert facts["rows"] == rows


def test_the_manifests_counts_are_those_of_the_files(done: Small) -> None:
    counts = done.manifest()["counts"]
    frame = pl.read_parquet(done.folder() / "verdicts.parquet")
    assert counts["meters"] == frame.height
    assert counts["verdict"] == dict(frame.group_by("verdict").len().iter_rows())
    # two commanded meters and one that scatters are in doubt, so their readings are looked at one by one
    assert counts["second_look"] == {"flagged": 3, "looked_at": 3}
    assert counts["reason"] == dict(frame.group_by("reason").len().iter_rows())
    assert (counts["commands"], counts["held"], counts["withheld"]) == (2, 0, 0)
    assert counts["work_orders"] == len(done.lines("work_orders.jsonl")) == 1
    assert counts["notices"] == len(done.lines("notices.jsonl")) == 3


def test_every_raw_row_is_accounted_for(done: Small) -> None:
    manifest = done.manifest()
    by_file = {dump["file"]: dump for dump in manifest["inputs"]}
    told = {name: [dump[key] for key in ACCOUNT] for name, dump in by_file.items()}
    assert told == {
        "flowmeter/a.csv": [192, 192, 0, 0],
        "meter/again.csv": [6, 6, 0, 0],
        "meter/meters.csv": [193, 187, 5, 1],
    }
    assert manifest["rows"] == {
        "read": 391,
        "accepted": 385,
        "duplicate": 5,
        "quarantined": 1,
        "replaced": 0,
        "reasons": {"negative": 1},
    }
    for name, dump in by_file.items():
        raw = (done.root / "raw" / name).read_bytes()
        assert (dump["sha256"], dump["bytes"]) == (hashlib.sha256(raw).hexdigest(), len(raw))


def test_a_command_says_what_was_measured_and_what_to_do(done: Small) -> None:
    commands = {command["feature_code"]: command for command in done.lines("commands.jsonl")}
    assert list(commands) == ["GAIN", "OFFSET"]
    for code, command in commands.items():
        row = done.verdicts()[code]
        assert (command["run_id"], command["model"], command["form"]) == (done.folder().name, "T-R160", row["form"])
        assert (command["window_start"], command["window_end"]) == ("2026-01-01T00:00:00Z", "2026-01-01T12:00:00Z")
        assert (command["issued_at"], command["expires_at"]) == ("2026-01-01T12:00:00Z", "2026-01-04T12:00:00Z")
        assert (command["sequence"], command["supersedes"], command["state"]) == (1, None, "ready")
        assert command["procedure"] == ["pause", "apply", "self_test", "report"]
        assert set(command["correction"]) == {"gain", "offset_lph"}
        for name in ("a1", "a1_se", "a2", "a2_se", "q_min_lph", "q_max_lph"):
            assert command[name] == pytest.approx(row[name], rel=1e-8), name
        for raw, true in zip(gain(1.08) if code == "GAIN" else gain(1.0, 12.0), TRUE, strict=True):
            corrected = command["correction"]["gain"] * raw + command["correction"]["offset_lph"]
            assert raw == 0 or corrected == pytest.approx(true, rel=0.003, abs=0.6)


def test_a_commands_id_is_a_digest_of_its_decision(done: Small) -> None:
    when_and_how = ("command_id", "run_id", "issued_at", "expires_at", "state")
    for command in done.lines("commands.jsonl"):
        decision = {key: value for key, value in command.items() if key not in when_and_how}
        assert command["command_id"] == digest_of(decision, "c")


def test_a_commands_id_does_not_hang_on_the_clock(done: Small, tmp_path: Path) -> None:
    other = Small(tmp_path / "elsewhere")
    other.registry(["GAIN", "OFFSET"])
    other.dump("meter", {"GAIN": gain(1.08), "OFFSET": gain(1.0, 12.0)}).dump("flowmeter", {"GAIN": Q, "OFFSET": Q})
    assert other.run("--now", "2026-01-07T07:07:07Z") == 0
    commands = other.lines("commands.jsonl")
    assert [c["command_id"] for c in commands] == [c["command_id"] for c in done.lines("commands.jsonl")]
    assert {(c["issued_at"], c["expires_at"]) for c in commands} == {("2026-01-07T07:07:07Z", "2026-01-10T07:07:07Z")}


def test_a_work_order_brings_its_evidence(done: Small) -> None:
    (order,) = done.lines("work_orders.jsonl")
    row = done.verdicts()["SCATTER"]
    assert (order["feature_code"], order["reason"], order["priority"]) == ("SCATTER", "scatter", "normal")
    assert order["since"] == "2026-01-01T00:00:00Z"
    assert re.fullmatch(r"w-[0-9a-f]{32}", order["order_id"])
    assert order["evidence"]["verdict"] == "unsteady"
    assert order["evidence"]["flowmeter_id"] == "F-SCATTER"
    assert order["evidence"]["residual_std_lph"] == pytest.approx(row["residual_std_lph"], rel=1e-8)
    assert None not in order["evidence"].values()


def test_notices_go_to_the_terminals_of_those_concerned(done: Small) -> None:
    notices = done.lines("notices.jsonl")
    told = {(n["feature_code"], n["kind"], n["terminal_id"], n["channel"], n["language"]) for n in notices}
    assert told == {
        ("GAIN", "self_maintenance", PHONES[0], "sms", "en"),
        ("GAIN", "self_maintenance", PHONES[1], "app", "zh"),
        ("SCATTER", "visit", PHONES[2], "sms", "en"),
    }
    (command, _) = done.lines("commands.jsonl")
    for notice in notices:
        assert (notice["not_before"], notice["expires_at"]) == ("2026-01-01T12:00:00Z", "2026-01-04T12:00:00Z")
        if notice["kind"] == "self_maintenance":
            assert notice["command_id"] == command["command_id"]
            assert notice["parameters"] == {key: command[key] for key in ("a1", "a2", "correction")}


def test_phone_numbers_are_in_the_notices_and_nowhere_else(done: Small, capfd: pytest.CaptureFixture[str]) -> None:
    notices = done.folder() / "notices.jsonl"
    assert stat.S_IMODE(notices.stat().st_mode) == 0o600
    for path in (path for path in done.root.rglob("*") if path.is_file()):
        allowed = path == notices or path.name == "terminals.csv"
        found = [phone for phone in PHONES if phone.encode() in path.read_bytes()]
        assert allowed or not found, path
    done.run("--json")
    done.run()
    out, err = capfd.readouterr()
    assert not [phone for phone in PHONES if phone in out + err]


def test_the_same_run_again_leaves_the_folder_alone(done: Small, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(done)
    assert done.run() == 0
    assert "(done before)" in capsys.readouterr().out
    assert content(done) == before


def test_nothing_is_written_where_the_program_was_started(small: Small, tmp_path: Path) -> None:
    small.registry(["WM-1"]).dump("meter", {"WM-1": gain(1.08)}).dump("flowmeter", {"WM-1": Q})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with chdir(elsewhere):
        assert small.run() == 0
    assert not list(elsewhere.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"workspace", "elsewhere"}
    assert not (small.root / ".scratch").exists()


def test_raw_dumps_are_never_changed(small: Small) -> None:
    small.registry(["WM-1"]).dump("meter", {"WM-1": TRUE}).dump("flowmeter", {"WM-1": Q})
    files = sorted((small.root / "raw").rglob("*.csv"))
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in files]
    small.run()
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in files] == before


def disputed(root: Path, buckets: int) -> dict[str, Any]:
    """Flowmeters that say one meter while the table gives them to another, in a lake of many buckets."""
    small = Small(root)
    codes = [f"WM-{k}" for k in range(9)]
    rows = (
        "".join(f"WM-{k + 3},F-WM-{k},,\n" for k in range(3))
        + "WM-6,F-X,,2026-01-01T06:00:00Z\nWM-7,F-X,2026-01-01T06:00:00Z,\n"
    )
    small.registry(codes, pairs_csv="feature_code,flowmeter_id,valid_from,valid_to\n" + rows)
    small.dump("meter", {code: TRUE for code in codes if code != "WM-8"})
    small.dump("flowmeter", {f"WM-{k}": Q for k in range(3)})
    small.dump("flowmeter", {"-": Q}, name="x.csv", coded=False, flowmeter="F-X")
    workspace = Workspace(root)
    registry = load_registry(workspace.registry)
    ingest(workspace, registry, absurd_flow_lph=1e6, threads=2, bucket_count=buckets)
    assert small.run() == 0
    frame = pl.read_parquet(small.folder() / "verdicts.parquet")
    assert frame["feature_code"].to_list() == sorted(codes) == sorted(fleet_table(registry)["feature_code"])
    return {row["feature_code"]: (row["reason"], row["n_pairs"]) for row in frame.iter_rows(named=True)}


def test_a_meter_has_one_row_whoever_in_whatever_bucket_speaks_of_it(tmp_path: Path) -> None:
    found = disputed(tmp_path / "many", 8)
    assert found == disputed(tmp_path / "one", 1)
    assert [found[f"WM-{k}"][0] for k in range(6)] == ["pairing_conflict"] * 6
    assert (found["WM-6"][1], found["WM-7"][1]) == (24, 24)
    assert found["WM-8"] == ("meter_missing", 0)


def test_no_line_of_the_outbox_is_broken_by_what_a_name_holds(small: Small) -> None:
    """A line separator inside a name must not end a JSON line for the run after."""
    small.registry(["WM-1"]).dump("meter", {"WM-1": noisy(Q, 0.25) * 2})
    small.dump("flowmeter", {"WM-1": Q * 2}, flowmeter="F\u2028\u20281")
    assert small.run() == 0
    text = (small.folder() / "work_orders.jsonl").read_text(encoding="utf-8")
    assert json.loads(text)["evidence"]["flowmeter_id"] == "F\u2028\u20281"
    assert small.run(until="2026-01-02T00:00:00Z") == 0
