"""The time line of one meter: its error window by window, its regimes with their onset intervals, and its verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.audit.charts import Meter, end_of
from reports.audit.drawn import Drawn
from reports.audit.timescale import thinned
from reports.audit.windows import VERDICTS, Ints, Windows
from reports.picture import Floats, Picture
from reports.sheet import BLUE, GREEN, GREY, GRID, INK, VERMILION, Sheet, tick_labels, ticks
from reports.wording import count, finite, percent
from transforms.audit.bends import MONTH_DAYS

#: verdicts and their colours, from the upper lane to the lowest
LANES = {"healthy": GREEN, "steady": BLUE, "unsteady": VERMILION, "inconclusive": GREY}


@dataclass(frozen=True)
class Look:
    """Size and field of a drawing, and how much it may hold."""

    size: tuple[float, float]
    box: tuple[float, float, float, float]
    dates: int
    dots: int
    columns: int


WIDE = Look((12.0, 4.6), (0.075, 0.085, 0.91, 0.84), 12, 1000, 300)
NARROW = Look((5.4, 5.0), (0.135, 0.085, 0.85, 0.84), 5, 250, 120)
PAPER = Look((9.6, 3.1), (0.095, 0.105, 0.895, 0.8), 10, 1000, 240)


def timelines(meter: Meter, *looks: Look) -> list[Drawn | None]:
    """The error of each window over time, with regimes, onset intervals and lanes of verdicts, once for each look.

    None without windows.
    """
    windows = meter.windows
    if not len(windows):
        return [None] * len(looks)
    known = windows.take(np.isfinite(windows.error))
    sizes = np.abs(known.error)
    reach = _reach(meter, sizes)
    middles = (meter.scale.of(known.start) + meter.scale.of(known.end)) / 2
    dots = (known.verdict, middles, np.clip(known.error, -reach, reach))
    words = _words(meter, windows, known.error, int((sizes > reach).sum()))
    steps = [tick / 100 for tick in ticks(-100 * reach, 100 * reach, 5)]
    levels = list(zip(steps, tick_labels([100 * step for step in steps], plus=True), strict=True))
    return [Drawn(_drawn(meter, look, reach, levels, dots), f"Time line, {meter.who}", words) for look in looks]


def _drawn(
    meter: Meter, look: Look, reach: float, levels: list[tuple[float, str]], dots: tuple[Ints, Floats, Floats]
) -> Picture:
    lane = 0.17 * reach
    floor = -reach - lane * (len(LANES) + 0.4)
    sheet = Sheet(look.size, (0.0, meter.scale.days), (floor, reach), look.box)
    sheet.grid(meter.scale.marks(look.dates), levels, "", "error, %")
    _limits(sheet, meter, reach)
    sheet.rule((0.0, meter.scale.days), (0.0, 0.0), (0, (4, 3)))
    _dots(sheet, *dots, look.dots)
    for each in meter.regimes:
        _regime(sheet, meter, each, reach)
    _lanes(sheet, meter, meter.windows, (-reach - lane * 0.4, lane), look.columns)
    return sheet.figure


def _reach(meter: Meter, sizes: Floats) -> float:
    """Half the height of the error axis: all regimes with room, the limits, and nine in ten windows, up to 150 %."""
    levels = [abs(level) for each in meter.regimes if (level := finite(each.get("volume_error"))) is not None]
    most = float(np.quantile(sizes, 0.9)) if len(sizes) else 0.0
    limit = (meter.limit("mpe_high") or 0.0) * max(meter.in_service, 1.0)
    return min(max(1.3 * max(levels, default=0.0), 1.2 * most, 1.4 * limit, 0.02), 1.5)


def _limits(sheet: Sheet, meter: Meter, reach: float) -> None:
    """The permissible error from Q2 to Q4: on verification as an area, in service as dotted lines."""
    limit, ends = meter.limit("mpe_high"), (0.0, meter.scale.days)
    if limit is None:
        return
    sheet.area(ends, [-min(limit, reach)] * 2, [min(limit, reach)] * 2, GREEN, 0.2)
    wide = limit * meter.in_service
    if meter.in_service != 1.0 and wide <= reach:
        for side in (-wide, wide):
            sheet.rule(ends, (side, side), (0, (1.5, 1.5)), 1.1)


def _dots(sheet: Sheet, verdicts: Ints, places: Floats, errors: Floats, most: int) -> None:
    kept = thinned(len(places), most)
    for verdict, colour in reversed(LANES.items()):
        mine = kept[verdicts[kept] == VERDICTS.index(verdict)]
        sheet.dots(places[mine], errors[mine], colour, 3.2)


def _regime(sheet: Sheet, meter: Meter, each: Mapping[str, Any], reach: float) -> None:
    """The level of a regime (sloped where it drifts), its interval, and the interval of its onset."""
    begin, end = meter.scale.at(each["begins"]), end_of(each["ends"], meter.scale)
    if each["regime"] > 1:
        low, high = (meter.scale.at(each[name] or each["begins"]) for name in ("begins_low", "begins_high"))
        sheet.area((low, high), [-reach] * 2, [reach] * 2, INK, 0.16)
        sheet.rule((begin, begin), (-reach, reach), (0, (2, 2)), 1.2)
    sheet.text((begin + end) / 2, 0.93 * reach, str(each["regime"]), ha="center")
    level = finite(each.get("volume_error"))
    if level is None or each.get("form") == "unsteady":
        return
    tilt = (finite(each.get("drift_per_month")) or 0.0) * (end - begin) / 2 / MONTH_DAYS
    lower, upper = (finite(each.get(f"volume_error_{side}")) for side in ("low", "high"))
    if lower is not None and upper is not None:
        under, over = ([min(max(bound + side * tilt, -reach), reach) for side in (-1, 1)] for bound in (lower, upper))
        sheet.area((begin, end), under, over, INK, 0.18)
    sheet.marks([[(begin, level - tilt), (end, level + tilt)]], INK, 2.4, zorder=5)


def _lanes(sheet: Sheet, meter: Meter, windows: Windows, place: tuple[float, float], most: int) -> None:
    """A lane for each verdict: how high it is filled says what share of the windows there got that verdict."""
    (high, lane), days = place, meter.scale.days
    places = meter.scale.of(windows.start)
    length = float(meter.scale.of(windows.end)[0] - places[0])
    columns = min(most, max(1, round(days / length)))
    column = np.clip((places / days * columns + 1e-6).astype(int), 0, columns - 1)
    everything = np.maximum(np.bincount(column, minlength=columns), 1)
    # other verdicts, which are numbered -1, are counted before the first lane
    counts = np.bincount(column + columns * (windows.verdict + 1), minlength=columns * (1 + len(VERDICTS)))
    shares = counts.reshape(-1, columns)[1:] / everything
    left, width = np.arange(columns) * days / columns, days / columns
    for row, (verdict, colour) in enumerate(LANES.items()):
        base = high - lane * (row + 1) + 0.12 * lane
        share = shares[VERDICTS.index(verdict)]
        (some,) = share.nonzero()
        # corners from the lower left one, up first
        boxes = np.full((len(some), 4, 2), base)
        boxes[:, :2, 0], boxes[:, 2:, 0] = left[some, None], left[some, None] + width
        boxes[:, 1:3, 1] = base + share[some, None] * 0.76 * lane
        sheet.marks([[(0.0, base), (days, base)]], GRID, 0.8, zorder=1)
        sheet.boxes(boxes, colour)
        sheet.text(-0.006 * days, base + 0.36 * lane, _SHORT[verdict], ha="right", colour=colour)


_SHORT = {"healthy": "healthy", "steady": "steady", "unsteady": "unsteady", "inconclusive": "open"}


def _words(meter: Meter, windows: Windows, errors: Floats, beyond: int) -> str:
    tally = ", ".join(f"{(windows.verdict == VERDICTS.index(name)).sum()} {name}" for name in LANES)
    edge = f" {count(beyond, 'window')} beyond the axis, drawn at its edge." if beyond else ""
    middle = f" Median error {percent(float(np.median(errors)))}." if len(errors) else ""
    return f"{count(len(windows), 'window')} ({tally}) in {count(len(meter.regimes), 'regime')}.{middle}{edge}"
