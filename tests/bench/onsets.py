"""Dates of onset: how often the true one lies in the stated interval, and how often a healthy meter is given a change.

Counted on histories at the level of windows, which are cheap, and on simulated fleets whose every window is judged.
"""

from __future__ import annotations

import time
from datetime import timedelta
from math import isnan
from typing import TYPE_CHECKING

from tests.bench.measuring import apart
from tests.bench.session import Session, say
from tests.bench.tables import Cell, show

if TYPE_CHECKING:  # in the measuring process itself NumPy and Polars would be in the way, see `measure`
    from tests.bench.histories import Drawn

KINDS = ("healthy", "step", "drift")
#: correlation of neighbouring windows, and standard uncertainty of a calibration, that are tried
SETTINGS = ((0.0, 0.0025), (0.3, 0.0025), (0.6, 0.0025), (0.3, 0.0))
AT_ONCE = 500

Row = tuple[Cell, ...]


def run(session: Session) -> None:
    """Print both tables."""
    drawn, simulated = (1_000, 100) if session.quick else (10_000, 500)
    days = 182 if session.quick else 364
    rows: list[Row] = []
    for correlation, calibrated in SETTINGS:
        for kind in KINDS:
            say(f"onsets: {drawn:,} histories, {kind}, correlation {correlation}, calibration {calibrated}")
            rows.append(apart(_drawn, drawn, 730, kind, correlation, calibrated))
    show(
        f"Regimes of {drawn:,} meters over a year of windows of 12 h, drawn at the level of windows",
        HEADER,
        rows,
        NOTES,
    )
    rows = []
    for kind in KINDS:
        say(f"onsets: {simulated} simulated meters over {days} days, {kind}")
        rows.append(apart(_simulated, simulated, days, kind))
    show(f"Regimes of {simulated} simulated meters over {days} days, every window judged", HEADER, rows, NOTES)


HEADER = (
    "meters",
    "what happens",
    "changes given to",
    "false, % of meter-years",
    "true onset in interval, %",
    "of",
    "width, median [d]",
    "width, 90 % [d]",
    "second change given to",
    "s per 1,000 meters",
)
NOTES = (
    "Steps of 2 to 15 %, drifts of 0.4 to 2 % a month, from a day that is not known; permissible error 2 % (1 % for a tenth",
    "of the simulated). The onset counts as found if it lies in the interval of any change given; of: meters given one.",
)


def _drawn(meters: int, count: int, kind: str, correlation: float, calibrated: float) -> Row:
    from tests.bench.histories import draw

    parts = [draw(AT_ONCE, count, seed, kind, correlation, calibrated) for seed in range(1, meters // AT_ONCE + 1)]
    label = f"{kind}, correlation {correlation:g}, calibration {calibrated:.2%}"
    return _scored(parts, label, meters * count / 730)


def _simulated(meters: int, days: int, kind: str) -> Row:
    from tests.bench.simulated import simulate

    size = min(meters, 100)
    parts = [simulate(size, days, seed, kind) for seed in range(1, meters // size + 1)]
    return _scored(parts, kind, meters * days / 365)


def _scored(parts: list[Drawn], label: str, years: float) -> Row:
    """One row of a table."""
    import polars as pl

    from tests.auditing import regimes_in
    from tests.bench.histories import BEGIN

    found, taken = [], 0.0
    for part in parts:
        begun = time.perf_counter()
        own = regimes_in(part.windows, part.moments, part.fleet)
        taken += time.perf_counter() - begun
        truth = pl.DataFrame(
            {
                "feature_code": part.windows["feature_code"].unique().sort(),
                "onset": [None if isnan(day) else BEGIN + timedelta(days=float(day)) for day in part.onset],
            },
            schema_overrides={"onset": own.schema["begins"]},
        )
        inside = pl.col("onset").is_between("begins_low", "begins_high")
        width = (pl.col("begins_high") - pl.col("begins_low")).dt.total_seconds() / 86_400
        changes = own.filter(pl.col("regime") > 1).join(truth, on="feature_code")
        found.append(
            changes.group_by("feature_code").agg(
                hit=inside.any(), width=width.filter(inside).min(), n=pl.len(), healthy=pl.col("onset").is_null().all()
            )
        )
    meters = sum(len(part.onset) for part in parts)
    given = pl.concat(found)
    false = given.filter("healthy").height
    moved = given.filter(~pl.col("healthy"))
    return (
        meters,
        label,
        given.height,
        100 * false / years if label.startswith("healthy") else None,
        100 * moved["hit"].mean() if moved.height else None,  # type: ignore[operator]
        moved.height if moved.height else None,
        moved["width"].median(),
        moved["width"].quantile(0.9),
        moved.filter(pl.col("n") > 1).height if moved.height else None,
        1000 * taken / meters,
    )  # type: ignore[return-value]
