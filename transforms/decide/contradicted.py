"""Contradicted: meters about which the dumps of a window, or of those that it is judged with, say different things.

Readings that contradict each other are used by nobody. But where many are, what is left over is the word of one of two
sources that disagree wherever both speak, and nothing tells which of them is right.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from transforms.schemas import UTC_US
from transforms.windows import Window

#: a share of the expected pairs that lost a reading to a contradiction, above which the others are no ground for a command
MOST: Final = 0.1


def contradicted(refused: pl.DataFrame, devices: pl.DataFrame, judged: pl.DataFrame, window: Window) -> frozenset[str]:
    """The meters that more than `MOST` of the expected pairs are missing of because of contradictions, in this window or in
    any of those that it is judged with.

    Contradictions that a newer dump settled cost no pair: of this window no more count than there are pairs missing. How
    many are missing of earlier ones is not on record, so there all count.

    Parameters
    ----------
    refused
        ``device_no, ts``: the readings that contradict others, of both streams, up to the window's end.
    devices
        The lake's dictionary: ``device_no, stream, feature_code, flowmeter_id``.
    judged
        What is decided on: ``feature_code, flowmeter_id, n_pairs, coverage``, and ``pooled_since`` where several windows
        are judged together.
    """
    meters = judged.select(
        "feature_code",
        "flowmeter_id",
        "n_pairs",
        expected=pl.when(pl.col("coverage") > 0).then(pl.col("n_pairs") / pl.col("coverage")),
        since=pl.coalesce("pooled_since", pl.lit(window.start, UTC_US)),
    )
    placed = (
        refused.select("device_no", pl.col("ts").dt.replace_time_zone("UTC")).unique().join(devices, on="device_no")
    )
    reference = pl.col("stream") == "flowmeter"
    nameless = reference & pl.col("flowmeter_id").is_null() & pl.col("feature_code").is_not_null()
    own = placed.filter(~reference | nameless).select("feature_code", "ts").join(meters, on="feature_code")
    others = placed.filter(reference).select("flowmeter_id", "ts").join(meters, on="flowmeter_id")
    back = (pl.lit(window.end, UTC_US) - pl.col("ts")).dt.total_microseconds() - 1
    lost = (
        pl.concat([part.select(*meters.columns, "ts") for part in (own, others)])
        .filter(pl.col("ts") >= pl.col("since"))
        .with_columns(back=back // int(window.length.total_seconds() * 1_000_000))
        .group_by(*meters.columns, "back")
        .len("lost")
    )
    missing = pl.when(pl.col("back") == 0).then((pl.col("expected") - pl.col("n_pairs")).round())
    # how many pairs a silent meter should have is not known: then any contradiction is too many
    most = MOST * pl.coalesce("expected", "lost")
    return frozenset(lost.filter(pl.min_horizontal("lost", missing) > most)["feature_code"])
