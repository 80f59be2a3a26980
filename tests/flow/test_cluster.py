"""Buckets spread over the workers of a Dask cluster: the same bytes, and plain words where that cannot be."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from flows import settings
from flows.cli.main import main
from flows.engines.cluster import cluster
from flows.simulation import simulate_workspace
from tests.prefect_program import FirstRun
from tests.workspaces import START
from transforms.errors import UsageError
from transforms.simulate import NONE, RECORDED, SIMPLE_SHARES

ARGUMENTS = ["--until", "2026-01-01T12:00:00Z", "--now", "2026-01-01T12:10:00Z"]


@pytest.fixture
def scheduler() -> Iterator[str]:
    """A scheduler with one worker in a process of its own."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None, silence_logs=50) as here:
        yield here.scheduler_address


@pytest.mark.slow
def test_a_cluster_writes_the_same_outbox(tmp_path: Path, first_run: FirstRun, scheduler: str) -> None:
    root = tmp_path / "workspace"
    simple = {"shares": SIMPLE_SHARES, "sources": RECORDED, "defects": NONE}
    simulate_workspace(root, meters=40, days=0.5, interval=timedelta(minutes=15), seed=5, start=START, **simple)
    shutil.copytree(root, tmp_path / "plain")
    assert main(["run", "--workspace", str(tmp_path / "plain"), "--engine", "plain", *ARGUMENTS]) == 0
    (root / ".prefect").mkdir()
    shutil.copy(first_run.database, root / ".prefect")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from flows.cli.main import main; sys.exit(main())",
            "run",
            "--workspace",
            str(root),
            *ARGUMENTS,
        ],
        env=environment | {settings.CLUSTER_VARIABLE: scheduler},
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in done.stderr.splitlines()), done.stderr
    found, expected = (
        {path.relative_to(place): path.read_bytes() for path in sorted((place / "outbox").rglob("*")) if path.is_file()}
        for place in (root, tmp_path / "plain")
    )
    assert found == expected


@pytest.mark.parametrize(
    ("address", "server", "says"),
    [
        ("machine", None, "write a Dask scheduler's address"),
        ("http://machine:8786", None, "write a Dask scheduler's address"),
        ("tcp://machine:x", None, "write a Dask scheduler's address"),
        ("tcp://machine:8786", None, "PREFECT_API_URL"),
        ("tcp://machine:8786", "http://prefect:4200/api", None),
        ("tcp://127.0.0.1:8786", None, None),
        ("", None, None),
    ],
)
def test_an_address_is_checked(
    address: str, server: str | None, says: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.CLUSTER_VARIABLE, address)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    if server:
        monkeypatch.setenv("PREFECT_API_URL", server)
    if says is None:
        assert cluster() == (address or None)
    else:
        with pytest.raises(UsageError, match=says):
            cluster()
