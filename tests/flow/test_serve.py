"""The schedule fires after each window's end, one run at a time, survives a failing run, and stops when told to."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from tests.prefect_program import FirstRun

pytestmark = pytest.mark.slow

PROGRAM = textwrap.dedent("""
    import sys, time
    from datetime import timedelta
    from pathlib import Path
    from flows.engines import make_engine
    from flows.serve import serve
    from transforms.errors import MeterwrightError

    runs = []

    def run_once():
        runs.append(1)
        if len(runs) == 2:
            raise MeterwrightError("row 7 is wrong")
        if len(runs) == 3:
            time.sleep(5)  # longer than two windows: what falls due meanwhile is done by one later run
        with make_engine("prefect", 2, Path(sys.argv[1])) as engine:
            return engine.run("cycle", lambda engine: f"run {engine.step('count', lambda: len(runs))}")

    say = lambda line: print(line, flush=True)
    serve(Path(sys.argv[1]), timedelta(seconds=2), run_once, say=say, delay=timedelta(seconds=1), poll_s=0.2)
""")


def test_runs_follow_the_schedule_until_sigterm(tmp_path: Path, first_run: FirstRun) -> None:
    (tmp_path / ".prefect").mkdir()
    shutil.copy(first_run.database, tmp_path / ".prefect")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    served = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert served.stdout is not None
    lines = [served.stdout.readline().rstrip("\n") for _ in range(6)]
    served.send_signal(signal.SIGTERM)
    rest, errors = served.communicate(timeout=60)

    assert errors == ""
    assert served.returncode == 0
    assert lines[0] == f"Serving {tmp_path} every 2s, 1s after each window's end. Ctrl-C stops."
    stamps, sentences = zip(*(line.split(" ", 1) for line in lines[2:]), strict=True)
    assert sentences == ("run 1", "failed: row 7 is wrong", "run 3", "run 4")
    begun = [datetime.fromisoformat(stamp) for stamp in stamps]
    assert all((later - earlier).total_seconds() > 0 for earlier, later in pairwise(begun))
    assert (begun[3] - begun[2]).total_seconds() >= 5
    assert rest.endswith("Stopped. What was not finished is done at the next start.\n")
