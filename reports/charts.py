"""The charts of a run's report: the fleet's errors, a meter against its reference, and its differences over time.

Colours are Okabe and Ito's, which people with any colour vision tell apart; shapes and line styles say the same again.
No text from outside enters a figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from reports.clock import local, zone_at, zone_name
from reports.picture import Floats, Picture
from reports.sheet import BLUE, GREEN, GREY, VERMILION, Sheet, tick_labels, ticks
from reports.svg import inline_svg
from reports.wording import MINUS, count, flow, number, percent

VERDICT_COLOURS = {"healthy": GREEN, "steady": BLUE, "unsteady": VERMILION}
MOST_POINTS = 500
_SIZE = (5.6, 3.7)  # inches of 72 units: the drawing is scaled to the page


@dataclass(frozen=True)
class MeterSamples:
    """What the two charts of one meter need. Flows in L/h, errors relative, times UTC.

    ``mpe_low`` holds from Q1 to Q2, ``mpe_high`` from Q2 to Q4. ``line`` is (a1, a2 [L/h], q_min, q_max [L/h]) and
    ``curve`` the points (q, q') of a fitted curve; either may be missing.
    """

    times: Sequence[datetime]
    q_lph: Floats
    q_meter_lph: Floats
    start: datetime
    end: datetime
    q1: float | None = None
    q2: float | None = None
    mpe_low: float | None = None
    mpe_high: float | None = None
    band: tuple[float, float] | None = None
    line: tuple[float, float, float, float] | None = None
    curve: tuple[tuple[float, float], ...] = ()


def _thinned(samples: MeterSamples) -> tuple[Floats, Floats, Floats]:
    """Hours since the window's start, q and q', evenly thinned to what a chart can show."""
    many = len(samples.q_lph)
    keep = np.arange(many) if many <= MOST_POINTS else np.linspace(0, many - 1, MOST_POINTS).round().astype(int)
    hours = np.array([(samples.times[k] - samples.start).total_seconds() / 3600 for k in keep], dtype=float)
    return hours, samples.q_lph[keep], samples.q_meter_lph[keep]


def _dot(many: int) -> float:
    """How large a dot is drawn, so that many still show where they are dense."""
    return 5.0 if many <= 150 else 3.2


def mapping_chart(samples: MeterSamples, key: str, who: str) -> str:
    """q' against q: identity line, permissible error, fitted relation. Returns SVG."""
    _, q, q_meter = _thinned(samples)
    top = max(float(q.max(initial=0.0)), float(q_meter.max(initial=0.0)), 1.0) * 1.06
    sheet = Sheet(_SIZE, (0.0, top), (0.0, top), (0.125, 0.165, 0.855, 0.745))
    steps = ticks(0.0, top, 5)
    marks = list(zip(steps, tick_labels(steps), strict=True))
    sheet.grid(marks, marks, "reference q, L/h", "meter q', L/h")
    for begin, end, limit in _zones(samples, top):
        edges = (begin, end)
        sheet.area(edges, [x * (1 - limit) for x in edges], [x * (1 + limit) for x in edges], GREEN, 0.25)
    sheet.rule((0.0, top), (0.0, top), (0, (4, 3)))
    flowing = q >= (samples.q1 or 0.0)
    size = _dot(len(q))
    sheet.dots(q[~flowing], q_meter[~flowing], GREY, size * 0.8)
    sheet.dots(q[flowing], q_meter[flowing], BLUE, size)
    if samples.curve:
        sheet.curve([x for x, _ in samples.curve], [y for _, y in samples.curve], VERMILION)
    elif samples.line:
        a1, a2, begin, end = samples.line
        sheet.curve((begin, end), (a1 * begin + a2, a1 * end + a2), VERMILION)
    fitted = ", with the fitted relation" if samples.line or samples.curve else ""
    description = (
        f"{count(len(samples.q_lph), 'pair')} of readings; reference up to {flow(q.max(initial=0.0))}, "
        f"meter up to {flow(q_meter.max(initial=0.0))}{fitted}."
    )
    return inline_svg(sheet.figure, key, f"Meter reading against reference, {who}", description)


def _zones(samples: MeterSamples, top: float) -> list[tuple[float, float, float]]:
    """(from, to, permissible error) of the flow zones that reach into the chart."""
    if samples.q1 is None or samples.q2 is None or samples.mpe_low is None or samples.mpe_high is None:
        return []
    zones = [(samples.q1, min(samples.q2, top), samples.mpe_low), (samples.q2, top, samples.mpe_high)]
    return [zone for zone in zones if zone[0] < zone[1]]


def difference_chart(samples: MeterSamples, key: str, who: str) -> str:
    """q' - q over the window, with the model's preset threshold range on the side of the deviation. Returns SVG."""
    hours, q, q_meter = _thinned(samples)
    difference = q_meter - q
    flowing = q >= (samples.q1 or 0.0)
    mean = float(difference[flowing].mean()) if flowing.any() else 0.0
    band = [] if samples.band is None else sorted(edge if mean >= 0 else -edge for edge in samples.band)
    low, high = min(0.0, float(difference.min(initial=0.0))), max(0.0, float(difference.max(initial=0.0)))
    reach = max(high - low, 1.0)
    near = [edge for edge in band if low - 1.5 * reach <= edge <= high + 1.5 * reach]
    low, high = min([low, *near]), max([high, *near])
    room = 0.08 * max(high - low, 1.0)
    low, high = low - room, high + room
    length = max((samples.end - samples.start).total_seconds() / 3600, 1e-6)
    sheet = Sheet(_SIZE, (0.0, length), (low, high), (0.125, 0.165, 0.84, 0.745))
    steps = ticks(low, high, 5)
    clock = [(hour, f"{local(samples.start + timedelta(hours=hour)):%H:%M}") for hour in _hour_ticks(length)]
    zone = zone_at(samples.start) if zone_at(samples.start) == zone_at(samples.end) else zone_name()
    sheet.grid(clock, list(zip(steps, tick_labels(steps, plus=True), strict=True)), f"time, {zone}", "q' − q, L/h")
    if band:
        edges = [min(max(edge, low), high) for edge in band]
        sheet.area((0.0, length), [edges[0]] * 2, [edges[1]] * 2, BLUE, 0.13)
    sheet.rule((0.0, length), (0.0, 0.0), (0, (4, 3)))
    size = _dot(len(q))
    sheet.dots(hours[~flowing], difference[~flowing], GREY, size * 0.8)
    sheet.dots(hours[flowing], difference[flowing], BLUE, size)
    description = (
        f"Differences from {flow(difference.min(initial=0.0), plus=True)} "
        f"to {flow(difference.max(initial=0.0), plus=True)}; mean while water flows {flow(mean, plus=True)}."
    )
    return inline_svg(sheet.figure, key, f"Differences over the window, {who}", description)


def _hour_ticks(length: float) -> list[float]:
    """Whole fractions of the window, in hours from its start, at most six: labels of more would touch on a telephone."""
    step = next((s for s in (0.25, 0.5, 1, 2, 3, 4, 6, 12, 24) if length / s <= 5), length)
    return [k * step for k in range(int(length / step + 1e-9) + 1)]


@dataclass(frozen=True)
class FleetErrors:
    """Volume errors of the judged meters by verdict, and permissible errors as (limit, whether from Q2 to Q4).

    Another grouping than by verdict brings its own ``colours``, and in ``marked`` the groups of which every meter shows.
    """

    errors: dict[str, Floats]
    limits: tuple[tuple[float, bool], ...]
    colours: Mapping[str, str] = field(default_factory=lambda: VERDICT_COLOURS)
    marked: tuple[str, ...] = ("steady", "unsteady")
    over: str = "the window"


def fleet_chart(fleet: FleetErrors, key: str, *, narrow: bool = False) -> str:
    """Histogram of the judged meters' volume errors; under it a mark for each that is not healthy. Returns SVG."""
    figure, description = fleet_figure(fleet, narrow=narrow)
    return inline_svg(figure, key, "Error distribution of the fleet", description)


def fleet_figure(fleet: FleetErrors, *, narrow: bool = False) -> tuple[Picture, str]:
    """The figure of `fleet_chart`, and what it shows in words.

    Errors beyond the axis are counted in its outermost bars, and the chart says how many there are.
    """
    everything = np.concatenate([*fleet.errors.values(), np.empty(0)])
    reach = _reach(everything, fleet.limits)
    bins = np.linspace(-reach, reach, (40 if narrow else 80) + 1)
    size, box = ((5.4, 4.6), (0.125, 0.13, 0.85, 0.79)) if narrow else ((12.0, 4.3), (0.055, 0.135, 0.935, 0.78))
    heights = {v: np.histogram(np.clip(e, -reach, reach), bins)[0] for v, e in fleet.errors.items()}
    tallest = max(1, int(sum(heights.values(), np.zeros(len(bins) - 1, dtype=int)).max()))
    lane = 0.075 * tallest
    lanes = [verdict for verdict in fleet.marked if len(fleet.errors.get(verdict, ()))]
    floor, ceiling = -lane * (len(lanes) + 0.35) if lanes else 0.0, tallest * 1.27
    sheet = Sheet(size, (-reach, reach), (floor, ceiling), box)
    xs = [tick / 100 for tick in ticks(-reach * 100, reach * 100, 5 if narrow else 10)]
    x_marks = list(zip(xs, tick_labels([x * 100 for x in xs], plus=True), strict=True))
    ys = [tick for tick in ticks(0, tallest, 4) if tick == int(tick)]
    sheet.grid(x_marks, list(zip(ys, tick_labels(ys), strict=True)), f"volume error over {fleet.over}, %", "meters")
    base = np.zeros(len(bins) - 1)
    for verdict, colour in fleet.colours.items():
        if verdict in heights:
            _bars(sheet, bins, base, heights[verdict], colour)
            base = base + heights[verdict]
    for row, verdict in enumerate(lanes):
        colour = fleet.colours[verdict]
        _lane(sheet, fleet.errors[verdict], reach, y=-lane * (row + 0.75), lane=lane, colour=colour)
    sheet.rule((-reach, reach), (0.0, 0.0), width=1.0)
    _limit_lines(sheet, fleet.limits, tallest)
    _beyond(sheet, everything, reach, tallest)
    return sheet.figure, _fleet_words(fleet, everything)


def _reach(errors: Floats, limits: Sequence[tuple[float, bool]]) -> float:
    """Half the width of the error axis: the limits with room, and nearly all meters, within 4 % and 40 %."""
    widest = max((limit for limit, _ in limits), default=0.0)
    most = float(np.quantile(np.abs(errors), 0.98)) if len(errors) else 0.0
    wanted = min(max(1.6 * widest, 1.1 * most, 0.04), 0.4)
    return float(np.ceil(wanted * 100 / 2) * 2 / 100)


def _bars(sheet: Sheet, bins: Floats, base: Floats, heights: NDArray[np.int64], colour: str) -> None:
    width = (bins[1] - bins[0]) * 0.46
    middles = (bins[:-1] + bins[1:]) / 2
    boxes = [
        [(m - width, b), (m - width, b + h), (m + width, b + h), (m + width, b)]
        for m, b, h in zip(middles, base, heights, strict=True)
        if h
    ]
    sheet.boxes(boxes, colour)


def _lane(sheet: Sheet, errors: Floats, reach: float, *, y: float, lane: float, colour: str) -> None:
    """One mark per distinct place: few meters that are off stay visible beside a fleet of a hundred thousand."""
    places = np.unique(np.round(np.clip(errors / reach, -0.996, 0.996) * 250)) / 250 * reach
    marks = [[(x, y - lane * 0.33), (x, y + lane * 0.33)] for x in places]
    sheet.marks(marks, colour, 2.0)


def _limit_lines(sheet: Sheet, limits: Sequence[tuple[float, bool]], tallest: int) -> None:
    """Upright lines at the permissible errors, solid from Q2 to Q4 and dashed from Q1 to Q2.

    The wider the limit the lower its line, so that each label stands above all lines to its right.
    """
    for row, (limit, upper) in enumerate(sorted(limits)[:6]):
        height = tallest * (1.21 - 0.07 * row)
        for edge in (-limit, limit):
            sheet.rule((edge, edge), (0.0, height), "-" if upper else (0, (4, 3)))
        sheet.text(limit, height, f" ±{limit * 100:g} %", ha="left", va="center")


def _beyond(sheet: Sheet, errors: Floats, reach: float, tallest: int) -> None:
    below, above = int((errors < -reach).sum()), int((errors > reach).sum())
    edge = f"{reach * 100:g} %"
    if below:
        text = f"← {number(below)} below {MINUS}{edge}"
        sheet.text(-reach, tallest * 0.6, text, ha="left")
    if above:
        sheet.text(reach, tallest * 0.6, f"{number(above)} above +{edge} →", ha="right")


#: meters from which on nine in ten of them are told from all
_MANY = 20


def spread_words(errors: Floats) -> tuple[str, str, str]:
    """The median of errors, how many of them are told by their ends, and these: of many those of nine in ten, of few of all."""
    many = len(errors) >= _MANY
    low, middle, high = (percent(float(np.quantile(errors, at))) for at in ((0.05, 0.5, 0.95) if many else (0, 0.5, 1)))
    return middle, "nine in ten" if many else "all", f"{low} and {high}"


def _fleet_words(fleet: FleetErrors, everything: Floats) -> str:
    if not len(everything):
        return "No meter could be judged."
    parts = ", ".join(f"{number(len(errors))} {verdict}" for verdict, errors in fleet.errors.items() if len(errors))
    judged = count(len(everything), "judged meter")
    if len(everything) == 1:
        return f"{judged} ({parts}): {percent(float(everything[0]))}."
    middle, who, ends = spread_words(everything)
    return f"{judged} ({parts}). Median {middle}; {who} lie between {ends}."
