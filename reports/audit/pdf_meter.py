"""One flagged meter in an audit's PDF: on about a page, the sentences, charts and tables of its HTML page."""

from __future__ import annotations

from typing import Any

from reports.audit.charts import cumulative_chart, error_chart, relation_chart
from reports.audit.meters import Subject
from reports.audit.pdf_chart import chart
from reports.audit.pdf_document import WIDTH, figures, heading, paragraph, side_by_side, standing, table
from reports.audit.timeline import PAPER, timelines
from reports.wording import visible

_TIMELINE = (
    "Dots: windows (green healthy, blue steady, orange unsteady, grey inconclusive). Thick lines: the regimes' errors and "
    "their intervals; grey bands: where a regime began. Green area: the permissible error from Q2 to Q4 on verification."
)
_PAIR = (
    "Left: meter against reference, with the line of each regime. Right: error by flow; black, the flow zones' errors and "
    "uncertainties. Colours and numbers: the regimes. Green areas: the permissible error on verification."
)
_SERVICE = " Dotted: in service."
#: a section begins on a new page where less than this is left [pt]
_ROOM = 700


def meter_section(subject: Subject, in_service: float) -> list[Any]:
    """The flowables of one meter; call it within `reports.svg.drawing`."""
    from reportlab.platypus import CondPageBreak, KeepTogether

    meter, words = subject.meter, subject.words
    service = _SERVICE if in_service != 1.0 else ""
    story: list[Any] = [CondPageBreak(_ROOM)]
    story.append(heading(f"{subject.place}. {visible(subject.code)}", 1, f"meter-{subject.place}"))
    story.append(paragraph(" ".join(words["story"])))
    facts = ", ".join(f"{name} {shown}" for name, shown in words["facts"])
    told = ", ".join(f"{name} {given or 'not judged'}" for name, given in words["standing"])
    about = f"{told[:1].upper()}{told[1:]}. Flagged: {words['why']}. {words['windows']} {facts[:1].upper()}{facts[1:]}."
    story.append(
        paragraph(" ".join([about, *words["not_judged"], *(f"{found}." for found in words["registers"])]), "small")
    )
    (line,) = timelines(meter, PAPER)
    if line:
        note = " ".join(filter(None, (_TIMELINE + service, words["focus"])))
        story.append(KeepTogether([chart(line, WIDTH), paragraph(note, "small")]))
    story += _regimes(words["regimes"])
    both = [drawn for drawn in (relation_chart(meter), error_chart(meter)) if drawn]
    if both:
        parts = [chart(drawn, WIDTH / 2 - 34) for drawn in both]
        pair = side_by_side([*parts, *[""] * (2 - len(parts))], [1, 1])
        story.append(KeepTogether([pair, paragraph(_PAIR + service, "small")]))
    story += _zones(words["zones"])
    litres = cumulative_chart(meter)
    if litres is None:
        story.append(figures(words["figures"]))
    else:
        beside = figures(words["figures"], 3, WIDTH * 0.62)
        story.append(side_by_side([chart(litres, WIDTH * 0.35), beside], [38, 62]))
    return story


def _regimes(rows: list[dict[str, str]]) -> list[Any]:
    head = ["No.", "Begins", "Onset within", "Ends", "Kind", "Relation", "Error", "Windows", "Mis-registered"]
    body = [
        [
            each["regime"],
            each["begins"],
            each["onset"],
            each["ends"],
            each["form"],
            each["line"],
            (each["error"], each["interval"]),
            each["windows"],
            (each["missed"], each["missed_interval"]),
        ]
        for each in rows
    ]
    return [table(head, body, (23, 54, 68, 54, 50, 74, 60, 46, 70), (6, 7, 8))] if body else []


def _zones(rows: list[dict[str, str]]) -> list[Any]:
    head = ["Flow zone", "Flows", "Error", "Uncertainty", "Limit, verification", "", "Limit, in service", ""]
    names = ("zone", "flows", "error", "spread", "verification")
    body = [
        [*(each[name] for name in names), standing(each["verdict"]), each["service"], standing(each["service_verdict"])]
        for each in rows
    ]
    return [table(head, body, (9, 21, 12, 12, 12, 14, 12, 14), (2, 3, 4, 6))]
