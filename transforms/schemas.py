"""The columns of every table that crosses a room's border, in one place.

Units are in the names (`_lph` litres per hour, `_l` litres); the others are counts, ratios or codes. FORMATS is the
promise to the outside; these are its words in code.
"""

from __future__ import annotations

import polars as pl

UTC_US = pl.Datetime("us", "UTC")

#: the lake's dictionary of devices
DEVICES: dict[str, pl.DataType | type[pl.DataType]] = {
    "device_no": pl.Int32,
    "stream": pl.String,
    "feature_code": pl.String,
    "flowmeter_id": pl.String,
    "bucket": pl.Int32,
}

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
    # what the window shows together with earlier ones; null where it was not asked or they settle nothing
    "pooled_verdict": pl.String,
    "pooled_form": pl.String,
    "pooled_reason": pl.String,
    "pooled_windows": pl.Int64,
    "pooled_since": UTC_US,
    "pooled_n_flowing": pl.Int64,
    "pooled_volume_error": pl.Float64,
    "pooled_uncertainty": pl.Float64,
    "pooled_a1": pl.Float64,
    "pooled_a1_se": pl.Float64,
    "pooled_a2": pl.Float64,
    "pooled_a2_se": pl.Float64,
}

#: a run's sums over the flowing pairs of one meter and flow bin; flows in millionths of Q3, the bins between Q1, Q2,
#: half decades of Q3, and Q3; and whether the meter's are what its register advanced by, which runs did not always say
MOMENTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "feature_code": pl.String,
    "bin": pl.Int8,
    "q1_lph": pl.Float64,
    "q2_lph": pl.Float64,
    "q3_lph": pl.Float64,
    "n": pl.Int64,
    "sx": pl.Int64,
    "sy": pl.Int64,
    "sxx": pl.Int64,
    "sxy": pl.Int64,
    "syy": pl.Int64,
    "x_min": pl.Int64,
    "x_max": pl.Int64,
    "y_min": pl.Int64,
    "y_max": pl.Int64,
    "from_register": pl.Boolean,
}

#: ways to read a picture, best first
CANDIDATES = pl.List(pl.Struct({"screen": pl.String, "text": pl.String, "value": pl.Float64, "confidence": pl.Float64}))

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
    # beyond what version 1 of the formats names
    "reading_id": pl.String,
    "command_id": pl.String,  # after which the photo was asked for, as the terminal says
    "frames": pl.Int64,
    "candidates": CANDIDATES,
    "wire_low": pl.Float64,  # what the meter's own readings allow at that time, in `unit`
    "wire_high": pl.Float64,
    "consequence": pl.String,
    "decided_by": pl.String,  # the person, for a reading that was reviewed
    "decided_at": UTC_US,
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

#: one meter in one window of an audit: its verdict, and what the statistics over many windows rest on
AUDIT_WINDOWS: dict[str, pl.DataType | type[pl.DataType]] = {
    # each window by itself: what several show together is told by regimes
    **{name: kind for name, kind in VERDICTS.items() if not name.startswith("pooled_")},
    "volume_l": pl.Float64,  # through the reference, over all pairs
    "meter_volume_l": pl.Float64,  # through the meter, over the same pairs
    "error": pl.Float64,  # weighted gain less one over flowing pairs
    "error_se": pl.Float64,  # its standard error, random part only
    "reference_uncertainty": pl.Float64,  # relative, k = 1, common to all windows of one calibration
    "calibrated_on": pl.Date,
}

#: a stretch of time over which a meter's relation to its reference stays one and the same
REGIMES: dict[str, pl.DataType | type[pl.DataType]] = {
    "feature_code": pl.String,
    "regime": pl.Int64,  # from 1 in order of time
    "begins": UTC_US,
    "begins_low": UTC_US,
    "begins_high": UTC_US,
    "ends": UTC_US,
    "form": pl.String,  # healthy, offset, linear, curve, unsteady, or null where nothing can be said
    "a1": pl.Float64,
    "a1_se": pl.Float64,
    "a2": pl.Float64,
    "a2_se": pl.Float64,
    "volume_error": pl.Float64,
    "volume_error_low": pl.Float64,
    "volume_error_high": pl.Float64,
    "drift_per_month": pl.Float64,
    "n_windows": pl.Int64,
    "volume_l": pl.Float64,
    "misregistered_l": pl.Float64,
    "misregistered_low_l": pl.Float64,
    "misregistered_high_l": pl.Float64,
    "points": pl.List(pl.List(pl.Float64)),  # of a curve: [q, q_meter] in L/h, both rising; null for other forms
}

