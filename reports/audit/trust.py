"""What an audit's numbers rest on: inputs and their digests, row accounting, policy, versions, how to repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.audit.view import AuditView
from reports.run_sections import accounting
from reports.wording import moment


def trust(view: AuditView) -> dict[str, Any]:
    """The finished rows of the page about trust."""
    facts = view.facts
    rows = accounting(facts)
    for place, entry in enumerate(rows["files"], start=1):
        entry["name"] = entry["file"] or f"dump {place}"
    versions = facts.get("versions")
    named = [
        ("audit", facts.get("digest"), "digest"),
        ("from", moment(facts.get("from")), ""),
        ("to", moment(facts.get("to")), ""),
        ("window", facts.get("window"), ""),
        ("Meterwright", facts.get("code_version"), ""),
        ("policy", facts.get("policy_digest"), "digest"),
        ("registry", facts.get("registry_digest"), "digest"),
        *(
            (str(name), version, "")
            for name, version in sorted(versions.items() if isinstance(versions, Mapping) else ())
        ),
    ]
    return {
        "facts": [(name, str(value), kind) for name, value, kind in named if value not in (None, "")],
        "rows": rows,
        "accounted": bool(facts.get("inputs") or facts.get("rows")),
        "policy": str(facts.get("policy") or ""),
        "command": str(facts.get("command") or ""),
    }
