"""Deaths: a program that ends at one of its write points, as SIGKILL would end it, inside this process or in its own.

Python tells an audit hook of every file that is opened for writing and of every rename, removal and folder made;
`os.fsync` is told of by a wrapper, because what Polars and DuckDB write themselves is brought to disk by it. The hook
counts those below one folder and dies at the one asked for: from then on nothing is written any more, so that no `finally`
tidies up what a killed process would have left behind.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

#: events that change what is on disk, and where in their arguments the paths stand
CHANGES = {
    "os.rename": (0, 1),
    "os.remove": (0,),
    "os.mkdir": (0,),
    "os.rmdir": (0,),
    "os.link": (0, 1),
    "os.symlink": (0, 1),
    "os.truncate": (0,),
    "shutil.copyfile": (1,),
    "fsync": (0,),
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Death(BaseException):
    """The process is dead. Nothing in the program may catch this."""


@dataclass
class Seam:
    """Counts the write points below a folder and dies at number ``at`` (from 1), or at the one called so, if it comes to it.

    A ``torn`` death at a file that is opened for writing leaves the first bytes of something in it, and one that was to be
    brought to disk half written. With ``real`` the process is killed, by SIGKILL.
    """

    root: str
    at: int | str | None = None
    torn: bool = False
    real: bool = False
    count: int = 0
    dead: bool = False
    seen: list[str] = field(default_factory=list)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        point = self._point(event, arguments)
        if point is None:
            return
        if self.dead:
            raise Death(f"written after death: {point}")
        self.count += 1
        self.seen.append(point)
        if self.at in (self.count, point):
            self._die(event, arguments)

    def _point(self, event: str, arguments: tuple[Any, ...]) -> str | None:
        """What is about to be changed below the folder, None if nothing is."""
        if event == "open":
            path, mode, flags = arguments
            writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (flags or 0) & WRITING
            return f"open {self._below(path)}" if writes and self._below(path) else None
        for place in CHANGES.get(event, ()):
            if self.dead and event == "os.truncate":
                return event  # of a descriptor, which has no path: the lock's
            if below := self._below(arguments[place]):
                return f"{event} {below}"
            if event in ("os.remove", "os.rmdir") and arguments[-1] not in (-1, None):
                return f"{event} {arguments[0]}"  # relative to an open folder, as `shutil.rmtree` does it
        return None

    def _below(self, path: object) -> str | None:
        if not isinstance(path, str | bytes | os.PathLike):
            return None
        text = os.fsdecode(path)
        return text[len(self.root) + 1 :] if text.startswith(self.root + "/") else None

    def _die(self, event: str, arguments: tuple[Any, ...]) -> None:
        self.at = None
        path = Path(os.fsdecode(arguments[0]))
        if self.torn and event == "open" and path.name != ".lock":
            path.write_bytes(b'{"torn')
        if self.torn and event == "fsync" and path.is_file():
            os.truncate(path, path.stat().st_size // 2)
        if self.real:
            os.kill(os.getpid(), signal.SIGKILL)
        self.dead = True
        raise Death(self.seen[-1])


_watching: list[Seam] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and (event == "open" or event in CHANGES):
        seam = _watching.pop()  # what the seam itself does is not watched
        try:
            seam(event, arguments)
        finally:
            _watching.append(seam)


_installed: list[bool] = []


@contextmanager
def watched(seam: Seam) -> Iterator[Seam]:
    """Let a seam watch this process for the time of the block. Audit hooks stay for ever, so there is only one."""
    if not _installed:
        sys.addaudithook(_hook)
        _installed.append(True)
    bring_to_disk = os.fsync

    def told(descriptor: int) -> None:
        _hook("fsync", (str(Path(f"/proc/self/fd/{descriptor}").readlink()),))
        bring_to_disk(descriptor)

    _watching.append(seam)
    try:
        with patch("os.fsync", told):
            yield seam
    finally:
        _watching.remove(seam)


def dies(work: Callable[[], object], root: Path, at: int, *, torn: bool = False) -> Seam:
    """Carry out some work that dies at a write point below a folder; ``dead`` says whether it came to that."""
    with watched(Seam(str(root), at, torn)) as seam:
        try:
            work()
        except Death:
            assert seam.dead
    return seam


def without_charts() -> AbstractContextManager[object]:
    """Pages that are only the manifest: drawn ones take longer than the runs, and no story asks about them."""
    return patch("flows.reporting.render_run", lambda report: json.dumps(report.manifest))


if __name__ == "__main__":  # python -m tests.deaths ROOT AT TORN PAGES ARGUMENTS...: the program, killed by SIGKILL
    from flows.cli.main import main

    folder, number, torn_too, pages, *rest = sys.argv[1:]
    where = int(number) if number.isdigit() else number
    with (
        without_charts() if pages == "plain" else nullcontext(),
        watched(Seam(folder, where, torn_too == "torn", real=True)),
    ):
        sys.exit(main(rest))
