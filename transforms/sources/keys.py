"""The keys of one table of sources.toml, each read as what it should be; what is wrong is noted in the same words."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from transforms.errors import UsageError
from transforms.faults import shown, suggestion
from transforms.windows import parse_span

#: how a fault is noted: a sentence, and the key that it stands at
Fault = Callable[..., None]


class Keys:
    """A table and where its faults go. A key that is wrong reads as its default.

    Parameters
    ----------
    table : dict
        As TOML has it.
    fault : callable
        Notes a sentence about the key at a path inside the table.
    within : str
        What the table's keys are called in messages, with a point at the end; empty for a source's own keys.
    """

    def __init__(self, table: dict[str, Any], fault: Fault, within: str = "") -> None:
        self.table = table
        self._fault = fault
        self._within = within

    def __contains__(self, key: str) -> bool:
        return key in self.table

    def fault(self, key: str, sentence: str) -> None:
        """Note what is wrong with a key; the sentence follows its name."""
        self._fault(f"{self._within}{key}{sentence}", *self._path(), key)

    def missing(self, key: str, what: str) -> None:
        """Note that a required key is not there."""
        self._fault(f"key {self._within}{key} is missing; give {what}", *self._path())

    def _path(self) -> tuple[str, ...]:
        return tuple(self._within.split(".")[:-1])

    def check(self, known: Collection[str]) -> None:
        """Note the keys that nobody knows."""
        for key in self.table:
            if key not in known:
                self._fault(f"unknown key {shown(self._within + key)}{suggestion(key, known)}", *self._path(), key)

    def text(self, key: str, default: str) -> str:
        value = self.table.get(key, default)
        if isinstance(value, str):
            return value
        self.fault(key, f" = {shown(value)}; give text in quotes")
        return default

    def choice(self, key: str, known: Collection[str], default: str | None = None) -> str:
        """The value of a key with few values; without a default it must be there. Empty where it is wrong."""
        value = self.table.get(key, default)
        if value is None:
            self.missing(key, f"one of {', '.join(known)}")
        elif value not in known:
            self.fault(key, f" = {shown(value)}{suggestion(str(value), known)}")
        else:
            return str(value)
        return ""

    def flag(self, key: str, default: bool) -> bool:
        value = self.table.get(key, default)
        if not isinstance(value, bool):
            self.fault(key, f" = {shown(value)}; give true or false")
            return default
        return value

    def number(self, key: str, default: int, high: int) -> int:
        value = self.table.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= high:
            self.fault(key, f" = {shown(value)}; give a whole number 0 to {high}")
            return default
        return value

    def seconds(self, key: str, *, signed: bool = False) -> int:
        """A length of time such as ``15m`` in whole seconds, 0 where the key is absent; with a sign where that is so."""
        value = self.table.get(key)
        if value is None:
            return 0
        sign = -1 if signed and isinstance(value, str) and value.startswith("-") else 1
        try:
            if not isinstance(value, str):
                raise UsageError(f"give a length of time in quotes, such as '15m'{' or -90s' if signed else ''}")
            return sign * int(parse_span(value.lstrip("+-") if signed else value).total_seconds())
        except UsageError as error:
            self.fault(key, f" = {shown(value)}: {error}")
            return 0

    def texts(self, key: str, what: str) -> tuple[str, ...]:
        """A list of texts; one alone needs no brackets."""
        value = self.table.get(key, [])
        listed = value if isinstance(value, list) else [value]
        if not all(isinstance(text, str | int) and not isinstance(text, bool) for text in listed) or (
            key in self.table and not listed
        ):
            self.fault(key, f" = {shown(value)}; give {what}")
            return ()
        return tuple(str(text) for text in listed)
