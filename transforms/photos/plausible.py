"""Plausible: what a display may have shown at an instant, given what the meter sent by wire around it.

Two pairs of bounds. Within the narrow ones a reading agrees with the wire: both resolutions and all that moved in the
interval, or while the terminal's clock may be off, are counted. Outside them the display differs from what was sent.
Outside the wide ones it is likelier that the display was misread, and a person looks before anything follows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from transforms.photos.wire import HOUR_US, Flows, Wire, microseconds
from transforms.registry import Model
from transforms.screens import Screen
from transforms.units import BY_QUANTITY

#: how far from the wire's flow a flow shown may lie before a person looks, relative
_WIDE_FLOW = 0.5
#: how many times its repeatability a meter's own two channels may differ
_SCATTERS = 3.0
#: gains that a display may show at all
_GAINS = (0.2, 5.0)


@dataclass(frozen=True)
class Bounds:
    """What a reading may be, in the screen's unit.

    ``low`` and ``high`` are the narrow bounds, ``widest_low`` and ``widest_high`` the wide ones. ``settled`` says that the
    flow did not move, so that a flow shown tells of the meter's error.
    """

    low: float
    high: float
    widest_low: float
    widest_high: float
    settled: bool = True

    def plausible(self, value: float) -> bool:
        return self.widest_low <= value <= self.widest_high

    def agrees(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class Anchor:
    """A register that was read safely earlier: when, and how much [L]."""

    at: datetime
    litres: float


def factor(screen: Screen) -> float:
    """What one of the screen's unit is in litres or litres per hour; 1 for pure numbers."""
    quantity = {"a2": "flow", "offset": "flow"}.get(screen.quantity, screen.quantity)
    return BY_QUANTITY[quantity][screen.unit] if quantity in BY_QUANTITY else 1.0


def step(screen: Screen) -> float:
    """The last digit's worth, in the screen's unit."""
    return float(10.0**-screen.decimals)


def bounds_of(
    screen: Screen,
    at: datetime,
    model: Model,
    wire: Wire | None,
    anchor: Anchor | None,
    clock: timedelta,
    wide: timedelta,
    settled: float,
) -> Bounds | None:
    """What a screen may show at an instant; None where nothing tells.

    Parameters
    ----------
    anchor
        An earlier register shown, for meters that send flows only.
    clock
        How far the terminal's clock may be off.
    wide
        What Q3 makes of this time is added to the narrow bounds of a register to give the wide ones.
    settled
        The largest relative change of the flow from interval to interval at which it counts as settled.
    """
    unit = factor(screen)
    if screen.quantity == "volume":
        litres = _registered(at, model, wire, clock) or _summed(at, model, wire, anchor, clock)
        if litres is None:
            return None
        low, high = (litres[0] / unit - step(screen), litres[1] / unit + step(screen))
        spare = model.q3 * wide / timedelta(hours=1) / unit
        return Bounds(low, high, low - spare, high + spare)
    if screen.quantity == "flow":
        return _flowing(screen, at, model, wire, clock, settled)
    if screen.quantity in ("gain", "a1"):
        return Bounds(*_GAINS, *_GAINS)
    if screen.quantity in ("offset", "a2"):
        most = model.q3 / unit
        return Bounds(-most, most, -most, most)
    return Bounds(0.0, np.inf, 0.0, np.inf)


def _registered(at: datetime, model: Model, wire: Wire | None, clock: timedelta) -> tuple[float, float] | None:
    """Bounds [L] from the registers sent before and after: a register does not run back, nor faster than Q4."""
    if wire is None or not len(wire.registers_at):
        return None
    early, late = microseconds(at - clock), microseconds(at + clock)
    before = int(np.searchsorted(wire.registers_at, early, side="right")) - 1
    after = int(np.searchsorted(wire.registers_at, late, side="left"))
    resolution = model.resolution * _typical_hours(wire.registers_at)
    low = high = None
    if before >= 0:
        low = float(wire.registers_l[before])
        high = low + model.q4 * (late - int(wire.registers_at[before])) / HOUR_US
    top = float(wire.registers_l[after]) if after < len(wire.registers_at) else None
    if top is not None and low is not None and top < low / 2:
        top = None  # it began again at zero in between, or was exchanged
    if top is not None:
        high = top if high is None else min(high, max(top, low or top))
        low = max(0.0, top - model.q4 * (int(wire.registers_at[after]) - early) / HOUR_US) if low is None else low
    if low is None or high is None:
        return None
    return low - resolution, high + resolution


