"""Being told to stop: SIGTERM becomes an exception in the main thread, as Ctrl-C is one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM came. Whoever handles Ctrl-C handles this, too; only the exit code tells them apart."""


def exit_code(stop: KeyboardInterrupt) -> int:
    """The exit code that belongs to being stopped: 1 for SIGTERM (a failure that is ours), 130 for Ctrl-C."""
    return 1 if isinstance(stop, Terminated) else 128 + signal.SIGINT


@contextmanager
def terminable() -> Iterator[None]:
    """Raise `Terminated` when SIGTERM comes during the block. Only the main thread can do so; in others, nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
