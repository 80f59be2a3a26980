"""The audit: what single runs say, said of a whole span at once; and nothing read twice, whatever happens in between."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flows.audit.crew import Crew
from flows.audit.desk import Desk
from flows.audit.engine import carry_out
from flows.audit.plan import Setting, windows_of
from flows.cli.main import main
from flows.simulation import simulate_workspace
from tests.workspaces import START, Small, demand, noisy
from transforms.audit.listed import UNTRUSTED
from transforms.policy import load_policy
from transforms.schemas import AUDIT_WINDOWS, VERDICTS
from transforms.simulate.behaviours import BEHAVIOURS
from transforms.workspace import Workspace

#: of a run's verdicts what its window says by itself
ALONE = [name for name in VERDICTS if not name.startswith("pooled_")]
HALF_DAY = timedelta(hours=12)
WINDOWS = 4
PROJECT = Path(__file__).resolve().parents[2]


def setting_of(root: Path, days: float, what_if: str | None = None, hours: int = 12) -> Setting:
    workspace, length = Workspace(root), timedelta(hours=hours)
    policy = load_policy(workspace.registry / "policy.toml").with_window(length)
    other = None
    if what_if is not None:
        (root / "other.toml").write_text(what_if)
        other = load_policy(root / "other.toml").with_window(length)
    windows = windows_of(START, START + timedelta(days=days), length)
    return Setting(workspace, workspace.registry, policy, other, windows, "test", workspace.cache / "work")


def engine(setting: Setting, folder: Path) -> tuple[Any, pl.DataFrame]:
    """Carry out an audit without its report; what it says, and its windows."""
    folder.mkdir(exist_ok=True)
    desk = Desk(setting)
    with Crew(1) as alone:
        done = carry_out(desk, alone, folder, lambda _: None)
    shutil.rmtree(setting.work)
    return done, pl.read_parquet(folder / "windows.parquet")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    """A fleet of every behaviour with the usual defects, run window by window, with commands that are carried out."""
    root = tmp_path_factory.mktemp("audit") / "workspace"
    shares = dict.fromkeys(BEHAVIOURS, 1.0)
    simulate_workspace(
        root, meters=63, days=WINDOWS / 2, interval=timedelta(minutes=15), seed=11, start=START, shares=shares
    )
    (root / "registry" / "policy.toml").write_text(
        "[command]\nmin_flowing = 6\nmin_reach = 0.0\n[breaker]\nshare = 1.0\n"
    )
    meters = pl.read_csv(root / "registry" / "meters.csv", infer_schema=False)
    late, gone = meters["feature_code"][3], meters["feature_code"][9]
    dates = {late: ("2026-01-02", None), gone: (None, "2026-01-02")}
    for k, name in enumerate(("installed_on", "removed_on")):
        told = pl.Series([dates.get(code, (None, None))[k] for code in meters["feature_code"]], dtype=pl.String)
        meters = meters.with_columns(told.alias(name))
    meters.write_csv(root / "registry" / "meters.csv")
    flowmeters = pl.read_csv(root / "registry" / "flowmeters.csv", infer_schema=False)
    expires = pl.when(pl.int_range(pl.len()) % 9 == 4).then(pl.lit("2025-12-01")).otherwise("calibrated_on")
    flowmeters.with_columns(calibrated_on=expires).write_csv(root / "registry" / "flowmeters.csv")
    said = []
    for number in range(WINDOWS):
        end = START + (number + 1) * HALF_DAY
        until = f"{end:%Y-%m-%dT%H:%M:%SZ}"
        arguments = ["run", "--workspace", str(root), "--until", until, "--now", until, "--engine", "plain"]
        assert main(arguments) in (0, 3)
        folder = root / "outbox" / f"{end - HALF_DAY:%Y%m%dT%H%M%SZ}_12h_r1"
        said.append(pl.read_parquet(folder / "verdicts.parquet"))
        commands = [json.loads(line) for line in (folder / "commands.jsonl").read_text().splitlines()]
        # half of the devices obey, some hours into the window that comes next
        acks = [
            {
                "command_id": command["command_id"],
                "feature_code": command["feature_code"],
                "status": "applied",
                "at": f"{end + timedelta(hours=2 + 3 * (k % 3), minutes=7):%Y-%m-%dT%H:%M:%SZ}",
            }
            for k, command in enumerate(commands)
            if k % 2 == 0
        ]
        (root / "raw" / "acks").mkdir(exist_ok=True)
        (root / "raw" / "acks" / f"{number}.jsonl").write_text("".join(json.dumps(ack) + "\n" for ack in acks))
    return root, pl.concat(said)


def test_every_window_says_what_its_own_run_says(ran: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    root, said = ran
    done, windows = engine(setting_of(root, WINDOWS / 2), tmp_path / "a")
    assert dict(windows.schema) == AUDIT_WINDOWS
    assert_frame_equal(
        windows.select(ALONE).sort("feature_code", "window_start"),
        said.select(ALONE).sort("feature_code", "window_start"),
        check_exact=True,
    )
    reasons = set(said["reason"])
    assert {"parameters_changed", "not_installed", "decommissioned", "reference_expired", "no_flow"} <= reasons
    assert {"within_mpe", "step", "clock_skew", "stuck", "scatter"} <= reasons
    assert done.figures.meters.height == windows["feature_code"].n_unique()
    # what could not be judged is counted from the windows
    counted = (
        windows.filter(pl.col("verdict") == "inconclusive")
        .group_by("feature_code", "reason")
        .agg(
            pl.len().cast(pl.Int64).alias("n_windows"),
            pl.col("window_start").min().alias("first"),
            pl.col("window_end").max().alias("last"),
        )
        .sort("feature_code", "reason")
    )
    assert_frame_equal(done.figures.unjudged.drop("volume_l"), counted)
    by_reason = done.figures.summary["not_judged"]["windows"]
    assert sum(by_reason.values()) == done.figures.summary["windows"]["inconclusive"] > 0
    assert done.figures.unjudged.filter(pl.col("reason").is_in(UNTRUSTED))["volume_l"].sum() == 0.0
    # regimes are cut where devices said that they obeyed
    acks = [json.loads(line) for file in (root / "raw" / "acks").iterdir() for line in file.read_text().splitlines()]
    obeyed = {(ack["feature_code"], ack["at"]) for ack in acks}
    on_record = done.figures.regimes.filter(pl.col("begins_low") == pl.col("begins_high"))
    cut = {(code, f"{at:%Y-%m-%dT%H:%M:%SZ}") for code, at in on_record.select("feature_code", "begins").iter_rows()}
    exchanged = {(code, f"{day}T00:00:00Z") for code, day in dates_of(root) if day}
    assert len(cut & obeyed) >= 3
    assert cut <= obeyed | exchanged


def dates_of(root: Path) -> list[tuple[str, str | None]]:
    meters = pl.read_csv(root / "registry" / "meters.csv", infer_schema=False)
    return list(meters.select("feature_code", "installed_on").iter_rows())


def test_volumes_and_the_weighted_error_are_those_of_the_pairs(tmp_path: Path) -> None:
    q = demand(quarters=96)
    small = Small(tmp_path / "w").registry(["A"])
    small.dump("flowmeter", {"A": q}).dump("meter", {"A": [1.05 * value for value in noisy(q)]})
    assert small.run(until="2026-01-01T12:00:00Z") == 0
    _, windows = engine(setting_of(small.root, 1), tmp_path / "a")
    first = windows.row(0, named=True)
    litres = sum(q[:48]) / 4
    measured = sum(1.05 * value for value in noisy(q)[:48]) / 4
    assert first["volume_l"] == pytest.approx(litres, rel=1e-5)
    assert first["meter_volume_l"] == pytest.approx(measured, rel=1e-5)
    assert first["error"] == pytest.approx(0.05, abs=0.005)
    assert 0 < first["error_se"] < 0.005
    assert first["reference_uncertainty"] == 0.0025


def test_what_was_summarised_is_not_read_again(ran: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    root = tmp_path / "w"
    shutil.copytree(ran[0], root, ignore=shutil.ignore_patterns(".cache", "outbox", "reports"))
    first, whole = engine(setting_of(root, WINDOWS / 2), tmp_path / "a")
    assert (first.chunks, first.read) == (1, 1)
    again, same = engine(setting_of(root, WINDOWS / 2), tmp_path / "b")
    assert (again.chunks, again.read) == (1, 0)
    assert (tmp_path / "a" / "windows.parquet").read_bytes() == (tmp_path / "b" / "windows.parquet").read_bytes()
    assert_frame_equal(whole, same)
    # another policy asks for other second looks, another command guard does not
    guard, _ = engine(_with_policy(root, "[command]\nmin_flowing = 50\n"), tmp_path / "c")
    assert guard.read == 0
    other, _ = engine(_with_policy(root, "tolerance = 0.5\n"), tmp_path / "d")
    assert other.read == 1
    # a reading more and the chunk is another one
    entry = next(iter(json.loads((root / "lake" / "ledger.json").read_text())["files"]))
    file = root / "lake" / entry["path"]
    file.write_bytes(file.read_bytes() + b"")
    changed, _ = engine(setting_of(root, WINDOWS / 2), tmp_path / "e")
    assert changed.read == 1


def _with_policy(root: Path, text: str) -> Setting:
    (root / "registry" / "policy.toml").write_text(text)
    return setting_of(root, WINDOWS / 2)


def test_a_second_policy_is_judged_from_the_same_moments(ran: tuple[Path, pl.DataFrame], tmp_path: Path) -> None:
    root = tmp_path / "w"
    shutil.copytree(ran[0], root)
    own = (root / "registry" / "policy.toml").read_text()
    same, _ = engine(setting_of(root, WINDOWS / 2, what_if=own), tmp_path / "a")
    assert same.figures.summary["what_if"]["windows_that_differ"] == 0
    assert same.figures.summary["what_if"]["commanded"]["a"] > 0
    lenient, _ = engine(setting_of(root, WINDOWS / 2, what_if="tolerance = 3.0\n" + own), tmp_path / "b")
    assert lenient.read == 0
    told = lenient.figures.summary["what_if"]
    assert told["windows_that_differ"] > 0
    counts = {side: _healthy(told, side) for side in "ab"}
    assert counts["b"] > counts["a"]
    # what the other policy says of each window is what it says where it is the policy in force, but for second looks
    _, theirs = engine(_with_policy(root, "tolerance = 3.0\n" + own), tmp_path / "c")
    healthy = theirs.filter(pl.col("verdict") == "healthy").height
    assert counts["b"] == healthy


def _healthy(told: dict[str, Any], side: str) -> int:
    return sum(row["n"] for row in told["verdicts"] if row[f"verdict_{side}"] == "healthy")


@pytest.fixture(scope="module")
def long_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three meters over seventy days: three chunks."""
    root = tmp_path_factory.mktemp("long") / "workspace"
    q = noisy(demand(quarters=70 * 96))
    small = Small(root).registry(["A", "B", "C"])
    small.dump("flowmeter", dict.fromkeys("ABC", q))
    small.dump("meter", {"A": noisy(q), "B": [1.06 * value for value in noisy(q)], "C": q[: 30 * 96]})
    assert main(["ingest", "--workspace", str(root)]) == 0
    return root


