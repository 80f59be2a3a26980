"""One run in this process with a clock at the end of every step. Run as a program: workspace, time of its start.

Prints a JSON object: for each step, in order, its seconds and its processor seconds (of all threads), which sum up to
those since the start. What leads up to a step (opening the lake, gathering verdicts, writing the outbox's files) counts
in that step.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from flows.cli.common import make_context
from flows.cli.main import main as _the_program  # noqa: F401  # imports whatever the program imports at its start
from flows.engines.plain import PlainEngine
from flows.lock import hold
from tests.bench.session import END, NOW
from transforms.windows import newest_complete, parse_time

A = TypeVar("A")
T = TypeVar("T")


class _Laps:
    def __init__(self, begun: float) -> None:
        self.last = (begun, 0.0)
        self.seconds: dict[str, tuple[float, float]] = {}

    def end(self, step: str) -> None:
        now = (time.time(), time.process_time())
        self.seconds[step] = (now[0] - self.last[0], now[1] - self.last[1])
        self.last = now


class _TimedEngine(PlainEngine):
    """The plain engine, with a lap at the end of every step; steps are called ``judge WINDOW`` and so on."""

    def __init__(self, workers: int, laps: _Laps) -> None:
        super().__init__(workers)
        self.laps = laps

    def step(self, name: str, work: Callable[[], T]) -> T:
        result = super().step(name, work)
        self.laps.end(name.split(maxsplit=1)[0])
        return result

    def map(self, name: str, work: Callable[[A], T], items: Sequence[A]) -> list[T]:
        result = super().map(name, work, items)
        self.laps.end(name.split(maxsplit=1)[0])
        return result


def main(root: Path, begun: float) -> None:
    """Run the cycle on the simulated window and print the laps."""
    laps = _Laps(begun)
    laps.end("start")
    context = make_context(root, None)
    from flows.cycle import run_cycle

    laps.end("imports and registry")
    window = newest_complete(parse_time(END), context.policy.window.length)
    with hold(context.workspace, "run"), _TimedEngine(context.workers, laps) as engine:
        engine.run("meterwright cycle", lambda e: run_cycle(context, e, [window], parse_time(NOW)))
    laps.end("tidy up")
    print(json.dumps(laps.seconds))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
