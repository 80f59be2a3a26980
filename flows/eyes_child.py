"""The child process of `flows.eyes`: reads one file after the other, each asked for and answered by a line of JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transforms.display import EngineMissing, PictureError, Sight, load, look, open_engine
from transforms.screens import Screen

#: reads a file that may show one of some screens
Reader = Callable[[Path, Sequence[Screen]], Sight]


def make_reader() -> Reader:
    """The reader with its models loaded.

    Raises
    ------
    EngineMissing
        If the extra ``photos`` is not installed.
    """
    engine = open_engine()

    def read(path: Path, screens: Sequence[Screen]) -> Sight:
        try:
            return look(engine, load(path), screens)
        except PictureError as error:
            return Sight("refused", error.reason, detail=error.detail)

    return read


def serve(memory: int, make: Callable[[], Reader] = make_reader) -> None:
    """Answer requests from standard input until it ends.

    Parameters
    ----------
    memory
        Address space that this process may take [bytes].
    make
        Makes the reader.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted run closes the input, and that is enough
    # The answers get the real output; whatever a library prints goes nowhere.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers, Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        _limit(memory)
        try:
            read = make()
        except EngineMissing as error:
            _say(answers, {"missing": str(error)})
            return
        _say(answers, {"ready": True})
        for line in sys.stdin:
            request = json.loads(line)
            screens = [Screen(*fields) for fields in request["screens"]]
            # Should the parent be gone, nobody else ends a child that hangs.
            signal.alarm(int(request["seconds"]) + 5)
            answer, leaving = _read(read, Path(request["path"]), screens)
            signal.alarm(0)
            _say(answers, {**answer, "leaving": leaving})
            if leaving:
                return


def _read(read: Reader, path: Path, screens: list[Screen]) -> tuple[dict[str, Any], bool]:
    """The answer about one file, and whether a process that starts afresh should read the next."""
    try:
        sight = read(path, screens)
    except Exception as error:  # a library's own error about a strange file: told, and that file's only
        sight, leaving = Sight("refused", "reader_failed", detail=type(error).__name__), True
    else:
        leaving = False
    return {
        "status": sight.status, "reason": sight.reason, "frames": sight.frames, "detail": sight.detail,
        "candidates": [[screens.index(c.screen), c.text, c.confidence] for c in sight.candidates],
    }, leaving  # fmt: skip


def _limit(memory: int) -> None:
    """Take no more address space than allowed, where the system can hold a process to it."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    allowed = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _say(answers: Any, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
