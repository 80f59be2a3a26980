"""Measured processes: how long a program takes from its start to its end, and how much memory at most."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

PROJECT = Path(__file__).resolve().parents[2]

#: the program as its installed script starts it
METERWRIGHT = (sys.executable, "-c", "from flows.cli import program; program()")

#: exit codes of a run that did its work: done, and done with commands that are held
_DONE = (0, 4)

#: ru_maxrss counts in KiB, on macOS in bytes
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Measured:
    """One process that has ended.

    Attributes
    ----------
    begun : float
        The clock just before the process was started [s since 1970].
    wall_s : float
        From then until it was gone [s].
    cpu_s : float
        Processor time of all its threads [s], which others at work on the machine lengthen less than ``wall_s``.
    peak_bytes : int
        Its largest resident set.
    stdout : str
        What it printed.
    """

    begun: float
    wall_s: float
    cpu_s: float
    peak_bytes: int
    stdout: str


def measure(command: Sequence[str]) -> Measured:
    """Run a command in the project's folder and measure it.

    The kernel starts a child's peak at the size of its parent, so the caller's process has to stay small.

    Raises
    ------
    RuntimeError
        If the command fails; the message ends with what it said on standard error.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        begun, start = time.time(), time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, cwd=PROJECT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode not in _DONE:
            said = "\n".join(err.read().splitlines()[-20:])
            raise RuntimeError(f"exit code {process.returncode} from {' '.join(command)}\n{said}")
        cpu = usage.ru_utime + usage.ru_stime
        return Measured(begun, wall, cpu, usage.ru_maxrss * _RSS_UNIT, out.read())


def apart(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a fresh process and return what it returns, so that its memory and imports stay there."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()
