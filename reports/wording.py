"""How numbers, times, outside strings and corrections are put into words, the same way wherever a person reads them."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reports.clock import local, zone_at

MINUS = "\u2212"
THIN = "\u202f"  # narrow no-break space: groups digits and binds a unit to its number
NOTHING = "\u2013"
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def visible(text: object) -> str:
    """Text from outside, with every control and direction character written out as ``[U+202E]``.

    Names of meters and files are shown as they are, but may neither turn the line around nor hide in it.
    """
    shown = str(text)
    return shown if shown.isprintable() else shown.translate(_SIGNS)


class _Signs(dict[int, str]):
    """What a character is shown as, by its code point."""

    def __missing__(self, point: int) -> str:
        hidden = unicodedata.category(chr(point)) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
        self[point] = shown = f"[U+{point:04X}]" if hidden else chr(point)
        return shown


_SIGNS = _Signs()


def finite(value: object) -> float | None:
    """The value as a float, or None if it is missing, not a number or not finite."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def _grouped(value: float, decimals: int) -> str:
    """A number without sign, digits in groups of three."""
    return f"{abs(value):,.{decimals}f}".replace(",", THIN)


def _sign(value: float, shown: str, plus: str = "") -> str:
    """The sign that goes with a number as it is shown: none if it is shown as zero."""
    if not shown.strip(f"0.{THIN}"):
        return ""
    return MINUS if value < 0 else plus


def number(value: object, decimals: int = 0, *, plus: bool = False) -> str:
    """A plain number: true minus sign, digits grouped, a dash where there is none."""
    given = finite(value)
    if given is None:
        return NOTHING
    shown = _grouped(given, decimals)
    return _sign(given, shown, "+" if plus else "") + shown


def _flow_decimals(value: float) -> int:
    return 0 if round(abs(value), 1) >= 100 else 1


def flow(value: object, *, plus: bool = False) -> str:
    """A flow in L/h: one decimal below 100 L/h, whole litres above."""
    given = finite(value)
    if given is None:
        return NOTHING
    return f"{number(given, _flow_decimals(given), plus=plus)}{THIN}L/h"


def percent(value: object, *, plus: bool = True) -> str:
    """A relative error as a percentage with its sign: two decimals below 10 %, one above."""
    given = finite(value)
    if given is None:
        return NOTHING
    hundredth = given * 100
    return f"{number(hundredth, 2 if round(abs(hundredth), 2) < 10 else 1, plus=plus)}{THIN}%"


def share(part: int, whole: int) -> str:
    """A part of a whole as a percentage, never rounded to 0 % or 100 % when it is neither."""
    if whole <= 0:
        return NOTHING
    value = 100 * part / whole
    if 0 < value < 0.1:
        return f"<{THIN}0.1{THIN}%"
    if 99.9 < value < 100:
        return f">{THIN}99.9{THIN}%"
    return f"{value:.{0 if value in (0.0, 100.0) else 1}f}{THIN}%"


def count(many: int, one: str, several: str | None = None) -> str:
    """A count with its noun: ``1 meter``, ``12 meters``."""
    return f"{number(many)} {one if many == 1 else several or one + 's'}"


def instant(given: datetime | str | None) -> datetime | None:
    """A time of the outbox's files (ISO 8601 with ``Z``, or a datetime) in UTC."""
    if given is None:
        return None
    read = datetime.fromisoformat(given) if isinstance(given, str) else given
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def moment(given: datetime | str | None) -> str:
    """An instant as ``2026-01-01 12:00 UTC``, by the clock of `reports.clock`, with seconds only if there are any."""
    read = instant(given)
    if read is None:
        return NOTHING
    return f"{local(read):{'%Y-%m-%d %H:%M:%S' if read.second else '%Y-%m-%d %H:%M'}} {zone_at(read)}"


def stretch(start: datetime, end: datetime) -> str:
    """A window as ``2026-01-01 00:00 to 2026-01-01 12:00 UTC``."""
    first = moment(start) if zone_at(start) != zone_at(end) else f"{local(start):%Y-%m-%d %H:%M}"
    return f"{first} to {moment(end)}"


def span(start: datetime, end: datetime) -> str:
    """A window as ``Thursday 1 January 2026, 00:00 to 12:00 UTC``, by the clock of `reports.clock`."""

    def day(when: datetime) -> str:
        return f"{_DAYS[when.weekday()]} {when.day} {_MONTHS[when.month - 1]} {when.year}"

    begin, until = local(start), local(end)
    zone = zone_at(end)
    first = f"{begin:%H:%M}" if zone_at(start) == zone else f"{begin:%H:%M} {zone_at(start)}"
    if begin.date() == until.date():
        return f"{day(begin)}, {first} to {until:%H:%M} {zone}"
    if (end - start).total_seconds() <= 86_400 and f"{until:%H:%M}" == "00:00":
        return f"{day(begin)}, {first} to 24:00 {zone}"
    return f"{day(begin)}, {first} to {day(until)}, {until:%H:%M} {zone}"


