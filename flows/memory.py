"""Memory: what arrays have freed stays with the process for the next ones, and garbage is seldom looked for.

To give it back to the system and to be given it again, page by page, takes a fifth of the time of judging, because arrays of
one chunk are as large as those of the next.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from typing import Final

#: glibc's names for: free memory at the heap's end beyond which it is given back, how many arrays have pages of their own
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
#: more than a process ever holds [bytes]
_NEVER: Final = 2**31 - 1
#: objects made between two looks for garbage
_OBJECTS: Final = 50_000


def keep_what_is_freed() -> None:
    """Ask the C library to keep freed memory; libraries that cannot be asked do as they please."""
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _NEVER)


def give_back() -> None:
    """Give what is free now back to the system, before work of another kind."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def look_for_garbage_seldom() -> tuple[int, int, int]:
    """Let Python look for garbage once in many objects: nearly all that a command makes stays, above all what it imports, and to
    look through it again and again takes a fifteenth of a small run. How often it did so is returned."""
    usual = gc.get_threshold()
    gc.set_threshold(_OBJECTS, *usual[1:])
    return usual


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function that other C libraries do not have."""
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
    return found
