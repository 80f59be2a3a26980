"""Histories at the level of windows: what a fleet's windows would measure over years, drawn without any reading.

Scatter and uncertainty of a window's error are as in households: differing from window to window, by night and by day, and
a little correlated from one window to the next; the references are another instrument after each calibration, and some
windows are far out or missing. So a thousand meter-years take a second, and rare things can be counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # in a measuring process itself NumPy and Polars would be in the way, see `measure`
    import numpy as np
    import polars as pl

    from transforms.registry import Registry

BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
LENGTH = timedelta(hours=12)
PER_DAY = 2
CALIBRATION_DAYS = 28
MONTH_DAYS = 365.2425 / 12
MPE = 0.02


@dataclass(frozen=True)
class Drawn:
    """Windows of many meters with the truth about each.

    Attributes
    ----------
    kind
        What happens to the meters, see `draw`.
    windows, moments, fleet, registry
        As the statistics of an audit take them; the moments are empty.
    onset
        Days after `BEGIN` at which the change begins; NaN where there is none.
    size
        The step [relative], or the drift per month.
    base
        The true error before [relative].
    mpe
        The permissible error from Q2 to Q4 [relative].
    """

    kind: str
    windows: pl.DataFrame
    moments: pl.DataFrame
    fleet: pl.DataFrame
    registry: Registry
    onset: np.ndarray
    size: np.ndarray
    base: np.ndarray
    mpe: np.ndarray

    def crossing(self) -> np.ndarray:
        """Days after `BEGIN` on which the true error crosses the permissible one; NaN where it does not, or always was
        beyond."""
        import numpy as np

        toward = np.sign(self.size) * self.mpe - self.base
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = toward / self.size
        by_step = np.where(reach <= 1, self.onset, np.nan)
        when = by_step if self.kind == "step" else self.onset + reach * MONTH_DAYS
        return np.where((np.abs(self.base) < self.mpe) & (reach > 0), when, np.nan)


def draw(meters: int, count: int, seed: int, kind: str, correlation: float = 0.3, calibrated: float = 0.0025) -> Drawn:
    """Draw the windows of a fleet.

    Parameters
    ----------
    meters, count
        Size of the fleet, and windows of 12 h of each.
    kind
        ``healthy``, ``step`` (by 2 to 15 %, within a window), or ``drift`` (by 0.4 to 2 % a month from some day on).
    correlation
        Of what windows differ by beyond their pairs, from one window to the next.
    calibrated
        Standard uncertainty of a calibration [relative].
    """
    import numpy as np
    import polars as pl

    from tests.auditing import AUDIT_MOMENTS
    from transforms.fleet import fleet_table

    rng = np.random.default_rng([seed, count, {"healthy": 0, "step": 1, "drift": 2}[kind]])
    shape = (meters, count)
    standard = np.exp(rng.normal(np.log(0.006), 0.5, (meters, 1)) + rng.normal(0.0, 0.5, shape))
    base = np.clip(rng.normal(0.0, 0.25 * MPE, (meters, 1)), -0.6 * MPE, 0.6 * MPE)
    error = base * np.ones(shape)
    error += np.exp(rng.normal(np.log(0.003), 0.6, (meters, 1))) * _correlated(rng, shape, correlation)
    error += rng.normal(0.0, 0.002, (meters, 1)) * np.where(np.arange(count) % PER_DAY == 0, 1.0, -1.0)
    error += standard * rng.standard_normal(shape)
    day = np.arange(count) / PER_DAY
    calibration = (day // CALIBRATION_DAYS).astype(int)
    error += calibrated * rng.standard_normal((meters, calibration[-1] + 1))[:, calibration]
    error += np.where(rng.random(shape) < 0.01, rng.normal(0.0, 0.1, shape), 0.0)
    sign = np.where(rng.random(meters) < 0.5, -1.0, 1.0)
    onset, size = np.full(meters, np.nan), np.zeros(meters)
    if kind == "step":
        onset = rng.uniform(0.1, 0.9, meters) * count / PER_DAY
        size = sign * np.exp(rng.uniform(np.log(0.02), np.log(0.15), meters))
        error += size[:, None] * np.clip((day + 1 / PER_DAY - onset[:, None]) * PER_DAY, 0.0, 1.0)
    elif kind == "drift":
        onset = rng.uniform(0.1, 0.7, meters) * count / PER_DAY
        size = sign * np.exp(rng.uniform(np.log(0.004), np.log(0.02), meters))
        error += size[:, None] * np.clip(day + 0.5 / PER_DAY - onset[:, None], 0.0, None) / MONTH_DAYS
    kept = rng.random(shape) < rng.uniform(0.6, 1.0, (meters, 1))
    gap = rng.integers(0, max(count - 60, 1), meters)
    inside = (np.arange(count) >= gap[:, None]) & (np.arange(count) < gap[:, None] + min(40, count // 8))
    kept &= ~(inside & (rng.random(meters) < 0.33)[:, None])
    windows, registry = _framed(error, standard, kept, calibrated)
    moments = pl.DataFrame(schema=AUDIT_MOMENTS)
    return Drawn(kind, windows, moments, fleet_table(registry), registry, onset, size, base[:, 0], np.full(meters, MPE))


def _correlated(rng: np.random.Generator, shape: tuple[int, int], correlation: float) -> np.ndarray:
    """Standard normal noise of first order along the rows."""
    noise = rng.standard_normal(shape)
    for k in range(1, shape[1]):
        noise[:, k] = correlation * noise[:, k - 1] + (1 - correlation**2) ** 0.5 * noise[:, k]
    return noise


def _framed(
    error: np.ndarray, standard: np.ndarray, kept: np.ndarray, calibrated: float
) -> tuple[pl.DataFrame, Registry]:
    """The windows that are there, and the registry of their meters."""
    import numpy as np
    import polars as pl

    from transforms.schemas import AUDIT_WINDOWS

    row, column = np.nonzero(kept)
    starts = pl.Series([BEGIN + k * LENGTH for k in range(error.shape[1])], dtype=AUDIT_WINDOWS["window_start"])
    days = [(BEGIN + k * LENGTH - BEGIN).days // CALIBRATION_DAYS * CALIBRATION_DAYS for k in range(error.shape[1])]
    services = pl.Series([date(2025, 1, 1) + timedelta(days=n) for n in days])
    codes = pl.Series([f"WM-{n:06d}" for n in range(len(error))])
    start, value, uncertain = starts.gather(column), error[kept], standard[kept]
    off = np.abs(value) - 2 * uncertain > MPE
    columns = {
        "feature_code": codes.gather(row),
        "flowmeter_id": codes.gather(row),
        "window_start": start,
        "window_end": start + LENGTH,
        "verdict": pl.Series(np.where(off, "steady", "healthy").tolist(), dtype=pl.String),
        "n_flowing": np.full(len(row), 12),
        "volume_l": np.full(len(row), 100.0),
        "meter_volume_l": 100.0 * (1 + value),
        "error": value,
        "error_se": uncertain,
        "reference_uncertainty": np.full(len(row), calibrated),
        "calibrated_on": services.gather(column),
    }
    missing = [pl.lit(None, kind).alias(name) for name, kind in AUDIT_WINDOWS.items() if name not in columns]
    windows = pl.DataFrame(columns).with_columns(missing)
    return windows.select(pl.col(name).cast(kind) for name, kind in AUDIT_WINDOWS.items()), registry_of(codes)


def registry_of(codes: pl.Series) -> Registry:
    """A registry in which all meters are of the commonest model of simulated fleets."""
    import polars as pl

    from transforms.registry import Registry
    from transforms.registry.models import Model
    from transforms.simulate.devices import MODELS

    known = MODELS[0]
    model = Model(
        name=known.name,
        q1=known.q1,
        q2=known.q2,
        q3=known.q3,
        q4=known.q4,
        accuracy_class=known.accuracy_class,
        band=known.band,
    )
    meters = pl.DataFrame({"feature_code": codes}).with_columns(
        model=pl.lit(known.name),
        serial=pl.lit(None, pl.String),
        site=pl.lit(None, pl.String),
        installed_on=pl.lit(None, pl.Date),
    )
    return Registry(
        meters=meters, models={known.name: model}, pairs=None, flowmeters=None, terminals=None, sources=(), digest=""
    )
