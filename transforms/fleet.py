"""The fleet table: each registered meter with its model's numbers, also in the whole units that moments count in."""

from __future__ import annotations

import polars as pl

from transforms.metrology import MPE
from transforms.registry import Registry

#: flows enter the moments as whole millionths of the model's Q3
SCALE = 1_000_000

#: a pair beyond this many times Q4 is no measurement and is left out
TOP = 4.0


def fleet_table(registry: Registry) -> pl.DataFrame:
    """One row per registered meter: ``feature_code``, ``model`` and the model's numbers.

    ``rollover_l`` is where a register begins again at zero [L], the meter's own or else its model's, null where that is not
    known.

    Columns ending in ``_u`` are in millionths of Q3, ``_lph`` in litres per hour; ``mpe_low`` and ``mpe_high`` are the
    maximum permissible errors (relative) of the zones Q1 to Q2 and Q2 to Q4.
    """
    models = pl.DataFrame(
        [
            {
                "model": model.name,
                "per_lph": SCALE / model.q3,
                "q1_u": round(model.q1 / model.q3 * SCALE),
                "q2_u": round(model.q2 / model.q3 * SCALE),
                "q3_u": SCALE,
                "top_u": round(TOP * model.q4 / model.q3 * SCALE),
                "band_low_u": round(model.band[0] / model.q3 * SCALE),
                "band_high_u": round(model.band[1] / model.q3 * SCALE),
                "q1_lph": model.q1,
                "q2_lph": model.q2,
                "q3_lph": model.q3,
                "q4_lph": model.q4,
                "band_low_lph": model.band[0],
                "band_high_lph": model.band[1],
                "mpe_low": MPE[model.accuracy_class][0],
                "mpe_high": MPE[model.accuracy_class][1],
                "proportion": model.proportion,
                "repeatability": model.repeatability,
                "resolution_lph": model.resolution,
                "max_gain_change": model.max_gain_change,
                "max_offset_lph": model.max_offset,
                "rollover_l": model.rollover_l,
            }
            for model in registry.models.values()
        ],
        schema={
            "model": pl.String,
            "per_lph": pl.Float64,
            **dict.fromkeys(("q1_u", "q2_u", "q3_u", "top_u", "band_low_u", "band_high_u"), pl.Int64),
            **dict.fromkeys(
                (
                    "q1_lph",
                    "q2_lph",
                    "q3_lph",
                    "q4_lph",
                    "band_low_lph",
                    "band_high_lph",
                    "mpe_low",
                    "mpe_high",
                    "proportion",
                    "repeatability",
                    "resolution_lph",
                    "max_gain_change",
                    "max_offset_lph",
                    "rollover_l",
                ),
                pl.Float64,
            ),
        },
    )
    own = registry.meters
    width = pl.col("rollover_l") if "rollover_l" in own.columns else pl.lit(None, pl.Float64)
    fleet = own.select("feature_code", "model", own_width=width).join(models, on="model", how="left")
    return fleet.with_columns(rollover_l=pl.coalesce("own_width", "rollover_l")).drop("own_width")
