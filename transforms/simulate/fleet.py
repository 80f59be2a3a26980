"""A fleet of simulated meters: who has what, and the readings of every meter and reference, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from transforms.errors import UsageError
from transforms.schemas import UTC_US
from transforms.simulate.behaviours import BEHAVIOURS, NEUTRAL, SHARES, Kinds
from transforms.simulate.demand import Array, Households, Indices, Series, recording
from transforms.simulate.devices import MODELS, Instruments

#: readings per stream that are in memory at once
BLOCK_READINGS = 1_500_000
#: dumps that are written side by side; more of them make another block of time
BLOCK_DUMPS = 32
#: repeatability of a clamp-on reference, and the uncertainty (k = 2) that its calibration states: both relative
REFERENCE_NOISE, REFERENCE_UNCERTAINTY = 0.003, 0.005
REFERENCE_RESOLUTION_LPH = 0.1


@dataclass(frozen=True)
class Plan:
    """What to simulate.

    Attributes
    ----------
    meters, days
        Size of the fleet and length of the simulation; part days such as 0.5 are possible.
    start
        First stamp, an instant with an offset.
    interval
        Sampling interval of all devices, whole minutes.
    seed
        The same plan with the same seed gives the same bytes.
    dump
        Span of one dump, whole intervals.
    shares
        Share of the fleet per behaviour; normalised to one.
    """

    meters: int
    days: float
    start: datetime
    interval: timedelta
    seed: int
    dump: timedelta = timedelta(hours=12)
    shares: Mapping[str, float] = field(default_factory=lambda: dict(SHARES))

    def __post_init__(self) -> None:
        minute = timedelta(minutes=1)
        span = timedelta(days=self.days)
        faults = [
            (self.meters < 1, f"{self.meters} meters: at least 1 is needed"),
            (self.seed < 0, f"the seed {self.seed} is negative; use 0 or more"),
            (
                self.start.tzinfo is None,
                f"the start {self.start} has no offset; write for example 2026-01-01T00:00:00Z",
            ),
            (
                self.interval < minute or bool(self.interval % minute),
                f"an interval of {self.interval} is not whole minutes; the household recording has one-minute steps",
            ),
            (span < self.interval, f"{self.days} days hold no interval of {self.interval}"),
            (
                self.dump < self.interval or bool(self.dump % max(self.interval, minute)),
                f"a dump of {self.dump} does not hold whole intervals of {self.interval}",
            ),
            (
                not set(self.shares) <= set(BEHAVIOURS),
                f"unknown behaviour {sorted(set(self.shares) - set(BEHAVIOURS))}; known are {sorted(BEHAVIOURS)}",
            ),
            (
                min(self.shares.values(), default=0.0) < 0.0 or sum(self.shares.values()) <= 0.0,
                "the shares of the behaviours must be zero or more, and not all zero",
            ),
        ]
        wrong = [sentence for found, sentence in faults if found]
        if wrong:
            raise UsageError("cannot simulate: " + "; ".join(wrong))

    @property
    def samples(self) -> int:
        """Stamps per device, the first of them at ``start``."""
        return timedelta(days=self.days) // self.interval

    @property
    def per_dump(self) -> int:
        return self.dump // self.interval

    @property
    def end(self) -> datetime:
        return self.start + self.samples * self.interval


@dataclass(frozen=True)
class Block:
    """The readings of some meters over some dumps; NaN is a reading that was never sent.

    Attributes
    ----------
    rows
        The meters, as rows of ``Fleet.meters``.
    first
        Number of the first stamp, counted from the start.
    meter, reference
        Mean flow [L/h] over the interval that ends at each stamp, (meters, stamps).
    begins_dumps, ends_dumps
        Whether this is the first, the last block of its dumps.
    """

    rows: slice
    first: int
    meter: Array
    reference: Array
    begins_dumps: bool
    ends_dumps: bool

    def values(self, stream: str, stamps: slice) -> Array:
        """The readings of one stream at some stamps of the block."""
        return (self.meter if stream == "meter" else self.reference)[:, stamps]

    def sent(self, stream: str, stamps: slice) -> int:
        """How many of those readings are sent at all."""
        return int(np.count_nonzero(~np.isnan(self.values(stream, stamps))))


@dataclass(frozen=True)
class Fleet:
    """Meters with their truth.

    Attributes
    ----------
    meters
        ``feature_code, flowmeter_id, model, behaviour, serial, installed_on, site, own_code, relayed``; ``own_code``
        says that the flowmeter writes the feature code into its records, ``relayed`` that the meter relays them.
    truth
        Parameter name to (meters,) array, see ``behaviours.NEUTRAL``; also ``reference_gain`` and ``demand_scale``.
    """

    plan: Plan
    meters: pl.DataFrame
    truth: dict[str, Array]
    households: Households
    kind: Indices
    behaviour: NDArray[np.str_]

    @classmethod
    def draw(cls, plan: Plan, series: Series | None = None) -> Fleet:
        """Draw a fleet; ``series`` is the demand to draw from, the shipped household recording unless given."""
        rng = np.random.default_rng([plan.seed, 0])
        count = plan.meters
        kind = _apportion([model.share for model in MODELS], count, rng)
        behaviour = np.array(list(plan.shares))[_apportion(list(plan.shares.values()), count, rng)]
        truth = {name: np.full(count, neutral) for name, neutral in NEUTRAL.items()}
        for name, each in BEHAVIOURS.items():
            rows = np.flatnonzero(behaviour == name)
            drawn = each.draw(_kinds(kind[rows]), rng)
            for parameter, values in drawn.items():
                truth[parameter][rows] = values
        truth["reference_gain"] = 1.0 + 0.5 * REFERENCE_UNCERTAINTY * np.clip(rng.standard_normal(count), -2.5, 2.5)
        size = np.array([model.q3 for model in MODELS])[kind] / MODELS[0].q3
        minute = plan.start.astimezone(UTC).hour * 60 + plan.start.astimezone(UTC).minute
        households = Households.draw(series or Series.read(recording()), size, rng, minute)
        truth["demand_scale"] = households.scale
        return cls(plan, _identities(plan, kind, behaviour, rng), truth, households, kind, behaviour)

    def truth_table(self) -> pl.DataFrame:
        """What truth.parquet holds: one row per meter."""
        begins = np.rint(self.truth["begins_h"] * 3_600e6).astype(np.int64)
        start = self.meters.select(pl.lit(self.plan.start.astimezone(UTC)).cast(UTC_US)).item()
        numbers = {name: values for name, values in self.truth.items() if name != "begins_h"}
        return self.meters.select("feature_code", "flowmeter_id", "model", "behaviour").with_columns(
            **{name: pl.Series(values) for name, values in numbers.items()},
            begins=pl.lit(start) + pl.Series(begins).cast(pl.Duration("us")),
        )

    def blocks(self) -> Iterator[Block]:
        """All readings, in blocks of bounded size: meter by meter within a group of dumps, then the next group."""
        span = self.plan.per_dump * BLOCK_DUMPS
        for turn, first in enumerate(range(0, self.plan.samples, span)):
            stamps = min(span, self.plan.samples - first)
            height = max(1, BLOCK_READINGS // stamps)
            for part, top in enumerate(range(0, self.plan.meters, height)):
                rows = slice(top, min(top + height, self.plan.meters))
                rng = np.random.default_rng([self.plan.seed, 1, turn, part])
                meter, reference = self._read(rows, first, stamps, rng)
                yield Block(rows, first, meter, reference, top == 0, rows.stop == self.plan.meters)

    def block_count(self) -> int:
        """How many blocks ``blocks`` yields."""
        span = self.plan.per_dump * BLOCK_DUMPS
        stamps = [min(span, self.plan.samples - first) for first in range(0, self.plan.samples, span)]
        return sum(-(-self.plan.meters // max(1, BLOCK_READINGS // each)) for each in stamps)

    def _read(self, rows: slice, first: int, stamps: int, rng: np.random.Generator) -> tuple[Array, Array]:
        hours = (first + np.arange(stamps, dtype=np.float64)) * (self.plan.interval / timedelta(hours=1))
        usual = self.households.flow(rows, first, stamps, self.plan.interval // timedelta(minutes=1))
        flow, by_meter, by_reference = usual.copy(), usual.copy(), usual.copy()
        for name, each in BEHAVIOURS.items():
            here = np.flatnonzero(self.behaviour[rows] == name)
            truth = {parameter: values[rows][here] for parameter, values in self.truth.items()}
            flow[here] = each.demand(usual[here], truth, hours, rng)
            by_meter[here] = each.meter(flow[here], truth, hours, rng)
            by_reference[here] = each.reference(flow[here], truth, hours, rng)
        by_reference *= self.truth["reference_gain"][rows, None]
        meters, references = _instruments(self.kind[rows])
        return meters.read(by_meter, flow, rng), references.read(by_reference, flow, rng)


def _apportion(shares: list[float], count: int, rng: np.random.Generator) -> Indices:
    """Give out ``count`` places by largest remainder and shuffle them, so that a small fleet has its shares too."""
    ideal = np.array(shares) / sum(shares) * count
    whole = np.floor(ideal).astype(np.int64)
    order = np.argsort(-(ideal - whole), kind="stable")
    whole[order[: count - int(whole.sum())]] += 1
    return rng.permutation(np.repeat(np.arange(len(shares), dtype=np.int64), whole))


def _kinds(kind: Indices) -> Kinds:
    columns = np.array([(model.q1, model.mpe, *model.band) for model in MODELS])[kind]
    return Kinds(*columns.T)


def _instruments(kind: Indices) -> tuple[Instruments, Instruments]:
    noise, q1, resolution = np.array([(model.noise, model.q1, model.resolution) for model in MODELS])[kind].T
    meters = Instruments(noise, q1 / 4.0, resolution)
    same = np.ones(len(kind))
    return meters, Instruments(REFERENCE_NOISE * same, q1 / 8.0, REFERENCE_RESOLUTION_LPH * same)


def _identities(plan: Plan, kind: Indices, behaviour: NDArray[np.str_], rng: np.random.Generator) -> pl.DataFrame:
    count = plan.meters
    number = pl.Series("number", np.arange(1, count + 1))
    width = max(6, len(str(count)))
    flowmeter = pl.Series("flowmeter", rng.permutation(count) + 1)
    age = rng.integers(200, 2500, count)
    today = plan.start.astimezone(UTC).date()

    def numbered(prefix: str, values: pl.Series) -> pl.Series:
        return prefix + values.cast(pl.String).str.zfill(width)

    return pl.DataFrame(
        {
            "feature_code": numbered("WM-", number),
            "flowmeter_id": numbered("FM-", flowmeter),
            "model": pl.Series([model.name for model in MODELS]).gather(kind),
            "behaviour": pl.Series(behaviour.tolist(), dtype=pl.String),
            "serial": numbered("SN", pl.Series(rng.permutation(count) + 1)),
            "site": numbered("DMA-", pl.Series(rng.integers(1, 21, count))).str.replace(r"0+(\d\d)$", "$1"),
            "own_code": rng.random(count) < 0.9,
            "relayed": rng.random(count) < 0.3,
            "age": age,
        }
    ).with_columns(installed_on=pl.lit(today) - pl.duration(days="age"))
