"""Homes: the meters of a bucket by number, with what an audit must know of each whatever it reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from transforms.fit.lines import Floats, Ints
from transforms.judge.columns import Columns
from transforms.judge.evidence import Bools
from transforms.judge.many import nothing_said
from transforms.judge.words import INCONCLUSIVE, NONE, REASON
from transforms.schemas import UTC_US

_ALWAYS = 2**62


@dataclass(frozen=True)
class Home:
    """Some meters by their number, sorted by feature code.

    ``models`` is null and ``registered`` false for those that meters.csv does not have; ``installed_us`` and ``removed_us`` bound
    the time in which each is in use [us since 1970]; ``unit_lph`` is what one in the units of the moments is in L/h, NaN where
    that is not known.
    """

    codes: pl.Series
    models: pl.Series
    registered: Bools
    installed_us: Ints
    removed_us: Ints
    unit_lph: Floats

    @staticmethod
    def of(codes: list[str], meters: pl.DataFrame, fleet: pl.DataFrame) -> Home:
        """Look some meters up in the table of meters.csv, and in the fleet table."""
        named = pl.DataFrame({"feature_code": codes}, schema={"feature_code": pl.String})
        known = meters.select("feature_code", "model", "installed_on", "removed_on", registered=pl.lit(True))
        units = fleet.select("feature_code", pl.col("per_lph").cast(pl.Float64))
        found = named.join(known, on="feature_code", how="left", maintain_order="left").join(
            units, on="feature_code", how="left", maintain_order="left"
        )
        dates = found.select(pl.col("installed_on", "removed_on").cast(UTC_US).dt.epoch("us"))
        return Home(
            codes=found["feature_code"],
            models=found["model"],
            registered=found["registered"].fill_null(False).to_numpy(),
            installed_us=dates["installed_on"].fill_null(-_ALWAYS).to_numpy(),
            removed_us=dates["removed_on"].fill_null(_ALWAYS).to_numpy(),
            unit_lph=1 / found["per_lph"].fill_null(np.nan).to_numpy(),
        )

    def set_absent_aside(self, columns: Columns, code: Ints, start_us: Ints, length_us: int) -> None:
        """Put the reasons that only meters.csv tells into judged windows: of ``code`` (number of the meter), beginning at
        ``start_us``."""
        late = self.installed_us[code] >= start_us + length_us
        gone = ~late & (self.removed_us[code] <= start_us)
        set_aside(columns, late, "not_installed")
        set_aside(columns, gone, "decommissioned")

    def with_silent(self, columns: Columns, code: Ints, window: Ints, windows: int) -> tuple[Columns, Ints, Ints]:
        """Judged windows of a chunk with those in which nothing was heard of or about a registered meter, in order."""
        silent = np.zeros((len(self.codes), windows), dtype=bool)
        silent[self.registered] = True
        silent[code, window] = False
        if not silent.any():
            return columns, code, window
        more_code, more_window = np.nonzero(silent)
        none = np.zeros(len(more_code), dtype=np.int64)
        nothing = nothing_said(len(more_code)) | {"flowmeter_id": none + NONE, "cells": none, "interval_us": none}
        order = np.lexsort((np.concatenate([window, more_window]), np.concatenate([code, more_code])))
        joined = {name: np.concatenate([values, nothing[name]])[order] for name, values in columns.items()}
        return joined, np.concatenate([code, more_code])[order], np.concatenate([window, more_window])[order]


def set_aside(columns: Columns, where: Bools, reason: str) -> None:
    """Make some judged windows inconclusive, for a reason that their readings cannot tell."""
    columns["verdict"][where], columns["form"][where] = INCONCLUSIVE, NONE
    columns["reason"][where] = REASON[reason]


def set_changed_aside(columns: Columns, changed: Bools) -> None:
    """Have meters that changed within a window, and measured too little afterwards, say so."""
    short = np.isin(columns["reason"], [REASON["too_few_pairs"], REASON["no_flow"]])
    set_aside(columns, changed & short, "parameters_changed")
