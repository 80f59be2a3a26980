"""The HTML pages of an audit for operators and supervisors: the overview, and one page for each flagged meter."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import polars as pl

from reports.audit.anchors import anchor, page_name
from reports.audit.charts import cumulative_chart, error_chart, relation_chart
from reports.audit.drawn import Drawn
from reports.audit.fleet_charts import error_distribution, onsets
from reports.audit.meters import ERROR_MEANT, MOST_PAGES, Subject, about, any_billed, listed, ranked, subjects
from reports.audit.overview import compliance, groups, sentences, span_of, title, totals
from reports.audit.timeline import NARROW, WIDE, timelines
from reports.audit.timescale import TimeScale
from reports.audit.trust import trust
from reports.audit.unjudged import unjudged
from reports.audit.view import AuditView
from reports.audit.what_if import what_if
from reports.page import render_page
from reports.svg import drawing
from reports.wording import number

if TYPE_CHECKING:
    from markupsafe import Markup


def overview_page(view: AuditView, audience: str, most_pages: int = MOST_PAGES) -> str:
    """``index.html``: self-contained, works without its script, which only searches and sorts."""
    flagged = view.meters.filter("flagged").height
    rows = listed(view, most_pages)
    scale = TimeScale(*span_of(view))
    script, digest = _script()
    with drawing():
        spread = _both(error_distribution(view), error_distribution(view, narrow=True), "errors")
        began = _both(onsets(view, scale), onsets(view, scale, narrow=True), "onsets")
    return render_page(
        "audit.html.j2",
        {
            "title": f"Audit {title(view)}",
            "heading": title(view),
            "workspace": view.facts.get("workspace", ""),
            "audience": audience,
            "sites": view.meters["site"].count() > 0,
            "sentences": sentences(view),
            "compliance": compliance(view),
            "totals": totals(view),
            "distribution": spread,
            "onsets": began,
            "groups": groups(view),
            "flagged": {
                "rows": rows,
                "n": number(flagged),
                "more": number(flagged - len(rows)) if flagged > len(rows) else "",
                "paged": number(min(most_pages, flagged)),
                "meant": ERROR_MEANT,
                "billed": any_billed(rows),
                "unpaged": flagged > most_pages,
            },
            "unjudged": unjudged(view),
            "what_if": what_if(view),
            "trust": trust(view),
            "script": script,
        },
        script=digest,
    )


def _script() -> tuple[Markup, str]:
    """The one script of the overview, and the digest by which the page's security policy knows it."""
    from markupsafe import Markup

    text = (resources.files("reports") / "templates" / "audit.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(text), f"sha256-{digest}"  # noqa: S704 - a file of this package


def _both(wide: Drawn | None, narrow: Drawn | None, key: str) -> dict[str, Any] | None:
    """A chart in a drawing for a desk and one for a phone."""
    if wide is None or narrow is None:
        return None
    return {"wide": wide.svg(f"_{key}-w"), "narrow": narrow.svg(f"_{key}-n"), "words": wide.description}


@dataclass(frozen=True)
class Sheaf:
    """Some of the pages of flagged meters: rows of `ranked`, and how many meters are flagged and have a page."""

    view: AuditView
    meters: pl.DataFrame
    flagged: int
    last: int

    def pages(self) -> Iterator[tuple[str, str]]:
        """(file name, page) of each."""
        with drawing():
            for subject in subjects(self.view, self.meters):
                yield page_name(subject.place), _meter_page(self.view, subject, self.flagged, self.last)


def sheaves(view: AuditView, most: int = MOST_PAGES, size: int = 32) -> list[Sheaf]:
    """The pages, so many at a time: of meters that are neighbours by their codes, whose windows are stored together."""
    table = ranked(view)
    paged = table.head(most).sort("feature_code")
    parts = [paged[begin : begin + size] for begin in range(0, paged.height, size)]
    return [Sheaf(about(view, part["feature_code"].to_list()), part, table.height, paged.height) for part in parts]


def meter_pages(view: AuditView, most: int = MOST_PAGES) -> Iterator[tuple[str, str]]:
    """(file name, page) of the flagged meters, the worst first."""
    table = ranked(view)
    return Sheaf(view, table.head(most), table.height, min(table.height, most)).pages()


def _meter_page(view: AuditView, subject: Subject, flagged: int, last: int) -> str:
    meter, place = subject.meter, subject.place
    wide, narrow = timelines(meter, WIDE, NARROW)
    charts = {
        "wide": wide,
        "narrow": narrow,
        "relation": relation_chart(meter),
        "errors": error_chart(meter),
        "litres": cumulative_chart(meter),
    }
    return render_page(
        "audit_meter.html.j2",
        {
            "title": f"{subject.code} in the audit {title(view)}",
            "heading": title(view),
            "workspace": view.facts.get("workspace", ""),
            "name": subject.code,
            "anchor": anchor(subject.code),
            "place": number(place),
            "of": number(flagged),
            "before": _beside(place - 1, last),
            "after": _beside(place + 1, last),
            "words": subject.words,
            "wider": view.in_service != 1.0,
            "charts": {name: drawn.svg(f"_{name}") if drawn else None for name, drawn in charts.items()},
        },
    )


def _beside(place: int, last: int) -> str:
    """The address of a neighbouring page, empty where there is none."""
    return page_name(place).rpartition("/")[2] if 1 <= place <= last else ""