def command(root: Path) -> list[str]:
    span = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-03-12T00:00:00Z", "--window", "12h"]
    return ["audit", "--workspace", str(root), *span]


def folder_of(root: Path) -> dict[str, bytes]:
    (report,) = (root / "reports").iterdir()
    return {path.relative_to(report).as_posix(): path.read_bytes() for path in report.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_killed_and_started_again_it_goes_on_and_writes_the_same(long_lake: Path, tmp_path: Path) -> None:
    root, clean = tmp_path / "killed" / "workspace", tmp_path / "clean" / "workspace"
    for each in (root, clean):
        shutil.copytree(long_lake, each)
    program = [sys.executable, "-c", "import sys; from flows.cli.main import main; sys.exit(main())", *command(root)]
    process = subprocess.Popen(program, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    work = root / ".cache" / "audit" / "work"
    deadline = time.monotonic() + 120
    while not list(work.glob("*/chunk-*Z")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = {path.name: path.stat().st_mtime_ns for path in work.glob("*/chunk-*Z")}
    assert 1 <= len(done) <= 3
    assert not (root / "reports").exists()
    # by processes that share what is left
    shared = "from flows.audit import crew; from flows.cli import program; crew.WORTH_A_PROCESS = 1; program()"
    subprocess.run([sys.executable, "-c", shared, *command(root), "--workers", "2"], cwd=PROJECT, check=True)
    found = folder_of(root)
    # it is there: nothing is done again
    assert main(command(root)) == 0
    assert folder_of(root) == found
    assert not list(work.iterdir())
    # never interrupted, by one process
    assert main([*command(clean), "--workers", "1"]) == 0
    whole = folder_of(clean)
    assert {name for name in whole if not name.startswith("meters/")} == {
        *("windows.parquet", "meters.parquet", "regimes.parquet", "fleet.parquet", "registers.parquet"),
        *("not_judged.parquet", "summary.json"),
        *("index.html", "report.pdf", "tables.xlsx", "SHA256SUMS"),
    }
    assert found == whole
    # all other files can be told from altered ones, by a program that is not ours
    (report,) = (root / "reports").iterdir()
    checked = [line.split("  ")[1] for line in found["SHA256SUMS"].decode().splitlines()]
    assert checked == sorted(found.keys() - {"SHA256SUMS"})
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    assert subprocess.run(check, cwd=report, capture_output=True, check=False).returncode == 0
    page = report / "meters" / "0001.html"
    page.write_bytes(page.read_bytes().replace(b"2026", b"2027", 1))
    told = subprocess.run(check, cwd=report, capture_output=True, check=False, text=True)
    assert told.returncode == 1
    assert [line for line in told.stdout.splitlines() if not line.endswith(": OK")] == ["meters/0001.html: FAILED"]
    assert "<code>SHA256SUMS</code>" in found["index.html"].decode()


def test_a_folder_of_exports_is_audited_like_a_workspace_and_leaves_nothing(
    ran: tuple[Path, pl.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.audit.write.parts_of", lambda *_: [])
    exports, place = tmp_path / "exports", tmp_path / "place"
    for stream in ("meter", "flowmeter"):
        shutil.copytree(ran[0] / "raw" / stream, exports / stream)
    before = {path: path.read_bytes() for path in exports.rglob("*") if path.is_file()}
    monkeypatch.chdir(exports)
    span = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-03T00:00:00Z"]
    code = main(["audit", "--workspace", str(place), "--registry", str(ran[0] / "registry"), "--exports", ".", *span])
    assert code in (0, 3)
    assert {path: path.read_bytes() for path in exports.rglob("*") if path.is_file()} == before
    assert not list((place / ".scratch").iterdir())
    (report,) = (place / "reports").iterdir()
    # what repeats it names the folders, and nothing in the report depends on where the throw-away workspace was
    facts = json.loads((report / "summary.json").read_text())["facts"]
    assert facts["workspace"] == "exports"
    assert facts["command"].endswith("--exports exports --registry registry")
    windows = pl.read_parquet(report / "windows.parquet")
    # without outbox and acks nothing is known of commands; all other windows are as they were
    said = ran[1].filter(pl.col("window_start") == START).select(ALONE)
    assert_frame_equal(windows.filter(pl.col("window_start") == START).select(ALONE), said, check_exact=True)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--from", "2026-01-02T00:00:00Z", "--to", "2026-01-01T00:00:00Z"], "is not after --from"),
        (["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T05:00:00Z"], "no complete window of 12h"),
        (["--from", "2026-01-01", "--to", "2026-01-02T00:00:00Z"], "no offset"),
        (["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z", "--what-if", "none.toml"], "is no file"),
        (["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z", "--exports", "none"], "is no folder"),
        (["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z", "--for", "customer"], "--meter"),
        (["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z", "--window", "7h"], "divide the day"),
    ],
)
def test_wrong_usage_is_a_sentence(
    more: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Small(tmp_path).registry(["A"])
    assert main(["audit", "--workspace", str(tmp_path), *more]) == 2
    assert told in capsys.readouterr().err


def test_a_customer_gets_nothing_of_others_and_a_supervisor_no_sites(
    ran: tuple[Path, pl.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.audit.write.parts_of", lambda *_: [])
    root = tmp_path / "w"
    shutil.copytree(ran[0], root, ignore=shutil.ignore_patterns("reports"))
    span = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-03T00:00:00Z"]
    meter = ran[1]["feature_code"][0]
    assert main(["audit", "--workspace", str(root), *span, "--for", "customer", "--meter", meter]) in (0, 3)
    assert folder_of(root) == {"SHA256SUMS": b""}
    shutil.rmtree(root / "reports")
    assert main(["audit", "--workspace", str(root), *span, "--for", "supervisor"]) in (0, 3)
    (report,) = (root / "reports").iterdir()
    assert pl.read_parquet(report / "meters.parquet")["site"].null_count() == 63
    assert "site" not in pl.read_parquet(report / "fleet.parquet")["by"].to_list()
    terminals = pl.read_csv(root / "registry" / "terminals.csv", infer_schema=False)
    everything = b"".join(folder_of(root).values())
    assert not any(number.encode() in everything for number in terminals["terminal_id"])


def test_a_full_disk_is_told_of_and_leaves_no_audit(
    ran: tuple[Path, pl.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("reports.audit.write.parts_of", lambda *_: [])
    root = tmp_path / "w"
    shutil.copytree(ran[0], root, ignore=shutil.ignore_patterns("reports"))
    command = ["audit", "--workspace", str(root), "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-03T00:00:00Z"]

    def fail(*_: object, **__: object) -> None:
        raise pl.exceptions.ComputeError("parquet: File out of specification")

    with monkeypatch.context() as full:
        full.setattr(pl.DataFrame, "write_parquet", fail)
        assert main(command) == 1
    assert "meters.parquet cannot be written" in capsys.readouterr().err
    assert not (root / "reports").exists()
    assert main(command) in (0, 3)
    assert len(list((root / "reports").iterdir())) == 1
