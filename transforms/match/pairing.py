"""Pairing: of all claims, those that hold in one window; contradictions are named, never guessed away."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from transforms.match.claims import FOREVER
from transforms.schemas import UTC_US
from transforms.windows import Window


@dataclass(frozen=True)
class Pairing:
    """Who watches whom in one window.

    Attributes
    ----------
    pairs : DataFrame
        ``feature_code``, ``device_no`` (of the flowmeter), ``flowmeter_id``, ``valid_from``, ``valid_to``: at most one
        row per meter.
    conflicts : DataFrame
        ``feature_code``, ``flowmeter_id`` (one of those involved): meters about which the statements disagree.
    """

    pairs: pl.DataFrame
    conflicts: pl.DataFrame


def resolve(claimed: pl.DataFrame, activity: pl.DataFrame, window: Window) -> Pairing:
    """Decide which claims hold, given which devices reported when.

    Parameters
    ----------
    claimed : DataFrame
        As made by `transforms.match.claims.claims`.
    activity : DataFrame
        ``device_no``, ``n``, ``first_ts``, ``last_ts`` of the flowmeter devices that reported inside the window.
    window : Window
        The span judged; claims that do not meet it are left aside.
    """
    alive = claimed.join(activity.select("device_no", "n", "first_ts", "last_ts"), on="device_no").filter(
        (pl.col("valid_from") <= pl.col("last_ts"))
        & (pl.col("valid_to") > pl.col("first_ts"))
        & (pl.col("valid_from") < pl.lit(window.end).cast(UTC_US))
        & (pl.col("valid_to") > pl.lit(window.start).cast(UTC_US))
    )
    # The table's dates limit what the table says; a flowmeter's own word stands for itself.
    own = pl.col("source") == "record"
    alive = alive.with_columns(
        valid_from=pl.when(own).then(pl.lit(FOREVER[0]).cast(UTC_US)).otherwise("valid_from"),
        valid_to=pl.when(own).then(pl.lit(FOREVER[1]).cast(UTC_US)).otherwise("valid_to"),
    )
    contradicted = alive.filter(pl.col("source").is_in(["other_meter", "other_flowmeter"]))
    sound = alive.filter(pl.col("source").is_in(["record", "table"]))
    # Two instruments that both claim a meter contradict each other; two records of one instrument do not.
    rivals = (
        sound.group_by("feature_code")
        .agg(pl.col("flowmeter_id").drop_nulls().n_unique().alias("instruments"), pl.col("flowmeter_id").min())
        .filter(pl.col("instruments") > 1)
    )
    conflicts = (
        pl.concat([contradicted.select("feature_code", "flowmeter_id"), rivals.select("feature_code", "flowmeter_id")])
        .group_by("feature_code")
        .agg(pl.col("flowmeter_id").min())
        .sort("feature_code")
    )
    pairs = (
        sound.join(conflicts, on="feature_code", how="anti")
        # of several records of one instrument, the one with the most readings
        .sort(
            "feature_code",
            -pl.col("n").cast(pl.Int64),
            "flowmeter_id",
            "source",
            "valid_from",
            "device_no",
            nulls_last=True,
        )
        .unique("feature_code", keep="first", maintain_order=True)
        .select("feature_code", "device_no", "flowmeter_id", "valid_from", "valid_to")
    )
    return Pairing(pairs, conflicts)
