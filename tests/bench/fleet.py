"""A large fleet from dumps to outbox, against DuckDB's bare scan of the same files."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from tests.bench.session import Session, Step
from tests.bench.tables import Cell, show


def run(session: Session) -> None:
    """Print the ratio, the memory and the time of each step."""
    rounds = session.rounds(session.meters)
    rows: list[tuple[Cell, ...]] = []
    for what, values in {
        "DuckDB's bare scan": [(scan.wall_s, scan.wall_s) for scan, _ in rounds],
        "run: start of the process to the commit": [(run.commit_s, scan.wall_s) for scan, run in rounds],
        "run: start of the process to its end": [(run.end_s, scan.wall_s) for scan, run in rounds],
        "processor time of the scan": [(scan.cpu_s, scan.cpu_s) for scan, _ in rounds],
        "processor time of the run, to its end": [(run.cpu_s, scan.cpu_s) for scan, run in rounds],
    }.items():
        ratios = [taken / bare for taken, bare in values]
        rows.append((what, min(taken for taken, _ in values), min(ratios), median(ratios), max(ratios)))
    files = (session.fleet(session.meters) / "raw").rglob("*.csv")
    size = sum(file.stat().st_size for file in files)
    peak = max(run.peak_bytes for _, run in rounds)
    show(
        f"Fleet: {session.meters:,} meters, 12 h at 15 min, CSV, {size / 1e6:,.0f} MB",
        ("what", "best [s]", "times the scan: lowest", "median", "highest"),
        rows,
        [
            "Wanted: the commit in at most 6 times the scan.",
            f"Peak memory of the run: {peak / 2**20:,.0f} MiB. Wanted: at most 2,048 MiB.",
            f"Rounds: {len(rounds)}, each with the best of three scans (warm file cache) and then one run.",
        ],
    )
    steps = session.steps(session.meters)
    bare = min((scan for scan, _ in rounds), key=lambda one: one.wall_s)
    committed = list(steps)[: list(steps).index("outbox") + 1]
    sums = [("to the commit", committed), ("all", list(steps))]
    told = [*steps.items(), *((name, total(steps[step] for step in of)) for name, of in sums)]
    show(
        f"Fleet: steps of one run on {session.meters:,} meters",
        ("step", "seconds", "times the best scan", "processor seconds", "times the scan's"),
        [(name, s.wall_s, s.wall_s / bare.wall_s, s.cpu_s, s.cpu_s / bare.cpu_s) for name, s in told],
        ["What leads up to a step counts in that step; `report` comes after the commit."],
    )


def total(steps: Iterable[Step]) -> Step:
    """The sum of some steps."""
    wall, cpu = zip(*((step.wall_s, step.cpu_s) for step in steps), strict=True)
    return Step(sum(wall), sum(cpu))
