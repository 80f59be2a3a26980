"""How often the 95 % intervals of an audit hold: of the drift, of the day of crossing, and of litres, by meter and in total."""

from __future__ import annotations

from datetime import timedelta
from math import isnan
from typing import TYPE_CHECKING

from tests.bench.measuring import apart
from tests.bench.session import Session, say
from tests.bench.tables import Cell, show

if TYPE_CHECKING:  # in the measuring process itself NumPy and Polars would be in the way, see `measure`
    import polars as pl

    from tests.bench.histories import Drawn

Row = tuple[Cell, ...]
#: correlation of neighbouring windows, and standard uncertainty of a calibration, that are tried
SETTINGS = ((0.0, 0.0025), (0.3, 0.0025), (0.6, 0.0025), (0.3, 0.0))
AT_ONCE = 500
#: share of a calibration's variance that is common to a day's references: the truth, and what the policy states
SHARES = ((1.0, 1.0), (0.5, 0.5), (0.0, 0.0), (0.0, 1.0))
UNCERTAINTY = 0.0025


def run(session: Session) -> None:
    """Print both tables."""
    drawn, simulated, days = (1_000, 50, 182) if session.quick else (4_000, 200, 364)
    rows: list[Row] = []
    for correlation, calibrated in SETTINGS:
        say(f"intervals: {drawn:,} histories that drift, correlation {correlation}, calibration {calibrated}")
        rows.append(apart(_drawn, drawn, 730, correlation, calibrated))
    for kind in ("drift", "step"):
        say(f"intervals: {simulated} simulated meters over {days} days, {kind}")
        rows.append(apart(_simulated, simulated, days, kind))
    show("Drifts and days of crossing, of meters with an onset that is not known", DRIFT_HEADER, rows, DRIFT_NOTES)
    fleets, meters, times = (4, 100, 25) if session.quick else (20, 100, 50)
    rows = []
    for length in (28, 84):
        say(f"intervals: litres of {fleets} labelled fleets over {length} days")
        rows += apart(_litres, fleets, meters, length, times)
    show(
        f"Litres mis-registered, {fleets} labelled fleets of {meters} meters, the references' errors drawn {times} times",
        LITRES_HEADER,
        rows,
        LITRES_NOTES,
    )


DRIFT_HEADER = (
    "meters",
    "what",
    "drift in its interval, %",
    "of",
    "crossing in its interval, %",
    "of",
    "too late, %",
    "too early, %",
    "ahead: in its interval, %",
    "of",
    "open",
    "width, median [d]",
)
DRIFT_NOTES = (
    "Drifts of 0.4 to 2 % a month or steps of 2 to 15 %; permissible error 2 % (1 % for a tenth of the simulated).",
    "Of: meters with an interval, and with a crossing that is told; ahead: told for a day after the last window.",
)
LITRES_HEADER = (
    "days",
    "common to a day's references: true",
    "stated",
    "meter in its interval, %",
    "trickle counted, %",
    "of",
    "half a meter's interval, % of its volume",
    "total in its interval, %",
    "trickle counted, %",
    "of",
    "half the total's, %",
)
LITRES_NOTES = (
    "Meters with every behaviour; references calibrated every 28 days on four days, each calibration off by 0.25 % (1 sd).",
    "Trickle is what runs below a reference's cut-off, which no reference sees and no interval holds: here 0.04 % of all water.",
)


