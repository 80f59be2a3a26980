"""Decoding: in which encoding a text is written, by its marks, by what cannot be, and by words that it then holds."""

from __future__ import annotations

import codecs
from typing import Final

from transforms.sources.guess.words import familiar

_MARKS: Final = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
#: what exports without any mark are written in, the commonest first
_OTHERS: Final = {
    "cp1252": "Western Windows",
    "cp1250": "Central European Windows",
    "cp1254": "Turkish Windows",
    "gb18030": "Chinese",
}
_HEAD: Final = 1 << 14


def decoded(data: bytes, whole: bool) -> tuple[str, str, str]:
    """The text, the encoding as sources.toml calls it, and why that one; empty where nothing else is to be expected."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            text = codecs.getincrementaldecoder("utf-8-sig" if name == "utf-8" else name)("replace").decode(data)
            return text, name, f"a byte order mark says {name}"
    if (blank := _every_second(data)) is not None:
        return data.decode(blank, "replace"), blank, f"every second byte is zero: {blank} without a mark"
    try:
        return codecs.getincrementaldecoder("utf-8")("strict").decode(data, final=whole), "utf-8", ""
    except UnicodeDecodeError:
        pass
    known = {name: _known(data[:_HEAD], name) for name in _OTHERS}
    name = max(_OTHERS, key=lambda name: known[name])
    words = ", as the words then make sense" if known[name] else "; where letters look wrong, set encoding"
    return data.decode(name, "replace"), name, f"no UTF-8, so it is taken for {name} ({_OTHERS[name]}){words}"


def _known(head: bytes, name: str) -> int:
    """How many words of the vocabulary a text holds if it is read so; none where it cannot be."""
    try:
        return familiar(codecs.getincrementaldecoder(name)("strict").decode(head))
    except UnicodeDecodeError:
        return 0


def _every_second(data: bytes) -> str | None:
    """UTF-16 without a mark: mostly ASCII, so that every second byte is zero."""
    head = data[:_HEAD]
    if len(head) < 8 or head.count(0) < len(head) * 0.4:
        return None
    return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