#: one meter over a whole audit. Mis-registered litres are the meter's less the reference's: below zero, the customer was
#: billed too little. `_low` and `_high` bound a 95 % interval that holds the reference's common error
AUDIT_METERS: dict[str, pl.DataType | type[pl.DataType]] = {
    "feature_code": pl.String,
    "model": pl.String,
    "site": pl.String,
    "flowmeter_id": pl.String,
    "installed_on": pl.Date,
    "n_windows": pl.Int64,
    "n_healthy": pl.Int64,
    "n_steady": pl.Int64,
    "n_unsteady": pl.Int64,
    "n_inconclusive": pl.Int64,
    "n_regimes": pl.Int64,
    "volume_l": pl.Float64,
    "misregistered_l": pl.Float64,
    "misregistered_low_l": pl.Float64,
    "misregistered_high_l": pl.Float64,
    "under_l": pl.Float64,  # the part of windows that registered too little, at or above 0
    "over_l": pl.Float64,  # the part of windows that registered too much, at or above 0
    "volume_error": pl.Float64,
    "drift_per_month": pl.Float64,
    "drift_low": pl.Float64,
    "drift_high": pl.Float64,
    "crosses_on": pl.Date,  # when the permissible error will be crossed, or was
    "crosses_low": pl.Date,
    "crosses_high": pl.Date,
    "error_q1_q2": pl.Float64,
    "uncertainty_q1_q2": pl.Float64,
    "error_q2_q3": pl.Float64,
    "uncertainty_q2_q3": pl.Float64,
    "error_q3_q4": pl.Float64,
    "uncertainty_q3_q4": pl.Float64,
    "weighted_error": pl.Float64,  # by this customer's own consumption profile
    "weighted_error_low": pl.Float64,
    "weighted_error_high": pl.Float64,
    "one_sign": pl.String,  # high, low, mixed, or null: whether all zone errors favour one party
    "on_verification": pl.String,  # inside, outside, open
    "in_service": pl.String,  # inside, outside, open
    "flagged": pl.Boolean,
    "flag": pl.String,  # why, a reason code
    "under_billed": pl.Float64,  # money, null without a tariff
    "over_billed": pl.Float64,
    "currency": pl.String,
    "net_under_billed_low": pl.Float64,  # of what was billed too little less what was billed too much
    "net_under_billed_high": pl.Float64,
    "unpriced_l": pl.Float64,  # registered too little or too much while no tariff held
}

#: the fleet of an audit, cut by one property
#: what an audit could not judge: a row per meter and reason, its windows from first to last, and the litres compared in them
NOT_JUDGED: dict[str, pl.DataType | type[pl.DataType]] = {
    "feature_code": pl.String,
    "reason": pl.String,
    "n_windows": pl.Int64,
    "first": UTC_US,
    "last": UTC_US,
    "volume_l": pl.Float64,
}

AUDIT_FLEET: dict[str, pl.DataType | type[pl.DataType]] = {
    "by": pl.String,  # model, age, size, site
    "group": pl.String,
    "n_meters": pl.Int64,
    "n_judged": pl.Int64,
    "n_flagged": pl.Int64,
    "n_outside": pl.Int64,
    "median_error": pl.Float64,
    "median_drift_per_month": pl.Float64,
    "drift_low": pl.Float64,
    "drift_high": pl.Float64,
    "volume_l": pl.Float64,
    "misregistered_l": pl.Float64,
    "misregistered_low_l": pl.Float64,
    "misregistered_high_l": pl.Float64,
}
