"""Remake the simulated half of the shipped sample: ``python -m flows.sample_data``, from a checkout.

The recordings in data/raw/ecan and the hand-written models.toml, sources.toml and policy.toml stay as they are; the
CSV files of the registry, the dumps in raw/meter and raw/flowmeter and sample_truth.parquet are written anew, and come
out the same to the byte as long as nothing in the simulation changes.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from flows.simulation import write_dumps
from transforms.simulate import Fleet, Plan, registry_files
from transforms.workspace import STREAMS, Workspace

#: three days on which K37-3110 pumps, stops and stands still, and L37-0812-m1 comes back from a gap and runs through
PLAN = Plan(
    120,
    3,
    datetime(2019, 12, 2, tzinfo=UTC),
    timedelta(minutes=15),
    seed=20191202,
    # few enough steady deviations that the fleet breaker (a tenth of the judged meters) does not hold the commands
    shares={"healthy": 0.89, "linear": 0.04, "offset": 0.025, "scatter": 0.025, "no_flow": 0.02},
    sources={"recorded": 1.0},
)
#: compressed and mixed, because real head-ends are, and because the sample is kept in the repository
FORMS = ("csv.gz", "rle.gz", "parquet", "jsonl.gz")
#: feature code, model, site and flowmeter of the recorded meters; model names as in data/registry/models.toml
RECORDED = (
    ("K37-3110", "MAINS-Q100-1M3-15MIN", "K37", "K37-3110-flow"),
    ("L37-0812-m1", "MAINS-Q160-1M3-60MIN", "L37", "L37-0812-m1-flow"),
)
#: assumed for the demonstration: the recordings state no calibration dates (see data/README.md)
CALIBRATED = (date(2019, 11, 1), date(2019, 12, 1), date(2020, 1, 1), date(2020, 2, 1), date(2020, 3, 1))


def remake(target: Path) -> None:
    """Write the simulated half of the sample into a workspace that holds, or will get, the other half."""
    workspace = Workspace(target)
    workspace.registry.mkdir(parents=True, exist_ok=True)
    for stream in STREAMS:
        for old in sorted((workspace.raw / stream).glob("*Z_*")):
            old.unlink()
    fleet = Fleet.draw(PLAN)
    write_dumps(fleet, workspace.raw, FORMS).truth.write_parquet(target / "sample_truth.parquet")
    texts = registry_files(fleet)
    for name, rows in recorded_rows().items():
        simulated = pl.read_csv(texts[name].encode(), infer_schema=False)
        columns = list(dict.fromkeys([*simulated.columns, *rows.columns]))
        pl.concat([rows, simulated], how="diagonal").select(columns).write_csv(workspace.registry / name)
    (workspace.registry / "terminals.csv").write_text(texts["terminals.csv"], encoding="utf-8", newline="\n")


def recorded_rows() -> dict[str, pl.DataFrame]:
    """The registry rows of the recorded meters, all columns as text; nobody is notified about them.

    Their flow signals are values at the stamp (``instant``): in the data the register's step goes as well with the
    signal at its beginning as with the one at its end.
    """
    meters = [{"feature_code": code, "model": model, "site": site} for code, model, site, _ in RECORDED]
    pairs = [{"feature_code": code, "flowmeter_id": flowmeter} for code, _, _, flowmeter in RECORDED]
    flowmeters = [
        {"flowmeter_id": flowmeter, "calibrated_on": day.isoformat(), "sampling": "instant"}
        for *_, flowmeter in RECORDED
        for day in CALIBRATED
    ]
    return {
        "meters.csv": pl.DataFrame(meters),
        "pairs.csv": pl.DataFrame(pairs),
        "flowmeters.csv": pl.DataFrame(flowmeters),
    }


if __name__ == "__main__":
    remake(Path(__file__).resolve().parents[1] / "data")
