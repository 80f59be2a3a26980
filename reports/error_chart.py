"""The chart of a meter's errors by flow: (q' - q) / q against q on a logarithmic axis, with the permissible error."""

from __future__ import annotations

import math

import numpy as np

from reports.charts import MeterSamples
from reports.picture import Floats
from reports.sheet import BLUE, GREEN, VERMILION, Sheet, tick_labels, ticks
from reports.svg import inline_svg
from reports.wording import count, flow, percent

_SIZE = (5.6, 3.7)
_FITTED = 60  # points that a fitted relation is drawn with


def error_chart(samples: MeterSamples, key: str, who: str, q4: float | None = None) -> str:
    """Relative error of the flowing pairs against flow. Returns SVG.

    Pairs beyond the error axis are drawn at its edge, and the description counts them.
    """
    flowing = samples.q_lph >= max(samples.q1 or 0.0, 1e-9)
    q, error = samples.q_lph[flowing], samples.q_meter_lph[flowing] / samples.q_lph[flowing] - 1
    low, high = _flows(q, samples, q4)
    limits = [limit for limit in (samples.mpe_low, samples.mpe_high) if limit]
    reach = _reach(error, max(limits, default=0.0))
    sheet = Sheet(_SIZE, (math.log10(low), math.log10(high)), (-reach, reach), (0.125, 0.165, 0.855, 0.745))
    steps = [tick / 100 for tick in ticks(-100 * reach, 100 * reach, 6)]
    marks = [(math.log10(mark), f"{mark:g}") for mark in _round_flows(low, high)]
    labels = tick_labels([100 * step for step in steps], plus=True)
    sheet.grid(marks, list(zip(steps, labels, strict=True)), "reference q, L/h", "error (q' − q) / q, %")
    for begin, end, limit in _zones(samples, low, high):
        edge = min(limit, reach)
        sheet.area([math.log10(begin), math.log10(end)], [-edge] * 2, [edge] * 2, GREEN, 0.25)
    sheet.rule(sheet.x, (0.0, 0.0), (0, (4, 3)))
    sheet.dots(np.log10(q), np.clip(error, -reach, reach), BLUE)
    _fitted(sheet, samples, reach)
    beyond = int((np.abs(error) > reach).sum())
    middle = float(np.median(error)) if len(error) else 0.0
    description = (
        f"{count(len(q), 'flowing pair')} from {flow(low)} to {flow(high)}; median error {percent(middle)}"
        f"{f'; {beyond} beyond the axis, drawn at its edge' if beyond else ''}."
    )
    return inline_svg(sheet.figure, key, f"Error by flow, {who}", description)


def _flows(q: Floats, samples: MeterSamples, q4: float | None) -> tuple[float, float]:
    """The ends of the axis: from Q1, or the least flow, to the largest; a little room on both sides."""
    given = [float(q.min()), float(q.max())] if len(q) else []
    low = min([*given[:1], samples.q1 or math.inf])
    low = low if math.isfinite(low) else 1.0
    high = max([*given[1:], 10 * low if not given else 2 * low])
    return low / 1.08, min(high * 1.15, max(q4 or math.inf, high * 1.02))


def _reach(error: Floats, limit: float) -> float:
    """Half the height of the axis: the limits with room, and nearly all pairs; at most three times the reading."""
    most = float(np.quantile(np.abs(error), 0.97)) if len(error) else 0.0
    return min(max(1.5 * limit, 1.15 * most, 0.02), 3.0)


def _round_flows(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each decade; only the decades where those would be too many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = [m * 10.0**d for d in decades for m in (1, 2, 5) if low <= m * 10.0**d <= high]
    return marks if len(marks) <= 9 else [mark for mark in marks if f"{mark:e}".startswith("1.0")]


def _zones(samples: MeterSamples, low: float, high: float) -> list[tuple[float, float, float]]:
    """(from, to, permissible error) of the flow zones that reach into the chart."""
    if samples.q1 is None or samples.q2 is None or samples.mpe_low is None or samples.mpe_high is None:
        return []
    zones = [(samples.q1, samples.q2, samples.mpe_low), (samples.q2, high, samples.mpe_high)]
    clipped = [(max(begin, low), min(end, high), limit) for begin, end, limit in zones]
    return [zone for zone in clipped if zone[0] < zone[1]]


def _fitted(sheet: Sheet, samples: MeterSamples, reach: float) -> None:
    """The error of the fitted relation over the flows it was seen on."""
    if samples.curve:
        at, to = (np.array(each) for each in zip(*samples.curve, strict=True))
        begin, end = max(float(at[0]), 10 ** sheet.x[0]), float(at[-1])
    elif samples.line:
        begin, end = max(samples.line[2], 10 ** sheet.x[0]), samples.line[3]
    else:
        return
    if not begin < end:
        return
    q = np.geomspace(begin, end, _FITTED)
    relation = np.interp(q, at, to) if samples.curve else samples.line[0] * q + samples.line[1]  # type: ignore[index]
    error = relation / q - 1
    inside = np.abs(error) <= reach
    sheet.curve(np.log10(q)[inside].tolist(), error[inside].tolist(), VERMILION)
