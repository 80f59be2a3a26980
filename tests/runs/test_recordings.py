"""The real recordings of the shipped sample, as the README shows them."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from flows.cli.main import main

DATA = Path(__file__).resolve().parents[2] / "data"


def run_season(root: Path, code: str, begin: str, until: str) -> tuple[pl.DataFrame, str, str]:
    """Every 12 h window of a span for one recording alone: verdicts, and the text of all commands and work orders."""
    registry = root / "registry"
    shutil.copytree(DATA / "registry", registry)
    shutil.copytree(DATA / "raw" / "ecan", root / "raw" / "ecan")
    for name in ("meters.csv", "pairs.csv"):
        head, *rows = (registry / name).read_text().splitlines()
        (registry / name).write_text("\n".join([head, *(row for row in rows if row.startswith(f"{code},"))]) + "\n")
    (registry / "terminals.csv").unlink()
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begin", "until", "inverse", "windows"),
    [
        ("2019-12-01T00:00:00Z", "2019-12-17T00:00:00Z", 1.446, 20),
        ("2020-01-18T00:00:00Z", "2020-02-01T00:00:00Z", 1.223, 25),
    ],
)
def test_k37_is_steadily_far_off_and_never_commanded(
    tmp_path: Path, begin: str, until: str, inverse: float, windows: int
) -> None:
    verdicts, commands, orders = run_season(tmp_path, "K37-3110", begin, until)
    pumping = verdicts.join(volumes("K37-3110", "CuMeters"), on="window_start").filter(pl.col("m3") > 30)
    assert pumping.height == windows
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
    assert commands == ""
    assert orders.count('"reason": "beyond_limits"') == orders.count("\n") >= steady.height


@pytest.mark.slow
def test_l37_is_healthy_and_its_catch_up_after_a_gap_is_not_flow(tmp_path: Path) -> None:
    verdicts, commands, _ = run_season(tmp_path, "L37-0812-m1", "2019-12-15T00:00:00Z", "2020-02-01T00:00:00Z")
    judged = verdicts.filter(pl.col("verdict") != "inconclusive")
    assert judged.height >= 40
    assert (judged["verdict"] == "healthy").mean() >= 0.95
    assert commands == ""
    # over the longest gap the register ran on by 6,633 m3: no window shows a flow near that
    assert verdicts["volume_error"].drop_nulls().abs().max() < 0.2
