"""How an audit's volumes, money, dates and regimes are said: one way for the pages, the PDF and the workbook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from reports.clock import local
from reports.wording import NOTHING, THIN, deviation, finite, flow, number, percent, visible

#: from here on a volume is written in cubic metres [L]
_CUBIC_METRES_FROM = 10_000.0
_DAY_S = 86_400.0
#: evidence that ends so long before the audit is said to end [s]
_LONG_AGO_S = 14 * _DAY_S
_SAME = 0.002
_FORMS = {
    "healthy": "healthy",
    "offset": "steady, an offset",
    "linear": "steady, a line",
    "curve": "steady, a curve",
    "unsteady": "unsteady",
}
STANDINGS = {"inside": "inside", "outside": "outside", "open": "open", "": "not judged"}


def _scale(*values: float | None) -> tuple[float, str, int]:
    """Unit, its name and decimals that suit the largest of some volumes [L]."""
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    if largest < _CUBIC_METRES_FROM:
        return 1.0, "L", 0 if largest >= 10 else 1
    return 1000.0, "m³", 0 if largest >= 1_000_000 else 1


def volume(value_l: object, *, plus: bool = False) -> str:
    """A volume [L]: litres up to ten thousand, cubic metres above."""
    given = finite(value_l)
    if given is None:
        return NOTHING
    unit, name, decimals = _scale(given)
    return f"{number(given / unit, decimals, plus=plus)}{THIN}{name}"


def volume_interval(low_l: object, high_l: object) -> str:
    """A 95 % interval of a volume [L], without brackets; empty where it is not known."""
    low, high = finite(low_l), finite(high_l)
    if low is None or high is None:
        return ""
    unit, name, decimals = _scale(low, high)
    low_text, high_text = (number(edge / unit, decimals, plus=True) for edge in (low, high))
    return f"{low_text} to {high_text}{THIN}{name}"


def volume_with_interval(value: object, low: object, high: object) -> str:
    """A volume [L] with its 95 % interval in brackets."""
    return _bracketed(volume(value, plus=True), volume_interval(low, high))


def percent_interval(low: object, high: object) -> str:
    """An interval of relative errors; empty where it is not known."""
    if finite(low) is None or finite(high) is None:
        return ""
    return f"{percent(low).removesuffix(f'{THIN}%')} to {percent(high)}"


def _bracketed(value: str, interval: str) -> str:
    return f"{value} ({interval})" if interval else value


def percent_with_interval(value: object, low: object, high: object) -> str:
    """A relative error with its 95 % interval in brackets."""
    return _bracketed(percent(value), percent_interval(low, high))


def money(value: object, currency: object) -> str:
    """An amount of money with two decimals, none from a million on; a dash where there is no tariff."""
    given = finite(value)
    if given is None:
        return NOTHING
    unit = f"{THIN}{visible(currency)}" if currency else ""
    return f"{number(given, 0 if abs(given) >= 1e6 else 2)}{unit}"


def money_interval(low: object, high: object, currency: object) -> str:
    """A 95 % interval of an amount of money, the currency once; empty where it is not known."""
    if finite(low) is None or finite(high) is None:
        return ""
    return f"{money(low, None)} to {money(high, currency)}"


def day(given: datetime | date | None) -> str:
    """A date as ``2026-01-17``."""
    if given is None:
        return NOTHING
    read = local(given) if isinstance(given, datetime) else given
    return f"{read:%Y-%m-%d}"


def moment_or_day(given: datetime | None) -> str:
    """An instant as a date, with the hour where it is not midnight."""
    if given is None:
        return NOTHING
    read = local(given)
    return f"{read:%Y-%m-%d}" if (read.hour, read.minute) == (0, 0) else f"{read:%Y-%m-%d %H:%M}"


def begun(regime: Mapping[str, Any]) -> str:
    """When a regime began: a date, with the hour only where its onset is known to within a day."""
    low, high = regime.get("begins_low"), regime.get("begins_high")
    if low is not None and high is not None and (high - low).total_seconds() >= _DAY_S:
        return day(regime["begins"])
    if low is None:  # it began with the audit, whose hour tells nothing
        return day(regime["begins"])
    return moment_or_day(regime["begins"])


def onset(regime: Mapping[str, Any]) -> str:
    """The interval in which a regime began, empty for the first one, which began before the audit."""
    low, high = regime.get("begins_low"), regime.get("begins_high")
    if regime["regime"] <= 1 or low is None or high is None:
        return ""
    if low == high:
        return "on record"
    return f"{moment_or_day(low)} to {moment_or_day(high)}"


def form(name: str | None) -> str:
    """What kind of regime it is."""
    return _FORMS.get(name or "", visible(name) if name else "not known")


def reads(regime: Mapping[str, Any], *, past: bool = False, beside: str = "") -> str:
    """What a regime says about the meter, as a clause after "it"; the error that stands ``beside`` it is not said once more."""
    name, error = regime.get("form"), finite(regime.get("volume_error"))
    verb, told = "read" if past else "reads", error is not None and percent(error) != beside
    whole = f" ({percent(error)} while water flows)" if told else ""
    if name == "unsteady":
        return f"{'kept' if past else 'keeps'} no steady relation to its reference{whole}"
    if name == "healthy":
        return f"{verb} inside its permissible error{f' ({percent(error)})' if told else ''}"
    if name == "curve":
        return f"{verb} {_by_flow(regime)}{whole}"
    if name in {"linear", "offset"}:
        said = deviation(regime.get("a1"), regime.get("a2"))
        gain = finite(regime.get("a1"))
        said = f"read{said.removeprefix('reads')}" if past else said
        # of a mere gain the error while water flows says the same once more
        mere = error is None or gain is None or abs(gain - 1 - error) < _SAME
        over = " on average while it drifts" if finite(regime.get("drift_per_month")) is not None else ""
        return f"{said}{over}{'' if mere else whole}"
    return f"{verb} {percent(error)} off, without a verdict" if error is not None else "could not be judged"


def curve(points: object) -> str:
    """The points of a curve, the reference's flow and the meter's, in L/h; empty where there are none."""
    known = points if isinstance(points, Sequence) else []
    return "; ".join(f"{_bare(q)} → {_bare(q_meter)}" for q, q_meter in known)


def _bare(value: float) -> str:
    return flow(value).removesuffix(f"{THIN}L/h")


def _by_flow(regime: Mapping[str, Any]) -> str:
    """What a curve makes of the smallest and of the largest flow that it was seen at."""
    points = regime.get("points") or []
    ends = [points[0], points[-1]] if len(points) > 1 else []
    at = " and ".join(f"{_aside(q_meter / q - 1)} at {flow(q)}" for q, q_meter in ends)
    return f"{at}, along a curve in between" if at else "off by a curve of the flow"


def _aside(error: float) -> str:
    return f"{percent(abs(error), plus=False)} {'high' if error > 0 else 'low'}"


def story(row: Mapping[str, Any], regimes: Sequence[Mapping[str, Any]], span: tuple[datetime, datetime]) -> list[str]:
    """One meter in a few plain sentences: since when, how far off, what it cost, where it is heading."""
    said = [_history(regimes, span)] if regimes else []
    missed = finite(row.get("misregistered_l"))
    if missed is not None and finite(row.get("volume_l")) != 0.0:
        side = "little" if missed < 0 else "much"
        limits = volume_interval(row.get("misregistered_low_l"), row.get("misregistered_high_l"))
        of = f" of the {volume(row['volume_l'])} that flowed" if finite(row.get("volume_l")) else ""
        said.append(
            f"It registered {volume(abs(missed))} too {side}{of}{f' (95 % interval {limits})' if limits else ''}"
            f"{_billed(row)}."
        )
    drifts = drift_sentence(row, span[1])
    return [*said, drifts] if drifts else said


def _history(regimes: Sequence[Mapping[str, Any]], span: tuple[datetime, datetime]) -> str:
    last = regimes[-1]
    late = (last["begins"] - span[0]).total_seconds() > _LONG_AGO_S
    until = last["ends"] if last["ends"] and (span[1] - last["ends"]).total_seconds() > _LONG_AGO_S else None
    if len(regimes) == 1:
        if late or until:
            ends = until or span[1]
            return f"From {day(last['begins'])} to {day(ends)}, all that could be judged, it {reads(last, past=True)}."
        return f"Over the whole span it {reads(last)}."
    within = onset(last)
    between = ", when it was changed," if within == "on record" else f" (it began within {within})" if within else ""
    seen = f", last seen on {day(until)}" if until else ""
    since = f"Since {begun(last)}{between} it {reads(last)}{seen}"
    before = regimes[-2]
    also = f"; there were {number(len(regimes))} regimes in all" if len(regimes) > 2 else ""
    return f"{since}; before that it {reads(before, past=True)}{also}."


def _billed(row: Mapping[str, Any]) -> str:
    under, over = finite(row.get("under_billed")), finite(row.get("over_billed"))
    if under is None and over is None:
        return ""
    parts = [
        f"{money(value, row.get('currency'))} {what}"
        for value, what in ((under, "under-billed"), (over, "over-billed"))
        if value is not None and value >= 0.005
    ]
    return f": {' and '.join(parts)}" if parts else ""


def drift_sentence(row: Mapping[str, Any], end: datetime) -> str:
    """Where the meter is heading, if its drift is told from none or a crossing is known."""
    drift, low, high = (finite(row.get(name)) for name in ("drift_per_month", "drift_low", "drift_high"))
    if drift is None or low is None or high is None or low <= 0 <= high:
        return ""
    way = "rises" if drift > 0 else "falls"
    edges = sorted((abs(low), abs(high)))
    between = f"{number(100 * edges[0], 2)} to {number(100 * edges[1], 2)}{THIN}%"
    said = f"Its error {way} by {number(100 * abs(drift), 2)}{THIN}% a month (95 % interval {between})"
    crossing = row.get("crosses_on")
    if crossing is None:
        return f"{said}."
    verb = "crossed" if crossing <= end.date() else "will cross"
    return f"{said}; it {verb} the permissible error on {day(crossing)}{_crossing_interval(row)}."


def _crossing_interval(row: Mapping[str, Any]) -> str:
    low, high = row.get("crosses_low"), row.get("crosses_high")
    if low is None and high is None:
        return ""
    if high is None:
        return f" (not before {day(low)})"
    return f" (not after {day(high)})" if low is None else f" ({day(low)} to {day(high)})"


def one_sign(name: str | None) -> str:
    """Whether the errors of all flow zones favour one party."""
    return {
        "high": "all high: they favour the supplier",
        "low": "all low: they favour the customer",
        "mixed": "mixed",
    }.get(name or "", "not known")
