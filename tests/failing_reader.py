"""A child of `flows.eyes` that fails as files tell it to: by a signal, by hanging, by memory, by chatter, by an error."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from flows.eyes_child import Reader, serve
from transforms.display import Sight
from transforms.screens import Screen


def make() -> Reader:
    def read(path: Path, _screens: Sequence[Screen]) -> Sight:
        wanted = path.read_text(encoding="utf-8")
        if wanted == "crash":
            os.abort()
        if wanted == "hang":
            time.sleep(600)
        if wanted == "memory":
            bytearray(3 * 2**30)
        if wanted == "error":
            raise ValueError("/a/path/that/nobody/should/see")
        os.write(1, b"chatter of a library\n")
        return Sight("unsure", "unclear_digits", frames=1, detail=str(os.getpid()))

    return read


if __name__ == "__main__":
    serve(int(sys.argv[1]), make)
