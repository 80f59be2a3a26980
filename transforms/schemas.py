"""The columns of every table that crosses a room's border, in one place.

Units are in the names (`_lph` litres per hour, `_l` litres); the others are counts, ratios or codes. FORMATS is the
promise to the outside; these are its words in code.
"""

from __future__ import annotations

import polars as pl

UTC_US = pl.Datetime("us", "UTC")

VERDICTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "feature_code": pl.String,
    "flowmeter_id": pl.String,
    "model": pl.String,
    "window_start": UTC_US,
    "window_end": UTC_US,
    "verdict": pl.String,
    "form": pl.String,
    "reason": pl.String,
    "n_pairs": pl.Int64,
    "n_flowing": pl.Int64,
    "coverage": pl.Float64,
    "mean_diff_lph": pl.Float64,
    "share_in_band": pl.Float64,
    "volume_error": pl.Float64,
    "error_q1_q2": pl.Float64,
    "error_q2_q3": pl.Float64,
    "error_q3_q4": pl.Float64,
    "a1": pl.Float64,
    "a1_se": pl.Float64,
    "a2": pl.Float64,
    "a2_se": pl.Float64,
    "r2": pl.Float64,
    "residual_std_lph": pl.Float64,
    "q_min_lph": pl.Float64,
    "q_max_lph": pl.Float64,
    "correlation": pl.Float64,
    # beyond what version 1 of the formats names
    "uncertainty_q1_q2": pl.Float64,
    "uncertainty_q2_q3": pl.Float64,
    "uncertainty_q3_q4": pl.Float64,
    "scatter_ratio": pl.Float64,
    "drift_spread": pl.Float64,
    "lag_s": pl.Float64,
    "changed_at": UTC_US,
    "dead_share": pl.Float64,
    "pairs_needed": pl.Int64,
}

READINGS: dict[str, pl.DataType | type[pl.DataType]] = {
    "feature_code": pl.String,
    "captured_at": UTC_US,
    "file": pl.String,
    "sha256": pl.String,
    "screen": pl.String,
    "quantity": pl.String,
    "value": pl.Float64,
    "unit": pl.String,
    "confidence": pl.Float64,
    "status": pl.String,
    "reason": pl.String,
}

EFFECTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "feature_code": pl.String,
    "command_id": pl.String,
    "sequence": pl.Int64,
    "applied_at": UTC_US,
    "effect": pl.String,
    "volume_error_before": pl.Float64,
    "volume_error_after": pl.Float64,
}

PAIRS: dict[str, pl.DataType | type[pl.DataType]] = {
    "feature_code": pl.String,
    "timestamp": UTC_US,
    "q_lph": pl.Float64,
    "q_meter_lph": pl.Float64,
}
