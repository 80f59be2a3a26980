"""Demand made of pulses: homes with taps, toilets, showers and machines, shops with long hours, and what leaks.

A pulse is a constant flow from one second to another. Amounts are whole microlitres, so that sums are exact and an
interval without water is exactly zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.simulate.behaviour import Mask
from transforms.simulate.demand import Array, Indices
from transforms.simulate.hashed import Keys, below, key, uniform

DAY_S = 86_400
#: share of the homes that leak, and the range of the leak in multiples of Q1: from a dripping tap to a running toilet
LEAKING, LEAK_Q1 = 0.06, (0.15, 3.0)
#: share of the homes that stand empty over any three days, and of those that water a garden
VACANT, VACANT_DAYS, GARDENS = 0.04, 3, 0.12

#: meters whose pulses are in memory at once
_ROWS = 4096

# when water is used: weights by hour of the day
_AWAKE = (1, 1, 0, 0, 1, 3, 8, 10, 8, 5, 4, 4, 5, 4, 3, 3, 4, 6, 8, 8, 7, 6, 4, 2)
_BATH = (1, 0, 0, 0, 1, 6, 12, 10, 5, 3, 2, 1, 1, 1, 1, 1, 2, 3, 5, 6, 7, 6, 4, 2)
_HOUSEWORK = (1, 0, 0, 0, 0, 1, 3, 6, 9, 9, 8, 6, 6, 6, 5, 4, 4, 4, 6, 8, 8, 6, 3, 2)
_GARDEN = (0, 0, 0, 0, 4, 10, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 8, 8, 3, 0, 0)
_OPEN = (0, 0, 0, 0, 0, 0, 2, 5, 8, 9, 9, 10, 10, 9, 8, 8, 8, 8, 7, 5, 3, 1, 0, 0)


@dataclass(frozen=True)
class Use:
    """One way of using water.

    Attributes
    ----------
    per_day
        How often on a usual day; ``slots`` is the largest number possible.
    seconds, rate_lpm
        Ranges of a pulse's length [s] and of its flow [L/min].
    hours
        Weights of the 24 hours of the day at which it begins.
    fills, apart_s
        A machine fills itself several times, so many seconds apart.
    """

    per_day: float
    slots: int
    seconds: tuple[int, int]
    rate_lpm: tuple[float, float]
    hours: tuple[int, ...]
    fills: int = 1
    apart_s: int = 0


#: what a home of the usual size does; flows and lengths as in end-use studies (Mayer and DeOreo, AWWA 1999)
HOME: tuple[Use, ...] = (
    Use(28, 50, (10, 110), (2.0, 8.0), _AWAKE),  # taps
    Use(13, 26, (40, 80), (6.0, 9.0), _AWAKE),  # toilets
    Use(1.8, 5, (240, 600), (6.0, 10.0), _BATH),  # showers
    Use(0.8, 2, (70, 130), (7.0, 10.0), _HOUSEWORK, fills=4, apart_s=1500),  # washing machine
    Use(0.7, 2, (40, 60), (3.5, 5.0), _HOUSEWORK, fills=3, apart_s=1200),  # dishwasher
)
GARDEN = Use(0.8, 1, (900, 2700), (9.0, 18.0), _GARDEN)
#: what a small shop, a café or an office does
SHOP: tuple[Use, ...] = (
    Use(30, 50, (10, 180), (3.0, 9.0), _OPEN),  # taps
    Use(25, 45, (40, 80), (6.0, 9.0), _OPEN),  # toilets
    Use(6, 12, (60, 120), (4.0, 8.0), _OPEN, fills=2, apart_s=900),  # dishwasher
    Use(9, 16, (2400, 7200), (1.0, 4.5), _OPEN),  # cooling, rinsing, kitchens: steady for an hour or two
)


@dataclass(frozen=True)
class _Pulses:
    """Pulses of some meters: row, first and last second of local time, and flow in whole microlitres a second."""

    row: Indices
    begin_s: Indices
    end_s: Indices
    rate: Indices

    def where(self, chosen: Mask) -> _Pulses:
        return _Pulses(self.row[chosen], self.begin_s[chosen], self.end_s[chosen], self.rate[chosen])

    @classmethod
    def joined(cls, parts: list[_Pulses]) -> _Pulses:
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("row", "begin_s", "end_s", "rate")))


@dataclass(frozen=True)
class PulseDemand:
    """Homes or shops, one per meter, each with pulses of its own.

    Attributes
    ----------
    keys
        The key of each meter's random numbers, (meters,).
    shop
        Whether it is a shop, (meters,).
    scale
        Factor on how often water is used, (meters,); ``size`` is the factor on the flows.
    begins_s
        Local time of the day at which the simulation starts [s], (meters,).
    leak_lph
        A flow that never stops [L/h], (meters,).
    """

    keys: Keys
    shop: Array
    scale: Array
    size: Array
    begins_s: Indices
    leak_lph: Array

    @classmethod
    def draw(cls, seed: int, shop: Array, scale: Array, size: Array, q1: Array, minute_of_day: int) -> PulseDemand:
        """Give each meter its key, a clock of its own (up to three hours off) and perhaps a leak.

        Parameters
        ----------
        shop
            1 for a shop, 0 for a home, (meters,).
        scale, size
            Factors on how often water is used, and on its flow, (meters,).
        q1
            Minimum flow rate [L/h], (meters,), that leaks are told in.
        """
        keys = below(key(seed), np.arange(len(shop), dtype=np.int64))
        late = np.floor((uniform(keys, 1) - 0.5) * 6 * 60).astype(np.int64)
        low, high = LEAK_Q1
        leak = np.where(uniform(keys, 2) < LEAKING, low * (high / low) ** uniform(keys, 3), 0.0)
        # whole millilitres an hour keep the flow free of digits that mean nothing
        return cls(keys, shop, scale, size, 60 * (minute_of_day + late), np.round(leak * q1, 3))

    def flow(self, rows: Indices, first: Indices, count: int, minutes: int) -> Array:
        """Mean flow [L/h] over the intervals that end at stamps ``first`` to ``first + count - 1``, (rows, count).

        Parameters
        ----------
        first
            First stamp of each row, (rows,).
        minutes
            Length of an interval [min].
        """
        flow = np.zeros((len(rows), count))
        for top in range(0, len(rows), _ROWS):
            here = slice(top, top + _ROWS)
            flow[here] = self._flow(rows[here], first[here], count, 60 * minutes)
        return flow

    def _flow(self, rows: Indices, first: Indices, count: int, step: int) -> Array:
        """``flow`` of not too many rows; ``step`` is the length of an interval [s]."""
        begin = self.begins_s[rows] + (first - 1) * step
        end = begin + count * step
        # a pulse of the day before may last until after midnight
        days = range(int(begin.min()) // DAY_S - 1, int(end.max()) // DAY_S + 1)
        found = [self._pulses(rows, use, shop, day, number) for day in days for number, use, shop in _uses()]
        touching = [p.where((p.end_s > begin[p.row]) & (p.begin_s < end[p.row])) for p in found]
        microlitres = _on_grid(_Pulses.joined(touching), begin, count, step)
        return np.asarray(microlitres * (3600.0 / step / 1e6) + self.leak_lph[rows, None], dtype=np.float64)

    def _pulses(self, rows: Indices, use: Use, shop: bool, day: int, number: int) -> _Pulses:
        """The pulses of one use on one day, of those of the rows that have it."""
        here = np.flatnonzero(self.shop[rows] == float(shop))
        keys = self.keys[rows[here]]
        if not shop:
            absent = uniform(below(keys, 11), day // VACANT_DAYS) < VACANT
            idle = absent if use is not GARDEN else absent | (uniform(keys, 4) >= GARDENS)
            here, keys = here[~idle], keys[~idle]
        slots = np.arange(use.slots, dtype=np.int64)
        each = below(below(below(keys, 100 + number), day)[:, None], slots)
        likely = np.minimum(use.per_day / use.slots * self.scale[rows[here]], 1.0)
        who, slot = np.nonzero(uniform(each, 0) < likely[:, None])
        each, row = each[who, slot], here[who]
        hour = np.interp(uniform(each, 1), np.append(0.0, np.cumsum(use.hours) / sum(use.hours)), np.arange(25.0))
        begin = day * DAY_S + (hour * 3600.0).astype(np.int64)
        low, high = use.seconds
        length = (low + (high - low) * uniform(each, 2)).astype(np.int64)
        slow, fast = use.rate_lpm
        rate = (slow + (fast - slow) * uniform(each, 3)) * self.size[rows[row]]
        fill = np.repeat(np.arange(use.fills, dtype=np.int64) * use.apart_s, len(row))
        begin = np.tile(begin, use.fills) + fill
        pulse = np.rint(rate * (1e6 / 60.0)).astype(np.int64)
        return _Pulses(np.tile(row, use.fills), begin, begin + np.tile(length, use.fills), np.tile(pulse, use.fills))


def _uses() -> list[tuple[int, Use, bool]]:
    """Every use with a number of its own, and whether shops have it."""
    listed = [(use, False) for use in (*HOME, GARDEN)] + [(use, True) for use in SHOP]
    return [(number, use, shop) for number, (use, shop) in enumerate(listed)]


def _on_grid(pulses: _Pulses, begin: Indices, count: int, step: int) -> Array:
    """Microlitres that flow in each interval, (rows, count); row ``r``'s first interval begins at ``begin[r]`` [s].

    A pulse changes the flow at two moments. A change at a moment inside an interval acts on the rest of that interval,
    and on the whole of every later one, which the running sum takes care of.
    """
    origin = begin[pulses.row]
    weights, rest, at = [], [], []
    for moment, sign in ((pulses.begin_s, 1.0), (pulses.end_s, -1.0)):
        since = np.clip(moment - origin, 0, count * step)
        interval = since // step
        change = sign * pulses.rate
        at.append(pulses.row * (count + 1) + interval)
        rest.append(change * ((interval + 1) * step - since))
        weights.append(change * step)
    size = len(begin) * (count + 1)
    place = np.concatenate(at)
    inside = np.bincount(place, np.concatenate(rest), size).reshape(len(begin), count + 1)
    later = np.bincount(place, np.concatenate(weights), size).reshape(len(begin), count + 1)
    running = np.cumsum(later, axis=1) - later
    return np.asarray((inside + running)[:, :count], dtype=np.float64)