def _typical_hours(at: np.ndarray) -> float:
    """The usual time between two registers [h]."""
    return float(np.median(np.diff(at))) / HOUR_US if len(at) > 1 else 1.0


def _summed(
    at: datetime, model: Model, wire: Wire | None, anchor: Anchor | None, clock: timedelta
) -> tuple[float, float] | None:
    """Bounds [L] from an earlier register shown and the flows sent since; where they are missing, up to Q4 may have flowed."""
    if wire is None or wire.meter is None or anchor is None or anchor.at >= at:
        return None
    inner = microseconds(anchor.at + clock), microseconds(at - clock)
    outer = microseconds(anchor.at - clock), microseconds(at + clock)
    certain = whole_intervals(wire.meter, *inner)
    touched = wire.meter.touching(*outer)
    low = float(certain.lph @ (certain.end - certain.begin)) / HOUR_US
    high = float(touched.lph @ (touched.end - touched.begin)) / HOUR_US
    _, covered = wire.meter.volume_l(*outer)
    missing_h = (outer[1] - outer[0] - covered) / HOUR_US
    flowing_h = float((touched.end - touched.begin)[touched.lph > 0].sum()) / HOUR_US
    rounding = model.resolution / 2 * flowing_h
    return anchor.litres + max(0.0, low - rounding), anchor.litres + high + rounding + model.q4 * missing_h


def whole_intervals(flows: Flows, begin: int, end: int) -> Flows:
    """The intervals that lie in a stretch of time [us] as a whole."""
    inside = (flows.begin >= begin) & (flows.end <= end)
    return Flows(flows.begin[inside], flows.end[inside], flows.lph[inside])


def neighbours(flows: Flows, at: datetime, clock: timedelta) -> Flows | None:
    """The intervals in which an instant may lie, and one on each side; None where the instant is not covered."""
    early, late = microseconds(at - clock), microseconds(at + clock)
    here = np.flatnonzero((flows.end > early) & (flows.begin < late))
    _, covered = flows.volume_l(early, late)
    if not len(here) or covered < late - early:
        return None
    first, last = max(0, int(here[0]) - 1), min(len(flows.lph), int(here[-1]) + 2)
    near = slice(first, last)
    return Flows(flows.begin[near], flows.end[near], flows.lph[near])


def is_settled(near: Flows, share: float) -> bool:
    """Whether some intervals' flows differ by no more than a share of the largest; at least three are asked for."""
    return len(near.lph) >= 3 and float(np.ptp(near.lph)) <= share * float(near.lph.max())


def _flowing(
    screen: Screen, at: datetime, model: Model, wire: Wire | None, clock: timedelta, settled: float
) -> Bounds | None:
    """Bounds of a flow shown. A mean flow says what flows at an instant only where it does not move."""
    near = neighbours(wire.meter, at, clock) if wire is not None and wire.meter is not None else None
    if near is None:
        return None
    unit = factor(screen)
    if not is_settled(near, settled):
        return Bounds(0.0, model.q4 / unit, 0.0, model.q4 / unit, settled=False)
    least, most = float(near.lph.min()), float(near.lph.max())
    spare = model.resolution + step(screen) * unit + _SCATTERS * model.repeatability * most
    low, high = max(0.0, least - spare), most + spare
    wide = _WIDE_FLOW * most + spare
    return Bounds(low / unit, high / unit, max(0.0, least - wide) / unit, (most + wide) / unit)
