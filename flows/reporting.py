"""The report of a run, made from what stands in its outbox folder and put in place by one rename."""

from __future__ import annotations

import hashlib
import importlib
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from flows.settings import use_matplotlib_in
from reports.clock import shown_in
from reports.photos import order
from reports.run import RunReport, render_run
from transforms.damage import table_of_run
from transforms.fleet import fleet_table
from transforms.lake import Lake
from transforms.match import Parties
from transforms.match.register_findings import FINDINGS, has_registers, register_findings
from transforms.outbox import read_lines, window_of
from transforms.outbox.lying import MANIFEST
from transforms.outbox.verify import NOTE
from transforms.photos.places import digest_if_there, picture_path
from transforms.photos.thumbnail import data_uri, thumbnail
from transforms.policy import Policy
from transforms.registry import Registry
from transforms.schemas import PAIRS, READINGS
from transforms.sql import session
from transforms.summarise import list_pairs
from transforms.windows import Window
from transforms.workspace import Workspace

#: longer side of the photos in a run's report [pixels]
PICTURE_PX = 320
#: reasons for which a look at the register may say more
LACKING = ("meter_missing", "too_few_pairs")


def load_charts(workspace: Workspace) -> None:
    """Import what the charts need of Matplotlib; without this the first report does so."""
    use_matplotlib_in(workspace.cache)
    importlib.import_module("matplotlib.ticker")


def write_run_report(
    workspace: Workspace,
    registry: Registry,
    policy: Policy,
    lake: Lake,
    parties: Parties,
    manifest: dict[str, Any],
    previous: pl.DataFrame | None,
    database: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
) -> Path:
    """Write ``reports/RUN/index.html`` and return it; beside it goes the digest of the run's manifest, for `verify`.

    ``database`` opens a DuckDB.
    """
    use_matplotlib_in(workspace.cache)
    folder = workspace.run(manifest["run_id"])
    commands, orders = read_lines(folder / "commands.jsonl"), read_lines(folder / "work_orders.jsonl")
    wanted = list(dict.fromkeys(item["feature_code"] for item in (*commands, *orders)))[: policy.report.plots]
    readings = _readings(folder)
    window = window_of(manifest)
    limits = fleet_table(registry).select(
        "feature_code",
        mpe_low=pl.col("mpe_low") * policy.tolerance,
        mpe_high=pl.col("mpe_high") * policy.tolerance,
        band_low="band_low_lph",
        band_high="band_high_lph",
        q1="q1_lph",
        q2="q2_lph",
        q3="q3_lph",
        q4="q4_lph",
    )
    verdicts = table_of_run(folder / "verdicts.parquet")
    report = RunReport(
        manifest=manifest,
        verdicts=verdicts,
        commands=commands,
        work_orders=orders,
        samples=_samples(lake, parties, window, wanted, database),
        previous=previous.select("feature_code", "verdict", "reason") if previous is not None else None,
        limits=limits,
        effects=table_of_run(folder / "effects.parquet"),
        readings=readings,
        pictures=small_copies(workspace, readings, policy.report.photos, PICTURE_PX),
        registers=_registers(lake, parties, window, verdicts, database),
    )
    with shown_in(policy.report.timezone):
        page = render_run(report)
    staged = workspace.scratch / f"report-{manifest['run_id']}"
    if staged.exists():
        shutil.rmtree(staged)
    staged.mkdir(parents=True)
    (staged / "index.html").write_text(page, encoding="utf-8")
    digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    (staged / NOTE).write_text(f"{digest}  {MANIFEST}\n", encoding="ascii")
    target = workspace.report(manifest["run_id"])
    target.parent.mkdir(parents=True, exist_ok=True)
    staged.rename(target)
    return target / "index.html"


def _readings(folder: Path) -> pl.DataFrame:
    """A run's readings; runs of earlier versions lack some columns."""
    found = table_of_run(folder / "readings.parquet")
    return pl.concat([pl.DataFrame(schema=READINGS), found], how="diagonal").select(list(READINGS))


def small_copies(workspace: Workspace, readings: pl.DataFrame, most: int, longest: int) -> dict[str, str]:
    """Small copies of the photos to be shown first, by reading id, as addresses that a page can hold.

    There is none of a clip, nor of a photo that is gone or was replaced: what is shown must be what was read.
    """
    found = {}
    for row in order(readings)[:most]:
        path, _ = picture_path(workspace, row["file"])
        if path is None or digest_if_there(path) != row["sha256"]:
            continue
        if (jpeg := thumbnail(path, longest)) is not None:
            found[row["reading_id"]] = data_uri(jpeg)
    return found


def _registers(
    lake: Lake,
    parties: Parties,
    window: Window,
    verdicts: pl.DataFrame,
    database: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
) -> pl.DataFrame:
    """What stands in the registers of meters that are unsteady, or gave too few flows to be judged."""
    asked = verdicts.filter((pl.col("verdict") == "unsteady") | pl.col("reason").is_in(LACKING))[
        "feature_code"
    ].to_list()
    found = [pl.DataFrame(schema=FINDINGS)]
    if asked and has_registers(lake, window):
        few = _only(parties, asked)
        with database() as opened:
            for bucket, own in enumerate(few.split(lake.n_buckets)):
                with session(opened) as con:
                    found.append(register_findings(con, lake, bucket, window, own, asked))
    return pl.concat(found).sort("feature_code", "finding")


def _only(parties: Parties, codes: Sequence[str]) -> Parties:
    """The parties of some meters."""
    mine = pl.col("feature_code").is_in(list(codes))
    return replace(parties, **{name: getattr(parties, name).filter(mine) for name in ("fleet", "devices", "claims")})


def _samples(
    lake: Lake,
    parties: Parties,
    window: Window,
    codes: Sequence[str],
    database: Callable[[], AbstractContextManager[duckdb.DuckDBPyConnection]],
) -> pl.DataFrame:
    if not codes:
        return pl.DataFrame(schema=PAIRS)
    few = _only(parties, codes)
    found = []
    with database() as opened:
        for bucket, own in enumerate(few.split(lake.n_buckets)):
            here = own.fleet["feature_code"].to_list()
            if here:
                with session(opened) as con:
                    found.append(list_pairs(con, lake, bucket, window, own, here))
    return pl.concat(found).sort("feature_code", "timestamp") if found else pl.DataFrame(schema=PAIRS)
