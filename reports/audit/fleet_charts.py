"""The charts of an audit's overview: how the meters' errors are spread, and when deviations began."""

from __future__ import annotations

import numpy as np
import polars as pl

from reports.audit.drawn import Drawn
from reports.audit.timescale import TimeScale
from reports.audit.view import AuditView
from reports.charts import FleetErrors, fleet_figure
from reports.sheet import BLUE, GREEN, GREY, VERMILION, Sheet, tick_labels, ticks
from reports.wording import count
from transforms.audit.bends import MONTH_DAYS

STANDING_COLOURS = {"inside": GREEN, "open": GREY, "outside": VERMILION}
#: what a meter turned into when a regime began, and its colour
BEGAN = {"recovered": GREEN, "steadily off": BLUE, "unsteady": VERMILION}


def error_distribution(view: AuditView, *, narrow: bool = False) -> Drawn | None:
    """Histogram of the meters' volume errors by how they stand in service; None if none is known."""
    known = view.meters.filter(pl.col("volume_error").is_finite())
    if known.is_empty():
        return None
    groups = {
        name: known.filter(pl.col("in_service") == name)["volume_error"].sort().to_numpy() for name in STANDING_COLOURS
    }
    rest = known.filter(~pl.col("in_service").is_in(list(STANDING_COLOURS)).fill_null(False))
    groups["open"] = np.sort(np.concatenate([groups["open"], rest["volume_error"].to_numpy()]))
    upper, lower = (_distinct(view.limits[name]) for name in ("mpe_high", "mpe_low"))
    drawn = tuple((limit, limit in upper) for limit in sorted({*upper, *lower}))
    fleet = FleetErrors(groups, drawn, STANDING_COLOURS, ("open", "outside"), "the audit")
    figure, words = fleet_figure(fleet, narrow=narrow)
    return Drawn(figure, "Error distribution of the fleet", words)


def _distinct(column: pl.Series) -> list[float]:
    return sorted({round(limit, 6) for limit in column.drop_nulls().unique().to_list()})


def onsets(view: AuditView, scale: TimeScale, *, narrow: bool = False) -> Drawn | None:
    """When regimes began, counted by month, week or day; None if no meter changed during the audit."""
    later = view.regimes.filter((pl.col("regime") > 1) & pl.col("begins").is_not_null())
    if later.is_empty():
        return None
    bins = np.linspace(0.0, scale.days, _bins(scale.days, 24 if narrow else 60) + 1)
    kinds = later.select(
        pl.when(pl.col("form") == "healthy")
        .then(pl.lit("recovered"))
        .when(pl.col("form").is_in(["linear", "offset", "curve"]))
        .then(pl.lit("steadily off"))
        .otherwise(pl.lit("unsteady"))
    ).to_series()
    places = scale.places(later["begins"])
    heights = {name: np.histogram(places[(kinds == name).to_numpy()], bins)[0] for name in BEGAN}
    tallest = max(int(sum(heights.values(), np.zeros(len(bins) - 1, dtype=int)).max()), 1)
    size, box = ((5.4, 3.4), (0.125, 0.1, 0.85, 0.79)) if narrow else ((12.0, 3.2), (0.055, 0.105, 0.935, 0.79))
    sheet = Sheet(size, (0.0, scale.days), (0.0, tallest * 1.12), box)
    levels = [tick for tick in ticks(0, tallest, 4) if tick == int(tick)]
    sheet.grid(
        scale.marks(5 if narrow else 12), list(zip(levels, tick_labels(levels), strict=True)), "", "regimes begun"
    )
    base = np.zeros(len(bins) - 1)
    gap = 0.06 * (bins[1] - bins[0])
    for name, colour in BEGAN.items():
        boxes = [
            [(a + gap, b), (a + gap, b + h), (z - gap, b + h), (z - gap, b)]
            for a, z, b, h in zip(bins[:-1], bins[1:], base, heights[name], strict=True)
            if h
        ]
        sheet.boxes(boxes, colour)
        base = base + heights[name]
    parts = ", ".join(f"{int(height.sum())} {name}" for name, height in heights.items() if height.sum())
    return Drawn(
        sheet.figure, "When regimes began", f"{count(later.height, 'regime')} began during the audit: {parts}."
    )


def _bins(days: float, most: int) -> int:
    """So many bars that each is a day, a week or about a month."""
    for length in (1.0, 7.0, MONTH_DAYS):
        if days / length <= most:
            return max(1, round(days / length))
    return most
