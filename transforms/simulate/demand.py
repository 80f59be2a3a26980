"""Recorded household demand: one real house's water use, shifted and scaled into many."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.errors import MeterwrightError

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

MINUTES_A_DAY = 1440
_FILE = "ampds2_water_2012-09_2012-10.parquet"


def recording() -> Path:
    """Where the household recording (AMPds2, see data/demand/README.md) lies: in a checkout or in an installed wheel.

    Raises
    ------
    MeterwrightError
        If the file is at neither place.
    """
    here = Path(__file__).resolve().parents[1]
    places = (here.parent / "data" / "demand" / _FILE, here / "demand" / _FILE)
    for place in places:
        if place.is_file():
            return place
    raise MeterwrightError(
        f"the household recording {_FILE} is missing; it belongs in data/demand of a checkout: restore it, or reinstall"
    )


@dataclass(frozen=True)
class Series:
    """A recorded register at one-minute steps, continued round and round.

    Attributes
    ----------
    register_l
        Litres used since the beginning, (minutes + 1,), never falling, beginning at zero.
    """

    register_l: Array

    @classmethod
    def read(cls, file: Path) -> Series:
        """Read the recording; only the register counts, the instantaneous rate of that meter is biased against it."""
        table = pl.read_parquet(file, columns=["unix_ts", "counter"], glob=False).sort("unix_ts")
        counter = table["counter"].to_numpy().astype(np.float64)
        return cls(np.append(counter - counter[0], counter[-1] - counter[0]))

    @property
    def minutes(self) -> int:
        return len(self.register_l) - 1

    def at(self, minute: Indices) -> Array:
        """The register in litres at any minute, also before the beginning and after the end of the recording."""
        turns, rest = np.divmod(minute, self.minutes)
        return np.asarray(self.register_l[rest] + turns * self.register_l[-1], dtype=np.float64)


@dataclass(frozen=True)
class Households:
    """Every household's place in the recording, one entry per meter.

    Attributes
    ----------
    series
        The recording that all draw from.
    first_minute
        Minute of the recording at which the simulation starts, (meters,).
    scale
        Factor on the recorded use, (meters,).
    """

    series: Series
    first_minute: Indices
    scale: Array

    @classmethod
    def draw(
        cls, series: Series, size: Array, rng: np.random.Generator, minute_of_day: int, spread: float = 0.45
    ) -> Households:
        """Give each household a day of the recording, a shift of up to three hours and a size.

        Parameters
        ----------
        size
            Median factor on the recorded use, (meters,).
        minute_of_day
            Time of the day, UTC, at which the simulation starts [min].
        spread
            Standard deviation of the logarithm of the factor.
        """
        days = series.minutes // MINUTES_A_DAY
        day = rng.integers(0, days, len(size))
        shift = rng.integers(-180, 181, len(size))
        scale = size * np.exp(spread * rng.standard_normal(len(size)))
        return cls(series, (day * MINUTES_A_DAY + minute_of_day + shift).astype(np.int64), scale)

    def flow(self, rows: Indices, first: Indices, count: int, minutes: int) -> Array:
        """Mean flow [L/h] over the intervals that end at stamps ``first`` to ``first + count - 1``, (rows, count).

        Parameters
        ----------
        first
            First stamp of each row, (rows,).
        minutes
            Length of an interval [min].
        """
        begin = (self.first_minute[rows] + (first - 1) * minutes)[:, None]
        edges = begin + np.arange(count + 1, dtype=np.int64)[None, :] * minutes
        litres = np.diff(self.series.at(edges), axis=1)
        return np.asarray(litres * (self.scale[rows, None] * 60.0 / minutes), dtype=np.float64)
