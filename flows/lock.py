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

from reports.wording import visible
from transforms.errors import WorkspaceBusyError
from transforms.windows import iso
from transforms.workspace import Workspace


@contextmanager
def hold(workspace: Workspace, purpose: str) -> Iterator[None]:
    """Hold the workspace for the time of the block.

    The kernel lets the lock go when its holder ends, however it ends, so there is nothing to take over by force, and
    what stands in the file decides nothing. The file stays, empty: only while a holder lives, or after it was killed, does
    a note in it say who.

    Raises
    ------
    WorkspaceBusyError
        If another process holds it; the message says which, what for and since when.
    """
    workspace.root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(workspace.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
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
    """Who holds the workspace, by the note in the lock file.

    A holder that has just come may not have written it yet; then there is none, or one that a killed process left.
    """
    who = None
    for _ in range(10):
        who = _named(os.pread(descriptor, 4096, 0))
        if who is not None:
            break
        time.sleep(0.05)
    return f"{who or 'another process'} holds the workspace; wait until it is done and run again"


def _named(note: bytes) -> str | None:
    """The process that a note names, None where it names none, or one of this machine that is no more."""
    try:
        holder = json.loads(note)
        pid, host = int(holder["pid"]), str(holder["host"])
        who = f"process {pid} on {host} ({holder['purpose']}, since {holder['since']})"
        gone = host == socket.gethostname() and not _lives(pid)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return None if gone else visible(who)


def _lives(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
