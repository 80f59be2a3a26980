"""Loops over readings that are compiled to machine code, for sums that no array operation takes in one pass.

Compiled once, they are kept beside the module (or in the user's cache folder) and loaded from there by every later
process. Arithmetic stays as written: no reordering of sums, no contraction, so that results are those of plain Python, but that
dividing by zero gives infinity or NaN, as it does in arrays. The compiler is imported at the first call: many programs never
come to one.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import RLock
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., object])

_MAKING = RLock()


def compiled(function: F) -> F:
    """The function, compiled at its first call; ``function.py_func`` is the one in Python."""
    return cast(F, _Compiled(function))


class _Compiled:
    """A function that is handed to the compiler when it is first called."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.py_func = function
        self._begun: Callable[..., object] | None = None
        self._made: Callable[..., object] | None = None

    def __call__(self, *arguments: Any) -> Any:
        return (self._made or self._make())(*arguments)

    def _make(self) -> Callable[..., object]:
        import numba

        with _MAKING:
            if self._begun is not None:
                return self._begun
            # a loop takes in the functions that it calls, which the compiler by itself leaves where they are: a tenth faster
            how = {"nogil": True, "error_model": "numpy", "forceinline": True}
            try:
                self._begun = numba.njit(cache=True, **how)(self.py_func)
            except RuntimeError:  # no folder that can be written to: every process compiles for itself
                self._begun = numba.njit(**how)(self.py_func)
            # what it calls by name must be known to the compiler, too
            names = self.py_func.__globals__
            for name in self.py_func.__code__.co_names:
                value = names.get(name)
                if isinstance(value, _Compiled):
                    names[name] = value._make()
            self._made = self._begun
            return self._begun


@compiled
def _nothing() -> int:
    return 0


def load() -> None:
    """Import the compiler and wake it, which takes half a second; called early in a thread of its own, it costs nobody's time."""
    _nothing()
