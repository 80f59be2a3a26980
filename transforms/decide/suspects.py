"""References that are likelier at fault than the meters: many meters off on one side behind one calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from transforms.canonical import rounded
from transforms.policy import Policy
from transforms.statistics import binomial_survival

#: what meters may have in common: the day their references were calibrated, or the flowmeter itself
SHARED = ("calibrated_on", "flowmeter_id")
SIDES = ("high", "low")


@dataclass(frozen=True)
class Suspects:
    """Batches of references that are suspect, and the feature codes of the steady meters behind them.

    Each batch says what its references share (``by``: ``calibrated_on`` or ``flowmeter_id``, and ``reference``, the
    day in ISO form or the id), on which ``side`` its meters are off, how many of the ``judged`` ones are (``off``), the
    median volume error of those, and the share of meters off on that side among all others (``share_elsewhere``).
    """

    batches: list[dict[str, Any]]
    meters: frozenset[str]

    def against(self, row: Mapping[str, Any]) -> str | None:
        """Whether what is said of a meter tells more of its reference than of the meter."""
        if not self.batches:
            return None
        shared = {(by, str(row[by])) for by in SHARED if row.get(by) is not None}
        behind = any((batch["by"], batch["reference"]) in shared for batch in self.batches)
        return "reference_suspect" if behind or row["feature_code"] in self.meters else None


def suspect_references(judged: pl.DataFrame, policy: Policy) -> Suspects:
    """Find the batches of references whose meters deviate alike more often than chance allows.

    A batch is what was calibrated on one day, or one flowmeter that watches several meters. It is suspect if it has at
    least ``reference.batch_min`` judged meters, more than ``reference.batch_share`` of them are steadily off on one
    side, and the one-sided binomial test refuses, at ``judge.significance`` over the number of tests (Bonferroni), that
    they are off as often as the rest of the fleet. The rest's share is taken by Laplace's rule, (off + 1) / (n + 2): a
    small or faultless rest proves little, and where there is no rest more than half must be off.

    Parameters
    ----------
    judged : DataFrame
        One row per meter: ``feature_code``, ``verdict``, ``volume_error`` and, as far as known, the columns `SHARED`.
    policy : Policy
        The limits above.

    Returns
    -------
    Suspects
        Batches in the order of `SHARED`, then by reference and side.
    """
    seen = judged.filter(pl.col("verdict") != "inconclusive")
    steady = pl.col("verdict") == "steady"
    seen = seen.with_columns(
        high=(steady & (pl.col("volume_error") > 0)).fill_null(False),
        low=(steady & (pl.col("volume_error") < 0)).fill_null(False),
    )
    tallies = [_tally(seen, by, policy.reference.batch_min) for by in SHARED if by in seen.columns]
    if not tallies:
        return Suspects([], frozenset())
    batches = pl.concat(tallies)
    if batches.is_empty():
        return Suspects([], frozenset())
    suspect = _refused(batches, seen.height, policy)
    codes = [
        seen.filter(steady).join(part, left_on=pl.col(by).cast(pl.String), right_on="reference", how="semi")
        for by in SHARED
        if not (part := suspect.filter(pl.col("by") == by)).is_empty()
    ]
    rows = suspect.to_dicts()
    for row in rows:
        row.update({name: rounded(row[name]) for name in ("median_volume_error", "share_elsewhere")})
    return Suspects(rows, frozenset(code for frame in codes for code in frame["feature_code"]))


def _tally(seen: pl.DataFrame, by: str, least: int) -> pl.DataFrame:
    """One row per batch and side: how many meters were judged, how many are off, and off elsewhere."""
    sides = [
        seen.filter(pl.col(by).is_not_null())
        .group_by(reference=pl.col(by).cast(pl.String))
        .agg(
            judged=pl.len().cast(pl.Int64),
            off=pl.col(side).sum().cast(pl.Int64),
            median_volume_error=pl.col("volume_error").filter(pl.col(side)).median(),
        )
        .filter(pl.col("judged") >= least)
        .select(
            pl.lit(by).alias("by"),
            "reference",
            pl.lit(side).alias("side"),
            "judged",
            "off",
            "median_volume_error",
            off_elsewhere=int(seen[side].sum()) - pl.col("off"),
        )
        for side in SIDES
    ]
    return pl.concat(sides).sort("reference", "side")


def _refused(batches: pl.DataFrame, fleet: int, policy: Policy) -> pl.DataFrame:
    off, judged, elsewhere = (
        batches[name].to_numpy().astype(np.float64) for name in ("off", "judged", "off_elsewhere")
    )
    rest = fleet - judged
    chance = binomial_survival(off, judged, (elsewhere + 1) / (rest + 2))
    alike = (off > policy.reference.batch_share * judged) & (chance < policy.judge.significance / batches.height)
    share = pl.Series("share_elsewhere", np.divide(elsewhere, rest, out=np.full(len(rest), np.nan), where=rest > 0))
    return batches.with_columns(share.fill_nan(None)).filter(pl.Series(alike)).drop("off_elsewhere")
