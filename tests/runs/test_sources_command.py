"""`sources try` and `sources check` as their user sees them: real recordings go in with what was proposed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from flows.cli.main import main
from tests.ingesting import readings
from transforms.ingest import parquet_copy
from transforms.workspace import Workspace

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with the sample's registry, without its sources."""
    registry = tmp_path / "registry"
    registry.mkdir()
    for name in ("meters.csv", "models.toml"):
        shutil.copy(DATA / "registry" / name, registry / name)
    return Workspace(tmp_path)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main([*arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def lay(workspace: Workspace, recording: Path, *, lines: tuple[int, int] | None = None) -> Path:
    """A recording as a vendor's file; of text, only its header and some of its lines."""
    place = workspace.raw / "vendor" / recording.name
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(recording, place)
    if lines is not None:
        text = recording.read_text(encoding="utf-8").splitlines(keepends=True)
        place.write_text("".join([text[0], *text[lines[0] - 1 : lines[1]]]), encoding="utf-8")
    return place


@pytest.mark.parametrize(
    ("recording", "edits", "lines", "instants"),
    [
        ("raw/ecan/K37-3110.csv", 2, (15_000, 18_000), ("2019-12-04T02:30:00Z", "2020-01-04T11:15:00Z")),
        ("raw/ecan/L37-0812-m1.csv", 2, (2_000, 3_500), ("2019-09-21T16:08:16Z", "2019-11-24T00:55:38Z")),
        ("demand/ampds2_water_2012-09_2012-10.parquet", 0, None, None),
    ],
)
def test_a_recording_goes_in_with_at_most_two_edits(
    recording: str,
    edits: int,
    lines: tuple[int, int] | None,
    instants: tuple[str, str] | None,
    workspace: Workspace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = lay(workspace, DATA / recording, lines=lines)
    before = sorted(path for path in workspace.root.rglob("*") if path.is_file())
    code, told = said(capsys, "sources", "try", str(place), "--workspace", str(workspace.root))
    assert code == 0
    assert told["rows"]["quarantined"] == 0
    assert sorted(path for path in workspace.root.rglob("*") if path.is_file()) == before
    # by hand: the clock of the recording, once for each of its two streams
    text = told["toml"]
    assert text.count('timezone = "UTC"') == edits <= 2
    file = workspace.registry / "sources.toml"
    file.write_text(text.replace('timezone = "UTC"', 'timezone = "+12:00"'), encoding="utf-8")
    code, checked = said(capsys, "sources", "check", "--workspace", str(workspace.root))
    assert (code, checked["rows"]["quarantined"], checked["unclaimed"]) == (0, 0, [])
    if lines is not None:
        rows = lines[1] - lines[0] + 1
        assert [one["accepted"] for one in checked["dumps"]] == [rows, rows]
        assert {(one["from"], one["to"]) for one in checked["readings"]} == {instants}
    assert not workspace.lake.exists()
    if lines is None:  # what `check` carries out is the same ingest, in a workspace of its own
        assert main(["ingest", "--workspace", str(workspace.root)]) == 0
        assert len(readings(workspace)) == checked["rows"]["accepted"]


def test_written_once_and_never_over_what_is_there(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    place = lay(workspace, DATA / "raw" / "ecan" / "L37-0812-m1.csv", lines=(2_400, 2_900))  # a file a day costs most
    arguments = ["sources", "try", str(place), "--workspace", str(workspace.root), "--write", "--timezone", "+12:00"]
    assert main(arguments) == 0
    text = (workspace.registry / "sources.toml").read_text()
    assert main(arguments) == 2
    assert "already" in capsys.readouterr().err
    assert (workspace.registry / "sources.toml").read_text() == text
    assert main([*arguments, "--name", "again", "--stream", "meter"]) == 0
    assert (workspace.registry / "sources.toml").read_text().startswith(text)


def test_check_shows_what_a_wrong_mapping_does(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    lay(workspace, DATA / "raw" / "ecan" / "L37-0812-m1.csv", lines=(2, 400))
    (workspace.registry / "sources.toml").write_text(
        '[sources.l37]\nstream = "meter"\nglob = "vendor/*.csv"\nformat = "csv"\ntimezone = "+12:00"\n\n[sources.l37.columns]\n'
        'timestamp = {name = ["Date", "Time"], format = "%m/%d/%Y %H:%M:%S"}\nfeature_code = {value = "X"}\n'
        'volume_l = {name = "GLOBAL.Volume1", unit = "m3"}\n'
    )
    assert main(["sources", "check", "--workspace", str(workspace.root)]) == 3
    told = capsys.readouterr().out
    assert "bad_timestamp" in told
    assert "line 292" in told
    assert "0 of their feature codes registered" in told
    stray = workspace.root / "stray.csv"
    stray.write_text("a,b\n1,2\n")
    assert main(["sources", "check", str(stray), "--workspace", str(workspace.root)]) == 3
    assert "no source claims it" in capsys.readouterr().out
    assert main(["sources", "check", "--source", "nobody", "--workspace", str(workspace.root)]) == 2
    assert "l37" in capsys.readouterr().err


def test_a_file_that_is_no_export_is_told_apart(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    strange = workspace.root / "strange.bin"
    strange.write_bytes(b"\x00\x01\x02")
    assert main(["sources", "try", str(strange), "--workspace", str(workspace.root)]) == 1
    assert "strange.bin" in capsys.readouterr().err


#: a child that dies of what it reads, as a reader of broken Parquet may
_DEADLY = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


def test_a_file_that_ends_its_reader_is_told_of(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace.root / "child.py").write_text(_DEADLY)
    monkeypatch.setattr(parquet_copy, "_CHILD", workspace.root / "child.py")
    place = lay(workspace, DATA / "demand" / "ampds2_water_2012-09_2012-10.parquet")
    assert main(["sources", "try", str(place), "--workspace", str(workspace.root)]) == 1
    assert "cannot be read: its reader crashed on it" in capsys.readouterr().err
    assert not list(workspace.cache.iterdir())


def test_what_would_feed_wrongly_is_said_and_not_written(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"K37-3110;{day}/01/2026;{100 + day + k * k}" for day in (19, 20, 21) for k in range(24)]
    strange = workspace.root / "daily.csv"
    strange.write_text("\n".join(["Meter;Date;Volume (m3)", *rows]) + "\n")
    arguments = ["--workspace", str(workspace.root)]
    assert main(["sources", "try", str(strange), "--write", *arguments]) == 3
    told = capsys.readouterr().out
    assert "WRONG AS IT STANDS: 100% of the rows share what 'Meter' and 'Date' have with another row" in told
    assert "contradict another row of the same device and instant" in told
    file = workspace.registry / "sources.toml"
    assert not file.exists()
    # written by hand all the same, `check` says what comes of it
    file.write_text(told[told.index("[sources.daily]") :])
    code, checked = said(capsys, "sources", "check", str(strange), *arguments)
    assert code == 3
    assert {one["code"] for one in checked["concerns"] if one["grave"]} == {"contradicting", "one_time_of_day"}
