"""What is asked for, and the form in which readings are handed out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from transforms.errors import UsageError
from transforms.simulate.behaviours import BEHAVIOURS, SHARES
from transforms.simulate.demand import Array, Indices
from transforms.simulate.houses import SOURCES
from transforms.windows import span_text


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
    sources
        Share of the fleet per source of demand (``houses.SOURCES``); normalised to one.
    reference_noise
        Repeatability of the references: relative standard deviation of a reading.
    outliers
        Share of the meters' readings that scatter far more than the others, see ``devices.OUTLYING``.
    """

    meters: int
    days: float
    start: datetime
    interval: timedelta
    seed: int
    dump: timedelta = timedelta(hours=12)
    shares: Mapping[str, float] = field(default_factory=lambda: dict(SHARES))
    sources: Mapping[str, float] = field(default_factory=lambda: dict(SOURCES))
    reference_noise: float = 0.003
    outliers: float = 0.0

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
                f"an interval of {span_text(self.interval)} is not whole minutes; the household recording has one-minute steps",
            ),
            (span < self.interval, f"{self.days} days hold no interval of {span_text(self.interval)}"),
            (
                self.dump < self.interval or bool(self.dump % max(self.interval, minute)),
                f"a dump of {span_text(self.dump)} does not hold whole intervals of {span_text(self.interval)}",
            ),
            (self.reference_noise < 0.0, f"a reference noise of {self.reference_noise}: it cannot be negative"),
            (not 0.0 <= self.outliers <= 1.0, f"outliers {self.outliers}: a share lies between 0 and 1"),
            *_share_faults("behaviour", self.shares, BEHAVIOURS),
            *_share_faults("source of demand", self.sources, SOURCES),
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
    def minutes(self) -> int:
        """The sampling interval [min]."""
        return self.interval // timedelta(minutes=1)

    @property
    def end(self) -> datetime:
        return self.start + self.samples * self.interval


def _share_faults(what: str, shares: Mapping[str, float], known: Mapping[str, object]) -> list[tuple[bool, str]]:
    return [
        (
            not set(shares) <= set(known),
            f"unknown {what} {sorted(set(shares) - set(known))}; known are {sorted(known)}",
        ),
        (
            min(shares.values(), default=0.0) < 0.0 or sum(shares.values()) <= 0.0,
            f"the shares of each {what} must be zero or more, and not all zero",
        ),
    ]


@dataclass(frozen=True)
class Part:
    """Readings of one stream that go into dumps of one kind.

    Attributes
    ----------
    stream, column
        ``meter`` or ``flowmeter``; ``flow_lph`` or ``volume_l``.
    rows
        The meters, as rows of ``Fleet.meters``.
    values
        Readings, NaN where none is sent, (rows, stamps).
    """

    stream: str
    column: str
    rows: Indices
    values: Array


@dataclass(frozen=True)
class Block:
    """Some meters over some dumps: the truth, and the readings; NaN is a reading that was never sent.

    Attributes
    ----------
    rows
        The meters, as rows of ``Fleet.meters``.
    first
        Number of the first stamp, counted from the start.
    flow
        True mean flow [L/h] over the interval that ends at each stamp, (meters, stamps); negative if backwards.
    shown
        What the meter makes of it, without noise and rounding [L/h], (meters, stamps).
    meter, reference
        Readings [L/h], (meters, stamps); of register meters what the register counted, never sent as such.
    parts
        What is sent.
    begins_dumps, ends_dumps
        Whether this is the first, the last block of its dumps.
    """

    rows: slice
    first: int
    flow: Array
    shown: Array
    meter: Array
    reference: Array
    parts: tuple[Part, ...]
    begins_dumps: bool
    ends_dumps: bool
