"""Words packed: columns of 64-bit words, group of rows after group, in no more bytes than tell them apart, and back where they
belong."""

from __future__ import annotations

from typing import Any

import numpy as np

from transforms.compiled import compiled
from transforms.fit.lines import Ints

#: how a group's words of a column are packed: one for all; all, in so many bytes; or, so many bytes and `_SOME`, those that tell
#: something, after a bit for each word that says which do. `_SINGLE` stands in place of a number of bytes: numbers in double
#: precision, told by the four bytes of single precision where nothing is lost by that
_ONE, _SOME, _SINGLE = 0, 16, 3
#: the numbers of these ways are less
WAYS = 32
#: the word that tells that there is no number, in double and in single precision
_NO_NUMBER, _NO_SINGLE = (int(np.array([np.nan], of).view(bits)[0]) for of, bits in (("f8", "i8"), ("f4", "i4")))
#: by so many bits a row is moved to find the word that has its bit, and what is left then; a bit that is set
_BITS, _LAST, _TOLD = np.uint64(6), np.uint64(63), np.uint64(1)


@compiled
def pack(words: Ints, edges: Ints, nothing: int, room: Ints, ends: Ints, kind: Ints) -> None:
    """Fill ``room`` with the words of one column, group after group; say where each ends, and how it stands there."""
    end = 0
    for group in range(len(kind)):
        here = words[edges[group] : edges[group + 1]]
        if len(here):
            differs, reach, told_reach, telling = np.int64(0), np.int64(0), np.int64(0), 0
            for row in range(len(here)):
                differs |= here[row] ^ here[0]
                # a number below zero takes as many bits as what is left of it when all of them are turned round
                bits, tells = here[row] ^ (here[row] >> 63), np.int64(here[row] != nothing)
                reach |= bits
                told_reach |= bits * tells
                telling += int(tells)
            width, of_some, none = _width(reach), _width(told_reach), nothing
            single = nothing == _NO_NUMBER and differs != 0 and _is_single(here)
            if single:
                here, width, of_some, none = _in_single(here), 4, 4, _NO_SINGLE
            flags, whole, some = (len(here) + 63) // 64, (len(here) * width + 7) // 8, (telling * of_some + 7) // 8
            if differs == 0:
                kind[group], room[end] = _ONE, here[0]
                end += 1
            elif flags + some < whole:
                kind[group] = _SOME + (_SINGLE if single else of_some)
                told, rest = room[end : end + flags], room[end + flags :]
                if of_some == 1:
                    _telling(here, none, told, rest.view(np.int8))
                elif of_some == 2:
                    _telling(here, none, told, rest.view(np.int16))
                elif of_some == 4:
                    _telling(here, none, told, rest.view(np.int32))
                else:
                    _telling(here, none, told, rest)
                end += flags + some
            else:
                kind[group] = _SINGLE if single else width
                _put_narrow(here, width, room[end : end + whole])
                end += whole
        ends[group + 1] = end


@compiled
def _width(reach: Any) -> int:
    """In how many bytes numbers are told whose bits are these."""
    return 8 if reach >> 31 else (4 if reach >> 15 else (2 if reach >> 7 else 1))


@compiled
def _is_single(words: Ints) -> bool:
    """Whether single precision tells numbers in double precision to the last bit."""
    numbers = words.view(np.float64)
    for row in range(len(words)):
        if words[row] != _NO_NUMBER and np.float64(np.float32(numbers[row])) != numbers[row]:
            return False
    return True


@compiled
def _in_single(words: Ints) -> Ints:
    """The bits of numbers in single precision."""
    return words.view(np.float64).astype(np.float32).view(np.int32).astype(np.int64)


@compiled
def _telling(here: Ints, nothing: int, told: Ints, some: Any) -> None:
    """Fill in the words that tell something, and for each word a bit that says whether it does."""
    at = np.int64(0)
    for k in range(len(told)):
        which, of_bits = np.int64(0), here[64 * k : 64 * k + 64]
        for row in range(len(of_bits)):
            tells = np.int64(of_bits[row] != nothing)
            which |= tells << row
            # written first and counted then
            some[at] = of_bits[row]
            at += tells
        told[k] = which


@compiled
def _put_narrow(words: Ints, width: int, target: Ints) -> None:
    """Fill in words, of which there are some, each in so many bytes; bytes that are left over are zero."""
    target[-1] = 0
    if width == 1:
        _narrow(words, target.view(np.int8))
    elif width == 2:
        _narrow(words, target.view(np.int16))
    elif width == 4:
        _narrow(words, target.view(np.int32))
    else:
        target[:] = words


@compiled
def _narrow(words: Ints, target: Any) -> None:
    for row in range(len(words)):
        target[row] = words[row]


