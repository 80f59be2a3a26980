"""The Prefect engine does the same work, leaves a record in Prefect, and keeps standard error clean."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flows import settings
from flows.engines import Engine, make_engine
from tests.prefect_program import FirstRun, start
from transforms.errors import RegistryError

pytestmark = pytest.mark.slow


@pytest.fixture
def clean_environment() -> Iterator[None]:
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.usefixtures("clean_environment")
def test_a_cycle_is_a_flow_run_with_its_tasks_and_its_summary(tmp_path: Path, first_run: FirstRun) -> None:
    shutil.copy(first_run.database, settings.use_prefect_in(tmp_path))
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

    with make_engine("prefect", 2, tmp_path) as engine:
        assert engine.run("cycle", good) == [49, 4, 9]
        with pytest.raises(RegistryError) as caught:
            engine.run("faulty", bad)
        assert caught.value is error
        assert len(begun) < 10
    assert _rows(tmp_path, "flow.name, state_name from flow_run join flow on flow.id = flow_id") == [
        ("cycle", "Completed"),
        ("cycle", "Completed"),
        ("faulty", "Failed"),
    ]
    assert _rows(
        tmp_path, "name from task_run where state_type = 'COMPLETED' and name not like '%/40' and name not like 'work%'"
    ) == [(name,) for name in ("begin", "square 1/3", "square 2/3", "square 3/3")]
    assert _rows(tmp_path, "data from artifact") == [('"# Summary of the cycle"',), ('"# Summary"',)]


def test_standard_error_stays_empty_and_nothing_is_left_behind(tmp_path: Path, first_run: FirstRun) -> None:
    assert (first_run.out, first_run.err, first_run.code) == ("", "", 0)
    assert sorted(path.name for path in first_run.folder.iterdir()) == ["home", "workspace"]
    assert list((first_run.folder / "home").rglob("*")) == []
    assert [path.name for path in first_run.workspace.iterdir()] == [".prefect"]
    assert _rows(first_run.workspace, "count(*) from task_run where state_type = 'COMPLETED'") == [(40,)]
    assert _rows(first_run.workspace, "count(*) from artifact") == [(1,)]

    workspace = tmp_path / "workspace"
    (workspace / ".prefect").mkdir(parents=True)
    shutil.copy(first_run.database, workspace / ".prefect")
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


def _rows(workspace: Path, what: str) -> list[tuple[object, ...]]:
    import sqlite3

    with sqlite3.connect(workspace / ".prefect" / "prefect.db") as database:
        return sorted(database.execute(f"select {what}").fetchall())
