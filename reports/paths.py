"""Outlines as text: what draws them in SVG and in PDF, whose lengths have at most two decimals.

Charts are little else than numbers, tens of megabytes of them in the pages of an audit, so one compiled loop writes them.
"""

from __future__ import annotations

from functools import cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from reports.picture import Floats, Shape
from transforms.compiled import compiled

Bytes = NDArray[np.uint8]

_MOST = 3
#: characters of a length at most: 19 digits, a sign and a point; then what follows it
_LENGTH = 21 + 2 * _MOST


@cache
def _words(*words: str) -> Bytes:
    """Words of at most three characters, a row each, which begins with how many there are."""
    rows = "".join(f"{chr(len(word))}{word:{_MOST}}" for word in words)
    return np.frombuffer(rows.encode("ascii"), dtype=np.uint8).reshape(-1, 1 + _MOST)


_MINUS, _BLANK = (ord(sign) for sign in "- ")
_ZERO, _TEN, _HUNDRED, _THOUSAND = np.uint64(ord("0")), np.uint64(10), np.uint64(100), np.uint64(1000)
_WHOLES = _words(*map(str, range(1000)))
_PARTS = _words("", *(f".{k:02d}".rstrip("0") for k in range(1, 100)))


def svg_path(shape: Shape, top: float) -> str:
    """The data of an SVG path; SVG measures downwards from ``top``."""
    if not len(shape.outlines):
        return ""
    if shape.dots:  # strokes of no length with round ends: a tenth of the bytes of one element a point
        return _text(*_apart(shape, 1), _words("M", "", "", "", "h0"), -1.0, top)
    return _text(*_outlines(shape), _words("M", "", "L", "", "z" if shape.closed else ""), -1.0, top)


def pdf_path(shape: Shape) -> str:
    """The operators that construct a path in PDF, written at once: ReportLab's own take most of the time of a file."""
    if not len(shape.outlines):
        return ""
    if shape.dots:
        return _text(*_apart(shape, 2), _words(" ", " m", " ", " l", ""), 1.0, 0.0)[1:]
    return _text(*_outlines(shape), _words(" ", " m", " ", " l", " h" if shape.closed else ""), 1.0, 0.0)[1:]


def _outlines(shape: Shape) -> tuple[Floats, NDArray[np.int64]]:
    """All places of a shape, and where each of its outlines ends in them."""
    outlines = shape.outlines
    if isinstance(outlines, np.ndarray):
        many, each, _ = outlines.shape
        return outlines.reshape(-1, 2), np.arange(each, many * each + 1, each)
    return np.concatenate(outlines), np.array(list(accumulate(map(len, outlines))))


def _apart(shape: Shape, times: int) -> tuple[Floats, NDArray[np.int64]]:
    """Each place of a shape as an outline that says it so many times."""
    places = np.repeat(_outlines(shape)[0], times, axis=0)
    return places, np.arange(times, len(places) + 1, times)


def _text(places: Floats, ends: NDArray[np.int64], marks: Bytes, up: float, top: float) -> str:
    text = np.empty(len(places) * 2 * _LENGTH + (len(ends) + 1) * 2 * _MOST, dtype=np.uint8)
    return str(text[: _write(text, places, ends, marks, up, top)].tobytes(), "ascii")


@compiled
def _write(
    text: Bytes, places: Floats, ends: NDArray[np.int64], marks: Bytes, up: float, top: float
) -> int:  # pragma: no cover - compiled
    """Write the outlines, whose heights are ``top`` + ``up`` times those of the places; returns how much it is."""
    at = begin = 0
    for end in ends:
        at = _put(text, at, marks, 0)
        for k in range(begin, end):
            if k > begin:
                at = _put(text, at, marks, 2)
            at = _length(text, at, places[k, 0])
            text[at] = _BLANK
            at = _length(text, at + 1, top + up * places[k, 1])
            at = _put(text, at, marks, 1 if k == begin else 3)
        at = _put(text, at, marks, 4)
        begin = end
    return at


@compiled
def _put(text: Bytes, at: int, words: Bytes, which: int | np.uint64) -> int:  # pragma: no cover - compiled
    """Write a word; all that it could have are copied, which takes less time than to ask how many it has."""
    text[at], text[at + 1], text[at + 2] = words[which, 1], words[which, 2], words[which, 3]
    return at + int(words[which, 0])


@compiled
def _length(text: Bytes, at: int, value: float) -> int:  # pragma: no cover - compiled
    """Write a number rounded to hundredths, with no zero that says nothing."""
    hundredths = np.int64(np.rint(value * 100.0))
    if hundredths < 0:
        text[at] = _MINUS
        at += 1
    size = np.uint64(abs(hundredths))  # divided by constants without a sign, which takes a quarter of the time
    whole, part = size // _HUNDRED, size % _HUNDRED
    if whole < _THOUSAND:
        at = _put(text, at, _WHOLES, whole)
    else:
        end, rest = at, whole
        while rest:
            end, rest = end + 1, rest // _TEN
        for k in range(end - 1, at - 1, -1):
            text[k] = _ZERO + whole % _TEN
            whole //= _TEN
        at = end
    return _put(text, at, _PARTS, part)
