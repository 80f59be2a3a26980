"""The contact sheet: every photo that waits for a person on one page, with what the machine took it for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from flows.registered import screens_of
from flows.reporting import small_copies
from reports.clock import shown_in
from reports.review import MOST_PICTURES, render_contact_sheet
from transforms.registry import Registry
from transforms.schemas import READINGS
from transforms.workspace import Workspace

#: longer side of the pictures: a person must be able to read the digits [pixels]
PICTURE_PX = 640


def write_contact_sheet(workspace: Workspace, registry: Registry, waiting: list[dict[str, Any]], timezone: str) -> Path:
    """Write ``reports/review/index.html`` and return it. It holds small copies without metadata, and no phone number."""
    readings = pl.DataFrame(waiting, schema=READINGS, orient="row")
    pictures = small_copies(workspace, readings, MOST_PICTURES, PICTURE_PX)
    with shown_in(timezone):
        page = render_contact_sheet(readings, pictures, screens_of(registry))
    target = workspace.reports / "review" / "index.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".tmp")
    draft.write_text(page, encoding="utf-8", newline="\n")
    draft.replace(target)
    return target
