"""Two policies side by side."""

from __future__ import annotations

from typing import Any

from reports.audit.view import AuditView


def what_if(view: AuditView) -> dict[str, Any] | None:
    return None


def what_if_tables(view: AuditView):
    return []
