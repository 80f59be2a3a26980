"""One first start of Prefect, which makes its database and takes longest, for all tests that need Prefect."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from contextlib import closing

import pytest

from tests.prefect_program import FirstRun, start


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    """The program's first run, made once, also where several processes share the tests."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, done = base / "prefect-first-run", base / "prefect-first-run.json"
    with (base / "prefect-first-run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            (folder / "workspace").mkdir(parents=True)
            process = start(folder / "workspace", "good")
            out, err = process.communicate(timeout=200)
            with closing(sqlite3.connect(FirstRun(folder, "", "", 0).database)) as database:
                # what stands in the log beside it would not be copied with it
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            done.write_text(json.dumps([out, err, process.returncode]))
    return FirstRun(folder, *json.loads(done.read_text()))
