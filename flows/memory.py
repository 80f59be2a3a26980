"""Memory that arrays have freed stays with the process for the next ones.

To give it back to the system and to be given it again, page by page, takes a tenth of the time of judging, because arrays of
one chunk are as large as those of the next.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Final

#: glibc's names for: free memory at the heap's end beyond which it is given back, size from which an array has pages of its own
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
#: more than a process ever holds, and the most that glibc takes [bytes]
_NEVER: Final = 2**31 - 1
_LARGEST: Final = 32 * 2**20


def keep_what_is_freed() -> None:
    """Ask the C library to keep freed memory; libraries that cannot be asked do as they please."""
    mallopt = _of_glibc("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, _NEVER)


def give_back() -> None:
    """Give what is free now back to the system, before work of another kind."""
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function that other C libraries do not have."""
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return None
    return found
