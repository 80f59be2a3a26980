"""How the answer of a pool stands beside the window's own, and which of the two is acted on."""

from __future__ import annotations

import polars as pl

from transforms.schemas import VERDICTS

#: published column -> the column of the pool's own row
PUBLISHED = {
    "pooled_verdict": "verdict",
    "pooled_form": "form",
    "pooled_reason": "reason",
    "pooled_n_flowing": "n_flowing",
    "pooled_volume_error": "volume_error",
    "pooled_a1": "a1",
    "pooled_a1_se": "a1_se",
    "pooled_a2": "a2",
    "pooled_a2_se": "a2_se",
}
_UNCERTAINTIES = ("uncertainty_q1_q2", "uncertainty_q2_q3", "uncertainty_q3_q4")


def with_columns_of(judged: pl.DataFrame, pooled: pl.DataFrame) -> pl.DataFrame:
    """The window's own verdicts, with what the pools say in the columns ``pooled_…``."""
    names = [name for name in VERDICTS if name.startswith("pooled_")]
    told = pooled.select(
        "feature_code",
        "pooled_windows",
        "pooled_since",
        *(pl.col(source).alias(name) for name, source in PUBLISHED.items()),
        pooled_uncertainty=pl.min_horizontal(_UNCERTAINTIES),
    )
    columns = judged.columns
    return judged.drop(names).join(told, on="feature_code", how="left").select(columns).sort("feature_code")


def overruled(judged: pl.DataFrame, pooled: pl.DataFrame) -> pl.DataFrame:
    """One row per meter to act on: that of its pool where there is one, else that of its own window."""
    own = judged.join(pooled, on="feature_code", how="anti")
    return pl.concat([own, pooled.select(judged.columns)]).sort("feature_code")


def as_decided(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Verdicts read back from the outbox, with what a run acted on in the columns of the window's own answer."""
    if "pooled_verdict" not in verdicts.columns:
        return verdicts
    by_pool = pl.col("pooled_verdict").is_not_null()
    sources = {source: name for name, source in PUBLISHED.items()}
    sources |= dict.fromkeys(_UNCERTAINTIES, "pooled_uncertainty")
    return verdicts.with_columns(
        pl.when(by_pool).then(pl.col(name)).otherwise(pl.col(source)).alias(source)
        for source, name in sources.items()
        if source in verdicts.columns
    )
