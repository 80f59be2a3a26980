"""Effects: what the first judgeable window after a command was applied says about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from transforms.schemas import EFFECTS, UTC_US
from transforms.state import MeterState

#: columns of a verdict that an effect is judged by
SEEN = (
    "feature_code",
    "window_start",
    "verdict",
    "reason",
    "volume_error",
    "uncertainty_q2_q3",
    "uncertainty_q1_q2",
    "uncertainty_q3_q4",
)

#: what a comparison of two windows rests on
_SAME: dict[str, pl.DataType | type[pl.DataType]] = {
    "flowmeter_id": pl.String,
    "model": pl.String,
    "window_end": UTC_US,
}

#: up to so many times the uncertainty before, the error after a command is known as well as before it
AS_WELL = 1.1


def awaited(states: Mapping[str, MeterState], end: datetime) -> pl.DataFrame:
    """Commands whose effect is still open: ``feature_code, command_id, sequence, applied_at, window_start, silent``.

    Those that were applied, and, ``silent``, those that expired without an answer and may have been carried out all the
    same; ``applied_at`` is then when they expired.

    Parameters
    ----------
    end
        End of the window that is to show the effect: what was applied only then or later, it cannot show.
    """
    rows = []
    for code, state in states.items():
        # none is found if a later command was judged to have cured the meter, before it turned out to be refused
        attempt = next((a for a in reversed(state.attempts) if a.command_id == state.awaiting), state.silent)
        if attempt is None:
            continue
        silent = attempt.status == "expired"
        since = state.same_since if silent else state.changed_at
        if since is None or since >= end:
            continue
        rows.append((code, attempt.command_id, attempt.sequence, since, attempt.window_start, silent))
    schema: dict[str, Any] = {
        "feature_code": pl.String,
        "command_id": pl.String,
        "sequence": pl.Int64,
        "applied_at": UTC_US,
        "window_start": pl.String,
        "silent": pl.Boolean,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def judge_effects(open_commands: pl.DataFrame, judged: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """What each open command did, where this window can tell.

    ``cured``: the meter is healthy. Otherwise the sizes of the volume errors before and after are compared:
    ``improved`` or ``worse`` if they differ by more than their expanded uncertainties together (root of the sum of
    squares), else ``no_effect``. A window that cannot be judged says nothing, and the next one is asked. An undecided
    meter tells that its error became surely smaller, and the rest once it is known about as well (`AS_WELL`) as when the
    command was sent: later its own drift would be taken for the effect.
    A command that was never answered only tells what an error does not do by itself: that it became surely smaller, and less
    than half. That a meter is worse is told by a window in which it is steady: no parameters make it drop out or change from
    one hour to the next. Held against another reference than before, or one calibrated since, an error became neither larger
    nor smaller: a meter that is healthy is cured of what it was commanded for, and nothing else is told, least of all of a
    command that was never answered.

    Parameters
    ----------
    open_commands : DataFrame
        From `awaited`.
    judged : DataFrame
        This window's verdicts; readings from before a change are not in them.
    before : DataFrame
        ``command_id`` and the columns `SEEN` but the feature code: the verdict that each command rests on.

    Returns
    -------
    DataFrame
        `EFFECTS`, sorted by feature code.
    """
    other = _another_reference(open_commands, judged, before)
    known = (
        open_commands.rename({"window_start": "sent_for"})
        .join(judged.select(SEEN), on="feature_code")
        .with_columns(other=pl.col("command_id").is_in(other))
        .filter(~pl.col("other") | (~pl.col("silent") & (pl.col("verdict") == "healthy")))
        .filter((pl.col("verdict") != "inconclusive") | ((pl.col("reason") == "undecided") & (_expanded("") > 0)))
        .filter(~pl.col("silent") | (pl.col("window_start") >= pl.col("applied_at")))
        .join(before.select("command_id", *SEEN[2:]), on="command_id", how="left", suffix="_before")
    )
    size, was = pl.col("volume_error").abs(), pl.col("volume_error_before").abs()
    doubt = (_expanded("") ** 2 + _expanded("_before") ** 2).sqrt()
    effect = (
        pl.when(pl.col("verdict") == "healthy")
        .then(pl.lit("cured"))
        .when(size - was > doubt)
        .then(pl.lit("worse"))
        .when(was - size > doubt)
        .then(pl.lit("improved"))
        .otherwise(pl.lit("no_effect"))
    )
    smaller = was - size > doubt
    # What was carried out takes the error away, not some of it: that is what another mix of flows may do.
    gone = smaller & (size < was / 2)
    settled = (pl.col("verdict") != "inconclusive") | (_expanded("") <= AS_WELL * _expanded("_before"))
    return (
        known.with_columns(effect=effect, volume_error_after=pl.col("volume_error"))
        .filter(pl.when("silent").then(gone).otherwise(smaller | settled))
        .filter((pl.col("effect") != "worse") | (pl.col("verdict") != "unsteady"))
        .select(pl.col(name).cast(kind) for name, kind in EFFECTS.items())
        .sort("feature_code")
    )


def _another_reference(open_commands: pl.DataFrame, judged: pl.DataFrame, before: pl.DataFrame) -> list[str]:
    """Ids of the commands that were sent by the word of another flowmeter, or of one that was calibrated since, or to a
    meter of another model.

    Parameters
    ----------
    open_commands, judged, before
        As for `judge_effects`; a column that is absent says nothing.
    """
    was = pl.DataFrame({"command_id": before["command_id"]}).with_columns(
        (before[name] if name in before.columns else pl.lit(None, kind)).alias(f"{name}_before")
        for name, kind in _SAME.items()
    )
    now = judged.select(
        "feature_code",
        *(name if name in judged.columns else pl.lit(None, kind).alias(name) for name, kind in _SAME.items()),
        pl.col("calibrated_on") if "calibrated_on" in judged.columns else pl.lit(None, pl.Date).alias("calibrated_on"),
    )
    both = open_commands.select("command_id", "feature_code").join(now, on="feature_code").join(was, on="command_id")
    last_day = (pl.col("window_end_before") - pl.duration(microseconds=1)).dt.date()
    another = pl.any_horizontal(
        pl.col("calibrated_on") > last_day,
        *(pl.col(name) != pl.col(f"{name}_before") for name in ("flowmeter_id", "model")),
    )
    return both.filter(another.fill_null(False))["command_id"].to_list()


def _expanded(suffix: str) -> pl.Expr:
    """The smallest expanded uncertainty of a flow zone: that of the zone with the most evidence."""
    zones = [pl.col(f"uncertainty_{zone}{suffix}") for zone in ("q1_q2", "q2_q3", "q3_q4")]
    return pl.min_horizontal(zones).fill_null(0.0)
