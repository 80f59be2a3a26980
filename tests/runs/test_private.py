"""Phone numbers: in which files they stand, and that only the owner can read those."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from flows.cli.main import main
from flows.simulation import simulate_workspace
from tests.workspaces import START, Small, demand, noisy
from transforms.private import write_new

Q = demand()
PHONE = "+64215550101"
TERMINALS = f"feature_code,terminal_id,channel,language\nWM-1,{PHONE},sms,en\nWM-2,{PHONE},sms,en\n"


@pytest.fixture(autouse=True, params=[0o022, 0o000], ids=["usual umask", "no umask"])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def readable_by_others(path: Path, root: Path) -> bool:
    """Whether others may read a file, which they may not where a folder on the way is closed to them."""
    on_the_way = [place for place in path.parents if place.is_relative_to(root)]
    return bool(mode(path) & 0o044) and all(mode(place) & 0o011 for place in on_the_way)


def test_init_and_simulate_write_terminals_for_the_owner(tmp_path: Path) -> None:
    assert main(["init", "--workspace", str(tmp_path / "new")]) == 0
    simulate_workspace(tmp_path / "fleet", meters=3, days=0.5, interval=timedelta(minutes=15), seed=1, start=START)
    for root in (tmp_path / "new", tmp_path / "fleet"):
        assert mode(root / "registry" / "terminals.csv") == 0o600
        assert mode(root / "registry" / "meters.csv") == 0o644


def test_no_file_that_others_may_read_holds_a_phone_number(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Also where a list of terminals has landed among the dumps, and its rows in quarantine."""
    small = Small(tmp_path / "workspace")
    small.registry(["WM-1", "WM-2"])
    write_new(small.root / "registry" / "terminals.csv", TERMINALS)
    small.dump("meter", {"WM-1": [1.08 * v for v in noisy(Q, 0.002)], "WM-2": noisy(Q, 0.25)})
    small.dump("flowmeter", {"WM-1": Q, "WM-2": Q})
    astray = small.root / "raw" / "meter" / "astray.csv"
    astray.write_text(f"feature_code,timestamp,flow_lph\nWM-1,{PHONE},1\nWM-1,2026-01-01T00:00:00Z,{PHONE}0\n")
    astray.chmod(0o600)
    assert small.run() == 3
    holding = {path for path in small.root.rglob("*") if path.is_file() and PHONE.encode() in path.read_bytes()}
    assert small.folder() / "notices.jsonl" in holding
    assert any(path.parent.name == "quarantine" for path in holding)
    assert [path for path in holding if readable_by_others(path, small.root)] == []
    out, err = capfd.readouterr()
    assert PHONE not in out + err
    assert "others may read it" not in err


def test_a_list_of_terminals_that_others_may_read_is_said(small: Small, capfd: pytest.CaptureFixture[str]) -> None:
    small.registry(["WM-1"], terminals_csv=TERMINALS)
    file = small.root / "registry" / "terminals.csv"
    file.chmod(0o644)
    small.run()
    assert f"{file} holds phone numbers and others may read it; run: chmod 600 {file}" in capfd.readouterr().err


def test_what_is_staged_is_private_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    small = Small(tmp_path / "workspace")
    small.registry(["WM-1"], terminals_csv=TERMINALS)
    small.dump("meter", {"WM-1": noisy(Q, 0.25)}).dump("flowmeter", {"WM-1": Q})

    def fail(*_: object) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("flows.window.commit", fail)
    assert small.run() == 1
    (staged,) = (small.root / ".scratch").rglob("notices.jsonl")
    assert PHONE in staged.read_text()
    assert mode(staged) == 0o600
    assert PHONE not in capfd.readouterr().err
