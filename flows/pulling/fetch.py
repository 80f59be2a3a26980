"""Fetching one file: into ``.part`` beside where it will lie, taken up again where it broke off, and checked."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flows.pulling.errors import PullError, RetryError
from flows.pulling.remote import Found, Remote
from transforms.digests import sha256_of

#: a server that sends less than this over a whole timeout is as good as silent [bytes/s]
_SLOWEST = 1024


@dataclass(frozen=True)
class Fetched:
    """A file that has come whole: where it lies for now, its size, its digest, and from which byte on it was fetched."""

    path: Path
    size: int
    sha256: str
    resumed_at: int


def fetch(
    remote: Remote,
    found: Found,
    part: Path,
    *,
    limit: int,
    timeout_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> Fetched:
    """Fetch a file into ``part``, going on with what lies there of the same version.

    Raises
    ------
    PullError
        If it is larger than ``limit`` [bytes], changed meanwhile, or is not what the server said it would be.
    RetryError
        If the server has become too slow, or ended early; what has come is kept.
    """
    if found.size is not None and found.size > limit:
        raise PullError(f"{found.name} has {found.size:,} bytes, more than pull.max_file_mb allows")
    part.parent.mkdir(parents=True, exist_ok=True)
    begin = _begin(remote, found, part)
    got = begin
    started = clock()
    with part.open("ab" if begin else "wb") as file:
        if found.size is None or begin < found.size:
            for chunk in remote.stream(found, begin):
                got += file.write(chunk)
                if got > (limit if found.size is None else found.size):
                    _forget(part)
                    said = "more than pull.max_file_mb allows" if found.size is None else f"not the {found.size:,} said"
                    raise PullError(f"{found.name} has over {got - 1:,} bytes, {said}")
                passed = clock() - started
                if passed > timeout_s and got - begin < _SLOWEST * passed:
                    raise RetryError(f"{found.name} comes at less than {_SLOWEST} bytes a second")
        file.flush()
        os.fsync(file.fileno())
    if found.size is not None and got < found.size:
        raise RetryError(f"{found.name} ended after {got:,} of {found.size:,} bytes")
    now = remote.again(found)
    if (now.size, now.stamp) != (found.size, found.stamp):
        _forget(part)
        raise PullError(f"{found.name} changed while it was fetched; it comes with the next run")
    return Fetched(part, got, sha256_of(part), begin)


def _begin(remote: Remote, found: Found, part: Path) -> int:
    """From which byte on to fetch: what lies there counts if it is of this very version."""
    about = _about(part)
    version = {"name": found.name, "size": found.size, "stamp": found.stamp}
    if found.stamp and remote.can_resume(found) and part.exists() and about.exists():
        try:
            there = part.stat().st_size
            if json.loads(about.read_text(encoding="utf-8")) == version and there <= (found.size or 0):
                return there
        except ValueError:
            pass  # cut off by a kill: begin anew
    part.unlink(missing_ok=True)
    about.write_text(json.dumps(version), encoding="utf-8")
    return 0


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _about(part).unlink(missing_ok=True)


def finish(fetched: Fetched, target: Path | None) -> None:
    """Give a fetched file its name, or drop it where there is none to give; what was noted of it on the way goes."""
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        fetched.path.rename(target)
    _forget(fetched.path)


def _about(part: Path) -> Path:
    """The note beside an unfinished file that says which version it is of."""
    return part.with_name(part.name.removesuffix(".part") + ".about.part")
