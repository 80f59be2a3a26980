"""Issued: a command as it leaves, named by a digest of what it says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from transforms.canonical import digest_of
from transforms.windows import iso

COMMAND_SCHEMA = "meterwright.command/1"


def issued(
    about: Mapping[str, Any],
    span: Mapping[str, str],
    content: Mapping[str, Any],
    run_id: str,
    issued_at: datetime,
    lifetime: timedelta,
) -> dict[str, Any]:
    """A command that is ready to leave. Its id hangs on neither run nor time: the same decision has the same id.

    Parameters
    ----------
    about : mapping
        ``feature_code``, ``model``, ``sequence`` and ``supersedes``, the command id before it.
    span : mapping
        ``window_start`` and ``window_end`` (ISO) of the window that it rests on.
    content : mapping
        What was measured and what the meter is to use.
    lifetime : timedelta
        How long it waits for its answer.
    """
    return {
        "schema": COMMAND_SCHEMA,
        "command_id": digest_of({"schema": COMMAND_SCHEMA, **about, **span, **content}, "c"),
        **about,
        "run_id": run_id,
        **span,
        "issued_at": iso(issued_at),
        "expires_at": iso(issued_at + lifetime),
        "state": "ready",
        **content,
    }
