"""What second looks found, as a table to be kept, and back: the samples need not be read again to judge anew."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import polars as pl

from transforms.fit.points import MOST_POINTS
from transforms.judge.second_look import ROBUST, SecondLook

_POINTS = ("curve_q", "curve_q_meter")
_FLAGS = tuple(one.name for one in fields(SecondLook) if one.name not in ("robust", *_POINTS))


def to_table(second: SecondLook) -> pl.DataFrame:
    """One line per row that was looked at: ``row`` and everything that was found."""
    rows = np.flatnonzero(second.looked)
    columns: dict[str, object] = {"row": rows}
    columns |= {name: getattr(second, name)[rows] for name in _FLAGS}
    columns |= {f"robust_{name}": second.robust[name][rows] for name in ROBUST}
    curved = second.curved[rows]
    for name in _POINTS:
        wide = pl.Series(getattr(second, name)[rows], dtype=pl.Array(pl.Float64, MOST_POINTS)).arr.to_list()
        columns[name] = pl.select(pl.when(pl.Series(curved)).then(wide)).to_series()
    return pl.DataFrame(columns)


def from_table(table: pl.DataFrame, rows: int) -> SecondLook:
    """The second look that `to_table` told, of so many rows."""
    second = SecondLook.none(rows)
    at = table["row"].to_numpy()
    for name in _FLAGS:
        getattr(second, name)[at] = table[name].to_numpy()
    for name in ROBUST:
        second.robust[name][at] = table[f"robust_{name}"].to_numpy()
    for name in _POINTS:
        told = table.filter(pl.col(name).is_not_null())
        if told.height:
            points = np.array(told[name].to_list(), dtype=np.float64)
            getattr(second, name)[told["row"].to_numpy()] = points
    return second
