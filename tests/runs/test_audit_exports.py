"""An audit of a folder of exports that was stopped half-way and is started again: the exports may be others by then."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.audit.exports import take_away, throw_away
from flows.cli.main import main
from tests.workspaces import Small, demand, noisy
from transforms.ingest import ingest
from transforms.registry import load_registry
from transforms.workspace import Workspace

SPAN = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z", "--window", "12h", "--workers", "1"]


class Killed(BaseException):
    """Nobody but the test waits for this."""


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A meter that is right, another whose dump is one of its own."""
    monkeypatch.setattr("reports.audit.write.parts_of", lambda *_: [])
    monkeypatch.setattr("flows.audit.engine.load_for_report", lambda *_: None)
    q = noisy(demand(quarters=96))
    small = Small(tmp_path / "town").registry(["A", "B"])
    small.dump("flowmeter", {"A": q, "B": q}).dump("meter", {"A": noisy(q)}).dump("meter", {"B": q}, name="b.csv")
    return small.root / "raw"


def audited(exports: Path, place: Path) -> dict[str, Any]:
    """Audit the exports; what ``summary.json`` says, and the bytes of the table of windows."""
    registry = exports.parent / "registry"
    arguments = ["audit", "--workspace", str(place), "--registry", str(registry), "--exports", str(exports), *SPAN]
    assert main(arguments) == 0
    (folder,) = (place / "reports").iterdir()
    assert not list((place / ".scratch").iterdir())
    told = json.loads((folder / "summary.json").read_text())
    return {"folder": folder.name, "windows": (folder / "windows.parquet").read_bytes(), "facts": told["facts"]}


def stopped(exports: Path, place: Path) -> None:
    """Audit the exports until all is judged, and no further."""

    def stop(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.audit.engine.put_together", stop)
        with pytest.raises(Killed):
            audited(exports, place)
    assert list((place / ".scratch").glob("exports-*/lake/ledger.json"))


def eight_percent_more(file: Path) -> bytes:
    """A dump whose flows are higher, of as many bytes."""
    head, *lines = file.read_text().splitlines()
    cells = [line.rsplit(",", 1) for line in lines]
    text = "\n".join([head, *(f"{who},{float(value) * 1.08:.6f}"[: len(who) + 1 + len(value)] for who, value in cells)])
    more = (text + "\n").encode()
    assert len(more) == file.stat().st_size
    return more


def replaced(file: Path) -> None:
    draft = file.with_name("draft")
    draft.write_bytes(eight_percent_more(file))
    draft.replace(file)


def with_the_same_time(file: Path) -> None:
    before = file.stat()
    replaced(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def written_over(file: Path) -> None:
    """Where the file lies, so that a link shows the same; by a program that sets the time back."""
    before = file.stat()
    more = eight_percent_more(file)
    with file.open("r+b") as there:
        there.write(more)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def longer(file: Path) -> None:
    with file.open("ab") as there:
        there.write(b"B,2026-01-02T00:00:00Z,0.000000\n")


def taken_away(file: Path) -> None:
    file.unlink()


CHANGES = (replaced, with_the_same_time, written_over, longer, taken_away)


@pytest.mark.parametrize("linked", [True, False], ids=["links", "copies"])
@pytest.mark.parametrize("change", CHANGES)
def test_an_export_that_changed_since_it_was_taken_in_is_noticed(
    change: Callable[[Path], None], linked: bool, exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not linked:
        monkeypatch.setattr("os.link", _no_links)
    registry, place, said = load_registry(exports.parent / "registry"), Workspace(tmp_path / "place"), list[str]()
    workspace = throw_away(place, exports, registry, said.append)
    ingest(workspace, registry, absurd_flow_lph=1e6, threads=1)
    assert throw_away(place, exports, registry, said.append) == workspace
    assert workspace.lake.exists()
    assert said == []
    change(exports / "meter" / "b.csv")
    assert throw_away(place, exports, registry, said.append) == workspace
    assert said == ["exports: meter/b.csv is not what it was when this audit was begun, so it begins afresh"]
    assert not workspace.lake.exists()
    now = {path.relative_to(workspace.raw): path.read_bytes() for path in workspace.raw.rglob("*.csv")}
    assert now == {path.relative_to(exports): path.read_bytes() for path in exports.rglob("*.csv")}


def _no_links(*_: object) -> None:
    raise OSError("this file system has no links")


def test_an_audit_whose_export_was_replaced_meanwhile_judges_the_new_one(
    exports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stopped(exports, tmp_path / "place")
    with_the_same_time(exports / "meter" / "b.csv")
    found = audited(exports, tmp_path / "place")
    assert "begins afresh" in capsys.readouterr().err
    assert found == audited(exports, tmp_path / "clean")


def test_with_the_same_exports_it_goes_on(exports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stopped(exports, tmp_path / "place")
    # a file that is no dump, and a dump that comes later, are no reason to begin afresh
    (exports / "readme.txt").write_text("from the head-end")
    (exports / "flowmeter" / "later.csv").write_bytes((exports / "flowmeter" / "a.csv").read_bytes()[:-1])
    capsys.readouterr()
    audited(exports, tmp_path / "place")
    said = capsys.readouterr().err
    assert "afresh" not in said
    assert "ingest: 1 dumps" in said


def test_a_kill_while_it_cleans_up_leaves_no_half_of_a_lake(
    exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, place = load_registry(exports.parent / "registry"), Workspace(tmp_path / "place")
    workspace = throw_away(place, exports, registry, print)
    (workspace.lake / "half").mkdir(parents=True)

    def stop(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", stop)
        with pytest.raises(Killed):
            take_away(workspace)
    assert throw_away(place, exports, registry, print) == workspace
    assert not workspace.lake.exists()
    assert list(place.scratch.iterdir()) == [workspace.root]
