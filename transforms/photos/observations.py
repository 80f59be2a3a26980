"""Observations: what accepted photos say of a meter's relation to its reference, each with its own uncertainty.

Two registers some time apart give a volume, held against the reference's over the same span; a flow gives a point. Both
are linear in the parameters of q' = a1 q + a2: shown = a1 x + a2 t, with x the reference's volume [L] and t the hours in
which water flowed, or x the reference's flow [L/h] and t = 1. They join a fit that is there by weighted least squares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from transforms.photos.plausible import is_settled, neighbours
from transforms.photos.wire import HOUR_US, Flows, Wire, microseconds

#: share of the span over which the reference must be known
_COVERED = 0.98


@dataclass(frozen=True)
class Shown:
    """An accepted reading as a number: when, how much [L or L/h], and what its last digit is worth in the same unit."""

    reading_id: str
    at: datetime
    amount: float
    step: float


@dataclass(frozen=True)
class Observation:
    """``shown`` = a1 ``x`` + a2 ``t``, with the standard uncertainty ``sd`` of ``shown``.

    ``low_lph`` and ``high_lph`` are the smallest and largest flow through the reference meanwhile, ``covered`` the share of
    the span in which the meter's own flows came by wire, ``photos`` the readings that it rests on.
    """

    x: float
    t: float
    shown: float
    sd: float
    low_lph: float
    high_lph: float
    covered: float
    photos: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """q' = a1 q + a2 with a2 in L/h, and the covariance of both."""

    a1: float
    a2: float
    v11: float
    v12: float
    v22: float

    def error(self, flow: float) -> float:
        """Relative error at a flow [L/h]."""
        return self.a1 - 1.0 + self.a2 / flow

    def standard(self, flow: float) -> float:
        """Its standard uncertainty, that of the corrected flow: GUM 5.2 for q = (q' - a2) / a1."""
        square = flow**2 * self.v11 + 2 * flow * self.v12 + self.v22
        return math.sqrt(max(square, 0.0)) / (self.a1 * flow)

    def joined(self, observations: Sequence[Observation]) -> Line:
        """The same with some observations in it: least squares weighted by the inverse variances.

        Written as updates of mean and covariance, one observation after the other, which gives the least-squares solution
        and holds where a parameter is known exactly as well (Gelb, Applied Optimal Estimation, 1974, 4.2).
        """
        mean = np.array([self.a1, self.a2])
        spread = np.array([[self.v11, self.v12], [self.v12, self.v22]])
        for one in sorted(observations, key=lambda one: one.photos):
            row = np.array([one.x, one.t])
            across = spread @ row
            weight = across / (row @ across + one.sd**2)
            mean = mean + weight * (one.shown - row @ mean)
            spread = spread - np.outer(weight, across)
        return Line(float(mean[0]), float(mean[1]), float(spread[0, 0]), float(spread[0, 1]), float(spread[1, 1]))


def volume_observed(
    first: Shown, last: Shown, wire: Wire, clock: timedelta, repeatability: float
) -> Observation | None:
    """The volume between two registers shown; None where the reference is not known over the span.

    Its variance has four parts: both registers' last digits; the share of the first and the last interval that lies in
    the span, as if their water came at one moment; what flows while the terminal's clock is off; and the reference's
    repeatability, relative.
    """
    begin, end = microseconds(first.at), microseconds(last.at)
    if wire.reference is None or wire.watched is None or end <= begin:
        return None
    if first.at - clock < wire.watched.begin or last.at + clock > wire.watched.end:
        return None
    litres, known = wire.reference.volume_l(begin, end)
    if litres <= 0 or known < _COVERED * (end - begin):
        return None
    inside = wire.reference.touching(begin, end)
    overlap = np.minimum(inside.end, end) - np.maximum(inside.begin, begin)
    hours = overlap / HOUR_US
    off = clock / timedelta(hours=1)
    edges = sum(
        _edge(wire.reference, at) ** 2 + (_fastest(wire.reference, at, clock) * off) ** 2 / 3 for at in (begin, end)
    )
    variance = (first.step**2 + last.step**2) / 12 + edges + float(((repeatability * inside.lph * hours) ** 2).sum())
    flowing = inside.lph > 0
    return Observation(
        x=litres,
        t=float(hours[flowing].sum()),
        shown=last.amount - first.amount,
        sd=math.sqrt(variance),
        low_lph=float(inside.lph[flowing].min()),
        high_lph=float(inside.lph.max()),
        covered=_share(wire.meter, begin, end),
        photos=(first.reading_id, last.reading_id),
    )


def _edge(flows: Flows, at: int) -> float:
    """Standard uncertainty [L] of the part of an interval's water that came before an instant inside it."""
    inside = (flows.begin < at) & (flows.end > at)
    if not inside.any():
        return 0.0
    k = int(np.argmax(inside))
    length = int(flows.end[k] - flows.begin[k])
    part = (at - int(flows.begin[k])) / length
    return float(abs(flows.lph[k])) * length / HOUR_US * math.sqrt(part * (1 - part))


def _fastest(flows: Flows, at: int, clock: timedelta) -> float:
    """The largest flow [L/h] near an instant."""
    off = clock // timedelta(microseconds=1)
    near = flows.touching(at - off, at + off + 1)
    return float(np.abs(near.lph).max(initial=0.0))


def _share(flows: Flows | None, begin: int, end: int) -> float:
    return 0.0 if flows is None else flows.volume_l(begin, end)[1] / (end - begin)


def flow_observed(
    shown: Shown, wire: Wire, clock: timedelta, repeatability: float, settled: float, least_lph: float
) -> Observation | None:
    """A flow shown against the reference's; None where that moves, is not known, or is below ``least_lph``."""
    if wire.reference is None or wire.watched is None or not wire.watched.begin <= shown.at < wire.watched.end:
        return None
    near = neighbours(wire.reference, shown.at, clock)
    if near is None or not is_settled(near, settled) or float(near.lph.min()) < least_lph:
        return None
    flow = float(near.lph.mean())
    variance = shown.step**2 / 12 + float(np.ptp(near.lph)) ** 2 / 12 + (repeatability * flow) ** 2
    own = neighbours(wire.meter, shown.at, clock) if wire.meter is not None else None
    return Observation(
        x=flow,
        t=1.0,
        shown=shown.amount,
        sd=math.sqrt(variance),
        low_lph=float(near.lph.min()),
        high_lph=float(near.lph.max()),
        covered=0.0 if own is None else 1.0,
        photos=(shown.reading_id,),
    )
