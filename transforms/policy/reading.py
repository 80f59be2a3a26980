"""Reading policy.toml against the keys that there are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from transforms.errors import PolicyError, UsageError
from transforms.faults import Faults, shown, suggestion
from transforms.policy.keys import Policy, parts_fault
from transforms.timezones import zone_of
from transforms.toml import Document, read_toml
from transforms.windows import check_length, parse_span

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
#: how keys that allow it say "never", or "for ever"
_ZERO: Final = re.compile(r"\s*0\s*(s|m|min|h|d)?\s*")


def load_policy(file: Path | None) -> Policy:
    """Read policy.toml. Without a file, and for each key that it leaves out, the default holds.

    Raises
    ------
    PolicyError
        Listing all faults, each with line, key, what was found and what is allowed.
    """
    if file is None or not file.exists():
        return Policy()
    faults = Faults(PolicyError)
    document = read_toml(file, faults)
    if document is None:
        faults.raise_if_any()
        return Policy()
    reader = _PolicyReader(document, faults)
    policy: Policy = reader.table(Policy(), document.values, ())
    if not faults.count and (fault := parts_fault(policy.window)):
        document.fault(faults, ("window", "parts" if "window.parts" in reader.origins else "length"), fault)
    faults.raise_if_any()
    return replace(policy, origins=reader.origins)


@dataclass
class _PolicyReader:
    """Walks the file's tables beside the policy's own, noting what is wrong and where each value stands."""

    document: Document
    faults: Faults
    origins: dict[str, str] = field(default_factory=dict)

    def table(self, node: Any, found: Mapping[str, Any], path: tuple[str, ...]) -> Any:
        """Return the node with the values that one table of the file sets."""
        known = {spec.name: spec for spec in fields(node) if spec.name != "origins"}
        changed: dict[str, Any] = {}
        for name, value in found.items():
            here = (*path, name)
            dotted = ".".join(here)
            if name not in known:
                self.document.fault(self.faults, here, f"unknown key {shown(dotted)}{suggestion(name, known)}")
            elif is_dataclass(default := getattr(node, name)):
                if isinstance(value, dict):
                    changed[name] = self.table(default, value, here)
                else:
                    self.document.fault(self.faults, here, f"{dotted} = {shown(value)}; write a table [{dotted}]")
            else:
                try:
                    changed[name] = _value(value, known[name])
                except ValueError as error:
                    self.document.fault(self.faults, here, f"{dotted} = {shown(value)}; {error}")
                    continue
                line = self.document.line(*here)
                self.origins[dotted] = f"policy.toml line {line}" if line else "policy.toml"
        return replace(node, **changed)


def _value(found: Any, spec: Field[Any]) -> Any:
    """Check one value against its key; the ValueError says what is allowed."""
    default: Any = spec.default
    if isinstance(default, timedelta):
        return _span(found, spec)
    if spec.name == "timezone":
        return _zone(found)
    if isinstance(default, str | tuple):
        return _words(found, default, spec.metadata.get("known"))
    low, high, above = spec.metadata["low"], spec.metadata["high"], spec.metadata["above"]
    whole = isinstance(default, int)
    right = isinstance(found, int if whole else int | float) and not isinstance(found, bool)
    if not right or not low <= found <= high or (above and found == low):
        kind = "whole number" if whole else "number"
        raise ValueError(
            f"give a {kind} {'above' if above else 'from'} {low:g} {'and up ' if above else ''}to {high:,g}"
        )
    return type(default)(found)


def _span(found: Any, spec: Field[Any]) -> timedelta:
    if not isinstance(found, str):
        raise ValueError('give a length of time in quotes, for example "12h"')
    if spec.metadata.get("zero") and _ZERO.fullmatch(found):
        return timedelta(0)
    try:
        span = parse_span(found)
        if spec.name == "length":
            check_length(span)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return span


def _zone(found: Any) -> str:
    if not isinstance(found, str) or not found:
        raise ValueError('give the name of a time zone in quotes, for example "Europe/Paris"')
    try:
        zone_of(found)
    except ValueError as hint:
        raise ValueError(f"there is no such zone{hint}") from None
    return found


def _words(found: Any, default: str | tuple[str, ...], known: tuple[str, ...] | None) -> str | tuple[str, ...]:
    if known is None:
        if not isinstance(found, str) or not _LANGUAGE.fullmatch(found):
            raise ValueError('give a language tag such as "en", "fr" or "zh-CN"')
        return found
    listed = ", ".join(f'"{word}"' for word in known)
    if isinstance(default, str):
        if not isinstance(found, str) or found not in known:
            raise ValueError(f"give one of {listed}")
        return found
    if not isinstance(found, list) or not found or any(word not in known for word in found):
        raise ValueError(f"give a list with one or more of {listed}")
    return tuple(word for word in known if word in found)
