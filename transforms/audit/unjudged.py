"""What could not be judged: the windows of each meter that have no verdict, by reason, and what flowed in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from transforms.audit.listed import Listed
from transforms.audit.series import Bools, Floats, Ints
from transforms.compiled import compiled
from transforms.judge.words import INCONCLUSIVE, REASON_NAMES, in_words
from transforms.schemas import NOT_JUDGED


def not_judged(windows: Listed) -> pl.DataFrame:
    """Count the inconclusive windows of some meters.

    Returns
    -------
    DataFrame
        `NOT_JUDGED`, one row per meter and reason, sorted by both.
    """
    many = len(REASON_NAMES)
    counts, first, last, volume = _counted(
        windows.meter,
        windows.verdict == INCONCLUSIVE,
        windows.reason,
        windows.start,
        windows.end,
        windows.measured,
        windows.volume_l,
        windows.meters.height,
        many,
    )
    found = np.flatnonzero(counts)
    table = pl.DataFrame(
        {
            "feature_code": windows.meters["feature_code"].gather(found // many),
            "reason": in_words(found % many, REASON_NAMES),
            "n_windows": counts[found],
            "first": first[found],
            "last": last[found],
            "volume_l": volume[found],
        }
    )
    return table.select(pl.col(name).cast(kind) for name, kind in NOT_JUDGED.items()).sort("feature_code", "reason")


@compiled
def _counted(
    meter: Ints,
    without: Bools,
    reason: Ints,
    start: Ints,
    end: Ints,
    measured: Bools,
    volume_l: Floats,
    meters: int,
    reasons: int,
) -> tuple[Ints, Ints, Ints, Floats]:
    """Of each meter and reason: how many windows, their first start and last end [us], and what was compared in them [L]."""
    counts, volume = np.zeros(meters * reasons, dtype=np.int64), np.zeros(meters * reasons)
    first, last = np.zeros(meters * reasons, dtype=np.int64), np.zeros(meters * reasons, dtype=np.int64)
    for k in range(len(meter)):
        if not without[k] or reason[k] < 0:
            continue
        cell = meter[k] * reasons + reason[k]
        if counts[cell] == 0:
            first[cell] = start[k]
        counts[cell] += 1
        last[cell] = end[k]
        if measured[k] and not np.isnan(volume_l[k]):
            volume[cell] += volume_l[k]
    return counts, first, last, volume


def chief_reasons(unjudged: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """The meters without any verdict, and the reason of most of their windows: ``feature_code``, ``reason``, ``n_windows``."""
    never = meters.filter((pl.col("n_inconclusive") == pl.col("n_windows")) & (pl.col("n_windows") > 0))
    return (
        unjudged.join(never.select("feature_code"), on="feature_code", how="semi")
        .sort(["feature_code", "n_windows", "reason"], descending=[False, True, False])
        .unique("feature_code", keep="first", maintain_order=True)
        .select("feature_code", "reason", "n_windows")
    )


def counted(unjudged: pl.DataFrame, meters: pl.DataFrame) -> dict[str, Any]:
    """Windows without a verdict by reason, and meters without any verdict by the reason of most of their windows."""
    windows = unjudged.group_by("reason").agg(pl.col("n_windows").sum()).sort("reason")
    never = chief_reasons(unjudged, meters).group_by("reason").len().sort("reason")
    return {"windows": dict(windows.iter_rows()), "meters": dict(never.iter_rows())}
