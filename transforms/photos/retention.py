"""Retention: originals that a policy no longer keeps are deleted once their reading is on record; digest and reading stay.

It is the one thing that is ever deleted from raw/, and only where ``photos.keep`` asks for it.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from transforms.errors import UsageError
from transforms.events import lines_of, parsed
from transforms.photos.places import IMAGES, LONGEST_LINE, digest_if_there, picture_path
from transforms.windows import parse_time
from transforms.workspace import Workspace


def delete_originals(workspace: Workspace, record: pl.DataFrame, before: datetime) -> list[str]:
    """Delete the photos taken before some moment, and return their names relative to raw/images.

    Deleted is what a manifest dates and names so, and whose bytes are those of a reading that is accepted or rejected:
    copies under other names as well. What waits for a person stays until it is decided. A manifest is never touched.

    Parameters
    ----------
    record : DataFrame
        `transforms.schemas.READINGS`, the newest word on each photo.
    """
    done = record.filter((pl.col("captured_at") < before) & (pl.col("status") != "review"))
    waiting = set(record.filter((pl.col("captured_at") >= before) | (pl.col("status") == "review"))["sha256"].to_list())
    digests = set(done["sha256"].to_list()) - waiting
    if not digests:
        return []
    names = set()
    for _, line in lines_of(workspace, IMAGES):
        said, fault = parsed(line, ("file", "captured_at"), LONGEST_LINE)
        if not fault and _is_before(said["captured_at"], before):
            names.add(said["file"])
    deleted = []
    for name in sorted(names):
        path, _ = picture_path(workspace, name)
        if path is not None and digest_if_there(path) in digests:
            path.unlink()
            deleted.append(name)
    return deleted


def _is_before(text: str, moment: datetime) -> bool:
    try:
        return parse_time(text) < moment
    except UsageError:
        return False
