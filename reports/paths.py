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

_MINUS, _POINT, _BLANK = (ord(sign) for sign in "-. ")
_ZERO, _TEN, _HUNDRED = np.uint64(ord("0")), np.uint64(10), np.uint64(100)
#: characters of a length at most: 19 digits, a sign and a point
_LENGTH = 21


def svg_path(shape: Shape, top: float) -> str:
    """The data of an SVG path; SVG measures downwards from ``top``."""
    if not len(shape.outlines):
        return ""
    if shape.dots:  # strokes of no length with round ends: a tenth of the bytes of one element a point
        return _text(*_apart(shape, 1), _marks("M", "", "", "", "h0"), -1.0, top)
    return _text(*_outlines(shape), _marks("M", "", "L", "", "z" if shape.closed else ""), -1.0, top)


def pdf_path(shape: Shape) -> str:
    """The operators that construct a path in PDF, written at once: ReportLab's own take most of the time of a file."""
    if not len(shape.outlines):
        return ""
    if shape.dots:
        return _text(*_apart(shape, 2), _marks(" ", " m", " ", " l", ""), 1.0, 0.0)[1:]
    return _text(*_outlines(shape), _marks(" ", " m", " ", " l", " h" if shape.closed else ""), 1.0, 0.0)[1:]


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


@cache
def _marks(*marks: str) -> Bytes:
    """What is written before an outline, after its first place, before and after each other one, and at its end."""
    made = np.zeros((len(marks), 1 + max(map(len, marks))), dtype=np.uint8)
    for row, mark in zip(made, marks, strict=True):
        row[0], row[1 : 1 + len(mark)] = len(mark), list(mark.encode("ascii"))
    return made


def _text(places: Floats, ends: NDArray[np.int64], marks: Bytes, up: float, top: float) -> str:
    room = len(places) * 2 * (_LENGTH + marks.shape[1]) + len(ends) * 2 * marks.shape[1]
    text = np.empty(room, dtype=np.uint8)
    return str(text[: _write(text, places, ends, marks, up, top)].tobytes(), "ascii")


@compiled
def _write(
    text: Bytes, places: Floats, ends: NDArray[np.int64], marks: Bytes, up: float, top: float
) -> int:  # pragma: no cover - compiled
    """Write the outlines, whose heights are ``top`` + ``up`` times those of the places; returns how much it is."""
    at = begin = 0
    for end in ends:
        at = _mark(text, at, marks, 0)
        for k in range(begin, end):
            if k > begin:
                at = _mark(text, at, marks, 2)
            at = _length(text, at, places[k, 0])
            text[at] = _BLANK
            at = _length(text, at + 1, top + up * places[k, 1])
            at = _mark(text, at, marks, 1 if k == begin else 3)
        at = _mark(text, at, marks, 4)
        begin = end
    return at


@compiled
def _mark(text: Bytes, at: int, marks: Bytes, which: int) -> int:  # pragma: no cover - compiled
    for k in range(marks[which, 0]):
        text[at + k] = marks[which, 1 + k]
    return at + marks[which, 0]


@compiled
def _length(text: Bytes, at: int, value: float) -> int:  # pragma: no cover - compiled
    """Write a number rounded to hundredths, with no zero that says nothing."""
    hundredths = np.int64(np.rint(value * 100.0))
    if hundredths < 0:
        text[at] = _MINUS
        at += 1
    rest = np.uint64(abs(hundredths))  # divided by constants without a sign, which takes a quarter of the time
    whole, part = rest // _HUNDRED, rest % _HUNDRED
    end, rest = at + 1, whole // _TEN
    while rest:
        end, rest = end + 1, rest // _TEN
    for k in range(end - 1, at - 1, -1):
        text[k] = _ZERO + whole % _TEN
        whole //= _TEN
    if part:
        text[end], text[end + 1] = _POINT, _ZERO + part // _TEN
        end += 2
        if part % _TEN:
            text[end] = _ZERO + part % _TEN
            end += 1
    return end
