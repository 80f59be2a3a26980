"""`sources try` and `sources check` as their user sees them: real recordings go in with what was proposed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from flows.cli.main import main
from tests.ingesting import readings
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


def lay(workspace: Workspace, recording: Path, rows: int | None = None) -> Path:
    """Put a recording, or its header and first rows, into raw/."""
    place = workspace.raw / "vendor" / recording.name
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(recording, place)
    if rows is not None:
        place.write_text("".join(place.read_text().splitlines(keepends=True)[: rows + 1]))
    return place


@pytest.mark.parametrize(
    ("recording", "edits", "rows", "instants"),
    [
        ("raw/ecan/K37-3110.csv", 2, 35_073, ("2019-06-30T12:00:00Z", "2020-06-30T11:45:00Z")),
        # its first rows: a file a day costs most, and the other recording goes in whole
        ("raw/ecan/L37-0812-m1.csv", 2, 4_000, ("2019-06-30T12:05:36Z", "2019-12-16T21:17:52Z")),
        ("demand/ampds2_water_2012-09_2012-10.parquet", 0, None, None),
    ],
)
def test_a_recording_goes_in_with_at_most_two_edits(
    recording: str,
    edits: int,
    rows: int | None,
    instants: tuple[str, str] | None,
    workspace: Workspace,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = lay(workspace, DATA / recording, rows)
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
    if rows is not None:
        assert [one["accepted"] for one in checked["dumps"]] == [rows, rows]
        assert {(one["from"], one["to"]) for one in checked["readings"]} == {instants}
    assert not workspace.lake.exists()
    if rows is None:  # what `check` carries out is the same ingest, in a workspace of its own
        assert main(["ingest", "--workspace", str(workspace.root)]) == 0
        assert len(readings(workspace)) == checked["rows"]["accepted"]


def test_written_once_and_never_over_what_is_there(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    place = lay(workspace, DATA / "raw" / "ecan" / "L37-0812-m1.csv", 1_500)
    arguments = ["sources", "try", str(place), "--workspace", str(workspace.root), "--write", "--timezone", "+12:00"]
    assert main(arguments) == 0
    text = (workspace.registry / "sources.toml").read_text()
    assert main(arguments) == 2
    assert "already" in capsys.readouterr().err
    assert (workspace.registry / "sources.toml").read_text() == text
    assert main([*arguments, "--name", "again", "--stream", "meter"]) == 0
    assert (workspace.registry / "sources.toml").read_text().startswith(text)


def test_check_shows_what_a_wrong_mapping_does(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    lay(workspace, DATA / "raw" / "ecan" / "L37-0812-m1.csv")
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
