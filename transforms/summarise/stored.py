"""A chunk's moments as tables, to be kept, and back: exact, and no larger than what they stand for.

In a window of half a day most cells (part and flow bin) of a household hold a single pair, which two numbers tell; the
others hold all their sums. Extremes and the counts of the band are told by the window, as the judgement asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from transforms.compiled import compiled
from transforms.summarise.many import HIGHEST, LOWEST, Ints
from transforms.summarise.moments import BINS, Cells, Moments

#: a change of these tables, or of what the numbers in them mean, is another version
VERSION = 3

#: flow zones as bins, for the extremes of the meter's flow: still, Q1 to Q2, Q2 to Q3, above; see `judge.evidence.ZONES`
ZONES = (slice(0, 1), slice(1, 2), slice(2, 6), slice(6, BINS))
_SQUARES = ("sxx", "sxy", "syy")
#: extremes of the meter's flow by zone, and of the reference's where it is still and where it flows
_EXTREMES = (
    *(f"y_{side}_{zone}" for zone in range(len(ZONES)) for side in ("min", "max")),
    *(f"x_{side}_{name}" for name in ("still", "flow") for side in ("min", "max")),
)
#: stands for an extreme that says nothing
_NOTHING = -(2**31)
_BAND = ("n_above", "n_below", "n_band_above", "n_band_below")


def to_tables(moments: Moments) -> dict[str, pl.DataFrame]:
    """Tables ``cells`` (part and bin, count and sums, row after row), ``squares`` (of those with more than one pair) and
    ``windows`` (one line per row)."""
    cells = moments.cells
    n, flows, squares, fits = _columns(cells.sums, *_room(len(cells.cell), np.uint8, np.int32))
    if not fits:
        n, flows, squares, _ = _columns(cells.sums, *_room(len(cells.cell), np.int64, np.int64))
    told = {"cell": cells.cell, "n": n, "sx": flows[0], "sy": flows[1]}
    columns: dict[str, Ints] = {"cells": np.diff(cells.first)}
    columns |= {name: moments.total(name, slice(1, BINS)) for name in _BAND}
    extremes = (moments.by_bin(name) for name in ("x_min", "y_min", "x_max", "y_max"))
    columns |= dict(zip(_EXTREMES, _extremes(*extremes), strict=True))
    return {
        "cells": _table(told),
        "squares": pl.DataFrame(dict(zip(_SQUARES, squares, strict=True))),
        "windows": _table(columns),
    }


def from_tables(tables: Mapping[str, pl.DataFrame], parts: int) -> Moments:
    """The moments that `to_tables` told, in all that the judgement asks of them."""
    windows, cells = tables["windows"], tables["cells"]
    rows = windows.height
    first = np.concatenate([[0], np.cumsum(_column(windows, "cells"))]).astype(np.int64)
    columns = (_column(cells, name) for name in ("n", "sx", "sy"))
    sums = _whole(*columns, *(_column(tables["squares"], name) for name in _SQUARES))
    values = {}
    for name in _BAND:
        values[name] = np.zeros((1, 2, rows), dtype=np.int64)
        values[name][0, 1] = _column(windows, name)
    for name, empty in (("x_min", HIGHEST), ("y_min", HIGHEST), ("x_max", LOWEST), ("y_max", LOWEST)):
        values[name] = np.full((1, BINS, rows), empty, dtype=np.int64)
    for z, bins in enumerate(ZONES):
        for name, empty in (("y_min", HIGHEST), ("y_max", LOWEST)):
            values[name][0, bins.start] = _column(windows, f"{name}_{z}", empty)
    for what, of_bin in (("still", 0), ("flow", 1)):
        for name, empty in (("x_min", HIGHEST), ("x_max", LOWEST)):
            values[name][0, of_bin] = _column(windows, f"{name}_{what}", empty)
    return Moments(values, Cells(first, _column(cells, "cell"), sums), parts)


def _room(cells: int, of_count: type[np.integer[Any]], of_flow: type[np.integer[Any]]) -> tuple[Any, Any]:
    return np.empty(cells, of_count), np.empty((2, cells), of_flow)


@compiled
def _columns(sums: Ints, n: Any, flows: Any) -> tuple[Any, Any, Ints, bool]:
    """Fill in the counts and the sums of flows of all cells, in whatever type they are; returns them, the squares of those with
    more than one pair, of shape (3, cells), and whether all numbers fitted."""
    squares, several, fits = np.empty((3, len(sums)), np.int64), 0, True
    for k in range(len(sums)):
        n[k], flows[0, k], flows[1, k] = sums[k, 0], sums[k, 1], sums[k, 2]
        fits &= (n[k] == sums[k, 0]) & (flows[0, k] == sums[k, 1]) & (flows[1, k] == sums[k, 2])
        squares[0, several], squares[1, several], squares[2, several] = sums[k, 3], sums[k, 4], sums[k, 5]
        several += sums[k, 0] > 1
    return n, flows, squares[:, :several], fits


@compiled
def _extremes(x_min: Ints, y_min: Ints, x_max: Ints, y_max: Ints) -> Ints:
    """Of each row the extremes of `_EXTREMES`, `_NOTHING` where there is none."""
    rows = x_min.shape[1]
    found = np.empty((12, rows), np.int64)
    for row in range(rows):
        for what in range(12):
            found[what, row] = LOWEST if what % 2 else HIGHEST
        for k in range(BINS):
            zone = k if k < 2 else (2 if k < 6 else 3)
            flows = 8 if k == 0 else 10
            found[2 * zone, row] = min(found[2 * zone, row], y_min[k, row])
            found[2 * zone + 1, row] = max(found[2 * zone + 1, row], y_max[k, row])
            found[flows, row] = min(found[flows, row], x_min[k, row])
            found[flows + 1, row] = max(found[flows + 1, row], x_max[k, row])
        for what in range(12):
            if found[what, row] == HIGHEST or found[what, row] == LOWEST:
                found[what, row] = _NOTHING
    return found


@compiled
def _whole(n: Ints, x: Ints, y: Ints, sxx: Ints, sxy: Ints, syy: Ints) -> Ints:
    """All sums of cells, of which those with a single pair have squares that follow from it."""
    sums, at = np.zeros((len(n), 6), np.int64), 0
    for k in range(len(n)):
        sums[k, 0], sums[k, 1], sums[k, 2] = n[k], x[k], y[k]
        if n[k] > 1:
            sums[k, 3], sums[k, 4], sums[k, 5] = sxx[at], sxy[at], syy[at]
            at += 1
        else:
            sums[k, 3], sums[k, 4], sums[k, 5] = x[k] * x[k], x[k] * y[k], y[k] * y[k]
    return sums


def _table(columns: Mapping[str, npt.NDArray[np.integer[Any]]]) -> pl.DataFrame:
    return pl.DataFrame({name: _narrow(values) for name, values in columns.items()})


def _narrow(values: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.integer[Any]]:
    """Numbers in the narrowest type that holds them."""
    if values.dtype == np.uint8:
        return values
    return values.astype(_narrowest(int(values.min(initial=0)), int(values.max(initial=0))))


def _narrowest(low: int, high: int) -> type[np.integer[Any]]:
    kinds = (np.uint8, np.int16, np.int32, np.int64)
    return next(kind for kind in kinds if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)


def _column(table: pl.DataFrame, name: str, empty: int | None = None) -> Ints:
    values = table[name].to_numpy().astype(np.int64)
    return values if empty is None else np.where(values == _NOTHING, empty, values)