def _how_far(value: float) -> str:
    """A percentage without a sign, for a sentence: one decimal, two below 1 %."""
    hundredth = abs(value) * 100
    return f"{hundredth:.{2 if hundredth < 1 else 1}f}{THIN}%"


def deviation(a1: object, a2: object) -> str:
    """What ``q' = a1 q + a2`` says about a meter, as ``reads 3.1 % high and 4.2 L/h too much``.

    Parameters
    ----------
    a1 : slope [-], missing means 1
    a2 : offset [L/h], missing means 0
    """
    gain = (finite(a1) if finite(a1) is not None else 1.0) or 0.0
    offset = finite(a2) or 0.0
    parts = []
    if abs(gain - 1) >= 5e-5:
        parts.append((gain > 1, f"{_how_far(gain - 1)} {'high' if gain > 1 else 'low'}"))
    if abs(offset) >= 0.05:
        parts.append((offset > 0, f"{flow(abs(offset))} too {'much' if offset > 0 else 'little'}"))
    if not parts:
        return "reads as the reference does"
    joint = " and " if len({up for up, _ in parts}) == 1 else " but "
    return "reads " + joint.join(text for _, text in parts)


def correction(given: Mapping[str, Any]) -> str:
    """What a command's absolute correction makes the meter do with its raw flow, as a clause after "it"."""
    points = given.get("points")
    if points:
        (first, _), (last, _) = points[0], points[-1]
        return (
            f"maps its raw flow along a curve of {count(len(points), 'point')}, "
            f"drawn from {flow(first)} to {flow(last)} and continued by its end segments"
        )
    gain = finite(given.get("gain"))
    gain = 1.0 if gain is None else gain
    offset = finite(given.get("offset_lph")) or 0.0
    scales, moves = abs(gain - 1) >= 5e-6, abs(offset) >= 0.05
    factor = f"{gain:.{3 if abs(gain - 1) >= 0.0005 else 5}f}"
    if scales and moves:
        return f"multiplies its raw flow by {factor} and {'subtracts' if offset < 0 else 'adds'} {flow(abs(offset))}"
    if scales:
        return f"multiplies its raw flow by {factor}"
    if moves:
        verb, preposition = ("subtracts", "from") if offset < 0 else ("adds", "to")
        return f"{verb} {flow(abs(offset))} {preposition} its raw flow"
    return "uses its raw flow unchanged"


_SUFFIXES = (("_lph", flow), ("_l", lambda value: f"{number(value, 1)}{THIN}L"))
_RELATIVE = ("error", "share", "spread", "gain_change", "coverage", "uncertainty", "mpe")
_LABELS = {
    "a1": "slope a1",
    "a2": "offset a2",
    "r2": "R²",
    "n_pairs": "pairs",
    "n_flowing": "flowing pairs",
    "error_q1_q2": "error Q1 to Q2",
    "error_q2_q3": "error Q2 to Q3",
    "error_q3_q4": "error Q3 to Q4",
    "q_min_lph": "lowest flow",
    "q_max_lph": "highest flow",
    "mean_diff_lph": "mean difference",
    "residual_std_lph": "residual scatter",
    "lag_s": "lag",
    "share_in_band": "share in preset range",
    "drift_spread": "change between the window's parts",
    "scatter_ratio": "scatter, as a multiple of the normal",
    "gain_wanted": "gain wanted",
    "max_gain_change": "largest gain change allowed",
    "max_offset_lph": "largest offset allowed",
    "flowmeter_id": "flowmeter",
}


def evidence(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A work order's evidence as (label, value) pairs; units follow from the names, missing values drop out."""
    pairs = []
    for key, value in given.items():
        shown = _evidence_value(key, value)
        if shown is None or (key.endswith("_se") and key.removesuffix("_se") in given):
            continue
        spread = _evidence_value(key, given.get(f"{key}_se"))
        pairs.append((label(key), shown if spread is None else f"{shown} ± {spread}"))
    return pairs


def label(key: str) -> str:
    """A key of the outbox's files as a person reads it, without its unit suffix."""
    if key in _LABELS:
        return _LABELS[key]
    for suffix in ("_lph", "_l", "_s"):
        key = key.removesuffix(suffix)
    return visible(key.replace("_", " "))


def _evidence_value(key: str, value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list | tuple):
        shown = [text for item in value[:8] if (text := _evidence_value(key, item)) is not None]
        more = f" and {number(len(value) - 8)} more" if len(value) > 8 else ""
        return ", ".join(shown) + more if shown else None
    given = finite(value)
    if given is None:
        return None
    return _measured(key, given, whole=isinstance(value, int))


def _measured(key: str, value: float, *, whole: bool) -> str:
    if key in {"a2", "a2_se"}:
        return flow(value)
    for suffix, write in _SUFFIXES:
        if key.endswith(suffix):
            return write(value)
    if key.endswith("_s"):
        return f"{number(value)}{THIN}s"
    if any(word in key for word in _RELATIVE):
        return percent(value, plus="error" in key)
    if whole:
        return number(value)
    if key.endswith("_ratio"):
        return number(value, 1)
    return number(value, 4 if abs(value) < 10 else 1)
