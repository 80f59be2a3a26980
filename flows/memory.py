"""Memory: what arrays have freed stays with the process for the next ones, and garbage is seldom looked for.

To give it back to the system and to be given it again, page by page, takes a fifth of the time of judging, because arrays of
one chunk are as large as those of the next.
"""

from __future__ import annotations

import ctypes
import gc
import os
from collections.abc import Callable
from typing import Final

#: glibc's names for: free memory at the heap's end beyond which it is given back, from which size on and how many arrays have
#: pages of their own
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
#: more than a process ever holds, and the most that glibc takes for a size [bytes]
_NEVER: Final = 2**31 - 1
_LARGEST: Final = 32 * 2**20
#: objects made between two looks for garbage
_OBJECTS: Final = 250_000


def keep_what_is_freed() -> None:
    """Ask the C library to keep freed memory; libraries that cannot be asked do as they please."""
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _NEVER)


def large_pages_in_others() -> None:
    """Have processes that this one starts from now on take memory in large pages, among which theirs is found sooner: judging
    takes a sixteenth less. The C library asks for it as a process begins, and so this one goes on as it is."""
    os.environ.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")


def give_back() -> None:
    """Give what is free now back to the system, before work of another kind, whose largest arrays are of no use to what follows:
    they have pages of their own from now on."""
    mallopt, trim = _of_glibc("mallopt"), _of_glibc("malloc_trim")
    if mallopt is not None and trim is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_MMAP_MAX, _NEVER)
        trim(0)


def look_for_garbage_seldom() -> tuple[int, int, int]:
    """Let Python look for garbage once in many objects: nearly all that a command makes stays, above all what it imports, and to
    look through it again and again takes a fifteenth of a small run. How often it did so is returned."""
    usual = gc.get_threshold()
    gc.set_threshold(_OBJECTS, *usual[1:])
    return usual


def set_aside_what_is_there() -> None:
    """Have no search for garbage look through what there is now, which stays: it would also write to every object, and so to
    memory that a fork shares with others until then."""
    gc.freeze()


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function that other C libraries do not have."""
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
    return found
