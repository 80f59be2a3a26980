"""The customer's letter as a PDF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.audit.pdf_chart import chart
from reports.audit.pdf_document import WIDTH, heading, paragraph, table, write_document

if TYPE_CHECKING:
    from reports.audit.customer import Letter


def write_customer_pdf(file: Path, given: Letter) -> None:
    """Write the letter; call it within `reports.svg.drawing`."""
    from reportlab.platypus import KeepTogether

    story: list[Any] = [
        heading(given.title, 0, "letter"),
        paragraph(given.period, "eyebrow"),
        paragraph(given.verdict, "verdict"),
        *(paragraph(sentence, "lead") for sentence in given.sentences),
        paragraph(given.next, "lead"),
    ]
    if given.chart is not None:
        key = f"■ {given.say('flowed')}", f"■ {given.say('showed')}"
        story.append(
            KeepTogether(
                [
                    paragraph(given.say("months"), "h2"),
                    paragraph(key[0], "key-grey"),
                    paragraph(key[1], "key-blue"),
                    chart(given.chart, WIDTH * 0.9),
                ]
            )
        )
        head = [given.say("month"), given.say("flowed"), given.say("showed")]
        story.append(table(head, given.months, (30, 35, 35), (1, 2)))
        story.append(paragraph(given.say("only"), "small"))
    write_document(
        file,
        story,
        title=given.title,
        made=given.made,
        head=given.title,
        foot=given.reference,
        language=given.language,
        words=given.say("page"),
    )
