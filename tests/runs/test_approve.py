"""`outbox approve`: held commands leave once, by a person's word, as a new revision; and when they may not."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from flows.cli.main import main
from tests.workspaces import Small, demand, noisy
from transforms.feedback import read_acks
from transforms.outbox import read_history
from transforms.state import fold_commands
from transforms.windows import parse_time
from transforms.workspace import Workspace

Q = demand()
TRUE = noisy(Q, 0.002)
FIRST, HELD, APPROVED, AFTER = (
    "20260101T000000Z_12h_r1",
    "20260101T120000Z_12h_r1",
    "20260101T120000Z_12h_r2",
    "20260102T000000Z_12h_r1",
)
ENDS = ["2026-01-01T12:00:00Z", "2026-01-02T00:00:00Z", "2026-01-02T12:00:00Z"]
NOON = "2026-01-02T06:00:00Z"
CODES = [f"WM-{k:02d}" for k in range(21)]
OFF = CODES[:4]
PHONE, OTHER_PHONE = "+64215550101", "+64215550102"
POLICY = '[report]\nplots = 0\n[command]\nexpires = "24h"\n'
TERMINALS = (
    "feature_code,terminal_id,channel,language\n"
    f"WM-00,{PHONE},sms,en\nWM-01,{OTHER_PHONE},sms,en\nWM-20,{PHONE},sms,en\n"
)
KEY = base64.b64encode(bytes(range(32))).decode()


def gain(a1: float) -> list[float]:
    return [a1 * v for v in TRUE]


def build(root: Path) -> Small:
    """Two windows: in the first WM-00 is off and commanded, in the second four meters are, which trips the breaker;
    WM-20 needs a visit then."""
    small = Small(root)
    small.registry(CODES, terminals_csv=TERMINALS, policy_toml=POLICY)
    first = {code: gain(1.08) if code == "WM-00" else TRUE for code in CODES}
    small.dump("meter", first, name="1.csv")
    second = {code: gain(1.08) if code in OFF else TRUE for code in CODES} | {"WM-20": noisy(Q, 0.25)}
    small.dump("meter", second, name="2.csv", start=parse_time(ENDS[0]))
    small.dump("meter", dict.fromkeys(CODES, TRUE), name="3.csv", start=parse_time(ENDS[1]))
    small.dump("flowmeter", dict.fromkeys(CODES, Q * 3))
    key = root / "registry" / "signing_key.pem"
    key.touch(0o600)
    key.write_text(KEY)
    assert small.run() == 0
    refuse(small, FIRST, "WM-00", "2026-01-01T12:30:00Z")
    assert small.run(until=ENDS[1]) == 4
    return small


def refuse(small: Small, run_id: str, code: str, at: str, status: str = "rejected") -> None:
    (command,) = [c for c in small.lines("commands.jsonl", run_id) if c["feature_code"] == code]
    ack(small, command, at, status)


def ack(small: Small, command: dict[str, Any], at: str, status: str) -> None:
    folder = small.root / "raw" / "acks"
    folder.mkdir(parents=True, exist_ok=True)
    line = {"command_id": command["command_id"], "feature_code": command["feature_code"], "status": status, "at": at}
    with (folder / "a.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return build(tmp_path_factory.mktemp("held") / "workspace")


@pytest.fixture
def held(built: Small, tmp_path: Path) -> Small:
    shutil.copytree(built.root, tmp_path / "workspace")
    return Small(tmp_path / "workspace")


def approve(small: Small, run_id: str = HELD, now: str = NOON, *more: str) -> int:
    return main(["outbox", "approve", run_id, "--workspace", str(small.root), "--now", now, *more])


def outbox(small: Small) -> dict[str, bytes]:
    root = small.root / "outbox"
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def verified(small: Small) -> bool:
    with redirect_stdout(io.StringIO()):
        return main(["outbox", "verify", "--workspace", str(small.root)]) == 0


def states(commands: Sequence[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(command["feature_code"], command["state"]) for command in commands}


def test_held_commands_leave_as_a_new_revision(held: Small, capfd: pytest.CaptureFixture[str]) -> None:
    before = outbox(held)
    assert approve(held, HELD, NOON, "--by", "Ana Fuentes") == 0
    assert f"{APPROVED}: 4 commands released by Ana Fuentes at {NOON}" in capfd.readouterr().out
    then, now = held.lines("commands.jsonl", HELD), held.lines("commands.jsonl", APPROVED)
    assert states(then) == {(code, "held") for code in OFF}
    assert states(now) == {(code, "ready") for code in OFF}
    changed = {"run_id", "issued_at", "expires_at", "state"}
    for old, new in zip(then, now, strict=True):
        assert {key for key in old if old[key] != new[key]} == changed
        assert (new["run_id"], new["issued_at"], new["expires_at"]) == (APPROVED, NOON, "2026-01-03T06:00:00Z")
    after = outbox(held)
    assert {name: after[name] for name in before} == before, "what was there stays as it is"
    for name in ("verdicts.parquet", "effects.parquet", "readings.parquet", "work_orders.jsonl"):
        assert after[f"{APPROVED}/{name}"] == before[f"{HELD}/{name}"]
    assert verified(held)


def test_its_manifest_says_who_and_when(held: Small) -> None:
    assert approve(held, HELD, NOON, "--by", "Ana Fuentes") == 0
    old, new = held.manifest(HELD), held.manifest(APPROVED)
    assert new["approved"] == {"by": "Ana Fuentes", "at": NOON, "of": HELD, "released": 4, "dropped": []}
    assert (new["run_id"], new["revision"], new["issued_at"]) == (APPROVED, 2, NOON)
    assert (new["counts"]["commands"], new["counts"]["held"], new["counts"]["notices"]) == (4, 0, 1)
    same = ("window_start", "window_end", "policy_digest", "registry_digest", "inputs", "rows", "suspect_references")
    assert {key: new[key] for key in same} == {key: old[key] for key in same}
    digest = hashlib.sha256((held.folder(HELD) / "manifest.json").read_bytes()).hexdigest()
    assert new["previous"] == {"run_id": HELD, "manifest_sha256": digest}
    assert new["signature"]["public_key"] == old["signature"]["public_key"]


def test_by_default_the_login_name_is_on_record(held: Small) -> None:
    assert approve(held) == 0
    assert held.manifest(APPROVED)["approved"]["by"] == pwd.getpwuid(os.getuid()).pw_name


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 101])
def test_a_name_must_be_one(held: Small, name: str) -> None:
    assert approve(held, HELD, NOON, "--by", name) == 2


def test_customers_are_told_of_what_leaves_and_nothing_twice(held: Small) -> None:
    (visit,) = held.lines("notices.jsonl", HELD)
    assert visit["kind"] == "visit"
    assert approve(held) == 0
    (told,) = held.lines("notices.jsonl", APPROVED)
    assert told["terminal_id"] == OTHER_PHONE, "to the first one a notice of the same kind is still open"
    (command,) = [c for c in held.lines("commands.jsonl", APPROVED) if c["feature_code"] == "WM-01"]
    assert (told["kind"], told["command_id"]) == ("self_maintenance", command["command_id"])
    assert (told["not_before"], told["expires_at"]) == (NOON, "2026-01-03T06:00:00Z")
    file = held.folder(APPROVED) / "notices.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_report_tells_of_it(held: Small) -> None:
    before = (held.root / "reports" / HELD / "index.html").read_text()
    assert f"meterwright outbox approve {HELD}" in before
    assert approve(held, HELD, NOON, "--by", "Ana <b>Fuentes</b>") == 0
    page = (held.root / "reports" / APPROVED / "index.html").read_text()
    assert f"4 commands held by run {HELD}, released by Ana &lt;b&gt;Fuentes&lt;/b&gt; at" in page
    assert "4 get new parameters" in page
    assert "badge held" not in page
    assert f"meterwright outbox approve {HELD} --now {NOON}" in page
    assert PHONE not in page and OTHER_PHONE not in page


def test_json(held: Small, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    assert approve(held, HELD, NOON, "--json") == 0
    told = json.loads(capfd.readouterr().out)
    assert set(told) == {"run_id", "approved", "counts", "report"}
    assert (told["run_id"], told["approved"]["released"]) == (APPROVED, 4)
    assert Path(told["report"]).is_file()


def refused(small: Small, capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """The sentence of a refusal, after which the outbox is as before."""
    before = outbox(small)
    capfd.readouterr()
    assert approve(small, *arguments) == code
    assert outbox(small) == before
    return capfd.readouterr().err


def test_only_once(held: Small, capfd: pytest.CaptureFixture[str]) -> None:
    assert approve(held, HELD, NOON, "--by", "Ana") == 0
    sentence = f"{HELD} was approved already, by Ana at {NOON}: its commands are in {APPROVED}"
    assert sentence in refused(held, capfd)
    assert sentence in refused(held, capfd, APPROVED)


@pytest.mark.parametrize("name", ["20260105T000000Z_12h_r1", "nonsense", "../outbox/" + HELD, ".", ""])
def test_an_unknown_run(held: Small, capfd: pytest.CaptureFixture[str], name: str) -> None:
    assert "there is no run" in refused(held, capfd, name)


def test_nothing_held_and_stale_runs(held: Small, capfd: pytest.CaptureFixture[str]) -> None:
    assert f"no command of {FIRST} is held" in refused(held, capfd, FIRST)
    assert held.run(until=ENDS[2]) == 0
    assert f"{HELD} is stale" in refused(held, capfd)


def test_expired(held: Small, capfd: pytest.CaptureFixture[str]) -> None:
    assert "none of the 4 held commands of" in refused(held, capfd, HELD, "2026-01-03T00:00:00Z")
    assert "lies before" in refused(held, capfd, HELD, "2026-01-01T00:00:00Z")
    assert approve(held, HELD, "2026-01-02T23:59:59Z") == 0


def test_an_altered_run_is_not_released(held: Small, capfd: pytest.CaptureFixture[str]) -> None:
    file = held.folder(HELD) / "commands.jsonl"
    file.write_text(file.read_text().replace('"gain": 0.9', '"gain": 0.8'))
    assert f"outbox/{HELD}/commands.jsonl is not as it was written" in refused(held, capfd, code=1)


def test_a_run_signed_by_another_or_no_longer_is_not_released(held: Small, capfd: pytest.CaptureFixture[str]) -> None:
    key = held.root / "registry" / "signing_key.pem"
    key.write_text(base64.b64encode(bytes(32)).decode())
    assert f"outbox/{HELD}/manifest.json is not as it was written" in refused(held, capfd, code=1)
    key.write_text(KEY)
    manifest = held.folder(HELD) / "manifest.json"
    manifest.write_text(json.dumps({**held.manifest(HELD), "signature": None}))
    assert f"outbox/{HELD}/manifest.json is not as it was written" in refused(held, capfd, code=1)


def test_meters_whose_parameters_changed_since_are_dropped(held: Small, capfd: pytest.CaptureFixture[str]) -> None:
    """The ack of an earlier command comes late, and says that it was applied before the window began."""
    acks = held.root / "raw" / "acks" / "a.jsonl"
    acks.write_text(acks.read_text().replace("rejected", "applied"))
    assert approve(held) == 0
    assert "WM-00: the meter's parameters have changed since the window" in capfd.readouterr().out
    assert states(held.lines("commands.jsonl", APPROVED)) == {(code, "ready") for code in OFF[1:]}
    new = held.manifest(APPROVED)
    assert new["approved"]["dropped"] == [{"feature_code": "WM-00", "reason": "changed_since"}]
    assert {"feature_code": "WM-00", "reason": "changed_since"} in new["withheld"]
    assert (new["counts"]["commands"], new["counts"]["withheld"]) == (3, len(new["withheld"]))
    assert [notice["feature_code"] for notice in held.lines("notices.jsonl", APPROVED)] == ["WM-01"]
    assert "1 no longer held good" in (held.root / "reports" / APPROVED / "index.html").read_text()


def test_meters_that_left_or_were_exchanged_are_dropped(held: Small) -> None:
    meters = held.root / "registry" / "meters.csv"
    rows = [f"{code},T-R160,," for code in CODES if code != "WM-01"]
    rows[CODES.index("WM-03") - 1] = "WM-03,T-R160,2026-01-02,"
    rows[CODES.index("WM-02") - 1] = "WM-02,T-R160,,2026-01-02"
    meters.write_text("\n".join(["feature_code,model,installed_on,removed_on", *rows, ""]))
    assert approve(held) == 0
    dropped = held.manifest(APPROVED)["approved"]["dropped"]
    assert dropped == [{"feature_code": code, "reason": "meter_exchanged"} for code in OFF[1:]]


def test_what_was_mended_in_the_registry_since_is_not_passed_over(
    held: Small, capfd: pytest.CaptureFixture[str]
) -> None:
    """Somebody looked at the references, as was asked, and found one not calibrated, one unknown and one of another meter."""
    registry = held.root / "registry"
    dates = {"WM-00": "2025-11-01", "WM-02": "2025-12-20", "WM-03": "2025-12-20"}
    rows = [f"F-{code},{day}" for code, day in dates.items()]
    (registry / "flowmeters.csv").write_text("\n".join(["flowmeter_id,calibrated_on", *rows, ""]))
    (registry / "pairs.csv").write_text("feature_code,flowmeter_id\nWM-02,F-9\n")
    assert approve(held) == 0
    assert held.manifest(APPROVED)["approved"]["dropped"] == [
        {"feature_code": "WM-00", "reason": "reference_expired"},
        {"feature_code": "WM-01", "reason": "reference_unregistered"},
        {"feature_code": "WM-02", "reason": "pairing_conflict"},
    ]
    assert [command["feature_code"] for command in held.lines("commands.jsonl", APPROVED)] == ["WM-03"]
    assert "was not calibrated within the permitted time" in capfd.readouterr().out


def test_limits_that_were_lowered_since_hold(held: Small, capfd: pytest.CaptureFixture[str]) -> None:
    with (held.root / "registry" / "models.toml").open("a") as file:
        file.write("max_gain_change = 0.01\n")
    assert approve(held) == 2
    assert "none of the 4 held commands" in (said := capfd.readouterr().err)
    assert "(beyond_limits)" in said


def test_the_window_after_goes_by_what_was_released(held: Small) -> None:
    assert approve(held) == 0
    for command in held.lines("commands.jsonl", APPROVED)[:2]:
        ack(held, command, "2026-01-02T06:30:00Z", "applied")
    at = parse_time("2026-01-02T07:00:00Z")
    history = read_history(Workspace(held.root))
    found = fold_commands(history.lines("commands.jsonl"), read_acks(Workspace(held.root)).acks, at)
    assert {code: state.sequence for code, state in found.items()} == {"WM-00": 2, "WM-01": 1, "WM-02": 1, "WM-03": 1}
    assert [found[code].changed_at is not None for code in OFF] == [True, True, False, False]
    assert [found[code].pending is not None for code in OFF] == [False, False, True, True]
    assert held.run(until=ENDS[1]) == 0, "nothing is held any more"
    assert held.run(until=ENDS[2]) == 0
    assert held.manifest(AFTER)["previous"]["run_id"] == APPROVED
    assert verified(held)


def test_a_run_again_leaves_the_approval_alone(held: Small, capfd: pytest.CaptureFixture[str]) -> None:
    assert approve(held) == 0
    before = outbox(held)
    shutil.rmtree(held.root / "reports" / APPROVED)
    assert held.run(until=ENDS[1]) == 0
    assert f"{APPROVED} (done before)" in capfd.readouterr().out
    assert outbox(held) == before
    assert (held.root / "reports" / APPROVED / "index.html").is_file(), "a report that a kill has cost comes back"


KILLED = """
import os, signal, sys
import flows.approval
from flows.cli.main import main
flows.approval.commit = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
main(sys.argv[1:])
"""


def test_killed_between_stage_and_rename(held: Small, tmp_path: Path) -> None:
    shutil.copytree(held.root, tmp_path / "whole")
    whole = Small(tmp_path / "whole")
    assert approve(whole, HELD, NOON, "--by", "Ana") == 0
    before = outbox(held)
    arguments = ["outbox", "approve", HELD, "--workspace", str(held.root), "--now", NOON, "--by", "Ana"]
    dead = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, check=False)
    assert dead.returncode == -signal.SIGKILL
    assert outbox(held) == before
    assert list((held.root / ".scratch").iterdir())
    assert approve(held, HELD, NOON, "--by", "Ana") == 0, "and the lock of the dead is no hindrance"
    assert outbox(held) == outbox(whole)
    assert not (held.root / ".scratch").exists()
