"""Plain columns: those that follow from a window's sums and extremes by a multiplication or two.

Sums are whole numbers, and take half the bytes of what follows from them: an audit writes those between its steps, and the
columns where it publishes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled
from transforms.fit.lines import Floats, Ints
from transforms.judge.evidence import FLOWING
from transforms.judge.words import MISSING
from transforms.summarise.moments import Moments

#: while water flows: the sum of the reference's flows, and what that of the meter's has more, the least and the largest flow of
#: the reference, and how many differences lie in the preset range, on the side where more do; all 0 where nothing flows
OF_FLOWS = ("flow_x", "flow_more", "least_x", "most_x", "in_band")
#: the same of sums while it is still; `MISSING` where meter and reference were not paired
OF_STILL = ("still_x", "still_more")
WHOLE = (*OF_FLOWS, *OF_STILL)
#: what follows from the first
ON_FLOWS = ("mean_diff_lph", "share_in_band", "volume_error", "q_min_lph", "q_max_lph")
#: and from the sums, still or not
VOLUMES = ("volume_l", "meter_volume_l")
PLAIN = (*ON_FLOWS, *VOLUMES)

_HOUR_US = 3.6e9

Columns = Mapping[str, npt.NDArray[Any]]


def whole_of(moments: Moments) -> dict[str, Ints]:
    """The columns `WHOLE`, in the units of the moments."""
    flowing = [
        moments.total(name, FLOWING) for name in ("n", "sx", "sy", "x_min", "x_max", "n_band_above", "n_band_below")
    ]
    return dict(zip(WHOLE, _whole(*flowing, *(moments.total(name) for name in ("sx", "sy"))), strict=True))


def on_flows(whole: Columns, n: Ints, unit_lph: Floats) -> dict[str, Floats]:
    """The columns `ON_FLOWS`, NaN where nothing flows, of windows with ``n`` flowing pairs."""
    known = [n, *(whole[name] for name in OF_FLOWS)]
    return dict(zip(ON_FLOWS, _on_flows(unit_lph, *known), strict=True))


def volumes(whole: Columns, unit_lph: Floats, interval_us: Ints) -> dict[str, Floats]:
    """The columns `VOLUMES`, NaN where meter and reference were not paired, of windows with a reading every ``interval_us``."""
    sums = [whole[name] for name in (*OF_FLOWS[:2], *OF_STILL)]
    return dict(zip(VOLUMES, _volumes(unit_lph, interval_us, *sums), strict=True))


@compiled
def _whole(
    n: Ints, sx: Ints, sy: Ints, lowest: Ints, highest: Ints, above: Ints, below: Ints, all_x: Ints, all_y: Ints
) -> Ints:
    found = np.zeros((7, len(n)), np.int64)
    for row in range(len(n)):
        found[0, row], found[1, row] = sx[row], sy[row] - sx[row]
        if n[row] > 0:
            found[2, row], found[3, row] = lowest[row], highest[row]
        found[4, row] = max(above[row], below[row])
        still_x, still_y = all_x[row] - sx[row], all_y[row] - sy[row]
        found[5, row], found[6, row] = still_x, still_y - still_x
    return found


@compiled
def _on_flows(
    unit: Floats, n: Ints, flow_x: Ints, flow_more: Ints, least_x: Ints, most_x: Ints, in_band: Ints
) -> Floats:
    found = np.full((5, len(n)), np.nan)
    for row in range(len(n)):
        if n[row] > 0:
            x, y = float(flow_x[row]), float(flow_x[row] + flow_more[row])
            found[0, row], found[1, row] = (y - x) / n[row] * unit[row], in_band[row] / n[row]
            found[2, row] = y / x - 1
            found[3, row], found[4, row] = least_x[row] * unit[row], most_x[row] * unit[row]
    return found


@compiled
def _volumes(unit: Floats, interval_us: Ints, flow_x: Ints, flow_more: Ints, still_x: Ints, still_more: Ints) -> Floats:
    found = np.full((2, len(flow_x)), np.nan)
    for row in range(len(flow_x)):
        if still_x[row] != MISSING:
            hours, x = interval_us[row] / _HOUR_US, flow_x[row] + still_x[row]
            found[0, row] = x * unit[row] * hours
            found[1, row] = (x + flow_more[row] + still_more[row]) * unit[row] * hours
    return found
