"""What is true of each meter, for truth.parquet: known only when the readings have been made."""

from __future__ import annotations

from datetime import UTC

import numpy as np
import polars as pl

from transforms.schemas import UTC_US
from transforms.simulate.behaviours import BEHAVIOURS
from transforms.simulate.demand import Array
from transforms.simulate.fleet import Fleet
from transforms.simulate.plan import Block


class VolumeErrors:
    """Sums up the true error of each meter while its blocks pass by."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.used, self.shown = np.zeros(fleet.plan.meters), np.zeros(fleet.plan.meters)

    def add(self, block: Block) -> None:
        """Take in a block, of which the first 12 h count."""
        stamps = self.fleet.first_window(block)
        flow = block.flow[:, stamps]
        counts = flow >= self.fleet.q1[block.rows, None]
        self.used[block.rows] += (flow * counts).sum(axis=1)
        self.shown[block.rows] += (block.shown[:, stamps] * counts).sum(axis=1)

    def relative(self) -> Array:
        """sum(meter)/sum(true flow) - 1 over the instants of the first 12 h with a true flow of Q1 or more.

        Without noise and rounding; NaN where no such instant is.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.used > 0.0, self.shown / self.used - 1.0, np.nan)


def truth_table(fleet: Fleet, errors: VolumeErrors) -> pl.DataFrame:
    """One row per meter: who it is, its behaviour with all parameters, and what a perfect judge would say.

    ``begins`` is the moment within the first window, ``form`` and ``verdict`` are those of ``Behaviour``, and
    ``volume_error`` is that of `VolumeErrors`.
    """
    start = fleet.plan.start.astimezone(UTC)
    begins = np.rint(fleet.truth["begins_h"] * 3_600e6).astype(np.int64)
    numbers = {name: pl.Series(values) for name, values in fleet.truth.items() if name != "begins_h"}
    forms = {name: each.form for name, each in BEHAVIOURS.items()}
    verdicts = {name: each.verdict for name, each in BEHAVIOURS.items()}
    return fleet.meters.select("feature_code", "flowmeter_id", "model", "behaviour", "source").with_columns(
        form=pl.col("behaviour").replace_strict(forms, return_dtype=pl.String),
        verdict=pl.col("behaviour").replace_strict(verdicts, return_dtype=pl.String),
        **numbers,
        begins=pl.lit(start, dtype=UTC_US) + pl.Series(begins).cast(pl.Duration("us")),
        # the last digits of a sum depend on the processor
        volume_error=pl.Series(errors.relative()).fill_nan(None).round(9),
    )
