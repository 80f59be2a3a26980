"""Being told to stop: SIGTERM becomes an exception in the main thread, as Ctrl-C is one."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM came. Whoever handles Ctrl-C handles this, too; only the exit code tells them apart."""


def exit_code(stop: KeyboardInterrupt) -> int:
    """The exit code that belongs to being stopped: 1 for SIGTERM (a failure that is ours), 130 for Ctrl-C."""
    return 1 if isinstance(stop, Terminated) else 128 + signal.SIGINT


#: how long after an interruption that Python dropped it comes again [s]
_AGAIN_S = 0.02


@contextmanager
def terminable() -> Iterator[None]:
    """Raise `Terminated` when SIGTERM comes during the block. Only the main thread can do so; in others, nothing.

    Python drops what is raised in a destructor or in the callback of a weak reference, and complains on standard error. A signal
    that comes just then, SIGINT or SIGTERM, is sent once more.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    with _nothing_dropped():
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)


def heed_while_waiting() -> None:
    """Have Ctrl-C end what the main thread waits for from now on; in other threads, do nothing.

    As it is imported, Polars puts a handler of its own in front of Python's, after which the kernel takes up a wait again that
    SIGINT has interrupted: Python learned of Ctrl-C only when the result came that was waited for.
    """
    if threading.current_thread() is threading.main_thread():
        signal.siginterrupt(signal.SIGINT, True)


@contextmanager
def _nothing_dropped() -> Iterator[None]:
    others: Callable[[sys.UnraisableHookArgs], object] = sys.unraisablehook
    over = threading.Event()

    def send(number: int, told: threading.Event) -> None:
        told.wait()
        if not over.wait(_AGAIN_S):
            os.kill(os.getpid(), number)

    def dropped(what: sys.UnraisableHookArgs) -> None:
        if not isinstance(what.exc_value, KeyboardInterrupt):
            others(what)
            return
        number = signal.SIGTERM if isinstance(what.exc_value, Terminated) else signal.SIGINT
        told = threading.Event()
        threading.Thread(target=send, args=(number, told), daemon=True).start()
        # only now: what comes while this function is at work Python drops as well, and a thread may take long to start
        told.set()

    sys.unraisablehook = dropped
    try:
        yield
    finally:
        sys.unraisablehook = others
        over.set()