def _drawn(meters: int, count: int, correlation: float, calibrated: float) -> Row:
    from tests.bench.histories import draw

    parts = (
        draw(AT_ONCE, count, seed, "drift", correlation, calibrated) for seed in range(1, max(meters // AT_ONCE, 1) + 1)
    )
    return _scored(
        [_crossed(part, count / 2) for part in parts],
        f"drawn, correlation {correlation:g}, calibration {calibrated:.2%}",
    )


def _simulated(meters: int, days: int, kind: str) -> Row:
    from tests.bench.simulated import simulate

    size = min(meters, 200)
    parts = (simulate(size, days, seed, kind) for seed in range(101, meters // size + 101))
    return _scored([_crossed(part, days) for part in parts], f"simulated, {kind}")


def _crossed(part: Drawn, days: float) -> pl.DataFrame:
    """What an audit says of each meter's drift and crossing, beside the truth."""
    import polars as pl

    from tests.auditing import told_of
    from tests.bench.histories import BEGIN, LENGTH
    from transforms.audit import statistics
    from transforms.policy import Policy

    end = BEGIN + timedelta(days=days)
    said = statistics(told_of(part.windows, part.moments), part.fleet, part.registry, Policy(), LENGTH, end).meters
    # a day beyond what a date can hold is as good as any that is far away
    true = [None if isnan(day) else (BEGIN + timedelta(days=min(float(day), 1e5))).date() for day in part.crossing()]
    truth = pl.DataFrame(
        {
            "feature_code": part.windows["feature_code"].unique().sort(),
            "true": true,
            "size": part.size,
            "drifts": part.kind == "drift",
        },
        schema_overrides={"true": pl.Date},
    )
    return said.join(truth, on="feature_code").with_columns(end=pl.lit(end.date()))


def _scored(parts: list[pl.DataFrame], label: str) -> Row:
    import polars as pl

    meters = pl.concat(parts)
    known = meters.filter(pl.col("drift_low").is_not_null() & pl.col("drifts"))
    crossing = meters.filter(pl.col("crosses_on").is_not_null() & pl.col("true").is_not_null()).with_columns(
        late=(pl.col("true") < pl.col("crosses_low")).fill_null(False),
        early=(pl.col("true") > pl.col("crosses_high")).fill_null(False),
    )
    ahead = crossing.filter(pl.col("crosses_on") > pl.col("end"))

    def share(inside: pl.Series) -> float | None:
        return 100 * float(inside.mean()) if len(inside) else None  # type: ignore[arg-type]

    return (
        meters.height,
        label,
        share(known.select(pl.col("size").is_between("drift_low", "drift_high")).to_series()),
        known.height,
        share(~(crossing["late"] | crossing["early"])),
        crossing.height,
        share(crossing["late"]),
        share(crossing["early"]),
        share(~(ahead["late"] | ahead["early"])),
        ahead.height,
        crossing.filter(pl.col("crosses_low").is_null() | pl.col("crosses_high").is_null()).height,
        (crossing["crosses_high"] - crossing["crosses_low"]).dt.total_days().median(),
    )  # type: ignore[return-value]


def _litres(fleets: int, meters: int, days: int, times: int) -> list[Row]:
    import numpy as np

    from tests.bench.litres import read, tell

    told: dict[tuple[float, float], list[object]] = {shares: [] for shares in SHARES}
    for seed in range(1, fleets + 1):
        known = read(meters, days, seed)
        for common, stated in SHARES:
            told[common, stated] += [
                tell(known, common, UNCERTAINTY, stated, 1000 * seed + turn) for turn in range(times)
            ]
    rows: list[Row] = []
    for (common, stated), found in told.items():
        off, half, volume, missed = (
            np.concatenate([getattr(one, name) for one in found]) for name in ("off", "half", "volume", "missed")
        )
        used = volume > 0
        total_off, total_half = (
            np.array([getattr(one, name) for one in found]) for name in ("total_off", "total_half")
        )
        passed, unseen = (np.array([getattr(one, name).sum() for one in found]) for name in ("volume", "missed"))
        rows.append(
            (
                days,
                common,
                stated,
                100 * float((np.abs(off - missed) <= half)[used].mean()),
                100 * float((np.abs(off) <= half)[used].mean()),
                int(used.sum()),
                100 * float(np.median(half[used] / volume[used])),
                100 * float((np.abs(total_off - unseen) <= total_half).mean()),
                100 * float((np.abs(total_off) <= total_half).mean()),
                len(found),
                100 * float(np.median(total_half / passed)),
            )
        )
    return rows
