"""An audit as a PDF for the file: the same sections, numbers and charts as the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reports.audit.bars import Bar
from reports.audit.fleet_charts import STANDING_COLOURS, error_distribution, onsets
from reports.audit.meters import ERROR_MEANT, any_billed, listed, ranked, subjects
from reports.audit.overview import compliance, figures, groups, sentences, span_of, title, totals
from reports.audit.pdf_chart import chart
from reports.audit.pdf_document import (
    WIDTH,
    contents,
    heading,
    paragraph,
    room,
    share_bar,
    shortened,
    side_by_side,
    standing,
    table,
    twofold,
    write_document,
)
from reports.audit.pdf_document import figures as figure_grid
from reports.audit.pdf_meter import meter_section
from reports.audit.pdf_trust import trust_section
from reports.audit.pdf_unjudged import unjudged_section
from reports.audit.pdf_what_if import what_if_section
from reports.audit.timescale import TimeScale
from reports.audit.view import AuditView
from reports.page import short
from reports.svg import drawing
from reports.wording import number, visible

#: flagged meters that get a section of their own, and rows of the list; the workbook holds all
MOST_SECTIONS, MOST_ROWS = 60, 1000


def write_pdf(file: Path, view: AuditView, audience: str, most: int = MOST_SECTIONS) -> None:
    """Write the report as a PDF: bookmarks, table of contents, page numbers; the worst ``most`` meters one by one."""
    flagged = view.meters.filter("flagged").height
    shown = min(flagged, most)
    story: list[Any] = [*_cover(view, audience)]
    with drawing():
        story += _overview(view)
        story += _flagged(view, flagged, shown)
        for subject in subjects(view, ranked(view).head(most)):
            story += meter_section(subject, view.in_service)
    story += unjudged_section(view)
    story += what_if_section(view)
    story += trust_section(view)
    name = visible(view.facts.get("workspace", ""))
    write_document(
        file,
        story,
        title=f"Audit {title(view)}",
        made=span_of(view)[1],
        head=f"Audit of {name}, {title(view)}, for the {audience}",
        foot=f"Meterwright {view.facts.get('code_version', '')}, audit {short(view.facts.get('digest', ''), 16)}, "
        f"policy {short(view.facts.get('policy_digest', ''), 12)}",
    )


def _cover(view: AuditView, audience: str) -> list[Any]:
    from reportlab.platypus import Spacer

    return [
        paragraph(f"Meterwright · audit of {visible(view.facts.get('workspace', ''))} · for the {audience}", "eyebrow"),
        paragraph(title(view), "title"),
        *(paragraph(sentence, "lead") for sentence in sentences(view)),
        Spacer(1, 4),
        figure_grid(figures(view)),
        paragraph("Contents", "contents"),
        contents(),
    ]


def _overview(view: AuditView) -> list[Any]:
    from reportlab.platypus import PageBreak

    scale = TimeScale(*span_of(view))
    story: list[Any] = [PageBreak(), *_compliance(view), *_volume(view)]
    story.append(heading("Errors of the fleet", 0, "errors"))
    spread = error_distribution(view)
    if spread:
        story += [chart(spread, WIDTH), paragraph(_SPREAD.format(words=spread.description), "small")]
    else:
        story.append(paragraph("No meter could be judged."))
    began = onsets(view, scale)
    story.append(paragraph("When deviations began", "h2"))
    if began:
        story += [chart(began, WIDTH), paragraph(_BEGAN.format(words=began.description), "small")]
    else:
        story.append(paragraph("No meter's relation to its reference changed during the audit."))
    return story + _groups(view)


_SPREAD = (
    "Green: inside in service; grey: open; orange: outside. {words} Upright lines: the permissible errors on "
    "verification, solid from Q2 to Q4, dashed from Q1 to Q2."
)
_BEGAN = "Blue: steadily off; orange: unsteady, or not known; green: back inside. {words}"


def _compliance(view: AuditView) -> list[Any]:
    given = compliance(view)
    rows = [
        [standing(left["name"]), left["words"], left["n"], left["share"], right["n"], right["share"]]
        for left, right in zip(given["limits"][0]["rows"], given["limits"][1]["rows"], strict=True)
    ]
    head = ["Standing", "", "On verification", "", "In service", ""]
    return [
        heading("Compliance", 0, "compliance"),
        paragraph(
            "Error of each flow zone against the maximum permissible error of OIML R 49 / ISO 4064. On verification the "
            f"limits are those of the accuracy class; in service they are {given['factor']} times as wide. The "
            "uncertainty is counted: a meter whose interval lies across a limit is open."
        ),
        side_by_side([_standing_bar(limit) for limit in given["limits"]], [1, 1]),
        table(head, rows, (14, 42, 14, 10, 12, 10), (2, 3, 4, 5)),
        paragraph(
            f"Of the meters whose zone errors all have one sign, {given['high']} read high everywhere (in favour of the "
            f"supplier) and {given['low']} low everywhere (in favour of the customer); {given['mixed']} are mixed."
        ),
        *([paragraph("Meters are flagged because:")] if given["flags"] else []),
        *(paragraph(f"{each['n']} · {each['what']}") for each in given["flags"]),
    ]


def _standing_bar(limit: dict[str, Any]) -> list[Any]:
    total = max(sum(each["many"] for each in limit["rows"]), 1)
    colours = {**STANDING_COLOURS, "not judged": "#ffffff"}
    shares = [(each["many"] / total, colours[each["name"]]) for each in limit["rows"] if each["many"]]
    return [paragraph(limit["name"], "bold"), share_bar(shares, WIDTH / 2 - 10)]


def _volume(view: AuditView) -> list[Any]:
    given = totals(view)
    story: list[Any] = [heading("Volume and money", 0, "volume")]
    if not given["flowed"]:
        return [*story, paragraph("No volume could be compared.")]
    shown = [
        ("mis-registered in all", given["net"] + (f" ({given['interval']})" if given["interval"] else "")),
        ("registered too little", given["under"]),
        ("registered too much", given["over"]),
        ("apparent loss (AWWA)", given["loss"]),
        ("flowed through the references", given["volume"]),
    ]
    story.append(figure_grid(shown))
    story.append(
        paragraph(
            "Apparent loss is what was delivered less what was registered, too much set off against too little. Intervals "
            "are of 95 % and count the references' common error.",
            "small",
        )
    )
    story += [paragraph(f"{text[:1].upper()}{text[1:]}.", "small") for text in given["assumed"]]
    if not given["money"]:
        return [*story, paragraph("No tariff holds for what was compared, so nothing is said about money.", "small")]
    head = ["Currency", "Meters with a tariff", "Under-billed", "Over-billed", "Under less over"]
    rows = [
        [*(each[name] for name in ("currency", "meters", "under", "over")), (each["net"], each["interval"])]
        for each in given["money"]
    ]
    story.append(table(head, rows, (12, 18, 20, 20, 30), (1, 2, 3, 4)))
    return [*story, paragraph(given["unpriced"], "small")] if given["unpriced"] else story


def _groups(view: AuditView) -> list[Any]:
    story: list[Any] = [heading("Fleet by group", 0, "fleet")]
    for cut in groups(view):
        story.append(heading(cut["heading"], 1, f"fleet-{cut['by']}"))
        if cut["drifting"]:
            story.append(paragraph(cut["drifting"]))
        head = [cut["by"].capitalize(), *_GROUP_HEAD]
        rows = [
            [
                row["group"],
                row["meters"],
                (row["flagged"], row["flagged_share"]),
                row["outside"],
                row["error"],
                (row["drift"], row["drift_interval"]),
                _bar(row["drift_bar"]),
                (row["missed"], row["missed_share"]),
                _bar(row["missed_bar"]),
            ]
            for row in cut["rows"]
        ]
        story.append(table(head, rows, (22.5, 7.5, 8.5, 9.2, 8.5, 12.5, 8.5, 19.3, 8.5), (1, 2, 3, 4, 5, 7)))
        if cut["more"]:
            story.append(paragraph(f"and {cut['more']} more; fleet.parquet and the workbook hold all", "small"))
    return story


#: width of a small bar [pt], which its column has room for
_BAR = 34.0
_GROUP_HEAD = ("Meters", "Flagged", "Outside, verific.", "Median error", "Drift a month", "", "Mis-registered", "")


def _bar(bar: Bar | None) -> Any:
    """The small bar of a cell, drawn as the pages draw it."""
    from reportlab.graphics.shapes import Circle, Drawing, Line
    from reportlab.lib.colors import HexColor

    drawn = Drawing(_BAR, 9)
    if bar is None:
        return drawn
    colour = HexColor(bar.colour)
    value, low, high = (2 + (_BAR - 4) * place for place in (bar.value, bar.low, bar.high))
    middle = _BAR / 2
    drawn.add(Line(middle, 0, middle, 9, strokeColor=HexColor("#8a939c"), strokeWidth=0.6, strokeDashArray=[1.5, 1.5]))
    drawn.add(Line(low, 4.5, high, 4.5, strokeColor=colour, strokeWidth=1.6))
    drawn.add(Circle(value, 4.5, 2, fillColor=colour, strokeColor=None, strokeWidth=0))
    return drawn


#: shares of the width that the columns of the list have, with what was billed and without
_WITH_MONEY, _WITHOUT_MONEY = (5, 18, 24, 9, 17, 9, 16, 12), (5, 26, 30, 9, 19, 9, 12)


def _flagged(view: AuditView, flagged: int, shown: int) -> list[Any]:
    rows = listed(view)[:MOST_ROWS]
    story: list[Any] = [room(), heading("Flagged meters", 0, "flagged")]
    if not rows:
        return [*story, paragraph("No meter is flagged.")]
    more = f" {number(flagged - len(rows))} more are in the workbook." if flagged > len(rows) else ""
    own = (
        f"the first {number(shown)} have sections of their own" if shown < flagged else "each has a section of its own"
    )
    story.append(paragraph(f"The meter with the most litres gone astray comes first; {own} below.{more} {ERROR_MEANT}"))
    billed = any_billed(rows)
    money = ["Billed"] if billed else []
    head = ["#", "Meter", "What it does", "Error", "Mis-registered", "Drift a month", *money, "In service"]
    body = [
        [
            number(row["place"]),
            twofold(shortened(row["code"]), shortened(" · ".join(filter(None, (row["model"], row["site"])))), "bold"),
            row["said"] or row["why"],
            row["error"],
            (row["missed"], row["interval"]),
            row["drift"],
            *([row["billed"]] if billed else []),
            standing(row["in_service"]),
        ]
        for row in rows
    ]
    widths, right = (_WITH_MONEY, (0, 3, 4, 5, 6)) if billed else (_WITHOUT_MONEY, (0, 3, 4, 5))
    return [*story, table(head, body, widths, right)]
