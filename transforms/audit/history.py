"""History: each meter's windows cut into stretches that are one and the same, steady or unsteady, with dated changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transforms.audit.changes import settle
from transforms.audit.costs import prefix_sums
from transforms.audit.listed import Listed
from transforms.audit.noise import Calm, Noise, calm, drawn_in
from transforms.audit.onset import Onsets, date_changes, most_probable, with_bends
from transforms.audit.segment import Stretches, prices, segment
from transforms.audit.series import Bools, Floats, Ints, Series, numbered
from transforms.audit.steadiness import evidence, unsteady_stretches
from transforms.policy import Policy

#: a change matters if it moves the error by this share of the permissible error at least
SHARE_OF_MPE = 0.5


@dataclass(frozen=True)
class Cuts:
    """The stretches of all meters, sorted by meter and time; windows are rows of what was listed.

    ``first`` and ``last`` are the first and last usable window of each stretch, ``low`` the last window that may lie wholly
    before the change, ``high`` the first that may lie wholly after it (-1 for a meter's first stretch); ``unsteady`` says
    whether the meter was, ``drifts`` whether its error does. ``calm`` has all steady windows of each meter that has some.
    """

    meter: Ints
    first: Ints
    low: Ints
    high: Ints
    last: Ints
    unsteady: Bools
    drifts: Bools
    calm: Calm | None = None


def cut(windows: Listed, mpe: Floats, policy: Policy) -> Cuts:
    """Cut each meter's windows.

    Parameters
    ----------
    mpe : ndarray
        Maximum permissible error from Q2 to Q4 of each meter.
    """
    used = np.flatnonzero(windows.usable)
    if not len(used):
        none, no = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
        return Cuts(none, none, none, none, none, no, no)
    series = Series.packed(windows, used, numbered(windows.meter[used]))
    verdicts = np.where(series.present, windows.unsteady[np.maximum(series.place, 0)], -1)
    state = unsteady_stretches(verdicts) & series.present
    pieces = _pieces(series, state, windows.altered[np.maximum(series.place, 0)])
    steady = _steady(windows, used, series, state, pieces, mpe, policy)
    return _listed(pieces, steady, series, verdicts, windows)


@dataclass(frozen=True)
class _Pieces:
    """Runs of windows of one state and between two changes on record: row of the series, first and last column, state."""

    row: Ints
    first: Ints
    last: Ints
    unsteady: Bools


@dataclass(frozen=True)
class _Steady:
    """The stretches of the steady pieces: ``piece`` of each row of ``stretches``."""

    piece: Ints
    stretches: Stretches
    onsets: Onsets
    calm: Calm | None = None


def _pieces(series: Series, state: Bools, altered: Ints) -> _Pieces:
    begins = series.present.copy()
    begins[:, 1:] &= (state[:, 1:] != state[:, :-1]) | (altered[:, 1:] != altered[:, :-1]) | ~series.present[:, :-1]
    row, first = np.nonzero(begins)
    last = np.append(first[1:], 0)
    ends = np.append(row[1:] != row[:-1], True)
    last = np.where(ends, series.n[row], last)
    return _Pieces(row, first, last, state[row, first])


def _steady(
    windows: Listed, used: Ints, series: Series, state: Bools, pieces: _Pieces, mpe: Floats, policy: Policy
) -> _Steady:
    """Segment the steady pieces. A meter's noise is that of all its steady windows."""
    steady = ~state[series.present]
    if not steady.any():
        none = np.zeros(0, dtype=np.int64)
        return _Steady(none, Stretches(none, none, none, none.astype(np.bool_)), Onsets(none, none, none, none, none))
    chosen = used[steady]
    piece = np.repeat(np.arange(len(pieces.row)), pieces.last - pieces.first)[steady]
    own, own_piece = numbered(windows.meter[chosen]), numbered(piece)
    whole = series if steady.all() else Series.packed(windows, chosen, own)
    parts = whole if own_piece[-1] == own[-1] else Series.packed(windows, chosen, own_piece)
    head = np.flatnonzero(np.diff(own_piece, prepend=-1))
    meter, of_meters = own[head], calm(whole)
    noise = of_meters.noise
    of_piece = Noise(noise.between[meter], noise.persistence[meter], noise.dof[meter])
    calm_series = of_meters.drawn_in if parts is whole else drawn_in(parts, of_piece)
    variance = of_piece.total(parts)
    price = prices(whole.n[meter], of_piece.dof)
    least = SHARE_OF_MPE * policy.tolerance * mpe[windows.meter[chosen[head]]]
    sums = prefix_sums(calm_series, variance)
    stretches = segment(calm_series, sums, price)
    stretches, sums = settle(stretches, calm_series, variance, sums, price, least)
    onsets = date_changes(stretches, calm_series, sums)
    return _Steady(piece[head], with_bends(stretches, onsets), onsets, of_meters)


def _listed(pieces: _Pieces, steady: _Steady, series: Series, verdicts: Ints, windows: Listed) -> Cuts:
    """Everything as one table, columns of pieces turned into rows of what was listed."""
    stretches, onsets = steady.stretches, steady.onsets
    piece = steady.piece[stretches.row]
    offset, row = pieces.first[piece], pieces.row[piece]
    first, low, high = offset + stretches.first, np.full(len(piece), -1), np.full(len(piece), -1)
    last = offset + stretches.last
    inner = onsets.left + 1
    low[inner], high[inner] = offset[inner] + onsets.low - 1, offset[inner] + onsets.high
    # where a steady piece follows an unsteady one, and the other way round
    begins, ends = _turns(pieces, series, verdicts)
    opening = stretches.first == 0
    low[opening], high[opening] = begins[piece[opening]], ends[piece[opening]]
    loud = np.flatnonzero(pieces.unsteady)
    columns = {
        "row": np.concatenate([row, pieces.row[loud]]),
        "first": np.concatenate([first, pieces.first[loud]]),
        "low": np.concatenate([low, begins[loud]]),
        "high": np.concatenate([high, ends[loud]]),
        "last": np.concatenate([last, pieces.last[loud]]) - 1,
        "unsteady": np.concatenate([np.zeros(len(row), dtype=np.bool_), np.ones(len(loud), dtype=np.bool_)]),
        "drifts": np.concatenate([stretches.drifts, np.zeros(len(loud), dtype=np.bool_)]),
    }
    order = np.lexsort((columns["first"], columns["row"]))
    columns = {name: values[order] for name, values in columns.items()}
    owner = columns.pop("row")
    unknown = columns["low"] < 0
    placed = {name: series.place[owner, np.maximum(columns[name], 0)] for name in ("first", "low", "high", "last")}
    for name in ("low", "high"):
        placed[name] = np.where(unknown, -1, placed[name])
    return Cuts(
        meter=windows.meter[placed["first"]],
        unsteady=columns["unsteady"],
        drifts=columns["drifts"],
        calm=steady.calm,
        **placed,
    )


def _turns(pieces: _Pieces, series: Series, verdicts: Ints) -> tuple[Ints, Ints]:
    """The interval for the begin of each piece by the verdicts on both sides, in columns; -1 for a meter's first piece."""
    count = len(pieces.row)
    low, high = np.full(count, -1), np.full(count, -1)
    later = np.flatnonzero(np.append(False, pieces.row[1:] == pieces.row[:-1]))
    if not len(later):
        return low, high
    row, first, last = pieces.row[later], pieces.first[later - 1], pieces.last[later]
    running = np.zeros((len(later), series.error.shape[1] + 1))
    np.cumsum(evidence(verdicts[row]), axis=1, out=running[:, 1:])
    places = np.arange(series.error.shape[1] + 1)[None, :]
    sign = np.where(pieces.unsteady[later], -1.0, 1.0)[:, None]
    inside = (places > first[:, None]) & (places < last[:, None])
    own_low, own_high = most_probable(np.where(inside, sign * running, -np.inf))
    place = pieces.first[later]
    low[later] = np.minimum(own_low, place) - 1
    high[later] = np.maximum(own_high, place)
    return low, high
