"""A chunk's moments as tables, to be kept, and back: exact, and no larger than what they stand for.

In a window of half a day most cells (part and flow bin) of a household hold a single pair, which two numbers tell; the
others hold all their sums. Extremes and the counts of the band are told by the window, as the judgement asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from transforms.summarise.many import HIGHEST, LOWEST, Ints
from transforms.summarise.moments import BINS, SUMS, Moments

#: a change of these tables, or of what the numbers in them mean, is another version
VERSION = 1

#: flow zones as bins, for the extremes of the meter's flow: still, Q1 to Q2, Q2 to Q3, above; see `judge.evidence.ZONES`
ZONES = (slice(0, 1), slice(1, 2), slice(2, 6), slice(6, BINS))
_SQUARES = ("sxx", "sxy", "syy")
_BAND = ("n_above", "n_below", "n_band_above", "n_band_below")


def to_tables(moments: Moments) -> dict[str, pl.DataFrame]:
    """Tables ``single`` (cells with one pair), ``cells`` (those with more) and ``windows`` (one line per row)."""
    n = moments.values["n"]
    rows = n.shape[2]
    flat = {name: moments.values[name].reshape(-1) for name in ("n", "sx", "sy", *_SQUARES)}
    one = np.flatnonzero(flat["n"] == 1)
    more = np.flatnonzero(flat["n"] > 1)
    columns: dict[str, Ints] = {name: moments.total(name, slice(1, BINS)) for name in _BAND}
    for z, bins in enumerate(ZONES):
        columns |= {f"y_min_{z}": moments.total("y_min", bins), f"y_max_{z}": moments.total("y_max", bins)}
    for name, bins in (("still", ZONES[0]), ("flow", slice(1, BINS))):
        columns |= {f"x_min_{name}": moments.total("x_min", bins), f"x_max_{name}": moments.total("x_max", bins)}
    return {
        "single": _table(_where(one, rows) | {name: flat[name][one] for name in ("sx", "sy")}),
        "cells": _table(_where(more, rows) | {name: values[more] for name, values in flat.items()}),
        "windows": _table(columns, empty=(HIGHEST, LOWEST)),
    }


def from_tables(tables: Mapping[str, pl.DataFrame], parts: int) -> Moments:
    """The moments that `to_tables` told, in all that the judgement asks of them."""
    windows = tables["windows"]
    rows = windows.height
    values = {name: np.zeros((parts, BINS, rows), dtype=np.int64) for name in ("n", "sx", "sy", *_SQUARES)}
    single, cells = tables["single"], tables["cells"]
    at = _place(single, rows)
    x, y = (single[name].to_numpy().astype(np.int64) for name in ("sx", "sy"))
    for name, told in (("n", 1), ("sx", x), ("sy", y), ("sxx", x * x), ("sxy", x * y), ("syy", y * y)):
        values[name].reshape(-1)[at] = told
    at = _place(cells, rows)
    for name, array in values.items():
        array.reshape(-1)[at] = cells[name].to_numpy()
    for name in _BAND:
        values[name] = np.zeros((1, BINS, rows), dtype=np.int64)
        values[name][0, 1] = windows[name].to_numpy()
    for name, empty in (("x_min", HIGHEST), ("y_min", HIGHEST), ("x_max", LOWEST), ("y_max", LOWEST)):
        values[name] = np.full((1, BINS, rows), empty, dtype=np.int64)
    for z, bins in enumerate(ZONES):
        for name, empty in (("y_min", HIGHEST), ("y_max", LOWEST)):
            values[name][0, bins.start] = _column(windows, f"{name}_{z}", empty)
    for what, of_bin in (("still", 0), ("flow", 1)):
        for name, empty in (("x_min", HIGHEST), ("x_max", LOWEST)):
            values[name][0, of_bin] = _column(windows, f"{name}_{what}", empty)
    return Moments({name: values[name] for name in (*SUMS, "x_min", "y_min", "x_max", "y_max")})


def _where(at: Ints, rows: int) -> dict[str, Ints]:
    return {"cell": at // rows, "row": at % rows}


def _place(table: pl.DataFrame, rows: int) -> Ints:
    return np.asarray(table["cell"].to_numpy().astype(np.int64) * rows + table["row"].to_numpy())


def _table(columns: Mapping[str, Ints], empty: tuple[int, ...] = ()) -> pl.DataFrame:
    """Columns in the narrowest type that holds them; entries that say nothing are null."""
    series = []
    for name, values in columns.items():
        told = pl.Series(name, values)
        if any((values == nothing).any() for nothing in empty):
            told = pl.select(pl.when(~told.is_in(list(empty))).then(told).alias(name)).to_series()
        series.append(told.shrink_dtype())
    return pl.DataFrame(series)


def _column(table: pl.DataFrame, name: str, empty: int) -> Ints:
    return np.asarray(table[name].cast(pl.Int64).fill_null(empty).to_numpy())
