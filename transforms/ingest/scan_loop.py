"""The loop of `transforms.ingest.scan`: lines of plain CSV become numbers, text by text and value by value.

Dumps repeat themselves: a few devices, a few stamps, in an order that comes again. So a text is compared with the one
that followed its predecessor the last time, and nearly always it is that one; only else is it looked up or taken down. What
the loop does not know for certain to be good, it marks (`ODD`) and leaves to others.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from transforms.compiled import compiled

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: what a column holds: one of the texts, nothing of interest, or, from `TEXTS` on, one of the values
FEATURE_CODE, FLOWMETER_ID, STAMP = range(3)
TEXTS: Final = 3
SKIPPED: Final = -1
#: in place of a number of a device
ODD: Final = -1
#: bytes of a text that is taken down
LONGEST: Final = 512
#: how the loop ended: at the end of the lines; at a quote; where there was no more room for texts
DONE, QUOTED, FULL = range(3)

_BREAK, _RETURN, _ZERO, _ASCII = 10, 13, 48, 128
#: a decimal number of so many digits is a whole number divided by a power of ten, both exact, hence the nearest double
_DIGITS = 15
_TENS = 10.0 ** np.arange(_DIGITS + 1)


class Texts(NamedTuple):
    """Texts by kind and number, with room for some more: ``slots`` is a hash table of numbers plus one; ``after`` has for each
    text the number plus one of that which followed it last; ``filled`` how many texts and letters there are.

    ``codes`` and ``ids`` are the two texts (`ODD` for none) of each pair of a code and an id, ``pairs`` is their count, and
    ``pair_slots`` a hash table of their numbers plus one.
    """

    slots: Numbers
    begins: Ints
    lengths: Numbers
    after: Numbers
    letters: Bytes
    filled: Ints
    pair_slots: Numbers
    codes: Numbers
    ids: Numbers
    pairs: Ints


class Rows(NamedTuple):
    """What lines became: numbers of their device (`ODD` where anything is not plainly good) and of their stamp, and values by
    kind, not a number where there is none."""

    device: Numbers
    stamp: Numbers
    values: Floats


@compiled
def _is(text: Bytes, begin: int, letters: Bytes, kind: int, start: int, length: int) -> bool:
    """Whether a text that was met before stands here. The buffer goes on behind the last line."""
    for k in range(length):
        if text[begin + k] != letters[kind, start + k]:
            return False
    return True


@compiled
def _hash(text: Bytes, begin: int, end: int) -> int:
    """FNV-1a, folded."""
    seen = np.uint64(14695981039346656037)
    for k in range(begin, end):
        seen = (seen ^ np.uint64(text[k])) * np.uint64(1099511628211)
    return np.int64((seen ^ (seen >> np.uint64(29))) & np.uint64(0x7FFFFFFF))


@compiled
def _number_of(
    text: Bytes,
    begin: int,
    end: int,
    kind: int,
    slots: Numbers,
    begins: Ints,
    lengths: Numbers,
    letters: Bytes,
    filled: Ints,
) -> int:
    """The number of a text; it is taken down if it is new."""
    length, mask = end - begin, slots.shape[1] - 1
    slot = _hash(text, begin, end) & mask
    while slots[kind, slot] != 0:
        number = slots[kind, slot] - 1
        if lengths[kind, number] == length and _is(text, begin, letters, kind, begins[kind, number], length):
            return np.int64(number)
        slot = (slot + 1) & mask
    number, start = filled[kind, 0], filled[kind, 1]
    slots[kind, slot] = number + 1
    begins[kind, number], lengths[kind, number] = start, length
    for k in range(length):
        letters[kind, start + k] = text[begin + k]
    filled[kind, 0], filled[kind, 1] = number + 1, start + length
    return np.int64(number)


@compiled
def _pair_of(code: int, id_: int, pair_slots: Numbers, codes: Numbers, ids: Numbers, pairs: Ints) -> int:
    """The number of a pair of texts; it is taken down if it is new."""
    mask = len(pair_slots) - 1
    slot = ((code + 1) * 40503 + (id_ + 1) * 2654435761) & mask
    while pair_slots[slot] != 0:
        number = pair_slots[slot] - 1
        if codes[number] == code and ids[number] == id_:
            return np.int64(number)
        slot = (slot + 1) & mask
    number = pairs[0]
    pairs[0] = number + 1
    codes[number], ids[number] = code, id_
    pair_slots[slot] = number + 1
    return np.int64(number)


@compiled
def read_lines(
    text: Bytes,
    end: int,
    dialect: tuple[int, int, int],
    roles: Ints,
    factors: Floats,
    most: Floats,
    texts: Texts,
    rows: Rows,
) -> tuple[int, int, bool]:
    """Read whole lines.

    Parameters
    ----------
    text : ndarray of uint8
        The lines, each with a line break; at least `LONGEST` bytes more behind them.
    end : int
        Where they end.
    dialect : (int, int, int)
        The bytes of delimiter, quote (0 for none) and decimal point.
    roles : ndarray of int64
        What each column holds.
    factors, most : ndarray of float64
        By kind of value: from the dump's unit to ours, and the largest that is believed [L/h] or [L].
    texts : Texts
        What texts there are, which grows.
    rows : Rows
        Filled from the front.

    Returns
    -------
    (int, int, bool)
        How it ended; how many rows there are; whether a skipped column has bytes beyond ASCII.
    """
    slots, begins, lengths, after, letters, filled, pair_slots, codes, ids, pairs = texts
    device, stamp, values = rows
    delimiter, quote, point = dialect
    columns, room = len(roles), begins.shape[1] - 1
    letters_room = letters.shape[1] - LONGEST
    of_pairs = False
    for role in roles:
        of_pairs |= role == FLOWMETER_ID
    last, own = np.full(TEXTS, ODD), np.full(TEXTS, ODD)
    at, row, pair, foreign = 0, 0, np.int64(ODD), False
    while at < end:
        if pairs[0] >= room:
            return FULL, row, foreign
        column, good, named, told = 0, True, False, False
        for kind in range(len(values)):
            values[kind, row] = np.nan
        own[0] = own[1] = own[2] = ODD
        while True:
            role = roles[column] if column < columns else SKIPPED
            if role >= TEXTS:
                whole, digits, decimals, begin = 0, 0, -1, at
                letter = np.int64(text[at])
                while True:
                    if _ZERO <= letter < _ZERO + 10:
                        whole = whole * 10 + (letter - _ZERO)
                        digits += 1
                        if decimals >= 0:
                            decimals += 1
                    elif letter == point and decimals < 0 and digits > 0:
                        decimals = 0
                    else:
                        break
                    at += 1
                    letter = np.int64(text[at])
                if at > begin:
                    value = whole / _TENS[min(max(decimals, 0), _DIGITS)] * factors[role - TEXTS]
                    values[role - TEXTS, row] = value
                    told = True
                    good &= digits <= _DIGITS and decimals != 0 and value <= most[role - TEXTS]
                # what is left of the field makes it odd
                while letter != delimiter and letter != _BREAK and letter != _RETURN:
                    if letter == quote:
                        return QUOTED, row, foreign
                    good = False
                    at += 1
                    letter = np.int64(text[at])
            else:
                number = np.int64(ODD)
                if role >= 0 and last[role] >= 0:
                    guess = after[role, last[role]] - 1
                    if guess >= 0:
                        length = lengths[role, guess]
                        if _is(text, at, letters, role, begins[role, guess], length):
                            letter = np.int64(text[at + length])
                            if letter == delimiter or letter == _BREAK or letter == _RETURN:
                                number = np.int64(guess)
                                named |= role != STAMP and length > 0
                                at += length
                if number < 0:
                    begin = at
                    letter = np.int64(text[at])
                    while letter != delimiter and letter != _BREAK and letter != _RETURN:
                        if letter == quote:
                            return QUOTED, row, foreign
                        foreign |= letter >= _ASCII
                        at += 1
                        letter = np.int64(text[at])
                    if role >= 0:
                        if filled[role, 0] >= room or filled[role, 1] >= letters_room:
                            return FULL, row, foreign
                        if at - begin <= LONGEST:
                            number = _number_of(text, begin, at, role, slots, begins, lengths, letters, filled)
                            if last[role] >= 0:
                                after[role, last[role]] = number + 1
                            named |= role != STAMP and at > begin
                        else:
                            good = False
                if role >= 0:
                    own[role] = number
            column += 1
            if letter != delimiter:
                break
            at += 1
        if letter == _RETURN:
            at += 1
        at += 1
        for role in range(TEXTS):
            if own[role] >= 0:
                last[role] = own[role]
        if good and named and told and column == columns:
            code = own[FEATURE_CODE]
            if of_pairs:
                id_ = own[FLOWMETER_ID]
                if pair == ODD or codes[pair] != code or ids[pair] != id_:
                    pair = _pair_of(code, id_, pair_slots, codes, ids, pairs)
                device[row] = pair
            else:
                device[row] = code
            stamp[row] = own[STAMP]
        else:
            device[row], stamp[row] = ODD, 0
        row += 1
    return DONE, row, foreign
