"""The Prefect engine does the same work, leaves a record in Prefect, and keeps standard error clean."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flows import settings
from flows.engines import Engine, make_engine
from transforms.errors import RegistryError

pytestmark = pytest.mark.slow

PROGRAM = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from flows.engines import make_engine
    from flows.engines.signals import exit_code, terminable
    from transforms.errors import MeterwrightError, RegistryError

    def work(k):
        if sys.argv[2] == "fail" and k == 3:
            raise RegistryError("row 7 is wrong")
        if sys.argv[2] == "wait":
            print("waiting", flush=True)
            time.sleep(1)
        return k * k

    def body(engine):
        squares = engine.map("square", work, list(range(40)))
        engine.summary("cycle", "# Summary")
        return squares

    try:
        with terminable(), make_engine("prefect", 2, Path(sys.argv[1])) as engine:
            assert engine.run("cycle", body) == [k * k for k in range(40)]
    except MeterwrightError as error:
        print("said:", error)
        sys.exit(2)
    except KeyboardInterrupt as stop:
        sys.exit(exit_code(stop))
""")


@pytest.fixture
def clean_environment() -> Iterator[None]:
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


def start(workspace: Path, mode: str) -> subprocess.Popen[str]:
    """Carry out the program above in a process of its own, with an empty home to see what is written outside."""
    home = workspace.parent / "home"
    home.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(workspace), mode],
        env=os.environ | {"HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.usefixtures("clean_environment")
def test_a_cycle_is_a_flow_run_with_its_tasks_and_its_summary(tmp_path: Path) -> None:
    settings.use_prefect_in(tmp_path)
    from prefect.client.orchestration import get_client
    from prefect.testing.utilities import prefect_test_harness

    error = RegistryError("registry/meters.csv row 7: no such model")
    begun: list[int] = []

    def good(engine: Engine) -> list[int]:
        begin = engine.step("begin", lambda: 7)
        squares = engine.map("square", lambda k: k * k, [begin, 2, 3])
        engine.summary("cycle", "# Summary of the cycle")
        return squares

    def bad(engine: Engine) -> None:
        def work(k: int) -> None:
            begun.append(k)
            if k == 1:
                raise error
            time.sleep(0.01)

        engine.map("work", work, range(30))

    with prefect_test_harness(server_startup_timeout=settings.SERVER_START_TIMEOUT_S):
        with make_engine("prefect", 2, tmp_path) as engine:
            assert engine.run("cycle", good) == [49, 4, 9]
            with pytest.raises(RegistryError) as caught:
                engine.run("faulty", bad)
            assert caught.value is error
            assert len(begun) < 10
        with get_client(sync_client=True) as client:
            states = {run.state_name for run in client.read_flow_runs()}
            artifacts = client.read_artifacts()
        assert states == {"Completed", "Failed"}
        assert [artifact.data for artifact in artifacts] == ["# Summary of the cycle"]


@pytest.mark.usefixtures("clean_environment")
def test_standard_error_stays_empty_and_nothing_is_left_behind(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()

    cold = start(workspace, "good")
    assert cold.communicate(timeout=200) == ("", "")
    assert cold.returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "workspace"]
    assert list((tmp_path / "home").rglob("*")) == []
    assert [path.name for path in workspace.iterdir()] == [".prefect"]
    assert _count(workspace, "task_run where state_type = 'COMPLETED'") == 40
    assert _count(workspace, "artifact") == 1

    failing = start(workspace, "fail")
    assert failing.communicate(timeout=200) == ("said: row 7 is wrong\n", "")
    assert failing.returncode == 2

    for how, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        stopped = start(workspace, "wait")
        assert stopped.stdout is not None
        stopped.stdout.readline()
        (server,) = psutil.Process(stopped.pid).children()
        stopped.send_signal(how)
        assert stopped.communicate(timeout=60)[1] == ""
        assert stopped.returncode == code
        assert _gone(server)


def _gone(process: psutil.Process) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def _count(workspace: Path, table: str) -> int:
    import sqlite3

    with sqlite3.connect(workspace / ".prefect" / "prefect.db") as database:
        count: int = database.execute(f"select count(*) from {table}").fetchone()[0]
    return count
