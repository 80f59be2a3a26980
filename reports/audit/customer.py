"""One meter for its customer: plain words in the customer's language, the months side by side, nothing of any other meter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from reports.audit.customer_words import LANGUAGES, TEXTS
from reports.audit.drawn import Drawn
from reports.audit.local import Local
from reports.audit.overview import span_of
from reports.audit.view import AuditView
from reports.clock import local
from reports.page import render_page, short
from reports.sheet import BLUE, GREY, Sheet, tick_labels, ticks
from reports.svg import drawing
from reports.wording import finite, visible
from transforms.errors import UsageError
from transforms.notices import FALLBACK

_MOST_MONTHS = 60


@dataclass(frozen=True)
class Letter:
    """What the customer reads; every text is finished."""

    language: str
    title: str
    period: str
    state: str
    verdict: str
    sentences: list[str]
    next: str
    months: list[tuple[str, str, str]]
    reference: str
    chart: Drawn | None
    made: datetime

    def say(self, key: str) -> str:
        """A text that stands by itself."""
        return TEXTS[key][self.language]


def language_of(wanted: str | None) -> str:
    """The language that is written in: the one wanted if there is such a text (``zh-CN`` counts as ``zh``)."""
    primary = (wanted or "").replace("_", "-").split("-")[0].lower()
    return primary if primary in LANGUAGES else FALLBACK


def letter(view: AuditView, code: str) -> Letter:
    """The letter about one meter; call it within `reports.svg.drawing`.

    Raises
    ------
    UsageError
        If the audit has no such meter.
    """
    found = view.meters.filter(pl.col("feature_code") == code)
    if found.is_empty():
        raise UsageError(f"the audit has no meter {visible(code)!r}; give the feature code of a registered meter")
    row = found.row(0, named=True)
    regimes = view.regimes.filter(pl.col("feature_code") == code).sort("regime").to_dicts()
    local = Local(language_of(view.language))
    begin, end = span_of(view)
    last = regimes[-1] if regimes else None
    state = _state(row, last)
    months = _months(view.windows([code], ["window_start", "volume_l", "meter_volume_l"]))
    text = _Text(local)
    return Letter(
        language=local.language,
        title=text("title", meter=visible(code)),
        period=text("period", begin=local.day(begin.date()), end=local.day(end.date())),
        state=state,
        verdict=_verdict(text, state, row, last),
        sentences=[
            *_since(text, state, regimes),
            *_amount(text, state, row),
            text(
                "how",
                days=local.number(round((end - begin).total_seconds() / 86_400)),
                windows=local.number(row["n_windows"]),
                judged=local.number(row["n_windows"] - row["n_inconclusive"]),
            ),
        ],
        next=text("next"),
        months=[(local.month(month), local.volume(flowed), local.volume(showed)) for month, flowed, showed in months],
        reference=text("reference", digest=short(view.facts.get("digest", ""), 16)),
        chart=_chart(months),
        made=end,
    )


class _Text:
    """Finds a text in the customer's language and fills it in."""

    def __init__(self, local: Local):
        self.local = local

    def __call__(self, key: str, **values: str) -> str:
        return TEXTS[key][self.local.language].format(**values)

    def day(self, when: datetime) -> str:
        return self.local.day(local(when).date())


def _state(row: Mapping[str, Any], last: Mapping[str, Any] | None) -> str:
    """right, high, low, recovered, unreliable or unclear."""
    form, error = (last or {}).get("form"), finite((last or {}).get("volume_error"))
    error = finite(row["volume_error"]) if error is None else error
    if row["n_windows"] == row["n_inconclusive"] or error is None:
        return "unclear"
    if form == "unsteady":
        return "unreliable"
    off = bool(row["flagged"]) or row["in_service"] == "outside"
    if form == "healthy" and off:
        return "recovered" if last is not None and last["regime"] > 1 else "right"
    if off:
        return "high" if error > 0 else "low"
    return "right" if "inside" in (row["in_service"], row["on_verification"]) else "unclear"


def _verdict(text: _Text, state: str, row: Mapping[str, Any], last: Mapping[str, Any] | None) -> str:
    if state in {"high", "low"}:
        error = finite((last or {}).get("volume_error"))
        error = finite(row["volume_error"]) if error is None else error
        return text(state, share=text.local.number(100 * abs(error or 0.0), 1))
    if state == "recovered" and last is not None:
        return text(state, since=text.day(last["begins"]))
    return text(state)


