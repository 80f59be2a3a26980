"""Releasing: what the registry of today says against commands that were held, before a person's word lets them go.

They were held so that somebody looks at the references. What was mended in the registry since must not be passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from transforms.correction import Correction
from transforms.damage import table_of_run
from transforms.decide.guards import beyond
from transforms.fleet import fleet_table
from transforms.judge import calibration_status
from transforms.outbox import window_of
from transforms.policy import Policy
from transforms.registry import Registry
from transforms.schemas import UTC_US
from transforms.workspace import Workspace


def unfit(
    workspace: Workspace,
    registry: Registry,
    policy: Policy,
    manifest: Mapping[str, Any],
    commands: Sequence[Mapping[str, Any]],
) -> dict[str, str]:
    """Feature code -> why the held command of a run may not leave by the registry and the policy as they are now.

    Its reference is not calibrated, not registered, or by pairs.csv another meter's; or the correction is larger than its
    model allows.
    """
    corrections = {
        command["feature_code"]: Correction.from_json(command["correction"])
        for command in commands
        if command["state"] == "held"
    }
    window = window_of(manifest)
    verdicts = table_of_run(workspace.run(manifest["run_id"]) / "verdicts.parquet", ["feature_code", "flowmeter_id"])
    held = verdicts.filter(pl.col("feature_code").is_in(list(corrections)))
    found: dict[str, str] = {}
    limits = fleet_table(registry).select("feature_code", "max_gain_change", "max_offset_lph")
    for row in limits.filter(pl.col("feature_code").is_in(list(corrections))).iter_rows(named=True):
        if beyond(row, corrections[row["feature_code"]]):
            found[row["feature_code"]] = "beyond_limits"
    if registry.pairs is not None:
        span = pl.lit(window.start, UTC_US), pl.lit(window.end, UTC_US)
        other = (
            registry.pairs.join(held, on="feature_code", suffix="_held")
            .filter(pl.col("flowmeter_id") != pl.col("flowmeter_id_held"))
            .filter((pl.col("valid_from") < span[1]).fill_null(True) & (pl.col("valid_to") > span[0]).fill_null(True))
        )
        found |= dict.fromkeys(other["feature_code"], "pairing_conflict")
    calibration = calibration_status(registry.flowmeters, policy, window)
    if calibration is not None:
        known = held.join(calibration, on="flowmeter_id", how="left")
        for code, valid in known.select("feature_code", "reference_valid").iter_rows():
            if not valid:
                found[code] = "reference_unregistered" if valid is None else "reference_expired"
    return found
