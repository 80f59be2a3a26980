"""Loops over readings that are compiled to machine code, for sums that no array operation takes in one pass.

Compiled once, they are kept beside the module (or in the user's cache folder) and loaded from there by every later
process. Arithmetic stays as written: no reordering of sums, no contraction, so that results are those of plain Python, but that
dividing by zero gives infinity or NaN, as it does in arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """The function, compiled at its first call; ``function.py_func`` is the one in Python."""
    try:
        made: F = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # no folder that can be written to: every process compiles for itself
        made = numba.njit(nogil=True, error_model="numpy")(function)
    return made