def _since(text: _Text, state: str, regimes: Sequence[Mapping[str, Any]]) -> list[str]:
    """When it began to be as it is now: the first of the newest regimes that all say the same to a customer."""
    if state not in {"high", "low", "unreliable"}:
        return []
    begun: Mapping[str, Any] | None = None
    for each in reversed(regimes):
        if _side(each) != state:
            break
        begun = each
    if begun is None or begun["regime"] <= 1:
        return []
    low, high = begun["begins_low"] or begun["begins"], begun["begins_high"] or begun["begins"]
    return [text("since", since=text.day(begun["begins"]), low=text.day(low), high=text.day(high))]


def _side(regime: Mapping[str, Any]) -> str:
    if regime["form"] in {"healthy", "unsteady", None}:
        return "unreliable" if regime["form"] == "unsteady" else "right"
    return "high" if (finite(regime["volume_error"]) or 0.0) > 0 else "low"


def _amount(text: _Text, state: str, row: Mapping[str, Any]) -> list[str]:
    """Litres and money over the whole span, for a meter that is or was off."""
    missed, low, high = (finite(row[f"misregistered_{name}l"]) for name in ("", "low_", "high_"))
    if state in {"right", "unclear"} or missed is None:
        return []
    if low is None or high is None or low <= 0 <= high:
        return [text("balanced", litres=text.local.volume(abs(missed)))]
    near, far = sorted((abs(low), abs(high)))
    side = "more" if missed > 0 else "less"
    volumes = {name: text.local.volume(size) for name, size in (("litres", abs(missed)), ("low", near), ("high", far))}
    said = [text(side, **volumes)]
    under, over = finite(row["under_billed"]), finite(row["over_billed"])
    net = (over or 0.0) - (under or 0.0)
    if (under is not None or over is not None) and abs(net) >= 0.005 and (net > 0) == (missed > 0):
        said.append(text(f"charged_{side}", money=text.local.money(abs(net), row["currency"] or "")))
        if (finite(row["unpriced_l"]) or 0.0) >= 0.5:
            said.append(text("unpriced", litres=text.local.volume(row["unpriced_l"])))
    return said


def _months(windows: pl.DataFrame) -> list[tuple[date, float, float]]:
    """(first of the month, litres that flowed, litres that the meter showed), the last five years."""
    known = windows.filter(pl.col("volume_l").is_finite() & pl.col("meter_volume_l").is_finite())
    summed = (
        known.sort("window_start")
        .group_by(month=pl.col("window_start").dt.truncate("1mo").dt.date(), maintain_order=True)
        .agg(pl.col("volume_l").sum(), pl.col("meter_volume_l").sum())
    )
    return summed.sort("month").tail(_MOST_MONTHS).rows()


def _chart(months: list[tuple[date, float, float]]) -> Drawn | None:
    """The months as pairs of bars, grey for what flowed, blue for what the meter showed. No word stands in it."""
    if not months:
        return None
    unit, name = (1000.0, "m³") if max(max(flowed, showed) for _, flowed, showed in months) >= 1000 else (1.0, "L")
    pairs = [(flowed / unit, showed / unit) for _, flowed, showed in months]
    tallest = max(max(pair) for pair in pairs) or 1.0
    sheet = Sheet((7.2, 3.4), (-0.6, len(months) - 0.4), (0.0, tallest * 1.1), (0.095, 0.115, 0.895, 0.79))
    levels = ticks(0.0, tallest, 5)
    step = -(-len(months) // 8)
    marks = [(float(k), f"{month:%Y-%m}") for k, (month, _, _) in enumerate(months) if k % step == 0]
    sheet.grid(marks, list(zip(levels, tick_labels(levels), strict=True)), "", name)
    for offset, colour, which in ((-0.36, GREY, 0), (0.02, BLUE, 1)):
        boxes = [
            [(k + offset, 0.0), (k + offset, pair[which]), (k + offset + 0.34, pair[which]), (k + offset + 0.34, 0.0)]
            for k, pair in enumerate(pairs)
        ]
        sheet.boxes(boxes, colour)
    return Drawn(sheet.figure, "", "")


def write_customer(folder: Path, view: AuditView, code: str) -> None:
    """Write ``index.html`` and ``report.pdf`` about one meter."""
    from reports.audit.customer_pdf import write_customer_pdf

    with drawing():
        given = letter(view, code)
        chart = given.chart
        shown = None
        if chart is not None:
            words = f"{given.say('flowed')} / {given.say('showed')}"
            shown = Drawn(chart.figure, given.say("months"), words).svg("_months")
        page = render_page("audit_customer.html.j2", {"letter": given, "title": given.title, "chart": shown})
        (folder / "index.html").write_text(page, encoding="utf-8", newline="\n")
        write_customer_pdf(folder / "report.pdf", given)
