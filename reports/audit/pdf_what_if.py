"""The part of an audit's PDF that sets two policies side by side."""

from __future__ import annotations

from typing import Any

from reports.audit.pdf_document import heading, paragraph, room, shortened, table
from reports.audit.view import AuditView
from reports.audit.what_if import what_if

#: meters listed on paper; the workbook holds all
_MOST = 60


def what_if_section(view: AuditView) -> list[Any]:
    """Counts, verdicts and meters that differ; empty if nothing is compared."""
    given = what_if(view)
    if given is None:
        return []
    story: list[Any] = [room(), heading("What if", 0, "what-if"), paragraph(given["sentence"])]
    story += [paragraph(note, "small") for note in given["notes"]]
    sides = [[side["name"], shortened(side["digest"], 16), side["commanded"], side["only"]] for side in given["sides"]]
    story.append(table(["Policy", "Digest", "Meters commanded", "By it alone"], sides, (34, 26, 20, 20), (2, 3)))
    if given["difference"]:
        story.append(paragraph("What the policies say differently", "h2"))
        story += [paragraph(line, "mono") for line in given["difference"].splitlines()]
    if given["moves"]:
        rows = [
            [(each["verdict_a"], each["reason_a"], "cell"), (each["verdict_b"], each["reason_b"], "cell"), each["n"]]
            for each in given["moves"]
        ]
        story += [heading("Verdicts that differ", 1, "what-if-verdicts")]
        story.append(table(["Policy in force", "Second policy", "Windows"], rows, (44, 44, 12), (2,)))
    if given["meters"]:
        head = [
            "Meter",
            "Windows",
            "Differ",
            "Steady, in force",
            "Steady, second",
            "Commanded, in force",
            "Commanded, second",
        ]
        names = ("windows", "differ", "steady_a", "steady_b", "commanded_a", "commanded_b")
        body = [[shortened(each["code"]), *(each[name] for name in names)] for each in given["meters"][:_MOST]]
        story += [
            heading("Meters whose windows differ", 1, "what-if-meters"),
            table(head, body, (28, 12, 10, 12, 12, 13, 13), (1, 2, 3, 4)),
        ]
        if len(given["meters"]) > _MOST or given["more_meters"]:
            story.append(paragraph("The workbook holds all of them.", "small"))
    return story
