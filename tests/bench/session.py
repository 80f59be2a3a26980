"""What the benchmarks of one call share: sizes, simulated fleets, and the measured runs on them, each made once."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bench.measuring import METERWRIGHT, apart, measure
from tests.bench.scan import Scan, scan

START = datetime(2026, 1, 1, tzinfo=UTC)
END = "2026-01-01T12:00:00Z"
NOW = "2026-01-01T12:20:00Z"
RUN = "20260101T000000Z_12h_r1"

#: what a run leaves in a workspace
_MADE = ("lake", "quarantine", "outbox", "reports", ".scratch", ".cache", ".prefect")


def say(sentence: str) -> None:
    """Say on standard error how far the work is."""
    print(f"{time.strftime('%H:%M:%S')} {sentence}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class FleetRun:
    """One ``meterwright run --engine plain`` on a workspace without a lake.

    Attributes
    ----------
    commit_s, end_s : float
        From the start of the process until the run stood in the outbox, and until the process was gone [s].
    cpu_s : float
        Processor time of the whole process [s].
    peak_bytes : int
        Largest resident set of the process.
    """

    commit_s: float
    end_s: float
    cpu_s: float
    peak_bytes: int


@dataclass(frozen=True)
class Step:
    """One step of a run: its time and the processor time of all threads meanwhile [s]."""

    wall_s: float
    cpu_s: float


@dataclass
class Session:
    """One call of the benchmarks: the folder for everything, the size of the large fleet, whether to be quick, and photos."""

    folder: Path
    meters: int
    quick: bool
    photos: Path | None = None
    _rounds: dict[int, list[tuple[Scan, FleetRun]]] = field(default_factory=dict)
    _steps: dict[int, dict[str, Step]] = field(default_factory=dict)

    def repetitions(self, full: int) -> int:
        """How often to measure."""
        return 1 if self.quick else full

    def fleet(self, meters: int, seed: int = 1) -> Path:
        """A workspace with a simulated fleet: 12 h at 15 min as CSV, one dump per stream."""
        root = self.folder / f"fleet-{meters}-{seed}"
        if not root.exists():
            say(f"simulate {meters:,} meters, seed {seed}")
            apart(_simulate, root, meters, seed)
            os.sync()  # or else the first run measured would wait for these files to reach the disk
        return root

    def rounds(self, meters: int) -> list[tuple[Scan, FleetRun]]:
        """Three times DuckDB's bare scan and then the whole program on the same fleet, under the same conditions."""
        if meters not in self._rounds:
            root = self.fleet(meters)
            self._rounds[meters] = [(apart(scan, root / "raw"), run_fleet(root)) for _ in range(self.repetitions(3))]
        return self._rounds[meters]

    def steps(self, meters: int) -> dict[str, Step]:
        """What each step of one run takes, from the start of the process to its end, see `tests.bench.steps`."""
        if meters not in self._steps:
            root = self.fleet(meters)
            clear(root)
            say(f"run on {meters:,} meters, step by step")
            done = measure([sys.executable, "-m", "tests.bench.steps", str(root), repr(time.time())])
            steps = {name: Step(*seconds) for name, seconds in json.loads(done.stdout).items()}
            left = (
                done.wall_s - sum(s.wall_s for s in steps.values()),
                done.cpu_s - sum(s.cpu_s for s in steps.values()),
            )
            self._steps[meters] = {**steps, "exit": Step(*left)}
        return self._steps[meters]


def clear(root: Path, *kept: str) -> None:
    """Take away what earlier runs left in a workspace, except for the folders named."""
    for name in _MADE:
        if name not in kept:
            shutil.rmtree(root / name, ignore_errors=True)


def run_command(root: Path, *more: str) -> list[str]:
    """The command that judges the simulated window of a workspace."""
    return [*METERWRIGHT, "run", "--workspace", str(root), "--until", END, "--now", NOW, *more]


def run_fleet(root: Path, *more: str, engine: str = "plain", keep: tuple[str, ...] = ()) -> FleetRun:
    """Measure one run on a workspace that keeps nothing of earlier runs but the folders named."""
    clear(root, *keep)
    say(f"run --engine {engine} in {root.name}")
    done = measure(run_command(root, "--engine", engine, *more))
    # The commit is one rename into this folder, and nothing else is ever written there.
    committed = (root / "outbox").stat().st_mtime
    return FleetRun(committed - done.begun, done.wall_s, done.cpu_s, done.peak_bytes)


def _simulate(root: Path, meters: int, seed: int) -> None:
    from flows.simulation import simulate_workspace
    from transforms.simulate import NONE, RECORDED, SIMPLE_SHARES

    # The simple mix without defects: what is timed here must be comparable from one version to the next.
    simulate_workspace(
        root,
        meters=meters,
        days=0.5,
        interval=timedelta(minutes=15),
        seed=seed,
        start=START,
        shares=SIMPLE_SHARES,
        sources=RECORDED,
        defects=NONE,
    )
