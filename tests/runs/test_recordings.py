"""The real recordings of the shipped sample, as the README shows them."""

from __future__ import annotations

import re
import shutil
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from flows.cli.main import main

DATA = Path(__file__).resolve().parents[2] / "data"


#: what audits and runs are asked of K37-3110: a season, its days of runs, and how many times too little its meter showed
SEASONS = [
    ("2019-12-01T00:00:00Z", "2019-12-17T00:00:00Z", "2019-12-06T00:00:00Z", 1.446, 20),
    ("2020-01-18T00:00:00Z", "2020-02-01T00:00:00Z", "2020-01-23T00:00:00Z", 1.223, 25),
]


def lay(root: Path, *codes: str) -> Path:
    """A workspace with some of the recordings alone."""
    registry = root / "registry"
    shutil.copytree(DATA / "registry", registry)
    shutil.copytree(DATA / "raw" / "ecan", root / "raw" / "ecan")
    for name in ("meters.csv", "pairs.csv"):
        head, *rows = (registry / name).read_text().splitlines()
        kept = [row for row in rows if row.split(",")[0] in codes]
        (registry / name).write_text("\n".join([head, *kept]) + "\n")
    (registry / "terminals.csv").unlink()
    return root


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The audit of both recordings' year."""
    root = lay(tmp_path_factory.mktemp("year"), "K37-3110", "L37-0812-m1")
    span = ["--from", "2019-07-01T00:00:00Z", "--to", "2020-06-30T00:00:00Z", "--window", "12h"]
    assert main(["audit", "--workspace", str(root), *span, "--json"]) == 0
    (audit,) = (root / "reports").iterdir()
    return audit


@pytest.fixture(scope="module")
def windows(audited: Path) -> pl.DataFrame:
    """Every 12 h window of both recordings' year."""
    return pl.read_parquet(audited / "windows.parquet")


def run_some(root: Path, code: str, begin: str, until: str) -> tuple[pl.DataFrame, str, str]:
    """The runs of some days for one recording alone: verdicts, and the text of all commands and work orders."""
    lay(root, code)
    arguments = ["--from", begin, "--until", until, "--now", until, "--engine", "plain"]
    assert main(["run", "--workspace", str(root), *arguments]) == 0
    runs = sorted((root / "outbox").iterdir())
    verdicts = pl.concat([pl.read_parquet(run / "verdicts.parquet") for run in runs])
    text = ["".join((run / name).read_text() for run in runs) for name in ("commands.jsonl", "work_orders.jsonl")]
    return verdicts.filter(pl.col("feature_code") == code), text[0], text[1]


def volumes(code: str, register: str) -> pl.DataFrame:
    """Cubic metres that the register moved in each window, straight from the recording."""
    frame = pl.read_csv(DATA / "raw" / "ecan" / f"{code}.csv", infer_schema_length=None)
    stamp = pl.concat_str("Date", pl.lit(" "), "Time").str.to_datetime("%d/%m/%Y %H:%M:%S", time_zone="UTC")
    return (
        frame.select(stamp.dt.offset_by("-12h").dt.cast_time_unit("us").alias("ts"), pl.col(register))
        .sort("ts")
        .with_columns(pl.col(register).diff().alias("m3"), pl.col("ts").dt.truncate("12h").alias("window_start"))
        .group_by("window_start")
        .agg(pl.col("m3").sum())
    )


@pytest.mark.parametrize(("begin", "until", "some", "inverse", "count"), SEASONS)
def test_k37_is_steadily_far_off_and_never_commanded(
    windows: pl.DataFrame, tmp_path: Path, begin: str, until: str, some: str, inverse: float, count: int
) -> None:
    season = windows.filter(
        (pl.col("feature_code") == "K37-3110")
        & pl.col("window_start").is_between(datetime.fromisoformat(begin), datetime.fromisoformat(until), closed="left")
    )
    pumping = season.join(volumes("K37-3110", "CuMeters"), on="window_start").filter(pl.col("m3") > 30)
    assert pumping.height == count
    steady = pumping.filter(pl.col("verdict") == "steady")
    # one window of December has four settled pairs only, and says so instead of guessing
    rest = pumping.filter(pl.col("verdict") != "steady")
    assert rest["reason"].to_list() in ([], ["no_flow"])
    ratio = 1 / (1 + steady["volume_error"])
    assert (ratio - inverse).abs().max() < 0.12
    assert abs(ratio.median() - inverse) < 0.01 * inverse
    gains = steady.filter(pl.col("a2") == 0)["a1"]
    assert len(gains) >= steady.height - 1
    assert abs(gains.median() * inverse - 1) < 0.01

    verdicts, commands, orders = run_some(tmp_path, "K37-3110", begin, some)
    off = verdicts.filter(pl.col("verdict") == "steady").height
    assert off >= 5
    assert commands == ""
    assert orders.count('"reason": "beyond_limits"') == orders.count("\n") >= off


def test_the_gap_of_a_healthy_meter_is_named(audited: Path) -> None:
    found = pl.read_parquet(audited / "registers.parquet").filter(pl.col("feature_code") == "L37-0812-m1")
    (gap,) = found.filter(pl.col("finding") == "register_gap").iter_rows(named=True)
    # the register ran on by 6,633 m3 over 48.4 h; over the other gap it did not move
    assert (gap["many"], gap["litres"]) == (1, 6_633_000)
    page = (audited / "index.html").read_text(encoding="utf-8")
    assert re.search(
        r"L37-0812-m1(<[^>]*>|\s)*The register moved on while readings were missing[^<]*6.633.000.L in all", page
    )


def test_l37_is_healthy_and_its_catch_up_after_a_gap_is_not_flow(windows: pl.DataFrame, tmp_path: Path) -> None:
    mine = windows.filter(pl.col("feature_code") == "L37-0812-m1")
    judged = mine.filter(pl.col("verdict") != "inconclusive")
    assert judged.height >= 120
    assert (judged["verdict"] == "healthy").mean() >= 0.95
    assert judged["volume_error"].abs().max() < 0.2
    # over the longest gap the register ran on by 6,633 m3: no window takes any of it for flow
    assert (mine["meter_volume_l"] - mine["volume_l"]).max() < 25_000

    verdicts, commands, _ = run_some(tmp_path, "L37-0812-m1", "2020-01-05T00:00:00Z", "2020-01-11T00:00:00Z")
    assert "healthy" in verdicts["verdict"]
    assert commands == ""
