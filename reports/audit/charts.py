"""The charts of one meter over an audit: against the reference, error by flow, the time line, and the litres gone astray.

No text from outside enters a figure. Colours are Okabe and Ito's; a number or a place says the same as each colour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from reports.audit.drawn import Drawn
from reports.audit.timescale import TimeScale, thinned
from reports.audit.windows import Windows
from reports.picture import Floats
from reports.sheet import BLUE, GREEN, GREY, INK, VERMILION, Sheet, tick_labels, ticks
from reports.wording import count, finite, flow, number, percent
from transforms.metrology import ZONES

SKY, PURPLE, ORANGE = "#56b4e9", "#b0579a", "#b97800"
#: colours of the first regimes; the later ones are grey, and all carry their number
REGIME_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE)
MOST_PAIRS = 500
_PAIR_SIZE, _PAIR_BOX = (5.6, 3.7), (0.125, 0.165, 0.855, 0.745)


@dataclass(frozen=True)
class Pairs:
    """A thinned sample of pairs of one meter, and the regime that each belongs to."""

    q: Floats
    q_meter: Floats
    regime: Any


@dataclass(frozen=True)
class Meter:
    """What the charts of one meter are drawn from.

    ``row`` is of AUDIT_METERS, ``regimes`` rows of REGIMES in order of time, ``windows`` its windows, ``points`` PAIRS,
    ``limits`` a row of `reports.audit.view.LIMITS`; ``in_service`` multiplies its permissible errors. ``scale`` is what is
    drawn of the audit's ``span``. ``registers`` are rows of FINDINGS, ``not_judged`` of NOT_JUDGED.
    """

    row: Mapping[str, Any]
    regimes: Sequence[Mapping[str, Any]]
    windows: Windows
    points: pl.DataFrame | None
    limits: Mapping[str, Any]
    scale: TimeScale
    span: tuple[datetime, datetime]
    who: str
    in_service: float = 1.0
    registers: Sequence[Mapping[str, Any]] = ()
    not_judged: Sequence[Mapping[str, Any]] = ()

    def limit(self, name: str) -> float | None:
        """A number of the meter's model, None if it is not known."""
        return finite(self.limits.get(name))

    @cached_property
    def pairs(self) -> Pairs | None:
        """The thinned sample of its points, None if there are none."""
        return None if self.points is None else _pairs(self, self.points)


def regime_colour(regime: int) -> str:
    """The colour of a regime by its number, from 1."""
    return REGIME_COLOURS[regime - 1] if 1 <= regime <= len(REGIME_COLOURS) else GREY


def _pairs(meter: Meter, points: pl.DataFrame) -> Pairs | None:
    us, q, q_meter = (
        points["timestamp"].to_physical().to_numpy(),
        *(points[n].to_numpy() for n in ("q_lph", "q_meter_lph")),
    )
    order = np.lexsort((q_meter, q, us))
    order = order[np.isfinite(q[order]) & np.isfinite(q_meter[order])]
    if not len(order):
        return None
    kept = order[thinned(len(order), MOST_PAIRS)]
    begins = np.array([meter.scale.at(each["begins"]) for each in meter.regimes])
    return Pairs(q[kept], q_meter[kept], np.searchsorted(begins, meter.scale.of(us[kept]), side="right"))


def relation_chart(meter: Meter) -> Drawn | None:
    """q' against q with the line of each regime; None if there are no pairs."""
    pairs = meter.pairs
    if pairs is None:
        return None
    q1 = meter.limit("q1_lph") or 0.0
    top = max(float(pairs.q.max()), float(pairs.q_meter.max()), 1.0) * 1.06
    sheet = Sheet(_PAIR_SIZE, (0.0, top), (0.0, top), _PAIR_BOX)
    steps = ticks(0.0, top, 5)
    marks = list(zip(steps, tick_labels(steps), strict=True))
    sheet.grid(marks, marks, "reference q, L/h", "meter q', L/h")
    for begin, end, limit in _zone_limits(meter, top):
        edges = (begin, end)
        sheet.area(edges, [x * (1 - limit) for x in edges], [x * (1 + limit) for x in edges], GREEN, 0.22)
    sheet.rule((0.0, top), (0.0, top), (0, (4, 3)))
    still = pairs.q < q1
    sheet.dots(pairs.q[still], pairs.q_meter[still], GREY, 3.0)
    for regime in np.unique(pairs.regime):
        mine = (pairs.regime == regime) & ~still
        sheet.dots(pairs.q[mine], pairs.q_meter[mine], regime_colour(int(regime)), 3.4)
    _lines(sheet, meter, top)
    description = (
        f"{count(len(pairs.q), 'pair')} of readings from the whole span; reference up to {flow(pairs.q.max())}, "
        f"meter up to {flow(pairs.q_meter.max())}."
    )
    return Drawn(sheet.figure, f"Meter against reference, {meter.who}", description)


