"""The promises: the same bytes whatever the workers, buckets, order and cut of the dumps, and after any kill."""

from __future__ import annotations

import random
import shutil
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest

from flows.cli.main import main
from flows.simulation import simulate_workspace
from tests.workspaces import START
from transforms.ingest import ingest
from transforms.registry import load_registry
from transforms.simulate import NONE, RECORDED, SIMPLE_SHARES
from transforms.workspace import Workspace

ARGUMENTS = ["--from", "2026-01-01T00:00:00Z", "--until", "2026-01-02T00:00:00Z", "--now", "2026-01-02T00:10:00Z"]

#: parts of the manifest that name the dumps, and so differ when the same rows come in other files
ABOUT_DUMPS = ("inputs", "rows")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fleet") / "workspace"
    simple = {"shares": SIMPLE_SHARES, "sources": RECORDED, "defects": NONE}
    simulate_workspace(root, meters=120, days=1, interval=timedelta(minutes=15), seed=5, start=START, **simple)
    # the promises are the outbox's; charts take longer than all that fills it
    (root / "registry" / "policy.toml").write_text("[report]\nplots = 0\n")
    return root


@pytest.fixture(scope="module")
def expected(fleet: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = copy(fleet, tmp_path_factory.mktemp("expected"))
    run(root)
    found = outbox(root)
    assert len(found) == 16
    assert any(b"command_id" in content for name, content in found.items() if name.endswith("commands.jsonl"))
    return found


def copy(fleet: Path, folder: Path) -> Path:
    root = folder / "workspace"
    shutil.copytree(fleet, root)
    return root


def run(root: Path, *more: str) -> None:
    assert main(["run", "--workspace", str(root), "--engine", "plain", *ARGUMENTS, *more]) == 0


def outbox(root: Path) -> dict[str, bytes]:
    files = sorted(path for path in (root / "outbox").rglob("*") if path.is_file())
    return {path.relative_to(root / "outbox").as_posix(): path.read_bytes() for path in files}


def without_manifests(found: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in found.items() if not name.endswith("manifest.json")}


@pytest.mark.parametrize("workers", ["1", "3"])
@pytest.mark.parametrize("buckets", [1, 8])
def test_the_same_bytes_with_any_workers_and_buckets(
    fleet: Path, expected: dict[str, bytes], tmp_path: Path, workers: str, buckets: int
) -> None:
    root = copy(fleet, tmp_path)
    workspace = Workspace(root)
    ingest(
        workspace, load_registry(workspace.registry), absurd_flow_lph=1e6, threads=int(workers), bucket_count=buckets
    )
    run(root, "--workers", workers)
    assert outbox(root) == expected


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_bytes_whatever_the_order_and_cut_of_the_dumps(
    fleet: Path, expected: dict[str, bytes], tmp_path: Path, seed: int
) -> None:
    """Rows dealt at random to other files, some of them twice, arriving in two instalments."""
    chance = random.Random(seed)
    root = copy(fleet, tmp_path)
    for stream in ("meter", "flowmeter"):
        folder = root / "raw" / stream
        rows: list[str] = []
        for path in sorted(folder.iterdir()):
            head, *body = path.read_text().splitlines(keepends=True)
            rows += body
            path.unlink()
        chance.shuffle(rows)
        rows += chance.sample(rows, 200)
        for k in range(5):
            (folder / f"{chance.random():.6f}.csv").write_text(head + "".join(rows[k::5]))
    held_back = sorted((root / "raw" / "meter").iterdir())[0]
    late = held_back.rename(root / held_back.name)
    assert main(["ingest", "--workspace", str(root)]) == 0
    late.rename(held_back)
    run(root)
    assert without_manifests(outbox(root)) == without_manifests(expected)


def test_running_again_changes_nothing(fleet: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    root = copy(fleet, tmp_path)
    for _ in range(2):
        run(root)
    assert outbox(root) == expected


@pytest.mark.slow
def test_killed_at_twenty_random_moments_and_run_again(fleet: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    from tests.forked import started  # loads all that its processes have, which no other test needs

    def takes(root: Path, at_most: float | None = None) -> float:
        """Seconds that a run took, of those until it was killed."""
        process = started(["run", "--engine", "plain", *ARGUMENTS, "--workspace", str(root)])
        begun = time.monotonic()
        process.join(at_most)
        process.kill()
        process.join()
        codes.append(process.exitcode)
        return time.monotonic() - begun

    codes: list[int | None] = []
    takes(copy(fleet, tmp_path / "first"))  # the process that all others are forked from begins now
    whole = takes(copy(fleet, tmp_path / "whole"))
    assert codes == [0, 0]
    chance = random.Random(20)
    for k in range(20):
        root = copy(fleet, tmp_path / str(k))
        takes(root, whole * chance.uniform(0.02, 0.8))
        run(root)
        assert outbox(root) == expected, f"after kill {k}"
        shutil.rmtree(root)
    # a run may be over before its moment comes, where the machine was slower when the whole one was timed
    assert codes.count(-signal.SIGKILL) >= 5
