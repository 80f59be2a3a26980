"""The process of the program: what was printed has left, what was to be done at its end is done, and its code is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = "import atexit; atexit.register(print, 'done at the end'); from flows.cli import program; "


def ended(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM + code, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    "before",
    ["", "import threading, time; threading.Thread(target=lambda: (time.sleep(0.3), print('waited for'))).start(); "],
)
def test_all_is_said_and_done_at_the_end(tmp_path: Path, before: str) -> None:
    found = ended(before + "program()", "ingest", "--workspace", str(tmp_path))
    assert found.returncode == 2
    assert "has no registry folder" in found.stderr
    wanted = ["waited for", "done at the end"] if before else ["done at the end"]
    assert found.stdout.splitlines() == wanted
