"""Flags: which meters a person should look at, and the one reason that weighs most (`transforms.reasons`)."""

from __future__ import annotations

import polars as pl

#: days ahead for which a crossing of the permissible error flags a meter
AHEAD_DAYS = 365


def with_flags(meters: pl.DataFrame) -> pl.DataFrame:
    """Meters with ``flagged`` and ``flag``, the first that applies.

    Needs, besides columns of `AUDIT_METERS`: ``unsteady_reason`` (null where the newest regime is steady), ``ahead_days``
    (until the permissible error is crossed; null where no drift leads there), ``was_off`` (some earlier regime was
    unsteady or outside) and ``favours`` (all errors have one sign and none is within half of its limit).
    """
    flag = pl.coalesce(
        pl.col("unsteady_reason"),
        pl.when(pl.col("in_service") == "outside").then(pl.lit("outside_in_service")),
        pl.when(pl.col("is_off") | (pl.col("on_verification") == "outside")).then(pl.lit("outside_mpe")),
        pl.when(pl.col("ahead_days") <= AHEAD_DAYS).then(pl.lit("drifts_out")),
        pl.when(pl.col("was_off")).then(pl.lit("was_outside")),
        pl.when(pl.col("favours")).then(pl.lit("one_sided")),
    )
    return meters.with_columns(flag=flag).with_columns(flagged=pl.col("flag").is_not_null())
