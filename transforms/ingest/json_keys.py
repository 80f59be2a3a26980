"""JSON keys: where a source's names stand in a JSON line or in one of its records, as pointers (RFC 6901).

A name is first taken as a key, whatever its letters, and then, if it has points, as a path into objects and arrays.
"""

from __future__ import annotations

from collections.abc import Iterable

from transforms.sources import FROM_TOP
from transforms.sql import quote


def json_pointer(*keys: str) -> str:
    """The JSON pointer of a key, or of a path of keys, whatever their letters."""
    return "".join("/" + key.replace("~", "~0").replace("/", "~1") for key in keys)


def pointer_list(pointers: Iterable[str]) -> str:
    """SQL: a list of pointers, never empty."""
    return f"[{', '.join(map(quote, pointers)) or quote('/')}]"


class JsonKeys:
    """Collects the pointers that expressions speak of.

    Parameters
    ----------
    apart : bool
        Whether records are texts of their own, apart from the line.
    record, top : str
        Pointers to the record and to what stands around it.

    Attributes
    ----------
    record : list of str
        Pointers into the record; their texts are the list ``f``.
    top : list of str
        Pointers into the whole line, where that is not the record; their texts are the list ``t``.
    """

    def __init__(self, *, apart: bool = False, record: str = "", top: str = "") -> None:
        self.record: list[str] = []
        self.top: list[str] = self.record if not apart else []
        self._top_list = "t" if apart else "f"
        self._record_at, self._top_at = record, top

    def expression(self, name: str) -> str:
        """SQL of the text under a name."""
        if name.startswith(FROM_TOP):
            return self._text(self._top_list, self.top, self._top_at, name.removeprefix(FROM_TOP))
        return self._text("f", self.record, self._record_at, name)

    @staticmethod
    def _text(listed: str, known: list[str], at: str, name: str) -> str:
        texts = []
        for pointer in dict.fromkeys((at + json_pointer(name), at + json_pointer(*name.split(".")))):
            if pointer not in known:
                known.append(pointer)
            texts.append(f"{listed}[{known.index(pointer) + 1}]")
        return texts[0] if len(texts) == 1 else f"coalesce({', '.join(texts)})"
