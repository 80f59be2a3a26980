"""What second looks found, as a table to be kept, and back: the samples need not be read again to judge anew.

Verdicts rest on it, so all that they ask for is there; p values and steps are not, which only explain a window,
and that looks anew.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from transforms.judge.second_look import ROBUST, SecondLook

#: a change of the table, or of what the numbers in it mean, is another version
VERSION = 6

#: told by one bit each, the first by the lowest
_FLAGS = ("stuck", "dropout", "reverse", "skewed", "drifting", "step", "curved", "ambiguous", "coarse", "rough")
_NUMBERS = ("lag", "changed_us", "dead", "change")
_OF_CURVES = ("curve_error", "curve_uncertainty")
_POINTS = ("curve_q", "curve_q_meter")


def to_table(second: SecondLook) -> pl.DataFrame:
    """One line per row that was looked at: ``row`` and what was found; no columns of curves or robust lines where there is
    none."""
    rows = np.flatnonzero(second.looked)
    flags = np.zeros(len(rows), dtype=np.uint16)
    for bit, name in enumerate(_FLAGS):
        flags |= getattr(second, name)[rows].astype(np.uint16) << np.uint16(bit)
    columns: dict[str, object] = {"row": rows.astype(np.int32), "flags": flags}
    columns |= {name: getattr(second, name)[rows] for name in _NUMBERS}
    columns |= {f"robust_{name}": values[rows] for name, values in second.robust.items()}
    curved = second.curved[rows]
    if curved.any():
        columns |= {name: getattr(second, name)[rows] for name in _OF_CURVES}
        number = pl.Series(np.cumsum(curved) - 1).set(pl.Series(~curved), None)
        columns |= {name: pl.Series(getattr(second, name)).arr.to_list().gather(number) for name in _POINTS}
    return pl.DataFrame(columns)


def from_table(table: pl.DataFrame, rows: int) -> SecondLook:
    """The second look that `to_table` told, of so many rows."""
    second = SecondLook.none(rows)
    at, flags = table["row"].to_numpy(), table["flags"].to_numpy()
    second.looked[at] = True
    for bit, name in enumerate(_FLAGS):
        getattr(second, name)[at] = flags >> np.uint16(bit) & np.uint16(1)
    for name in (*_NUMBERS, *_OF_CURVES):
        if name in table.columns:
            getattr(second, name)[at] = table[name].to_numpy()
    for name in ROBUST:
        if f"robust_{name}" in table.columns:
            second.robust[name] = np.full(rows, np.nan)
            second.robust[name][at] = table[f"robust_{name}"].to_numpy()
    if _POINTS[0] in table.columns:
        q, q_meter = (np.array(table[name].drop_nulls().to_list(), dtype=np.float64) for name in _POINTS)
        return replace(second, curve_q=q, curve_q_meter=q_meter)
    return second
