"""Histories of simulated fleets: readings of households over months, altered from a known day on, judged by window.

The readings are those of `transforms.simulate` (recorded and drawn demand, repeatability, cut-off and resolution of the
instruments); a step or a drift of the meter multiplies them, and each calibration makes the reference another one. Windows
are judged by `judge_bucket`, second look included.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.bench.histories import BEGIN, CALIBRATION_DAYS, LENGTH, MONTH_DAYS, Drawn

if TYPE_CHECKING:  # in a measuring process itself NumPy and Polars would be in the way, see `measure`
    import numpy as np
    import polars as pl

    from transforms.registry import Registry
    from transforms.simulate import Block, Fleet

INTERVAL = timedelta(minutes=15)
PER_WINDOW = LENGTH // INTERVAL
PARTS = 4
_BINS = 7
#: edges of the flow bins from Q2 to Q3, in millionths of Q3
_HALF_DECADES = (31_623, 100_000, 316_228)


@dataclass(frozen=True)
class Change:
    """What happens to each meter: the day and the size of a step [relative] or of a drift [per month]."""

    kind: str
    onset: np.ndarray
    size: np.ndarray

    def gain(self, rows: slice, day: np.ndarray) -> np.ndarray:
        """Factor on the readings, (meters, stamps)."""
        import numpy as np

        since = day[None, :] - self.onset[rows, None]
        moved = (since >= 0) if self.kind == "step" else np.maximum(since, 0.0) / MONTH_DAYS
        return 1 + np.where(np.isfinite(since), self.size[rows, None] * moved, 0.0)


def simulate(meters: int, days: int, seed: int, kind: str, calibrated: float = 0.0025) -> Drawn:
    """Simulate a fleet of healthy meters of which each is changed as ``kind`` says (see `histories.draw`), and judge it."""
    import numpy as np
    import polars as pl

    from tests.auditing import AUDIT_MOMENTS
    from transforms.policy import Policy
    from transforms.schemas import AUDIT_WINDOWS
    from transforms.simulate import Fleet, Plan

    rng = np.random.default_rng([seed, days])
    fleet = Fleet.draw(Plan(meters, days, BEGIN, INTERVAL, seed, shares={"healthy": 1.0}))
    onset, size = np.full(meters, np.nan), np.zeros(meters)
    sign = np.where(rng.random(meters) < 0.5, -1.0, 1.0)
    if kind == "step":
        onset, size = (
            rng.uniform(0.1, 0.9, meters) * days,
            sign * np.exp(rng.uniform(np.log(0.02), np.log(0.15), meters)),
        )
    elif kind == "drift":
        onset, size = (
            rng.uniform(0.1, 0.7, meters) * days,
            sign * np.exp(rng.uniform(np.log(0.004), np.log(0.02), meters)),
        )
    change = Change(kind, onset, size)
    references = 1 + calibrated * rng.standard_normal((meters, days // CALIBRATION_DAYS + 1))
    judge = _Judge.of(fleet, Policy(), calibrated)
    windows: list[pl.DataFrame] = []
    moments: list[pl.DataFrame] = []
    for block in fleet.blocks():
        x, y = _altered(fleet, block, change, references, judge)
        for first in range(0, x.shape[1] // PER_WINDOW * PER_WINDOW, PER_WINDOW):
            number = (block.first + first) // PER_WINDOW
            part = slice(first, first + PER_WINDOW)
            own = judge.window(block.rows, number, x[:, part], y[:, part])
            windows.append(own[0])
            moments.append(own[1])
    listed = pl.concat(windows).select(pl.col(name).cast(kind_of) for name, kind_of in AUDIT_WINDOWS.items())
    sums = pl.concat(moments).select(pl.col(name).cast(kind_of) for name, kind_of in AUDIT_MOMENTS.items())
    keys = ["feature_code", "window_start"]
    mpe = np.array([model.mpe for model in fleet.models])[fleet.kind]
    base = fleet.truth["a1"] - 1
    return Drawn(
        kind, listed.sort(keys), sums.sort([*keys, "bin"]), judge.fleet, judge.registry, onset, size, base, mpe
    )


def _altered(
    fleet: Fleet, block: Block, change: Change, references: np.ndarray, judge: _Judge
) -> tuple[np.ndarray, np.ndarray]:
    """Readings of a block's references and meters after the change, in whole millionths of Q3."""
    import numpy as np

    rows = block.rows
    day = (block.first + np.arange(block.flow.shape[1])) * (INTERVAL / timedelta(days=1))
    per_lph = judge.fleet["per_lph"].to_numpy()[rows, None]
    resolution = judge.fleet["resolution_lph"].to_numpy()[rows, None]
    # what the meter had before it rounded is drawn anew: rounding twice would swallow every small change
    rng = np.random.default_rng([rows.start, block.first])
    fine = np.where(block.meter > 0, block.meter + resolution * rng.uniform(-0.5, 0.5, block.meter.shape), block.meter)
    meter = np.rint(fine * change.gain(rows, day) / resolution) * resolution
    of_calibration = references[rows][:, (day // CALIBRATION_DAYS).astype(int)]
    reference = block.reference * of_calibration / fleet.truth["reference_gain"][rows, None]
    return tuple(np.rint(values * per_lph).astype(np.int64) for values in (reference, meter))  # type: ignore[return-value]


@dataclass(frozen=True)
class _Judge:
    """Judges the meters of a block in one window."""

    registry: Registry
    fleet: pl.DataFrame
    meters: pl.DataFrame
    calibrated: float
    policy: object

    @staticmethod
    def of(fleet: Fleet, policy: object, calibrated: float) -> _Judge:
        import polars as pl

        from transforms.fleet import fleet_table
        from transforms.registry import Registry
        from transforms.registry.models import Model

        models = {
            model.name: Model(
                model.name,
                model.q1,
                model.q2,
                model.q3,
                model.q4,
                model.accuracy_class,
                model.band,
                repeatability=model.repeatability,
                resolution=model.resolution,
            )
            for model in fleet.models
        }
        registry = Registry(fleet.meters, models, None, None, None, (), "")
        table = fleet_table(registry)
        interval = int(INTERVAL / timedelta(microseconds=1))
        meters = fleet.meters.select("feature_code", "flowmeter_id", conflict=pl.lit(False)).with_columns(
            n_meter=pl.lit(PER_WINDOW, pl.Int64),
            n_reference=pl.lit(PER_WINDOW, pl.Int64),
            interval_us=pl.lit(interval, pl.Int64),
            from_register=pl.lit(False),
        )
        return _Judge(registry, table, meters, calibrated, policy)

    def window(self, rows: slice, number: int, x: np.ndarray, y: np.ndarray) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The rows of `AUDIT_WINDOWS` and `AUDIT_MOMENTS` of one window."""
        import numpy as np
        import polars as pl

        from transforms.judge import judge_bucket
        from transforms.judge.evidence import FLOWING
        from transforms.judge.findings import find, numbers_of
        from transforms.judge.verdict import with_references
        from transforms.summarise import Pairs
        from transforms.summarise.moments import SUMS, Moments
        from transforms.windows import Window

        count = len(x)
        window = Window(BEGIN + number * LENGTH, LENGTH)
        fleet = self.fleet[rows]
        meters = self.meters[rows].with_columns(meter_no=pl.int_range(count, dtype=pl.Int32))
        long = _moments(x, y, fleet)
        service = BEGIN.date() + timedelta(days=number * LENGTH // timedelta(days=CALIBRATION_DAYS) * CALIBRATION_DAYS)
        calibration = meters.select(
            "flowmeter_id",
            reference_valid=pl.lit(True),
            reference_uncertainty=pl.lit(2 * self.calibrated),
            calibrated_on=pl.lit(service),
        )
        us = np.arange(PER_WINDOW) * int(INTERVAL / timedelta(microseconds=1))

        def look(some: np.ndarray) -> Pairs:
            meter_no, instants = np.repeat(some, PER_WINDOW), np.tile(us, len(some))
            return Pairs.of(meter_no, instants, *(flows[some].ravel().astype(np.float64) for flows in (x, y)))

        judged = judge_bucket(meters, long, fleet, calibration, self.policy, window, look)  # type: ignore[arg-type]
        paired = with_references(meters.join(fleet, on="feature_code"), calibration, self.policy).sort("meter_no")  # type: ignore[arg-type]
        sums = Moments.from_frame(long, count, PARTS)
        model, reference = numbers_of(paired, self.policy)  # type: ignore[arg-type]
        found = find(sums, model, reference, self.policy)  # type: ignore[arg-type]
        xx, xy = ((found.weights(sums)[FLOWING] * sums.by_bin(name, FLOWING)).sum(axis=0) for name in ("sxx", "sxy"))
        hours = INTERVAL / timedelta(hours=1) * model.unit_lph
        with np.errstate(divide="ignore", invalid="ignore"):
            told = paired.select("feature_code").with_columns(
                error=pl.Series(xy / xx - 1).fill_nan(None),
                error_se=pl.Series(np.sqrt(found.scatter / xx)).fill_nan(None),
                volume_l=pl.Series(sums.total("sx") * hours),
                meter_volume_l=pl.Series(sums.total("sy") * hours),
                reference_uncertainty=pl.lit(self.calibrated),
            )
        windows = judged.join(told, on="feature_code")
        names = [name for name in SUMS if name in ("n", "sx", "sy", "sxx", "sxy", "syy")]
        moments = (
            long.group_by("meter_no", "bin")
            .agg(pl.col(names).sum())
            .join(paired.select("meter_no", "feature_code"), on="meter_no")
            .with_columns(window_start=pl.lit(window.start), interval_s=pl.lit(INTERVAL.total_seconds()))
        )
        return windows, moments


def _moments(x: np.ndarray, y: np.ndarray, fleet: pl.DataFrame) -> pl.DataFrame:
    """The long form of the moments of one window, by part and flow bin."""
    import numpy as np
    import polars as pl

    from transforms.summarise.moments import FRAME

    q1, q2, q3 = (fleet[name].to_numpy()[:, None] for name in ("q1_u", "q2_u", "q3_u"))
    edges = [q1, q2, *(np.full_like(q1, edge) for edge in _HALF_DECADES), q3]
    of_bin = sum((x >= edge).astype(np.int64) for edge in edges)
    meter = np.repeat(np.arange(len(x)), x.shape[1])
    part = np.tile(np.arange(x.shape[1]) * PARTS // x.shape[1], len(x))
    low, high = (fleet[name].to_numpy()[:, None] for name in ("band_low_u", "band_high_u"))
    difference = y - x
    table = pl.DataFrame(
        {
            "meter_no": meter,
            "part": part,
            "bin": np.asarray(of_bin).ravel(),
            "x": x.ravel(),
            "y": y.ravel(),
            "band_above": ((difference >= low) & (difference <= high)).ravel(),
            "band_below": ((-difference >= low) & (-difference <= high)).ravel(),
        }
    )
    a, b = pl.col("x"), pl.col("y")
    found = table.group_by("meter_no", "part", "bin").agg(
        n=pl.len(),
        sx=a.sum(),
        sy=b.sum(),
        sxx=(a * a).sum(),
        sxy=(a * b).sum(),
        syy=(b * b).sum(),
        x_min=a.min(),
        x_max=a.max(),
        y_min=b.min(),
        y_max=b.max(),
        n_above=(b > a).sum(),
        n_below=(b < a).sum(),
        n_band_above=pl.col("band_above").sum(),
        n_band_below=pl.col("band_below").sum(),
    )
    return found.select(pl.col(name).cast(kind) for name, kind in FRAME.items()).sort("meter_no", "part", "bin")
