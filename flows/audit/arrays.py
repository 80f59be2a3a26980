"""Arrays on disk: several in one file, each as NumPy writes it, one after the other; and the reading of parts of files.

A file of its own for each takes as long to make as a good part of it to write, most where many have just been removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Head:
    """What an array in a file is: its type, how many numbers make a line, and with which byte it begins."""

    kind: np.dtype[Any]
    width: int
    offset: int


def write_arrays(arrays: Iterable[npt.NDArray[Any]], path: Path) -> None:
    """Write some arrays into one file."""
    with path.open("wb") as sink:
        for array in arrays:
            np.save(sink, array)


def read_arrays(path: Path, count: int) -> list[npt.NDArray[Any]]:
    """The first arrays of a file, so many. One that has fewer, or is none, is an OSError, a ValueError or an EOFError."""
    with path.open("rb") as source:
        return [np.load(source) for _ in range(count)]


def heads_of(file: str, count: int) -> list[Head]:
    """What the first arrays of a file are, each of shape (lines, width)."""
    heads = []
    with Path(file).open("rb") as source:
        for _ in range(count):
            try:
                np.lib.format.read_magic(source)
                shape, _, kind = np.lib.format.read_array_header_1_0(source)
            except ValueError as error:
                raise _ends_early(file) from error
            heads.append(Head(kind, shape[1], source.tell()))
            source.seek(kind.itemsize * prod(shape), os.SEEK_CUR)
    return heads


def fill(file: str, wanted: Iterable[tuple[int, npt.NDArray[Any]]]) -> None:
    """Read as many bytes of a file as there is room for, from some places on."""
    source = os.open(file, os.O_RDONLY)
    try:
        for begin, room in wanted:
            if room.nbytes and os.preadv(source, [room.data], begin) != room.nbytes:
                raise _ends_early(file)
    finally:
        os.close(source)


def _ends_early(file: str) -> OSError:
    return OSError(f"{file} ends early: remove {Path(file).parent}, which is made anew")
