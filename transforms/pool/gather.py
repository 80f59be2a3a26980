"""Whose sums of which windows are added up: back from the newest, as far as the meter stayed the same and it is of use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from transforms.damage import RESTORE, legible, table_of_run
from transforms.schemas import MOMENTS
from transforms.summarise.record import BORDERS

#: own verdicts with these reasons leave something open that more flow may settle
OPEN = ("undecided", "no_flow", "too_few_pairs")
#: a pool is deep enough when the pairs' own standard uncertainty is so small a part of the reference's common one, which
#: no number of pairs lowers; going further back would only make the answer older
ENOUGH = 0.5


@dataclass(frozen=True)
class Earlier:
    """An earlier run: the start of its window, and its folder in the outbox."""

    start: datetime
    folder: Path


def whom_to_ask(judged: pl.DataFrame) -> pl.DataFrame:
    """The meters whose own window leaves something open, and those that it finds steadily off: of many windows of a sound
    meter one looks so by chance, which those beside it tell."""
    left_open = (pl.col("verdict") == "inconclusive") & pl.col("reason").is_in(OPEN)
    return judged.filter(left_open | (pl.col("verdict") == "steady"))


def gather(asked: pl.DataFrame, now: pl.DataFrame, earlier: Sequence[Earlier]) -> pl.DataFrame:
    """The sums that are added up for each meter, window by window.

    A meter's pool goes back over windows of the same flowmeter and model, up to the newest one in which it was unsteady
    or that began before its parameters were surely what they are, until `ENOUGH` is known or the windows end. Windows
    that could not be judged for want of readings add what little they have; others that could not be judged add nothing.

    Parameters
    ----------
    asked : DataFrame
        ``feature_code, flowmeter_id, model, since`` (null: always the same), ``reference_uncertainty``, the fleet
        table's ``per_lph, resolution_lph`` and `BORDERS`, and ``relative``: the variance expected of a pair that goes with
        the square of the flow.
    now : DataFrame
        `MOMENTS` of the newest window.
    earlier : sequence
        Earlier runs, the newest first.

    Returns
    -------
    DataFrame
        `MOMENTS` and ``back``: 0 for the newest window, then the place in ``earlier`` from 1 on.
    """
    alive = asked.with_columns(known=pl.lit(0, pl.Int64))
    alive, newest = _take(alive, now)
    found = [newest.with_columns(back=pl.lit(0, pl.Int32))]
    for back, run in enumerate(earlier, start=1):
        alive = alive.filter(pl.col("since").is_null() | (pl.col("since") <= run.start))
        if alive.is_empty():
            break
        told = table_of_run(
            run.folder / "verdicts.parquet", ["feature_code", "flowmeter_id", "model", "verdict", "reason"]
        )
        alive = alive.join(told, on="feature_code", how="left", suffix="_then").filter(~_another_meter())
        of_use = pl.col("verdict").is_in(["healthy", "steady"]) | pl.col("reason").is_in(OPEN)
        used = alive.filter(of_use.fill_null(False))["feature_code"]
        alive = alive.drop("flowmeter_id_then", "model_then", "verdict", "reason")
        file = run.folder / "moments.parquet"
        with legible(file, RESTORE):
            then = pl.scan_parquet(file, glob=False).filter(pl.col("feature_code").is_in(used.implode())).collect()
        # runs before this was told: what may be cut off counts as cut off
        then = then if "from_register" in then.columns else then.with_columns(from_register=pl.lit(False))
        alive, sums = _take(alive, then)
        found.append(sums.with_columns(back=pl.lit(back, pl.Int32)))
    return pl.concat(found)


def _another_meter() -> pl.Expr:
    """Whether an earlier window tells of what the meter is no longer; one without a row or a pair tells nothing."""
    differs = pl.any_horizontal(
        (pl.col(name) != pl.col(f"{name}_then")).fill_null(False) for name in ("flowmeter_id", "model")
    )
    return differs | (pl.col("verdict") == "unsteady").fill_null(False)


def _take(alive: pl.DataFrame, sums: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The sums of one window that were taken in the same units, and the meters of which not enough is known yet."""
    mine = sums.join(alive, on=["feature_code", *BORDERS])
    square = pl.col("sxx") / pl.col("n")
    variance = pl.col("relative") * square + (pl.col("resolution_lph") * pl.col("per_lph")) ** 2 / 6
    # whole numbers, so that the sum does not depend on the order of the rows
    more = mine.group_by("feature_code").agg(more=(pl.col("sxx") / variance).round().cast(pl.Int64).sum())
    wanted = (ENOUGH * pl.col("reference_uncertainty") / 2) ** -2
    alive = (
        alive.join(more, on="feature_code", how="left")
        .with_columns(known=pl.col("known") + pl.col("more").fill_null(0))
        .drop("more")
        .filter(pl.col("known") < wanted)
    )
    return alive, mine.select(list(MOMENTS))
