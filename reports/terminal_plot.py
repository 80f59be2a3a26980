"""A scatter of relative errors against flow in plain characters: flow on a logarithmic axis, limits as lines."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reports.wording import number

Floats = NDArray[np.float64]
#: (from, to, permissible error): flows in L/h, error relative
Zone = tuple[float, float, float]

_GUTTER = 9
_FEW, _MANY, _LIMIT, _NOUGHT = "o", "8", "-", "."


def error_plot(q: Floats, q_meter: Floats, zones: Sequence[Zone], *, width: int = 96, height: int = 11) -> list[str]:
    """Lines of text, none wider than ``width``: (q' - q) / q in per cent against q.

    Parameters
    ----------
    q, q_meter
        Flows above zero [L/h].
    zones
        Where which permissible error holds; drawn as dashes on both sides of zero.

    Notes
    -----
    ``o`` is one pair, ``8`` several; ``^`` and ``v`` in the outermost rows are errors beyond the axis.
    """
    if not len(q):
        return []
    error = 100 * (q_meter / q - 1)
    reach = _reach(error, zones)
    columns = width - _GUTTER
    low, high = _decades(q, zones)
    grid = [[" "] * columns for _ in range(height)]
    middle = height // 2

    def row(value: float) -> int:
        return round(middle - max(-1.0, min(1.0, value / reach)) * middle)

    def column(flow: float) -> int:
        return round((math.log10(flow) - low) / (high - low) * (columns - 1))

    grid[middle] = [_NOUGHT] * columns
    for begin, end, limit in zones:
        first, last = column(max(begin, 10**low)), column(min(end, 10**high))
        for sign in (1, -1):
            if abs(100 * limit) <= reach:
                line = grid[row(sign * 100 * limit)]
                line[first : last + 1] = [_LIMIT] * max(0, last + 1 - first)
    for flow, value in zip(q.tolist(), error.tolist(), strict=True):
        at, letter = row(value), _FEW
        if abs(value) > reach:
            at, letter = (0, "^") if value > 0 else (height - 1, "v")
        elif grid[at][column(flow)] in (_FEW, _MANY):
            letter = _MANY
        grid[at][column(flow)] = letter
    labels = {0: reach, middle: 0.0, height - 1: -reach}
    lines = [
        f"{f'{number(labels[at], 1, plus=True)} %' if at in labels else '':>{_GUTTER - 2}} |{''.join(cells)}".rstrip()
        for at, cells in enumerate(grid)
    ]
    return [*lines, _axis(low, high, columns)]


def _reach(error: Floats, zones: Sequence[Zone]) -> float:
    """Half the height of the axis in per cent: the limits and nearly all pairs."""
    widest = 100 * max((limit for _, _, limit in zones), default=0.0)
    return max(1.25 * widest, 1.1 * float(np.quantile(np.abs(error), 0.95)), 1.0)


def _decades(q: Floats, zones: Sequence[Zone]) -> tuple[float, float]:
    """The axis' ends as powers of ten: the flows seen, from the first zone's beginning if that is lower."""
    least = min([float(q.min()), *(begin for begin, _, _ in zones[:1])])
    low, high = math.log10(least), math.log10(float(q.max()))
    room = max(0.03 * (high - low), 0.05)
    return low - room, high + room


def _axis(low: float, high: float, columns: int) -> str:
    """Flows at round places: 1, 2 and 5 of each decade, as far as there is room."""
    cells = [" "] * (columns + _GUTTER)
    marks = [m * 10.0**d for d in range(math.floor(low), math.ceil(high) + 1) for m in (1, 2, 5)]
    free = _GUTTER
    for mark in marks:
        if not low <= math.log10(mark) <= high:
            continue
        text = f"{mark:g}"
        at = _GUTTER + round((math.log10(mark) - low) / (high - low) * (columns - 1)) - len(text) // 2
        if at >= free and at + len(text) + 5 <= len(cells):
            cells[at : at + len(text)] = text
            free = at + len(text) + 2
    cells[-3:] = "L/h"
    return "".join(cells).rstrip()
