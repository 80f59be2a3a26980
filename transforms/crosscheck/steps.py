"""Readings with the step that led to each: how long since the device's reading before, and the mean flow since then."""

from __future__ import annotations

from typing import Final

import polars as pl

from transforms.registry import Registry

#: of a device's usual interval, what a step that makes a flow may last
_SHORTEST, _LONGEST = 0.5, 1.5
DEVICE: Final = ["stream", "feature_code", "flowmeter_id"]


def steps_of(readings: pl.DataFrame, registry: Registry) -> pl.DataFrame:
    """Readings with ``code`` (of the meter that is watched), ``gap_s``, ``usual_s`` (of the device), ``before_l``,
    ``lph`` (null where a register's step makes none), ``q1_lph``, ``q4_lph`` and ``rollover_l`` of the code."""
    meters = _limits(registry)
    named = readings.with_columns(pl.col("flow_lph", "volume_l").cast(pl.Float64), code=pl.col("feature_code"))
    if registry.pairs is not None:
        # one flowmeter may watch several meters in the course of years; those are left out
        pairs = registry.pairs.select("flowmeter_id", paired="feature_code").unique()
        pairs = pairs.filter(pl.len().over("flowmeter_id") == 1)
        named = named.join(pairs, on="flowmeter_id", how="left", maintain_order="left").with_columns(
            code=pl.coalesce("code", "paired")
        )
    gap_s = pl.col("timestamp").diff().over(DEVICE).dt.total_microseconds() / 1e6
    stepped = named.with_columns(gap_s=gap_s, before_l=pl.col("volume_l").shift().over(DEVICE)).with_columns(
        usual_s=pl.col("gap_s").median().over(DEVICE)
    )
    even = pl.col("gap_s").is_between(_SHORTEST * pl.col("usual_s"), _LONGEST * pl.col("usual_s"))
    advance = pl.when(even & (pl.col("volume_l") >= pl.col("before_l"))).then(pl.col("volume_l") - pl.col("before_l"))
    return stepped.with_columns(lph=pl.coalesce("flow_lph", advance * 3600.0 / pl.col("gap_s"))).join(
        meters, on="code", how="left", maintain_order="left"
    )


def _limits(registry: Registry) -> pl.DataFrame:
    """``code, q1_lph, q4_lph, rollover_l`` of the registered meters; a meter's own width goes before its model's."""
    kinds = {"code": pl.String, "q1_lph": pl.Float64, "q4_lph": pl.Float64, "rollover_l": pl.Float64}
    if registry.meters.is_empty() or "model" not in registry.meters.columns:
        return pl.DataFrame(schema=kinds)
    models = pl.DataFrame(
        [(name, model.q1, model.q4, model.rollover_l) for name, model in registry.models.items()],
        schema={"model": pl.String, "q1_lph": pl.Float64, "q4_lph": pl.Float64, "of_model": pl.Float64},
        orient="row",
    )
    own = pl.col("rollover_l") if "rollover_l" in registry.meters.columns else pl.lit(None, pl.Float64)
    return registry.meters.join(models, on="model", how="left").select(
        "q1_lph", "q4_lph", code="feature_code", rollover_l=pl.coalesce(own, "of_model")
    )