def _zone_limits(meter: Meter, top: float) -> list[tuple[float, float, float]]:
    """(from, to, permissible error on verification) of the zones that reach into the chart."""
    q1, q2, low, high = (meter.limit(name) for name in ("q1_lph", "q2_lph", "mpe_low", "mpe_high"))
    if q1 is None or q2 is None or low is None or high is None:
        return []
    return [zone for zone in ((q1, min(q2, top), low), (q2, top, high)) if zone[0] < zone[1]]


def _lines(sheet: Sheet, meter: Meter, top: float) -> None:
    """The relation of each regime that has one, with its number beside it, each number a little lower than the last."""
    shown = [each for each in meter.regimes if each.get("form") in {"linear", "offset", "healthy", "curve"}]
    for place, each in enumerate([each for each in shown if finite(each.get("a1"))][:6]):
        q, q_meter = _relation(each, top)
        sheet.curve(q, q_meter, regime_colour(each["regime"]))
        x = q[-1] * (0.95 - 0.1 * place)
        at = float(np.interp(x, q, q_meter))
        side = 1 if at >= x else -1
        level = min(max(at + 0.045 * side * top, 0.03 * top), 0.97 * top)
        sheet.text(x - 0.02 * side * top, level, str(each["regime"]), ha="center", colour=regime_colour(each["regime"]))


def _relation(regime: Mapping[str, Any], top: float) -> tuple[list[float], list[float]]:
    """Where a regime's relation goes within the chart: a line from zero to its edge, or the points of a curve."""
    if regime.get("form") == "curve" and regime.get("points"):
        inside = [(float(q), float(q_meter)) for q, q_meter in regime["points"] if max(q, q_meter) <= top]
        if inside:
            return [q for q, _ in inside], [q_meter for _, q_meter in inside]
    a1, offset = float(regime["a1"]), finite(regime.get("a2")) or 0.0
    right = min(top, (top - offset) / a1) if a1 > 0 else top
    return [0.0, right], [offset, a1 * right + offset]


def error_chart(meter: Meter) -> Drawn | None:
    """Relative error against flow, the error of each flow zone with its uncertainty, and both permissible errors."""
    pairs, q1 = meter.pairs, meter.limit("q1_lph")
    q4 = meter.limit("q4_lph")
    if q1 is None or q4 is None:
        return None
    flowing = np.zeros(0, bool) if pairs is None else pairs.q >= q1
    q = np.empty(0) if pairs is None else pairs.q[flowing]
    error = np.empty(0) if pairs is None else pairs.q_meter[flowing] / q - 1
    zones = _zone_errors(meter)
    if not len(q) and not zones:
        return None
    reach = _reach(meter, error, [abs(value) + spread for _, _, value, spread in zones])
    span = (math.log10(q1 / 1.15), math.log10(q4 * 1.05))
    sheet = Sheet(_PAIR_SIZE, span, (-reach, reach), _PAIR_BOX)
    steps = [tick / 100 for tick in ticks(-100 * reach, 100 * reach, 6)]
    labels = tick_labels([100 * step for step in steps], plus=True)
    flows = [(math.log10(at), text) for at, text in _flow_marks(q1 / 1.15, q4 * 1.05)]
    sheet.grid(flows, list(zip(steps, labels, strict=True)), "reference q, L/h", "error (q' − q) / q, %")
    _limit_bands(sheet, meter, span, reach)
    sheet.rule(span, (0.0, 0.0), (0, (4, 3)))
    if pairs is not None:
        regime = pairs.regime[flowing]
        for each in np.unique(regime):
            mine = regime == each
            shown = np.clip(error[mine], -reach, reach)
            sheet.dots(np.log10(q[mine]), shown, regime_colour(int(each)), 2.6)
    _zone_bars(sheet, zones, reach)
    told = "; ".join(
        f"{percent(value)} ± {percent(spread, plus=False)} from {name}" for name, _, value, spread in zones
    )
    beyond = int((np.abs(error) > reach).sum())
    edge = f" {count(beyond, 'pair')} beyond the axis, drawn at its edge." if beyond else ""
    return Drawn(sheet.figure, f"Error by flow, {meter.who}", f"Error by flow zone: {told or 'not known'}.{edge}")


