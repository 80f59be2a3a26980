"""Labelled fleets for the confusion benchmark: simulated with every behaviour and the usual defects, run, joined."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.measuring import apart
from tests.bench.session import RUN, START, Session, run_fleet, say

if TYPE_CHECKING:  # in the measuring process itself Polars would be in the way, see `measure`
    from transforms.simulate import Fleet


def labelled_fleet(session: Session, meters: int, seed: int) -> Path:
    """Simulate two windows, judge the first, and keep one Parquet file: truth, verdict, command and its worth."""
    file = session.folder / f"labelled-{meters}-{seed}.parquet"
    if not file.exists():
        root = session.folder / f"labelled-{meters}-{seed}"
        say(f"simulate {meters:,} meters with all behaviours, seed {seed}")
        apart(simulate, root, meters, seed)
        run_fleet(root)
        apart(_collect, root, meters, seed, file)
        shutil.rmtree(root)
    return file


def simulate(root: Path, meters: int, seed: int) -> None:
    """Make the workspace: 24 h at 15 min, every behaviour, usual defects."""
    from flows.simulation import simulate_workspace

    simulate_workspace(root, meters=meters, days=1, interval=timedelta(minutes=15), seed=seed, start=START)


def _collect(root: Path, meters: int, seed: int, file: Path) -> None:
    from transforms.simulate import Fleet, Plan

    label(root, Fleet.draw(Plan(meters, 1, START, timedelta(minutes=15), seed)), file)


def label(root: Path, fleet: Fleet, file: Path) -> None:
    """Write what is true of each meter beside what the run said of it and what its command was worth."""
    import polars as pl

    from tests.bench.corrected import corrected_meters, read_commands

    folder = root / "outbox" / RUN
    verdicts = pl.read_parquet(folder / "verdicts.parquet").drop("flowmeter_id", "model")
    commanded = sorted(command["feature_code"] for command in read_commands(folder))
    truth = pl.read_parquet(root / "truth.parquet")
    q1, mpe = (pl.Series([getattr(model, name) for model in fleet.models]).gather(fleet.kind) for name in ("q1", "mpe"))
    known = truth.rename({name: f"true_{name}" for name in ("a1", "a2", "form", "verdict", "volume_error")})
    (
        known.with_columns(q1_lph=q1, mpe_high=mpe, seed=pl.lit(fleet.plan.seed))
        .join(verdicts, on="feature_code", how="left")
        .with_columns(commanded=pl.col("feature_code").is_in(commanded))
        .join(corrected_meters(root, fleet, RUN).drop("mpe"), on="feature_code", how="left")
        .write_parquet(file)
    )
