"""Amounts: whether flows and registers are of the size that meters of their models show, and behave like what they are
said to be."""

from __future__ import annotations

from typing import Final

import polars as pl

from transforms.crosscheck.concern import Concern
from transforms.crosscheck.steps import DEVICE
from transforms.registry import Registry

#: a meter may be driven a little beyond its Q4, but not many of them
_BEYOND: Final = 1.25
_MANY: Final = 0.2
#: share of meters that never come up to Q1, from which on that is the unit's doing
_MOST: Final = 0.8
#: a register of a hundred moves that falls more often is none, and a flow that falls more seldom neither
_FALLS: Final = 0.05
_FEWEST: Final = 20
_DAY_S: Final = 86_400.0


def about_amounts(steps: pl.DataFrame, registry: Registry) -> list[Concern]:
    """Concerns about the sizes of readings and about how they move."""
    largest = max((model.q4 for model in registry.models.values()), default=None)
    moved = (pl.col("value") - pl.col("value").shift()).over(DEVICE)
    devices = (
        steps.with_columns(value=pl.coalesce("flow_lph", "volume_l"))
        .with_columns(move=moved)
        .group_by(DEVICE, maintain_order=True)
        .agg(
            flows=pl.col("flow_lph").is_not_null().any(),
            top=pl.col("lph").max(),
            q1=pl.col("q1_lph").first(),
            q4=pl.col("q4_lph").first(),
            lasts=(pl.col("timestamp").max() - pl.col("timestamp").min()).dt.total_seconds(),
            rises=(pl.col("move") > 0).sum(),
            falls=((pl.col("move") < 0) & ~_began_again()).sum(),
            n=pl.len(),
        )
    )
    found: list[Concern] = []
    for rows in devices.partition_by("stream", maintain_order=True):
        found += _sizes(rows, largest)
        found += _moves(rows)
    return found


def _began_again() -> pl.Expr:
    """Whether a fall of a register looks as if it began again at zero, or was exchanged."""
    return (pl.col("volume_l") < pl.col("before_l") / 2).fill_null(False)


def _sizes(rows: pl.DataFrame, largest: float | None) -> list[Concern]:
    stream = rows["stream"][0]
    limit = pl.coalesce("q4", pl.lit(largest, pl.Float64))
    sized = rows.filter(pl.col("top").is_not_null()).with_columns(share=pl.col("top") / limit)
    beyond = sized.filter(pl.col("share") > _BEYOND).sort(
        "share", "feature_code", "flowmeter_id", descending=[True, False, False]
    )
    if beyond.height > _MANY * sized.height:
        row = beyond.row(0, named=True)
        name = row["feature_code"] or row["flowmeter_id"]
        whose = "its model's" if row["q4"] is not None else "the largest model's"
        return [
            Concern(
                "above_q4",
                f"{stream}: {beyond.height:,} of {sized.height:,} devices show more than Q4, {name[:60]!r} "
                f"{row['top']:,.4g} L/h where {whose} is {row['top'] / row['share']:,.4g}: is the unit right?",
                grave=True,
            )
        ]
    long = sized.filter(pl.col("q1").is_not_null() & (pl.col("lasts") >= _DAY_S))
    small = long.filter(pl.col("top") < pl.col("q1"))
    if not small.is_empty() and small.height >= _MOST * long.height:
        top, q1 = small.select(pl.col("top").max(), pl.col("q1").min()).row(0)
        if top == 0:
            return [
                Concern(
                    "nothing_flows",
                    f"{stream}: no water flows in any of {long.height:,} devices: is the column the right one?",
                )
            ]
        return [
            Concern(
                "below_q1",
                f"{stream}: {small.height:,} of {long.height:,} registered devices never come up to Q1 "
                f"({q1:,.4g} L/h at least); the most is {top:,.4g} L/h: is the unit right, and is it a flow?",
            )
        ]
    return []


def _moves(rows: pl.DataFrame) -> list[Concern]:
    stream = rows["stream"][0]
    moving = rows.filter((pl.col("n") >= _FEWEST) & (pl.col("rises") + pl.col("falls") >= _FEWEST / 2)).with_columns(
        back=pl.col("falls") / (pl.col("rises") + pl.col("falls"))
    )
    found = []
    flows, registers = moving.filter("flows"), moving.filter(~pl.col("flows"))
    rising = flows.filter(pl.col("back") <= _FALLS)
    if 2 * rising.height > flows.height:
        found.append(
            Concern(
                "flow_never_falls",
                f"{stream}: the flow of {rising.height:,} of {flows.height:,} devices hardly ever falls: is it a register "
                "(volume_l)?",
                grave=True,
            )
        )
    falling = registers.filter(pl.col("back") > _FALLS)
    if 2 * falling.height > registers.height:
        found.append(
            Concern(
                "register_falls",
                f"{stream}: the register of {falling.height:,} of {registers.height:,} devices falls again and again: is it "
                "a flow, or the volume of each interval (flow_lph with per)?",
                grave=True,
            )
        )
    return found
