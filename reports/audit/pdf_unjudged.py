"""The section of an audit's PDF that says what could not be judged, and why."""

from __future__ import annotations

from typing import Any

from reports.audit.pdf_document import heading, paragraph, room, shortened, table, twofold
from reports.audit.unjudged import unjudged
from reports.audit.view import AuditView


def unjudged_section(view: AuditView) -> list[Any]:
    """Windows without a verdict by reason, and the meters that have none at all."""
    given = unjudged(view)
    story: list[Any] = [room(), heading("What could not be judged", 0, "unjudged"), paragraph(given["said"])]
    if given["reasons"]:
        head = ["Why", "Windows", "Share of these", "Meters", "Compared"]
        names = ("words", "windows", "share", "meters", "volume")
        rows = [[row[name] for name in names] for row in given["reasons"]]
        story.append(table(head, rows, (48, 12, 13, 12, 15), (1, 2, 3, 4)))
    if given["meters"]:
        more = f" {given['more']} more are in the workbook." if given["more"] else ""
        story.append(
            paragraph(
                f"{given['n']} {given['verb']} no verdict in the whole span; the reason is that of most windows.{more}"
            )
        )
        rows = [
            [twofold(shortened(row["code"]), shortened(row["about"]), "bold"), row["why"], row["windows"]]
            for row in given["meters"]
        ]
        story.append(table(["Meter", "Why", "Windows"], rows, (34, 54, 12), (2,)))
    if given["registers"]:
        rows = [[twofold(shortened(row["code"]), "", "bold"), row["said"]] for row in given["registers"]]
        story += [
            paragraph("In the registers of meters that are not flagged", "h2"),
            table(["Meter", "What stands in its register"], rows, (34, 66)),
        ]
    return story
