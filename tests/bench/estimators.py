"""Which estimator corrects meters best: every estimator of the policy on the same labelled fleets.

The tables that choose the default of ``fit.estimator``. Errors are compared on the meters that every estimator commands,
so that none looks better for leaving the hard ones out.
"""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from tests.bench.labelled import label
from tests.bench.measuring import apart
from tests.bench.session import START, Session, run_fleet, say
from tests.bench.tables import Cell, show

ESTIMATORS = ("ordinary", "weighted", "errors_in_both", "robust")
METERS, QUICK_METERS = 20_000, 2_000


class Variant(NamedTuple):
    """A kind of fleet: repeatability of the references, share of outlying readings of the meters, and its seeds."""

    name: str
    reference_noise: float
    outliers: float
    seeds: tuple[int, ...]


VARIANTS = (
    Variant("as usual", 0.003, 0.0, (1, 2, 3)),
    Variant("references scatter by 2 %", 0.02, 0.0, (1, 2)),
    Variant("one reading in 20 outlies", 0.003, 0.05, (1, 2)),
)

Rows = list[tuple[Cell, ...]]


def _make(root: Path, meters: int, seed: int, variant: Variant) -> None:
    from flows.simulation import simulate_workspace

    simulate_workspace(
        root,
        meters=meters,
        days=1,
        interval=timedelta(minutes=15),
        seed=seed,
        start=START,
        reference_noise=variant.reference_noise,
        outliers=variant.outliers,
    )


def _label(root: Path, meters: int, seed: int, variant: Variant, file: Path) -> None:
    from transforms.simulate import Fleet, Plan

    plan = Plan(
        meters,
        1,
        START,
        timedelta(minutes=15),
        seed,
        reference_noise=variant.reference_noise,
        outliers=variant.outliers,
    )
    label(root, Fleet.draw(plan), file)


def _files(session: Session, meters: int, seed: int, variant: Variant) -> dict[str, Path]:
    """One labelled file per estimator: the same dumps, judged anew each time."""
    root = session.folder / f"estimators-{VARIANTS.index(variant)}-{seed}"
    say(f"simulate {meters:,} meters, {variant.name}, seed {seed}")
    apart(_make, root, meters, seed, variant)
    files = {}
    for number, estimator in enumerate(ESTIMATORS):
        # The registry's word on the references is right: what they scatter by is known.
        policy = (
            f'[fit]\nestimator = "{estimator}"\n'
            f"[reference]\nrepeatability = {max(variant.reference_noise, 0.005)}\n[report]\nplots = 0\n"
        )
        (root / "registry" / "policy.toml").write_text(policy, encoding="utf-8")
        run_fleet(root, keep=("lake", "quarantine") if number else ())
        files[estimator] = root.with_name(f"{root.name}-{estimator}.parquet")
        apart(_label, root, meters, seed, variant, files[estimator])
    shutil.rmtree(root)
    return files


def rows_of(files: list[dict[str, Path]]) -> Rows:
    """A row per estimator over some fleets of one kind."""
    import polars as pl

    from tests.bench.confusion import coverage

    told = {name: pl.concat([pl.read_parquet(each[name]) for each in files]) for name in ESTIMATORS}
    key = ["seed", "feature_code"]
    same = None
    for frame in told.values():
        sent = frame.filter(
            pl.col("commanded") & (pl.col("true_verdict") == "steady") & pl.col("error_after").is_not_null()
        ).select(key)
        same = sent if same is None else same.join(sent, on=key, how="semi")
    rows: Rows = []
    for name, frame in told.items():
        commanded = frame.filter("commanded")
        error = frame.join(same, on=key, how="semi")["error_after"].abs()
        lines = frame.join(same, on=key, how="semi").filter(pl.col("form").is_in(["linear", "offset"]))
        straight = lines.filter(pl.col("form") == pl.col("true_form"))["error_after"]
        _, _, a1, a2 = coverage(frame)[0]
        rows.append(
            (
                name,
                commanded.height,
                commanded.filter(pl.col("true_verdict") != "steady").height,
                error.len(),
                100 * float((error**2).mean()) ** 0.5,
                100 * float(error.quantile(0.95)),
                100 * float((straight**2).mean()) ** 0.5,
                a1,
                a2,
            )
        )
    return rows


def run(session: Session) -> None:
    """Print a table per kind of fleet."""
    meters = QUICK_METERS if session.quick else METERS
    for variant in VARIANTS:
        seeds = variant.seeds[: session.repetitions(len(variant.seeds))]
        files = [_files(session, meters, seed, variant) for seed in seeds]
        show(
            f"Estimators: {len(seeds)} x {meters:,} meters, {variant.name}",
            (
                "fit.estimator",
                "commands",
                "wrong",
                "meters compared",
                "error after, rms [%]",
                "95 % [%]",
                "rms, straight [%]",
                "a1 covered [%]",
                "a2 covered [%]",
            ),
            apart(rows_of, files),
            [
                "Wrong: commands to meters that are not steady. Error: of volume over the next 12 h, on the meters that all",
                "four command. Straight: those of them that are true lines. Covered: by intervals of 95 %.",
            ],
        )
