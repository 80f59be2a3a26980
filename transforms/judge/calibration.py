"""Whether a reference counts as true: when it was calibrated last, and how well."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from transforms.policy import Policy
from transforms.windows import Window


def calibration_status(flowmeters: pl.DataFrame | None, policy: Policy, window: Window) -> pl.DataFrame | None:
    """The newest calibration of each flowmeter that precedes the window's end.

    Returns
    -------
    DataFrame or None
        ``flowmeter_id``, ``reference_valid`` (calibrated within the permitted age before the window's end),
        ``reference_uncertainty`` (relative, k = 2), ``calibrated_on`` (that day, null if there is none). None where no
        flowmeters.csv exists: then every reference counts as calibrated.
    """
    if flowmeters is None:
        return None
    last_day = (window.end - timedelta(microseconds=1)).date()
    newest = (
        flowmeters.filter(pl.col("calibrated_on") <= last_day)
        .sort("flowmeter_id", "calibrated_on")
        .group_by("flowmeter_id", maintain_order=True)
        .last()
    )
    age = pl.lit(last_day) - pl.col("calibrated_on")
    return (
        flowmeters.select("flowmeter_id")
        .unique()
        .join(newest, on="flowmeter_id", how="left")
        .select(
            "flowmeter_id",
            reference_valid=(age.dt.total_days() <= policy.reference_max_age_days).fill_null(False),
            reference_uncertainty=pl.col("uncertainty").fill_null(policy.reference.uncertainty),
            calibrated_on="calibrated_on",
        )
        .sort("flowmeter_id")
    )
