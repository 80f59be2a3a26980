"""Killed by SIGKILL at chosen write points, for what a death inside this process cannot show: locks, descriptors, threads."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deaths import Seam, watched
from tests.property.loop_yard import Yard
from tests.workspaces import Small


def yard(root: Path) -> Yard:
    made = Yard.build(root, None)
    made.report(0, ["high", "right", "wild", "silent"], late=False)
    return made


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes], list[str]]:
    """A workspace as it was before its first run, what that run leaves, and the points at which it writes."""
    root = tmp_path_factory.mktemp("quiet")
    before = yard(root / "before")
    shutil.copytree(before.root, root / "after")
    after = Yard(Small(root / "after"))
    with watched(Seam(str(after.root))) as seam:
        assert after.small.run("--workers", "1") == 0
    return before.root, after.files(), seam.seen


@pytest.mark.parametrize(
    ("point", "torn"),
    [
        ("open lake/ledger.json.tmp", True),
        ("os.rename .scratch/outbox-20260101T000000Z_12h_r1", False),
    ],
)
def test_killed_and_run_again(
    quiet: tuple[Path, dict[str, bytes], list[str]], tmp_path: Path, point: str, torn: bool
) -> None:
    before, expected, points = quiet
    assert point in points
    shutil.copytree(before, tmp_path / "workspace")
    killed = Yard(Small(tmp_path / "workspace"))
    arguments = ["run", "--workspace", str(killed.root), "--engine", "plain", "--workers", "1"]
    times = ["--until", "2026-01-01T12:00:00Z", "--now", "2026-01-01T12:00:00Z"]
    seam = [str(killed.root), point, "torn" if torn else "whole", "drawn"]
    process = subprocess.run(
        [sys.executable, "-m", "tests.deaths", *seam, *arguments, *times], capture_output=True, check=False
    )
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    assert (killed.root / ".lock").read_bytes(), "the dead left its note"
    assert killed.files() != expected
    assert killed.small.run("--workers", "1") == 0
    assert killed.files() == expected
