"""The eyes of a run: photos and clips are read in one child process, so that no file can harm the run.

The child holds the models, works on one thread and within a limit of memory, and gets the files one by one. One that makes
it crash, hang or run out of memory is refused, and the next is read by a new child. What comes back is JSON: nothing that a
hostile file may make of the child is ever unpickled here.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from transforms.display import Candidate, EngineMissing, Sight, installed
from transforms.screens import Screen

#: seconds that one file may take, and that the child may take to start
FILE_S: Final = 30.0
_START_S: Final = 60.0
#: address space of the child [bytes]; what it really uses is far less
MEMORY: Final = 2 * 2**30
#: longest answer that a child may give [bytes]
_LONGEST: Final = 2**20
_STATUSES: Final = ("sure", "unsure", "refused")


class Eyes:
    """Reads photos and clips. Used as a context manager; a child is started when the first file is read.

    Parameters
    ----------
    seconds
        How long one file may take [s]; then the child is ended and the file refused.
    memory
        Address space that the child may take [bytes].
    child
        The module that is run as the child.
    """

    def __init__(self, *, seconds: float = FILE_S, memory: int = MEMORY, child: str = "flows.eyes_child") -> None:
        self._seconds = seconds
        self._memory = memory
        self._module = child
        self._child: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()

    @classmethod
    def open(cls) -> Eyes:
        """The eyes with their usual limits."""
        return cls()

    @staticmethod
    def available() -> bool:
        """Whether the extra ``photos`` is installed; nothing of it is loaded to find out."""
        return installed()

    def read(self, path: Path, screens: Sequence[Screen]) -> Sight:
        """Read one file.

        Parameters
        ----------
        path
            A photo (JPEG, PNG) or clip (MP4).
        screens
            What the display can show.

        Returns
        -------
        Sight
            ``refused`` with a reason where the file cannot be looked at; ``reader_failed`` where it was too much for the
            child.

        Raises
        ------
        EngineMissing
            If the extra ``photos`` is not installed.
        """
        request = {
            "path": str(path.resolve()),
            "seconds": self._seconds,
            "screens": [[s.name, s.quantity, s.unit, s.digits, s.decimals] for s in screens],
        }
        with self._turn:
            try:
                child = self._started()
                _pipe(child.stdin).write(json.dumps(request).encode() + b"\n")
                answer = self._answer(child, self._seconds)
            except _Failed as failure:
                return Sight("refused", "reader_failed", detail=self._end(failure.why))
            except BrokenPipeError:
                return Sight("refused", "reader_failed", detail=self._end("the reader ended"))
            if answer.get("leaving"):
                self._end("")
        return _sight(answer, screens)

    def close(self) -> None:
        """End the child. Doing it twice does no harm."""
        with self._turn:
            self._end("")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _started(self) -> subprocess.Popen[bytes]:
        """The child, started anew if there is none."""
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._end("")
        root = str(Path(__file__).resolve().parents[1])
        kept = os.environ.get("PYTHONPATH")
        environment = {
            **os.environ,
            "PYTHONPATH": root + (os.pathsep + kept if kept else ""),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            # A clip's decoder opens the file it was given, and nothing that the file may name.
            "OPENCV_FFMPEG_CAPTURE_OPTIONS": "protocol_whitelist;file|threads;1",
            "OPENCV_LOG_LEVEL": "SILENT",
        }
        # -P: modules are never taken from the folder that the program happens to be started in.
        self._child = subprocess.Popen(  # noqa: S603  (this interpreter with a module of ours)
            [sys.executable, "-P", "-m", self._module, str(self._memory)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0, env=environment,
        )  # fmt: skip
        greeting = self._answer(self._child, _START_S)
        if "missing" in greeting:
            self._end("")
            raise EngineMissing(str(greeting["missing"]))
        return self._child

    def _answer(self, child: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
        """One line from the child, within the time it has."""
        output = _pipe(child.stdout)
        line, until = b"", time.monotonic() + seconds
        while not line.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0 or not select.select([output], [], [], left)[0]:
                raise _Failed(f"it took more than {seconds:.0f} s")
            part = os.read(output.fileno(), 65536)
            if not part:
                raise _Failed(_how_it_ended(child))
            line += part
            if len(line) > _LONGEST:
                raise _Failed("the reader's answer has no end")
        try:
            answer = json.loads(line)
        except ValueError:
            raise _Failed("the reader's answer makes no sense") from None
        if not isinstance(answer, dict):
            raise _Failed("the reader's answer makes no sense")
        return answer

    def _end(self, why: str) -> str:
        """End the child, first by closing its input; gives back why."""
        child, self._child = self._child, None
        if child is None:
            return why
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        try:
            child.wait(0 if why else 2)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        return why


class _Failed(Exception):
    """The child did not answer as it should."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    """A pipe that `Popen` was asked for."""
    if pipe is None:
        raise _Failed("the reader has no pipes")
    return pipe


def _how_it_ended(child: subprocess.Popen[bytes]) -> str:
    try:
        code = child.wait(2)
    except subprocess.TimeoutExpired:
        return "the reader closed its output"
    return f"the reader ended by signal {-code}" if code < 0 else f"the reader ended with code {code}"


def _sight(answer: dict[str, Any], screens: Sequence[Screen]) -> Sight:
    """What the child saw; an answer of another form counts as a failure of the reader."""
    try:
        status = answer["status"]
        if status not in _STATUSES:
            raise ValueError
        candidates = tuple(
            Candidate(screens[int(place)], str(text), float(text), float(confidence))
            for place, text, confidence in answer["candidates"]
        )
        return Sight(status, str(answer["reason"]), candidates, int(answer["frames"]), str(answer["detail"]))
    except (KeyError, TypeError, ValueError, IndexError):
        return Sight("refused", "reader_failed", detail="the reader's answer makes no sense")
