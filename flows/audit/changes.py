"""What only the situation of a meter tells: when it was changed, and when it was not yet, or no longer, in use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import polars as pl

from flows.situation import installed
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
    new = installed(registry)
    rows = [(code, at) for code, at in applied(commands, acks, new, history.effects()) if windows[0].start <= at < end]
    rows += _exchanged(new, windows)
    return pl.DataFrame(rows, schema=CHANGES, orient="row").unique().sort("feature_code", "since")


def _exchanged(new: Mapping[str, datetime], windows: Sequence[Window]) -> Iterable[tuple[str, datetime]]:
    """Meters installed within a window, not at its very beginning."""
    length = windows[0].length
    inside = ((code, day) for code, day in new.items() if windows[0].start < day < windows[-1].end)
    return [(code, day) for code, day in inside if (day - windows[0].start) % length]


def within(changes: pl.DataFrame, begin: datetime, length: timedelta, count: int) -> pl.DataFrame:
    """The last change of each meter in each of some consecutive windows: ``feature_code``, ``window``, ``since``."""
    length_us = int(length.total_seconds()) * 1_000_000
    number = (pl.col("since") - pl.lit(begin).cast(UTC_US)).dt.total_microseconds() // length_us
    placed = changes.with_columns(window=number.cast(pl.Int32)).filter(pl.col("window").is_between(0, count - 1))
    return placed.group_by("feature_code", "window").agg(pl.col("since").max()).sort("feature_code", "window")


def put_into_words(judged: pl.DataFrame, registry: Registry, changed: pl.DataFrame) -> pl.DataFrame:
    """The judged rows with the reasons that only the situation tells, as a run has them.

    Parameters
    ----------
    changed : DataFrame
        ``feature_code``, ``window_start`` of the windows in which a meter was changed.
    """
    dates = registry.meters.select("feature_code", "installed_on", "removed_on")
    dates = dates.filter(pl.col("installed_on").is_not_null() | pl.col("removed_on").is_not_null())
    if dates.height:
        begins, ends = (pl.col(name).cast(UTC_US) for name in ("installed_on", "removed_on"))
        why = (
            pl.when(begins >= pl.col("window_end"))
            .then(pl.lit("not_installed"))
            .when(ends <= pl.col("window_start"))
            .then(pl.lit("decommissioned"))
        )
        judged = judged.join(dates, on="feature_code", how="left", maintain_order="left")
        judged = _set_aside(judged.with_columns(why=why).drop("installed_on", "removed_on"))
    if changed.height:
        changed = changed.select("feature_code", "window_start", is_changed=pl.lit(True))
        judged = judged.join(changed, on=["feature_code", "window_start"], how="left", maintain_order="left")
        short = pl.col("is_changed") & pl.col("reason").is_in(["too_few_pairs", "no_flow"])
        judged = _set_aside(
            judged.with_columns(why=pl.when(short).then(pl.lit("parameters_changed"))).drop("is_changed")
        )
    return judged


def _set_aside(judged: pl.DataFrame) -> pl.DataFrame:
    chosen = pl.col("why").is_not_null()
    return judged.with_columns(
        verdict=pl.when(chosen).then(pl.lit("inconclusive")).otherwise("verdict"),
        reason=pl.coalesce("why", "reason"),
        form=pl.when(chosen).then(None).otherwise("form"),
    ).drop("why")
