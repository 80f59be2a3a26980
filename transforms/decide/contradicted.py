"""Contradicted: meters about which the dumps of a window say different things.

Readings that contradict each other are used by nobody. But where many are, what is left over is the word of one of two
sources that disagree wherever both speak, and nothing tells which of them is right.
"""

from __future__ import annotations

from typing import Final

import polars as pl

#: a share of the expected pairs that lost a reading to a contradiction, above which the others are no ground for a command
MOST: Final = 0.1


def contradicted(refused: pl.DataFrame, devices: pl.DataFrame, judged: pl.DataFrame) -> frozenset[str]:
    """The meters that more than `MOST` of the expected pairs are missing of because of contradictions.

    Contradictions that a newer dump settled cost no pair, so no more than the pairs missing count.

    Parameters
    ----------
    refused
        ``device_no, ts``: the readings in the window that contradict others, of both streams.
    devices
        The lake's dictionary: ``device_no, stream, feature_code, flowmeter_id``.
    judged
        The window's verdicts: ``feature_code, flowmeter_id, n_pairs, coverage``.
    """
    count = refused.unique(["device_no", "ts"]).group_by("device_no").len("refused").join(devices, on="device_no")
    meters = count.filter(pl.col("stream") == "meter")
    references = count.filter(pl.col("stream") == "flowmeter")
    named = (
        references.filter(pl.col("flowmeter_id").is_not_null()).group_by("flowmeter_id").agg(pl.col("refused").sum())
    )
    nameless = references.filter(pl.col("flowmeter_id").is_null() & pl.col("feature_code").is_not_null())
    own = pl.concat([part.select("feature_code", "refused") for part in (meters, nameless)])
    own = own.group_by("feature_code").agg(pl.col("refused").sum())
    lost = pl.col("refused").fill_null(0) + pl.col("refused_reference").fill_null(0)
    expected = pl.col("n_pairs") / pl.col("coverage")
    return frozenset(
        judged.filter(pl.col("coverage") > 0)
        .select("feature_code", "flowmeter_id", "n_pairs", "coverage")
        .join(own, on="feature_code", how="left")
        .join(named, on="flowmeter_id", how="left", suffix="_reference")
        .filter(pl.min_horizontal(lost, (expected - pl.col("n_pairs")).round()) > MOST * expected)["feature_code"]
    )
