"""A crew's processes end with the one that called for them, or as soon as it lets go: even those that are still starting."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import psutil
import pytest

from flows.audit import crew
from flows.audit.crew import WORTH_A_PROCESS, Crew
from transforms.errors import MeterwrightError

PROGRAM = """
import sys, time
from flows.audit.crew import Crew

if __name__ == "__main__":
    with Crew(2) as hands:
        hands.call_for(10**9)
        print("called", flush=True)
        sys.stdin.read(1)
        # nothing was to be done
"""


def crew_of(program: int) -> list[psutil.Process]:
    """The server that a program's crew is forked from, and those it has forked so far."""
    try:
        others = psutil.Process(program).children(recursive=True)
        return [other for other in others if "forkserver" in " ".join(other.cmdline())]
    except psutil.NoSuchProcess:
        return []


def at_work(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def started(program: str, have_come: int) -> tuple[subprocess.Popen[str], list[psutil.Process], float]:
    """A program that waits for a key once so many of its crew have come, these, and when all of it should be over."""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "called\n"
    deadline = time.monotonic() + 20
    # for a moment after its start a process still bears the name of the one that started it
    while len(others := crew_of(process.pid)) < have_come:
        assert time.monotonic() < deadline, "not all of them have come"
        time.sleep(0.001)
    return process, others, deadline


@pytest.mark.parametrize("have_come", [1, 3], ids=["the server", "all"])
@pytest.mark.parametrize("end", ["is killed", "lets go"])
def test_processes_leave_while_they_start(end: str, have_come: int) -> None:
    process, others, deadline = started(PROGRAM, have_come)
    if end == "is killed":
        process.send_signal(signal.SIGKILL)
    _, told = process.communicate("x" if end == "lets go" else None, timeout=60)
    while any(map(at_work, others)):
        assert time.monotonic() < deadline, "it stays behind"
        time.sleep(0.01)
    assert "Traceback" not in told
    assert process.returncode == (-signal.SIGKILL if end == "is killed" else 0)


@pytest.mark.parametrize("have_come", [1, 2], ids=["before it forks", "once it has forked"])
def test_a_server_that_ends_is_started_again(have_come: int) -> None:
    program = PROGRAM.replace("# nothing was to be done", "print(len(hands._started()._processes))")
    process, others, deadline = started(program, have_come)
    (server,) = (other for other in others if other.ppid() == process.pid)
    server.kill()
    said, told = process.communicate("x", timeout=60)
    # one that was forked and finds nobody any more may say so
    assert "Exception in thread" not in told
    assert process.returncode == 0
    assert said == "2\n"
    assert time.monotonic() < deadline, "it takes long"


class Refused:
    """A pool whose processes cannot be started."""

    made = 0

    def __init__(self) -> None:
        Refused.made += 1

    def submit(self, _: object) -> None:
        raise ConnectionRefusedError

    def shutdown(self, *, wait: bool, cancel_futures: bool) -> None:
        """It holds none."""


def test_processes_that_end_again_and_again_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "_WAITS_S", (0.0, 0.0))
    monkeypatch.setattr(crew, "ProcessPoolExecutor", lambda *_, **__: Refused())
    with Crew(2) as hands:
        hands.call_for(10**9)
        with pytest.raises(MeterwrightError, match="end as they start"):
            hands.make_ready(lambda *_: None)
        assert Refused.made == 3


def test_few_readings_call_for_nobody() -> None:
    with Crew(8) as hands:
        hands.call_for(WORTH_A_PROCESS)
        assert hands.workers == 1
