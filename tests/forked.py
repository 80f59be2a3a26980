"""The program in processes that can be killed, forked from one that has imported everything already."""

from __future__ import annotations

import os
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess

import flows.cycle
import flows.reporting
import flows.window
import reports.run
from flows.cli.main import main
from transforms import compiled, statistics

_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])

#: what a run imports on its way, and wakes
LOADED = (flows.cycle, flows.reporting, flows.window, reports.run)
statistics.load()
compiled.load()


def started(arguments: Sequence[str]) -> ForkServerProcess:
    """The program at work in a process of its own, which says nothing."""
    process = _CONTEXT.Process(target=_work, args=(list(arguments),))
    process.start()
    return process


def _work(arguments: list[str]) -> None:
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    os._exit(main(arguments))
