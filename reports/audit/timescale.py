"""A time axis in days: from instants to places on it, and the dates that are written under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reports.audit.windows import Windows
from reports.clock import local, zone_name
from reports.picture import Floats

_DAY_US = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEPS_DAYS = (1, 2, 5, 10)
_STEPS_MONTHS = (1, 2, 3, 6, 12, 24, 60)


@dataclass(frozen=True)
class TimeScale:
    """The span of an audit; places are days since its start."""

    start: datetime
    end: datetime

    @property
    def days(self) -> float:
        """Length of the span [d]."""
        return max((self.end - self.start).total_seconds() / 86_400, 1e-6)

    def at(self, when: datetime) -> float:
        """The place of an instant, held within the span."""
        return min(max((when - self.start).total_seconds() / 86_400, 0.0), self.days)

    def places(self, times: pl.Series) -> Floats:
        """The places of a column of instants."""
        return self.of(times.dt.epoch("us").to_numpy())

    def of(self, us: NDArray[np.int64]) -> Floats:
        """The places of instants [us since 1970]."""
        return (us.astype(np.float64) - _us(self.start)) / _DAY_US

    def marks(self, most: int) -> Sequence[tuple[float, str]]:
        """Dates to write under the axis, at most so many: firsts of months, or days where the span is short."""
        return _marks(self, most, zone_name())

    def dates(self, most: int) -> list[tuple[float, str]]:
        """The same, worked out anew."""
        if self.days < 32 * 2:
            return self._days(most)
        months = self._months()
        step = next((s for s in _STEPS_MONTHS if len(months[::s]) <= most), _STEPS_MONTHS[-1])
        kept = [month for month in months if (month.year * 12 + month.month - 1) % step == 0]
        kept = [month for month in kept if self.at(month) <= 0.98 * self.days]  # a label at the very end has no room
        if len(kept) > 1 and self.at(kept[0]) < 0.02 * self.days:
            # one at the very beginning is moved aside, into the next one where that is near
            near = self.at(kept[1]) - self.at(kept[0]) < 1.5 * self.days / most
            kept = kept[1:] if near or len(kept) > 5 else kept
        return [(self.at(month), f"{month:%Y-%m}") for month in kept]

    def _months(self) -> list[datetime]:
        begin = local(self.start)
        first = datetime(begin.year, begin.month, 1, tzinfo=begin.tzinfo)
        found = []
        while first <= self.end:
            if first >= self.start:
                found.append(first)
            first = (first + timedelta(days=32)).replace(day=1)
        return found

    def _days(self, most: int) -> list[tuple[float, str]]:
        begin = local(self.start)
        first = datetime(begin.year, begin.month, begin.day, tzinfo=begin.tzinfo)
        days = [first + timedelta(days=k) for k in range(int(self.days) + 2)]
        days = [day for day in days if self.start <= day <= self.end]
        step = next((s for s in _STEPS_DAYS if len(days[::s]) <= most), 31)
        return [(self.at(day), f"{day:%m-%d}") for day in days[::step]]


@lru_cache(64)
def _marks(scale: TimeScale, most: int, _zone: str) -> Sequence[tuple[float, str]]:
    """The same dates stand under hundreds of charts, as long as they are told by the same clock."""
    return scale.dates(most)


def _us(when: datetime) -> int:
    return round(when.timestamp() * 1_000_000)


def focused(scale: TimeScale, windows: Windows) -> TimeScale:
    """The part of the span around the windows that have pairs, if that is less than a third of it; else all of it."""
    known = windows.n_pairs > 0
    if not known.any():
        return scale
    ends = (windows.start[known].min(), windows.end[known].max())
    first, last = (_EPOCH + timedelta(microseconds=int(us)) for us in ends)
    if 3 * (last - first) > scale.end - scale.start:
        return scale
    length = timedelta(microseconds=int(windows.end[0] - windows.start[0]))
    room = max(1, round(0.15 * ((last - first) / length))) * length
    return TimeScale(max(scale.start, first - room), min(scale.end, last + room))


def inside(scale: TimeScale, windows: Windows) -> Windows:
    """The windows that lie wholly within the span."""
    return windows.take((windows.start >= _us(scale.start)) & (windows.end <= _us(scale.end)))


def thinned(many: int, most: int) -> NDArray[np.int64]:
    """Places of at most so many of a row of things, evenly spread, the first and the last among them."""
    return np.arange(many) if many <= most else np.linspace(0, many - 1, most).round().astype(np.int64)
