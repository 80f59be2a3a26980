"""One run at a time: a lock on the workspace that dies with its holder."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from transforms.errors import WorkspaceBusyError
from transforms.windows import iso
from transforms.workspace import Workspace


@contextmanager
def hold(workspace: Workspace, purpose: str) -> Iterator[None]:
    """Hold the workspace for the time of the block.

    The kernel lets the lock go when its holder ends, however it ends, so there is nothing to take over by force. The
    file stays, empty: only while a holder lives, or after it was killed, does a note in it say who.

    Raises
    ------
    WorkspaceBusyError
        If another process holds it; the message says which, what for and since when.
    """
    workspace.root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(workspace.lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WorkspaceBusyError(_holder(descriptor)) from None
        note = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "purpose": purpose,
            "since": iso(datetime.now(UTC).replace(microsecond=0)),
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(note).encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    """Who holds the workspace, by the note in the lock file. A holder that has just come may not have written it yet."""
    for _ in range(10):
        if note := os.pread(descriptor, 4096, 0):
            break
        time.sleep(0.05)
    try:
        holder = json.loads(note)
        who = f"process {holder['pid']} on {holder['host']} ({holder['purpose']}, since {holder['since']})"
    except (ValueError, KeyError, TypeError):
        who = "another process"
    return f"{who} holds the workspace; wait until it is done and run again"
