"""Reading a TOML file so that every fault can name its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transforms.faults import Faults

_ERROR_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)")
_PART = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
_DOTTED = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*\[\s*({_DOTTED})\s*\]\s*(?:#.*)?")
_KEY = re.compile(rf"\s*({_DOTTED})\s*=")


@dataclass(frozen=True)
class Document:
    """A parsed TOML file: its name in messages, its values, and the lines on which its keys stand."""

    name: str
    values: dict[str, Any]
    lines: Mapping[tuple[str, ...], int]

    def line(self, *path: str) -> int | None:
        """The line of a key, or of the nearest table around it, or None."""
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.lines:
                return self.lines[path[:depth]]
        return None

    def fault(self, faults: Faults, path: tuple[str, ...], sentence: str, key: str = "") -> None:
        """Note a fault of a key, with its line."""
        faults.add(self.name, sentence, row=self.line(*path), place="line", key=key)


def read_toml(file: Path, faults: Faults) -> Document | None:
    """Read a TOML file; what is wrong with the file as such goes into ``faults``, and the answer is None."""
    name = file_name(file)
    try:
        data = file.read_bytes()
    except OSError as error:
        faults.add(name, f"the file cannot be read ({error.strerror}); check its permissions")
        return None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        faults.add(name, "the text is not UTF-8; save the file as UTF-8", data.count(b"\n", 0, error.start) + 1, "line")
        return None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _ERROR_LINE.search(str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        what = _ERROR_LINE.sub("", str(error)).replace("(at end of document)", "at the end of the file").strip()
        faults.add(name, f"this is not TOML: {what}; mend the line", row=line, place="line")
        return None
    except (ValueError, RecursionError):
        faults.add(name, "a number is too long or brackets are nested too deeply; simplify the file")
        return None
    return Document(name, values, _lines(text, values))


def file_name(file: Path) -> str:
    """How messages name a registry file: with its folder, e.g. ``registry/meters.csv``."""
    return f"{file.parent.name}/{file.name}" if file.parent.name else file.name


def _lines(text: str, values: Mapping[str, Any]) -> dict[tuple[str, ...], int]:
    """Find the line of each table header and key; one inside a multi-line string counts if there is such a key."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.fullmatch(line):
            path = _path(header[1])
            if path and _exists(values, path):
                table = path
                for depth in range(1, len(path) + 1):
                    lines.setdefault(path[:depth], number)
        elif key := _KEY.match(line):
            path = _path(key[1])
            if path and _exists(values, table + path):
                for depth in range(1, len(path) + 1):
                    lines.setdefault(table + path[:depth], number)
    return lines


def _path(dotted: str) -> tuple[str, ...]:
    """Split a dotted key as TOML does, quotes and all."""
    try:
        node: Any = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    path: list[str] = []
    while isinstance(node, dict):
        ((name, node),) = node.items()
        path.append(name)
    return tuple(path)


def _exists(values: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    node: Any = values
    for name in path:
        if not isinstance(node, dict) or name not in node:
            return False
        node = node[name]
    return True
