"""Samples: the single pairs of the few meters that get a second look, one meter after the other, each in order of time.

Most of a household's day is still water, so the places of the pairs that flow are found once, for all tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints
from transforms.judge.evidence import Model, Reference
from transforms.summarise.pairs import Pairs

#: cells of an array that are worked on at once; what bounds the memory of the fits
CELLS = 2_000_000


@dataclass(frozen=True)
class Samples:
    """Pairs of some meters, in the units of the moments (millionths of Q3).

    Attributes
    ----------
    meter_no
        Row of each meter among the paired meters of the bucket, (meters,).
    first
        Where the pairs of each begin, and where the last ones end, (meters + 1,).
    us
        Time since the window's start [us], (pairs,).
    x, y
        Reference and meter, (pairs,).
    flowing
        Places of the pairs at which the reference is at or above Q1, (flowing pairs,).
    first_flowing
        Where those of each meter begin, (meters + 1,).
    weights
        Inverse of the variance expected of the difference, (flowing pairs,).
    relative, rounding
        The variance expected is the one times the reference squared, and the other, (meters,).
    interval_us
        Sampling interval, (meters,).
    resolution
        Resolution of the meter, (meters,).
    """

    meter_no: Ints
    first: Ints
    us: Ints
    x: Floats
    y: Floats
    flowing: Ints
    first_flowing: Ints
    weights: Floats
    relative: Floats
    rounding: Floats
    interval_us: Ints
    resolution: Floats

    @staticmethod
    def of(pairs: Pairs, interval_us: Ints, q1: Floats, model: Model, reference: Reference) -> Samples:
        """From the pairs that a look gave.

        Parameters
        ----------
        interval_us, q1, model, reference
            Of all paired meters of the bucket, by ``meter_no``; ``q1`` is the minimum flow rate.
        """
        rows = pairs.meter_no
        relative = model.repeatability[rows] ** 2 + reference.repeatability**2
        rounding = model.resolution[rows] ** 2 / 6
        flowing, first_flowing, weights = _flowing(pairs.first, pairs.x, q1[rows], relative, rounding)
        return Samples(
            meter_no=rows,
            first=pairs.first,
            us=pairs.us,
            x=pairs.x,
            y=pairs.y,
            flowing=flowing,
            first_flowing=first_flowing,
            weights=weights,
            relative=relative,
            rounding=rounding,
            interval_us=interval_us[rows],
            resolution=model.resolution[rows],
        )

    def pick(self, rows: Ints) -> Samples:
        """The same of some of the meters."""
        first, pairs = _stretches(self.first, rows)
        first_flowing, some = _stretches(self.first_flowing, rows)
        moved = np.repeat(first[:-1] - self.first[rows], np.diff(first_flowing))
        return Samples(
            meter_no=self.meter_no[rows],
            first=first,
            us=self.us[pairs],
            x=self.x[pairs],
            y=self.y[pairs],
            flowing=self.flowing[some] + moved,
            first_flowing=first_flowing,
            weights=self.weights[some],
            relative=self.relative[rows],
            rounding=self.rounding[rows],
            interval_us=self.interval_us[rows],
            resolution=self.resolution[rows],
        )

    @property
    def widths(self) -> Ints:
        """How many columns the pairs of each meter take in `lay_out`, (meters,): multiples of 8, and beyond 64 of an eighth of
        the next power of two, so that meters with about as many pairs share an array.

        A width follows from the meter's own pairs alone, so that the last digits of its sums do not depend on whom it happens
        to be looked at with.
        """
        pairs = np.diff(self.first)
        coarse = np.maximum(8, 1 << np.maximum(np.ceil(np.log2(np.maximum(pairs, 1))).astype(np.int64) - 3, 3))
        return np.asarray(-(-pairs // coarse) * coarse)


@compiled
def _flowing(first: Ints, x: Floats, q1: Floats, relative: Floats, rounding: Floats) -> tuple[Ints, Ints, Floats]:
    """``flowing`` to ``weights`` of `Samples`."""
    meters = len(q1)
    places, weights, begins = np.empty(len(x), np.int64), np.empty(len(x)), np.zeros(meters + 1, np.int64)
    n = 0
    for row in range(meters):
        for k in range(first[row], first[row + 1]):
            # written first and counted then: a branch would be taken at random
            places[n] = k
            n += x[k] >= q1[row]
        begins[row + 1] = n
        for i in range(begins[row], n):
            weights[i] = 1 / (relative[row] * x[places[i]] ** 2 + rounding[row])
    return places[:n], begins, weights[:n]


@compiled
def _stretches(first: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Where the stretches of some rows begin once they stand one after the other, and the places they are taken from."""
    begins = np.zeros(len(rows) + 1, np.int64)
    for i in range(len(rows)):
        begins[i + 1] = begins[i] + first[rows[i] + 1] - first[rows[i]]
    places = np.empty(begins[-1], np.int64)
    for i in range(len(rows)):
        for k in range(begins[i + 1] - begins[i]):
            places[begins[i] + k] = first[rows[i]] + k
    return begins, places


@dataclass(frozen=True)
class Laid:
    """Samples of some meters laid out as arrays, (meters, width): one row per meter, columns in order of time.

    Attributes
    ----------
    rows
        Which of the meters these are, (meters,).
    x, y
        Reference and meter; 0 where there is no pair.
    w
        Weights; 0 at pairs that do not flow.
    """

    rows: Ints
    x: Floats
    y: Floats
    w: Floats


def lay_out(samples: Samples) -> Iterator[Laid]:
    """Lay samples out as arrays, a bounded number of meters at a time."""
    widths = samples.widths
    order = np.lexsort((np.arange(len(widths)), -widths))
    begin = 0
    while begin < len(order):
        width = int(widths[order[begin]])
        alike = begin + int(np.searchsorted(-widths[order[begin:]], -width, side="right"))
        some = order[begin : min(begin + max(1, CELLS // width), alike)]
        begin += len(some)
        of_flowing = samples.flowing, samples.first_flowing, samples.weights
        yield Laid(some, *_lay(some, width, samples.first, samples.x, samples.y, *of_flowing))


@compiled
def _lay(
    rows: Ints, width: int, first: Ints, x: Floats, y: Floats, flowing: Ints, first_flowing: Ints, weights: Floats
) -> tuple[Floats, Floats, Floats]:
    shape = len(rows), width
    q, q_meter, w = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for i in range(len(rows)):
        row = rows[i]
        begin = first[row]
        for k in range(first[row + 1] - begin):
            q[i, k], q_meter[i, k] = x[begin + k], y[begin + k]
        for at in range(first_flowing[row], first_flowing[row + 1]):
            w[i, flowing[at] - begin] = weights[at]
    return q, q_meter, w
