"""What is said of one meter of an audit beside its charts: sentences, figures, flow zones against limits, regimes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.audit.charts import Meter
from reports.audit.unjudged import of_one
from reports.audit.words import (
    begun,
    curve,
    day,
    form,
    money,
    money_interval,
    one_sign,
    onset,
    percent_interval,
    percent_with_interval,
    story,
    volume,
    volume_interval,
    volume_with_interval,
)
from reports.registers import of_one as of_register
from reports.wording import MINUS, NOTHING, THIN, count, finite, flow, number, percent, visible
from transforms.metrology import ZONES
from transforms.reasons import sentence

#: forms of regimes that a line tells
_LINES = {"linear", "offset", "healthy"}


def meter_words(meter: Meter) -> dict[str, Any]:
    """Everything a page says of a meter, beside its charts."""
    row = meter.row
    return {
        "story": story(row, meter.regimes, meter.span),
        "why": sentence(row["flag"] or "not known"),
        "facts": _facts(row),
        "windows": _windows(row),
        "registers": [said[:1].upper() + said[1:] for said in map(of_register, meter.registers)],
        "not_judged": of_one(meter.not_judged),
        "focus": _focus(meter),
        "standing": [("on verification", row["on_verification"]), ("in service", row["in_service"])],
        "figures": _figures(row),
        "zones": _zones(meter),
        "regimes": [_regime(each) for each in meter.regimes],
    }


def _facts(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [
        ("model", visible(row["model"] or NOTHING)),
        ("site", visible(row["site"] or NOTHING)),
        ("flowmeter", visible(row["flowmeter_id"] or NOTHING)),
        ("installed", day(row["installed_on"])),
    ]
    return [(name, shown) for name, shown in facts if shown != NOTHING]


def _windows(row: Mapping[str, Any]) -> str:
    parts = ", ".join(
        f"{number(row[f'n_{name}'])} {name}" for name in ("healthy", "steady", "unsteady", "inconclusive")
    )
    return f"{count(row['n_windows'], 'window')}: {parts}."


def _focus(meter: Meter) -> str:
    """What part of the span the charts over time show, empty if it is all of it."""
    drawn = (meter.scale.start, meter.scale.end)
    if drawn == meter.span:
        return ""
    return f"The charts over time show {day(drawn[0])} to {day(drawn[1])} only: at other times there are no readings to compare."


def _figures(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    weighted = percent_with_interval(row["weighted_error"], row["weighted_error_low"], row["weighted_error_high"])
    missed = volume_with_interval(row["misregistered_l"], row["misregistered_low_l"], row["misregistered_high_l"])
    drift = percent_with_interval(row["drift_per_month"], row["drift_low"], row["drift_high"])
    figures = [
        ("flowed through the reference", volume(row["volume_l"])),
        ("mis-registered", missed),
        ("registered too little", volume(row["under_l"])),
        ("registered too much", volume(row["over_l"])),
        ("under-billed", money(row["under_billed"], row["currency"])),
        ("over-billed", money(row["over_billed"], row["currency"])),
        ("under-billed less over-billed", _net(row)),
        ("mis-registered without a price", _unpriced(row)),
        ("error while water flows (Q1 and above)", percent(row["volume_error"])),
        ("error weighted by this customer's use", weighted),
        ("drift a month", drift),
        ("crosses the permissible error", _crossing(row)),
        ("signs of the zone errors", one_sign(row["one_sign"])),
    ]
    return [(name, shown) for name, shown in figures if not shown.startswith(NOTHING)]


def _net(row: Mapping[str, Any]) -> str:
    under, over = finite(row["under_billed"]), finite(row["over_billed"])
    if under is None or over is None:
        return NOTHING
    interval = money_interval(row["net_under_billed_low"], row["net_under_billed_high"], row["currency"])
    return f"{money(under - over, row['currency'])}{f' ({interval})' if interval else ''}"


def _unpriced(row: Mapping[str, Any]) -> str:
    """Litres registered too little or too much while no tariff held, where there is one at other times."""
    return volume(row["unpriced_l"]) if row["currency"] and finite(row["unpriced_l"]) else NOTHING


def _crossing(row: Mapping[str, Any]) -> str:
    if row["crosses_on"] is None:
        return NOTHING
    low, high = row["crosses_low"], row["crosses_high"]
    between = "" if low is None and high is None else f" ({day(low)} to {day(high) if high else 'open'})"
    return f"{day(row['crosses_on'])}{between}"


def _zones(meter: Meter) -> list[dict[str, str]]:
    """Error of each flow zone with its uncertainty against both limits, and what that makes it."""
    rows = []
    for place, zone in enumerate(ZONES):
        edges = [meter.limit(f"q{k}_lph") for k in (place + 1, place + 2)]
        limit = meter.limit("mpe_low" if zone == "q1_q2" else "mpe_high")
        error, spread = finite(meter.row[f"error_{zone}"]), finite(meter.row[f"uncertainty_{zone}"])
        rows.append(
            {
                "zone": f"Q{place + 1} to Q{place + 2}",
                "flows": NOTHING if edges[0] is None else f"{flow(edges[0])} to {flow(edges[1])}",
                "error": percent(error),
                "spread": NOTHING if spread is None else f"± {percent(spread, plus=False)}",
                "verification": NOTHING if limit is None else f"±{percent(limit, plus=False)}",
                "verdict": _against(error, spread, limit),
                "service": NOTHING if limit is None else f"±{percent(limit * meter.in_service, plus=False)}",
                "service_verdict": _against(error, spread, None if limit is None else limit * meter.in_service),
            }
        )
    return rows


def _against(error: float | None, spread: float | None, limit: float | None) -> str:
    """Inside or outside with the uncertainty counted, else open."""
    if error is None or limit is None:
        return "not judged"
    wide = spread or 0.0
    return "inside" if abs(error) + wide <= limit else "outside" if abs(error) - wide > limit else "open"


def _regime(each: Mapping[str, Any]) -> dict[str, str]:
    missed = volume_interval(each["misregistered_low_l"], each["misregistered_high_l"])
    return {
        "regime": number(each["regime"]),
        "begins": begun(each),
        "onset": "first evidence" if each["regime"] <= 1 else onset(each) or NOTHING,
        "ends": day(each["ends"]),
        "form": form(each["form"]),
        "line": _line(each),
        "bends": each["form"] == "curve",
        "error": percent(each["volume_error"]),
        "interval": percent_interval(each["volume_error_low"], each["volume_error_high"]),
        "windows": number(each["n_windows"]),
        "volume": volume(each["volume_l"]),
        "missed": volume(each["misregistered_l"], plus=True),
        "missed_interval": missed,
    }


def _line(each: Mapping[str, Any]) -> str:
    """The relation of a regime: a line without what it does not have, or the points of a curve."""
    if each["form"] == "curve":
        return f"q → q': {curve(each['points'])}{THIN}L/h"
    gain, offset = finite(each["a1"]), finite(each["a2"]) or 0.0
    if gain is None or each["form"] not in _LINES:
        return NOTHING
    sloped = "q" if gain == 1 else f"{number(gain, 4)} q"
    moved = f" {'+' if offset >= 0 else MINUS} {flow(abs(offset))}" if offset else ""
    return f"q' = {sloped}{moved}"
