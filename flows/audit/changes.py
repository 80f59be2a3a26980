"""Changes: when parameters were applied to meters, or meters exchanged, within an audit's span."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl

from flows.registered import in_place, installed
from transforms.feedback import for_commands, read_acks
from transforms.outbox import read_history
from transforms.registry import Registry
from transforms.schemas import UTC_US
from transforms.state import applied
from transforms.windows import Window
from transforms.workspace import Workspace

CHANGES: dict[str, pl.DataType | type[pl.DataType]] = {"feature_code": pl.String, "since": UTC_US}


def changes_of(workspace: Workspace, registry: Registry, windows: Sequence[Window]) -> pl.DataFrame:
    """When parameters were applied to meters, or meters were exchanged, within the windows: `CHANGES`, sorted."""
    end = windows[-1].end
    history = read_history(workspace, Window(end, windows[0].length))
    commands = history.lines("commands.jsonl")
    left = {command["command_id"]: command["feature_code"] for command in commands if command["state"] == "ready"}
    acks = for_commands(read_acks(workspace), left).acks if left else []
    carried_out = applied(commands, acks, in_place(registry), history.effects())
    rows = [(code, at) for code, at in carried_out if windows[0].start <= at < end]
    rows += _exchanged(installed(registry), windows)
    return pl.DataFrame(rows, schema=CHANGES, orient="row").unique().sort("feature_code", "since")


def _exchanged(new: Mapping[str, datetime], windows: Sequence[Window]) -> Iterable[tuple[str, datetime]]:
    """Meters installed within a window, not at its very beginning."""
    length = windows[0].length
    inside = ((code, day) for code, day in new.items() if windows[0].start < day < windows[-1].end)
    return [(code, day) for code, day in inside if (day - windows[0].start) % length]


def within(changes: pl.DataFrame, begin: datetime, length: timedelta, count: int) -> pl.DataFrame:
    """The last change of each meter in each of some consecutive windows: ``feature_code``, ``window``, ``since``."""
    if changes.is_empty():
        return changes.select("feature_code", pl.lit(0, pl.Int32).alias("window"), "since")
    length_us = int(length.total_seconds()) * 1_000_000
    begin_us = int(begin.timestamp()) * 1_000_000
    number = (pl.col("since").dt.epoch("us") - begin_us) // length_us
    placed = changes.with_columns(window=number.cast(pl.Int32)).filter(pl.col("window").is_between(0, count - 1))
    return placed.group_by("feature_code", "window").agg(pl.col("since").max()).sort("feature_code", "window")