@compiled
def runs_of(place: Ints, rows: Ints) -> Ints:
    """Of rows of the same part that stand one after the other before and after the first's place, and how many they are."""
    runs, many, first = np.empty((len(place), 2), np.int64), 0, 0
    for part in range(len(rows)):
        for row in range(first, first + rows[part]):
            if row == first or place[row] != place[row - 1] + 1:
                runs[many, 0], runs[many, 1] = place[row], 0
                many += 1
            runs[many - 1, 1] += 1
        first += rows[part]
    return runs[:many]


@compiled
def unpack(packed: Ints, begins: Ints, kind: Ints, nothing: Ints, rows: Ints, runs: Ints, found: Ints) -> None:
    """Put the words of columns, of which parts ``begins`` somewhere among those packed, where they belong.

    ``begins`` and ``kind`` are of shape (columns, parts); each part has so many ``rows``, whose ``runs`` `runs_of` finds.
    """
    for k in range(len(found)):
        run = 0
        for part in range(len(rows)):
            many, begin, how = rows[part], begins[k, part], kind[k, part]
            if how == _ONE:
                run = _put_one(packed[begin], many, runs, run, found[k])
            elif how >= _SOME:
                first = begin + (many + 63) // 64
                run = _put_marked(
                    packed[begin:first], packed[first:], how - _SOME, nothing[k], many, runs, run, found[k]
                )
            else:
                run = _put_all(packed[begin:], how, many, runs, run, found[k])


@compiled
def _put_marked(told: Ints, some: Ints, width: int, nothing: int, many: int, runs: Ints, run: int, found: Ints) -> int:
    if width == _SINGLE:
        return _put_some(told, some.view(np.float32), np.nan, many, runs, run, found.view(np.float64))
    if width == 1:
        return _put_some(told, some.view(np.int8), nothing, many, runs, run, found)
    if width == 2:
        return _put_some(told, some.view(np.int16), nothing, many, runs, run, found)
    if width == 4:
        return _put_some(told, some.view(np.int32), nothing, many, runs, run, found)
    return _put_some(told, some, nothing, many, runs, run, found)


@compiled
def _put_all(words: Ints, width: int, many: int, runs: Ints, run: int, found: Ints) -> int:
    if width == _SINGLE:
        return _put(words.view(np.float32), many, runs, run, found.view(np.float64))
    if width == 1:
        return _put(words.view(np.int8), many, runs, run, found)
    if width == 2:
        return _put(words.view(np.int16), many, runs, run, found)
    if width == 4:
        return _put(words.view(np.int32), many, runs, run, found)
    return _put(words, many, runs, run, found)


# Places are never below zero, which loops that run for a few words each time must not have to look after; and a slice for each
# run would be counted as another use of what it is a slice of, which takes longer than to put the words.
@compiled
def _put_one(word: int, many: int, runs: Ints, run: int, found: Ints) -> int:
    row, end = np.uint64(0), np.uint64(many)
    while row < end:
        to, count = np.uint64(runs[run, 0]), np.uint64(runs[run, 1])
        for k in range(count):
            found[to + k] = word
        row += count
        run += 1
    return run


@compiled
def _put_some(which: Ints, some: Any, nothing: Any, many: int, runs: Ints, run: int, found: Any) -> int:
    row, end, at = np.uint64(0), np.uint64(many), np.uint64(0)
    while row < end:
        to, count = np.uint64(runs[run, 0]), np.uint64(runs[run, 1])
        for k in range(count):
            of_bits = np.uint64(which[(row + k) >> _BITS])
            told, word = (of_bits >> ((row + k) & _LAST)) & _TOLD, some[at]
            found[to + k] = word if told else nothing
            at += told
        row += count
        run += 1
    return run


@compiled
def _put(words: Any, many: int, runs: Ints, run: int, found: Any) -> int:
    row, end = np.uint64(0), np.uint64(many)
    while row < end:
        to, count = np.uint64(runs[run, 0]), np.uint64(runs[run, 1])
        for k in range(count):
            found[to + k] = words[row + k]
        row += count
        run += 1
    return run


@compiled
def places_of(code: Ints) -> Ints:
    """The place of each row once rows stand in the order of their codes, which are small numbers; equals keep their order."""
    lowest, highest = 0, -1
    if len(code):
        lowest, highest = code.min(), code.max()
    free = np.zeros(highest - lowest + 2, np.int64)
    for row in range(len(code)):
        free[code[row] - lowest + 1] += 1
    for k in range(1, len(free)):
        free[k] += free[k - 1]
    place = np.empty(len(code), np.int64)
    for row in range(len(code)):
        place[row] = free[code[row] - lowest]
        free[code[row] - lowest] += 1
    return place
