"""How right the verdicts are: simulated fleets whose truth is known, over several seeds."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bench.measuring import apart
from tests.bench.session import RUN, Session, run_fleet
from tests.bench.tables import Cell, show

METERS, QUICK_METERS = 20_000, 2_000
_SEEDS = (1, 2)
_VERDICTS = ("healthy", "steady", "unsteady", "inconclusive")
#: behaviours that one line describes, and the form that their verdict should have
_STEADY = {"linear": "linear", "offset": "offset"}

Rows = list[tuple[Cell, ...]]


def collect(roots: list[Path]) -> tuple[Rows, Rows, Rows, Rows]:
    """Rows of the four tables: verdicts, reasons, commands, and coverage of the intervals, over all fleets."""
    import polars as pl

    frames = []
    for root in roots:
        verdicts = pl.read_parquet(root / "outbox" / RUN / "verdicts.parquet")
        commands = (root / "outbox" / RUN / "commands.jsonl").read_text(encoding="utf-8").splitlines()
        truth = pl.read_parquet(root / "truth.parquet").rename({"a1": "true_a1", "a2": "true_a2"})
        sent = {json.loads(line)["feature_code"] for line in commands}
        frames.append(
            truth.drop("flowmeter_id", "model")
            .join(verdicts, on="feature_code", how="left")
            .with_columns(commanded=pl.col("feature_code").is_in(sorted(sent)))
        )
    fleet = pl.concat(frames)
    return _verdicts(fleet), _reasons(fleet), _commands(fleet), _coverage(fleet)


def _verdicts(fleet: object) -> Rows:
    import polars as pl

    assert isinstance(fleet, pl.DataFrame)
    rows: Rows = []
    for (behaviour,), group in fleet.group_by("behaviour", maintain_order=True):
        told = dict(group.group_by("verdict").len().iter_rows())
        rows.append((str(behaviour), group.height, *(told.get(verdict, 0) for verdict in _VERDICTS)))
    return sorted(rows, key=lambda row: str(row[0]))


def _reasons(fleet: object) -> Rows:
    import polars as pl

    assert isinstance(fleet, pl.DataFrame)
    table = fleet.group_by("behaviour", "verdict", "reason").len().sort("behaviour", "len", descending=[False, True])
    return [tuple(row) for row in table.iter_rows()]


def _commands(fleet: object) -> Rows:
    import polars as pl

    assert isinstance(fleet, pl.DataFrame)
    sent = fleet.filter("commanded")
    wrong = sent.filter(~pl.col("behaviour").is_in(list(_STEADY)))
    rows: Rows = [
        ("commands in all", sent.height, fleet.height, 100 * sent.height / fleet.height),
        (
            "commands to meters that are not steadily off",
            wrong.height,
            sent.height,
            100 * wrong.height / max(sent.height, 1),
        ),
    ]
    for behaviour, form in _STEADY.items():
        off = fleet.filter(pl.col("behaviour") == behaviour)
        found = off.filter(pl.col("verdict") == "steady")
        right = found.filter(pl.col("form") == form).height
        rows += [
            (f"{behaviour}: found steady", found.height, off.height, 100 * found.height / max(off.height, 1)),
            (f"{behaviour}: of these with form {form}", right, found.height, 100 * right / max(found.height, 1)),
        ]
    return rows


def _coverage(fleet: object) -> Rows:
    """Share of the 95 % intervals (Student's t) that hold the truth, by behaviour and by what was fitted."""
    import polars as pl
    from scipy import stats

    assert isinstance(fleet, pl.DataFrame)
    kinds = {
        "offset (a1 = 1)": (pl.col("form") == "offset", 1),
        "gain (a2 = 0)": ((pl.col("form") == "linear") & (pl.col("a2_se") == 0), 1),
        "full line": ((pl.col("form") == "linear") & (pl.col("a2_se") > 0), 2),
    }
    rows: Rows = []
    for behaviour in _STEADY:
        for kind, (fitted, parameters) in kinds.items():
            here = fleet.filter((pl.col("behaviour") == behaviour) & (pl.col("verdict") == "steady") & fitted)
            if here.is_empty():
                continue
            factor = pl.Series(stats.t.ppf(0.975, here["n_flowing"].to_numpy() - parameters))
            shares: list[float | None] = []
            for name, true in (
                ("a1", here["true_a1"]),
                ("a1", here["true_a1"] / here["reference_gain"]),
                ("a2", here["true_a2"]),
            ):
                held = (here[name] - true).abs() <= factor * here[f"{name}_se"]
                # a parameter that the form fixes has no interval
                shares.append(None if (here[f"{name}_se"] == 0).all() else 100 * float(held.sum()) / here.height)
            rows.append((behaviour, kind, here.height, *shares))
    return rows


def run(session: Session) -> None:
    """Print what the verdicts say against what is true."""
    meters = QUICK_METERS if session.quick else METERS
    seeds = _SEEDS[: session.repetitions(len(_SEEDS))]
    roots = [session.fleet(meters, seed) for seed in seeds]
    for root in roots:
        run_fleet(root)
    verdicts, reasons, commands, coverage = apart(collect, roots)
    size = f"{meters:,} meters, seeds {', '.join(map(str, seeds))}, one window of 12 h"
    show(f"Verdicts: {size}", ("truth", "meters", *_VERDICTS), verdicts)
    show("Verdicts: their reasons", ("truth", "verdict", "reason", "meters"), reasons)
    show("Commands and forms", ("what", "number", "of", "%"), commands)
    show(
        "Coverage of the 95 % intervals of steady meters [%]",
        ("truth", "fitted", "meters", "a1", "a1 as its reference sees it", "a2"),
        coverage,
        [
            "A reference that is off by its own gain g (inside its calibration) sees a1 / g; standard errors tell scatter only.",
            "Only meters found steady: those whose scatter made them look healthier are missing.",
        ],
    )
