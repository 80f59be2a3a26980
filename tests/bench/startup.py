"""What a run costs before it has anything to do: 100 meters, with the plain engine and with Prefect."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from statistics import median

from tests.bench.measuring import apart
from tests.bench.session import Session, run_fleet, say
from tests.bench.tables import Cell, show

METERS = 100
_REPETITIONS, _WARM = 5, 3


def server_start(root: Path) -> float:
    """Seconds until a temporary Prefect server of this workspace answers, and nothing else is done meanwhile."""
    from flows.engines.server import TemporaryServer
    from flows.settings import use_prefect_in

    home = use_prefect_in(root)
    begun = time.perf_counter()
    server = TemporaryServer(home)
    try:
        server.wait_until_ready()
        return time.perf_counter() - begun
    finally:
        server.close()


def run(session: Session) -> None:
    """Print the time from the start of the process to its end for each way of running."""
    root = session.fleet(METERS)
    state = root / ".prefect"

    def ends(times: int, engine: str, *keep: str) -> list[float]:
        return [run_fleet(root, engine=engine, keep=keep).end_s for _ in range(session.repetitions(times))]

    plain_new = ends(_REPETITIONS, "plain")
    plain = ends(_REPETITIONS, "plain", ".cache")
    cold = run_fleet(root, engine="prefect", keep=(".cache",)).end_s
    warm = ends(_WARM, "prefect", ".cache", ".prefect")
    say("Prefect's server alone")
    shutil.rmtree(state)
    server_cold = apart(server_start, root)
    server_warm = [apart(server_start, root) for _ in range(session.repetitions(_WARM))]
    usual = median(plain)
    rows: list[tuple[Cell, ...]] = [
        ("plain, first run of a workspace", median(plain_new), min(plain_new), max(plain_new), None, None),
        ("plain", usual, min(plain), max(plain), None, None),
        ("Prefect, empty .prefect", cold, cold, cold, cold - usual, server_cold),
        ("Prefect, .prefect of the run before", median(warm), min(warm), max(warm), median(warm) - usual, median(server_warm)),
    ]  # fmt: skip
    show(
        f"Start-up: run on {METERS} meters, from the start of the process to its end",
        ("engine", "median [s]", "from", "to", "more than plain", "its server's start alone"),
        rows,
        [
            f"Medians of {len(plain)} plain runs and {len(warm)} warm ones; wanted: plain at most 3 s,",
            "and Prefect no more above plain than its server takes to start.",
        ],
    )
