"""What the columns of an audit's workbook hold: their units, as notes to the heads, and how their numbers look."""

from __future__ import annotations

_SPAN = " 95 % interval, the reference's common error counted."
#: column -> note to its head
NOTES = {
    "feature_code": "The code that is unique to one meter.",
    "flowmeter_id": "The reference flowmeter on the same pipe.",
    "model": "Model of the meter, as in models.toml.",
    "site": "Where the meter is, as in meters.csv.",
    "installed_on": "Date, as in meters.csv.",
    "n_windows": "Windows in the span.",
    "n_healthy": "Windows inside the permissible error.",
    "n_steady": "Windows off in a steady way.",
    "n_unsteady": "Windows off in no steady way.",
    "n_inconclusive": "Windows that could not be judged.",
    "n_regimes": "Stretches of time over which the relation to the reference stays the same.",
    "volume_l": "Litres through the reference, over all compared readings.",
    "meter_volume_l": "Litres through the meter, over the same readings.",
    "misregistered_l": "Litres: the meter's less the reference's. Below zero, the customer was billed too little.",
    "misregistered_low_l": "Litres, lower end." + _SPAN,
    "misregistered_high_l": "Litres, upper end." + _SPAN,
    "under_l": "Litres registered too little, in the windows that registered too little.",
    "over_l": "Litres registered too much, in the windows that registered too much.",
    "volume_error": "Relative: registered volume over the reference's, less one, over readings with flow at or above Q1.",
    "volume_error_low": "Relative, lower end." + _SPAN,
    "volume_error_high": "Relative, upper end." + _SPAN,
    "error": "Relative: the gain that fits the window's pairs best, less one.",
    "error_se": "Relative standard error of that, its random part only.",
    "reference_uncertainty": "Relative, k = 1, common to all windows of one calibration.",
    "calibrated_on": "Date of the reference's calibration that counts.",
    "drift_per_month": "Relative error gained a month.",
    "drift_low": "Relative error gained a month, lower end of the 95 % interval.",
    "drift_high": "Relative error gained a month, upper end of the 95 % interval.",
    "crosses_on": "Date on which the permissible error will be crossed, or was.",
    "crosses_low": "Date, lower end of the 95 % interval; empty: open.",
    "crosses_high": "Date, upper end of the 95 % interval; empty: open.",
    "weighted_error": "Relative error weighted by this customer's own consumption profile.",
    "weighted_error_low": "Relative, lower end." + _SPAN,
    "weighted_error_high": "Relative, upper end." + _SPAN,
    "one_sign": "high, low or mixed: whether all zone errors favour one party.",
    "on_verification": "inside, outside or open against the limits of OIML R 49 / ISO 4064.",
    "in_service": "inside, outside or open against the limits in service.",
    "flagged": "Whether the report looks at this meter one by one.",
    "flag": "Why: a reason code.",
    "under_billed": "Money for litres registered too little; empty without a tariff.",
    "over_billed": "Money for litres registered too much; empty without a tariff.",
    "currency": "Currency of the tariff.",
    "net_under_billed_low": "Money billed too little less money billed too much, lower end." + _SPAN,
    "net_under_billed_high": "Money billed too little less money billed too much, upper end." + _SPAN,
    "unpriced_l": "Litres registered too little or too much while no tariff held; empty where no tariff is known.",
    "begins": "UTC. When the regime began.",
    "begins_low": "UTC. Lower end of the interval of its onset.",
    "begins_high": "UTC. Upper end of the interval of its onset.",
    "ends": "UTC. When the regime ended.",
    "form": "healthy, offset, linear, curve, unsteady, or empty where nothing can be said.",
    "points": "Of a curve: flow of the reference → flow of the meter, litres per hour, point by point.",
    "a1": "Slope in q' = a1 q + a2 (dimensionless).",
    "a1_se": "Standard error of a1.",
    "a2": "Offset in q' = a1 q + a2, litres per hour.",
    "a2_se": "Standard error of a2, litres per hour.",
    "by": "The property that the fleet is cut by.",
    "n_outside": "Meters outside the permissible error on verification.",
    "median_error": "Relative: the median of the meters' errors.",
    "median_drift_per_month": "Relative error gained a month, median of the meters.",
    "q1_lph": "Minimum flow rate Q1, litres per hour.",
    "q2_lph": "Transitional flow rate Q2, litres per hour.",
    "q3_lph": "Permanent flow rate Q3, litres per hour.",
    "q4_lph": "Overload flow rate Q4, litres per hour.",
    "mpe_low": "Maximum permissible error from Q1 to Q2 on verification, relative.",
    "mpe_high": "Maximum permissible error from Q2 to Q4 on verification, relative.",
    "mpe_low_in_service": "Maximum permissible error from Q1 to Q2 in service, relative.",
    "mpe_high_in_service": "Maximum permissible error from Q2 to Q4 in service, relative.",
    "window_start": "UTC.",
    "window_end": "UTC.",
    "reason": "Why the window got its verdict: a reason code.",
    "n_pairs": "Instants with both readings.",
    "n_flowing": "Such instants with flow at or above Q1.",
    "coverage": "Share of the window's expected instants that have both readings.",
    "finding": "What stands in the register over the span: a reason code. Of all meters where they are few, else of the "
    "flagged ones with the most water gone astray, and of some that could never be judged.",
    "first": "UTC. Start of the first such window.",
    "last": "UTC. End of the last such window.",
    "many": "How many readings or steps show it.",
    "litres": "Litres: the step, the likely width, the largest or the sum of such steps.",
    "sha256": "Digest of the file's bytes.",
    "reasons": "Why rows went into quarantine, and how many.",
    **{
        f"error_{zone}": f"Relative error from {name}."
        for zone, name in (("q1_q2", "Q1 to Q2"), ("q2_q3", "Q2 to Q3"), ("q3_q4", "Q3 to Q4"))
    },
    **{
        f"uncertainty_{zone}": "Expanded uncertainty of that error, relative, k = 2."
        for zone in ("q1_q2", "q2_q3", "q3_q4")
    },
}
#: columns of windows.parquet that the workbook shows: those that its other sheets rest on
WINDOW_COLUMNS = frozenset(
    {
        *("feature_code", "window_start", "window_end", "verdict", "form", "reason", "n_pairs", "n_flowing"),
        *("volume_error", "error", "error_se", "volume_l", "meter_volume_l"),
    }
)
_RELATIVE = ("error", "drift", "uncertainty", "mpe", "coverage", "share")
_DATES = {"installed_on", "calibrated_on", "crosses_on", "crosses_low", "crosses_high"}
_TIMES = {"begins", "begins_low", "begins_high", "ends", "first", "last", "window_start", "window_end"}


def kind_of(column: str) -> str:
    """How the numbers of a column look; text where it holds none."""
    if column in _DATES:
        return "date"
    if column in _TIMES:
        return "time"
    if column.startswith("n_") or column in {
        "regime",
        "bytes",
        "read",
        "accepted",
        "duplicate",
        "quarantined",
        "n",
        "many",
    }:
        return "count"
    if column.endswith("_lph") or column in {"a2", "a2_se"}:
        return "flow"
    if column.endswith("_l") or column == "litres":
        return "litres"
    if "_billed" in column:
        return "money"
    if column in {"a1", "a1_se", "r2"}:
        return "number"
    return "percent" if any(word in column for word in _RELATIVE) else "text"
