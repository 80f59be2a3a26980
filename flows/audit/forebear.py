"""What a crew's processes have in common, imported once, by the server that they are forked from; `flows.audit.crew` names it.

It imports no Polars, which has threads as soon as it is imported: forks would lack them, and wait for them.
"""

from __future__ import annotations

import sys
from types import TracebackType

import flows.cli  # noqa: F401 - what the first process was started with
from flows.memory import look_for_garbage_seldom, set_aside_what_is_there
from transforms import compiled, statistics


def _tell(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """Tell of an error, but that who asked for a process was killed before it could say what for."""
    if not isinstance(error, EOFError):
        sys.__excepthook__(kind, error, where)


look_for_garbage_seldom()
statistics.load()
compiled.load()
set_aside_what_is_there()
# only now: whatever goes wrong before, nobody has asked for anything yet
sys.excepthook = _tell