def _flow_marks(low: float, high: float) -> list[tuple[float, str]]:
    """1, 2 and 5 of each decade, or the decades alone where those would be too many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = [m * 10.0**d for d in decades for m in (1, 2, 5) if low <= m * 10.0**d <= high]
    kept = marks if len(marks) <= 8 else [mark for mark in marks if f"{mark:e}".startswith("1.0")]
    return [(mark, number(mark) if mark >= 1 else f"{mark:g}") for mark in kept]


def _zone_errors(meter: Meter) -> list[tuple[str, tuple[float, float], float, float]]:
    """(name, edges [L/h], error, uncertainty) of the zones with evidence."""
    edges = [meter.limit(f"q{k}_lph") for k in (1, 2, 3, 4)]
    found = []
    for place, zone in enumerate(ZONES):
        low, high, value = edges[place], edges[place + 1], finite(meter.row.get(f"error_{zone}"))
        if low is not None and high is not None and value is not None:
            spread = finite(meter.row.get(f"uncertainty_{zone}")) or 0.0
            found.append((f"Q{place + 1} to Q{place + 2}", (low, high), value, spread))
    return found


def _reach(meter: Meter, errors: Floats, also: Sequence[float]) -> float:
    """Half the height of an error axis: the limits with room, nearly all errors, and whatever else must show."""
    clean = errors[np.isfinite(errors)]
    most = float(np.quantile(np.abs(clean), 0.95)) if len(clean) else 0.0
    limits = [limit for name in ("mpe_low", "mpe_high") if (limit := meter.limit(name))]
    widest = max(limits, default=0.0) * max(meter.in_service, 1.0)
    return min(max(1.25 * widest, 1.15 * most, 1.1 * max(also, default=0.0), 0.02), 3.0)


def _limit_bands(sheet: Sheet, meter: Meter, span: tuple[float, float], reach: float) -> None:
    """The permissible error on verification as an area, in service as dashed lines."""
    q2, low, high = (meter.limit(name) for name in ("q2_lph", "mpe_low", "mpe_high"))
    q1, q4 = meter.limit("q1_lph"), meter.limit("q4_lph")
    if q1 is None or q2 is None or q4 is None or low is None or high is None:
        return
    for begin, end, limit in ((q1, q2, low), (q2, q4, high)):
        edges = [min(max(math.log10(x), span[0]), span[1]) for x in (begin, end)]
        sheet.area(edges, [-min(limit, reach)] * 2, [min(limit, reach)] * 2, GREEN, 0.22)
        wide = limit * meter.in_service
        if meter.in_service != 1.0 and wide <= reach:
            for side in (-wide, wide):
                sheet.rule(edges, (side, side), (0, (1.5, 1.5)), 1.1)


def _zone_bars(sheet: Sheet, zones: Sequence[tuple[str, tuple[float, float], float, float]], reach: float) -> None:
    """A level line over each flow zone, with a box as high as its uncertainty."""
    for _, (low, high), value, spread in zones:
        begin, end = math.log10(low), math.log10(high)
        at, lower, upper = (min(max(x, -reach), reach) for x in (value, value - spread, value + spread))
        sheet.boxes([[(begin, lower), (begin, upper), (end, upper), (end, lower)]], INK, 0.16, zorder=3.5)
        sheet.marks([[(begin, at), (end, at)]], INK, 2.4, zorder=5)


def cumulative_chart(meter: Meter) -> Drawn | None:
    """Litres mis-registered since the start of the span, summed up window by window; None without volumes."""
    known = meter.windows.take(np.isfinite(meter.windows.volume_l) & np.isfinite(meter.windows.meter_volume_l))
    if not len(known):
        return None
    total = np.cumsum(known.meter_volume_l - known.volume_l)
    unit, name = (1000.0, "m³") if float(np.abs(total).max()) >= 10_000 else (1.0, "L")
    # level over gaps: each window leads from the sum before it to the sum with it
    run = np.column_stack([np.concatenate([[0.0], total[:-1]]), total]).ravel() / unit
    edges = [meter.scale.of(side) for side in (known.start, known.end)]
    places = np.column_stack(edges).ravel()
    low, high = min(0.0, float(run.min())), max(0.0, float(run.max()))
    room = 0.07 * max(high - low, 1e-3)
    sheet = Sheet(_PAIR_SIZE, (0.0, meter.scale.days), (low - room, high + room), _PAIR_BOX)
    steps = ticks(low - room, high + room, 5)
    levels = list(zip(steps, tick_labels(steps, plus=True), strict=True))
    sheet.grid(meter.scale.marks(6), levels, "", f"mis-registered so far, {name}")
    kept = thinned(len(run), MOST_PAIRS)
    places, shown = places[kept], run[kept]
    for sign, colour in ((-1, VERMILION), (1, BLUE)):
        sheet.area(places, np.zeros(len(shown)), np.where(np.sign(shown) == sign, shown, 0.0), colour, 0.18)
    for each in meter.regimes[1:]:
        sheet.rule([meter.scale.at(each["begins"])] * 2, (low - room, high + room), (0, (2, 2)), 1.0)
    sheet.rule((0.0, meter.scale.days), (0.0, 0.0), (0, (4, 3)))
    sheet.curve(places, shown, INK)
    end = f"{number(run[-1], 1 if unit > 1 else 0, plus=True)} {name}"
    return Drawn(
        sheet.figure,
        f"Litres mis-registered, {meter.who}",
        f"Over the windows with both readings the sum ends at {end}.",
    )


def end_of(when: datetime | None, scale: TimeScale) -> float:
    """The place where a regime ends; one without an end lasts to the end of the span."""
    return scale.days if when is None else scale.at(when)
