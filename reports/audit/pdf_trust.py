"""The part of an audit's PDF that says what its numbers rest on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.audit.pdf_document import heading, paragraph, room, shortened, table, twofold
from reports.audit.trust import trust
from reports.audit.view import AuditView
from reports.wording import visible


def trust_section(view: AuditView) -> list[Any]:
    """Facts, row accounting and the policy."""
    given = trust(view)
    rows = given["rows"]
    story: list[Any] = [
        room(),
        heading("Can it be trusted", 0, "trust"),
        paragraph("The same inputs, registry and policy give the same bytes, charts included."),
        table(["What", "Is"], [[name, visible(value)] for name, value, _ in given["facts"]], (25, 75)),
    ]
    if given["command"]:
        story += [paragraph("To repeat this audit, in its workspace:"), paragraph(given["command"], "mono")]
    if given["accounted"]:
        total = rows["total"]
        story.append(heading("Rows of the inputs", 1, "rows"))
        story.append(
            paragraph(
                f"Of {total['read']} rows in {rows['n_files']}, {total['accepted']} were accepted, {total['duplicate']} were "
                f"duplicates and {total['quarantined']} went into quarantine ({total['share']}). Read = accepted + "
                f"duplicate + quarantined{'' if total['balanced'] else ': this does not add up'}."
            )
        )
        names = ("read", "accepted", "duplicate", "quarantined", "sha256")
        body = [[_dump(each), *(str(each[name]) for name in names)] for each in rows["files"]]
        head = ["Dump", "Read", "Accepted", "Duplicate", "Quarantined", "SHA-256"]
        story.append(table(head, body, (22, 11, 11, 10, 12, 34), (1, 2, 3, 4)))
        if rows["more"]:
            story.append(paragraph(f"and {rows['more']} more dumps; the workbook holds all", "small"))
    if given["policy"]:
        story.append(heading("The policy in force", 1, "policy"))
        story += [paragraph(line.replace(" ", "\u00a0") or "\u00a0", "mono") for line in given["policy"].splitlines()]
    return story


def _dump(entry: Mapping[str, Any]) -> Any:
    """A dump's name, beneath it the stream and the source that it was read as, and why rows of it were set aside."""
    read_as = [entry["stream"], entry["source"] if entry["source"] != entry["stream"] else ""]
    why = [f"{each['n']} × {each['sentence']}" for each in entry["reasons"]]
    return twofold(shortened(str(entry["name"])), visible("; ".join([" · ".join(filter(None, read_as)), *why])), "cell")
