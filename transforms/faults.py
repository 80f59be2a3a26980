"""Collecting every fault of a hand-written file, so that a person mends them all at once."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from transforms.errors import MeterwrightError

if TYPE_CHECKING:
    import polars as pl

#: how many faults one message lists
LISTED = 50
_SHOWN = 60


def shown(value: object) -> str:
    """Quote a value for a message: on one line, control characters escaped, and no longer than a glance."""
    try:
        text = repr(value)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]}...{text[-1]}"


def near(word: str, known: Collection[str]) -> str:
    """``; did you mean 'x'?`` when a known word is near, else nothing."""
    folded = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[found[0]]!r}?" if found else ""


def suggestion(word: str, known: Collection[str]) -> str:
    """``; did you mean 'x'?`` when a known word is near, else the list of what is known."""
    return near(word, known) or f"; known are {', '.join(sorted(known))}"


@dataclass(frozen=True)
class Check:
    """A rule for the rows of a table.

    Attributes
    ----------
    bad
        True for the rows that break the rule; null counts as keeping it.
    say
        The sentence for a broken row.
    key
        The column that names the row in the message, or None where its values must not be shown.
    """

    bad: pl.Expr
    say: Callable[[dict[str, Any]], str]
    key: str | None = None


@dataclass
class Faults:
    """The faults found so far, in the order of files and rows."""

    error: type[MeterwrightError]
    _listed: list[tuple[int, int, str]] = field(default_factory=list)
    _files: dict[str, int] = field(default_factory=dict)
    count: int = 0

    def add(self, file: str, sentence: str, row: int | None = None, place: str = "row", key: str = "") -> None:
        """Note one fault. ``row`` is the line number in the file; ``place`` is what the message calls it."""
        self.count += 1
        where = file if row is None else f"{file} {place} {row}"
        order = self._files.setdefault(file, len(self._files))
        self._listed.append((order, row or 0, f"{where}{f' ({key})' if key else ''}: {sentence}"))

    def add_rows(self, file: str, bad: pl.DataFrame, say: Callable[[dict[str, Any]], str], key: str | None) -> None:
        """Note one fault per row of a frame with a column ``row``; only as many are put into words as can be listed.

        ``key`` is the column that names the row in the message, or None where its values must not be shown.
        """
        if not bad.height:
            return
        for found in bad.sort("row").head(LISTED).iter_rows(named=True):
            label = f"{key} {found[key]}" if key and found[key] and len(found[key]) <= _SHOWN else ""
            self.add(file, say(found), row=found["row"], key=label if label.isprintable() else "")
        self.count += max(0, bad.height - LISTED)

    def check(self, file: str, table: pl.DataFrame, checks: Sequence[Check]) -> None:
        """Note every row that breaks a rule: all rules in one pass, and a second one only for those that are broken."""
        broken = table.select(check.bad.any().alias(str(number)) for number, check in enumerate(checks))
        for check, found in zip(checks, broken.row(0), strict=True):
            if found:
                self.add_rows(file, table.filter(check.bad), check.say, check.key)

    def raise_if_any(self) -> None:
        """Raise the error with every fault, one a line, if there is one."""
        if not self.count:
            return
        lines = [text for _, _, text in sorted(self._listed, key=lambda item: item[:2])[:LISTED]]
        if self.count > len(lines):
            lines.append(f"... and {self.count - len(lines)} more")
        raise self.error("\n".join(lines))
