"""A proposal as the text of sources.toml, what is unsure marked by comments."""

from __future__ import annotations

import json
from typing import Any

from transforms.sources.guess.proposed import Proposal, Proposed


def to_toml(proposal: Proposal) -> str:
    """The proposed sources as TOML; each doubt stands in a comment above the key that it concerns."""
    return "\n".join(_source(source) for source in proposal.sources)


def _source(source: Proposed) -> str:
    lines = [f"[sources.{source.name}]"]
    inline = {key: value for key, value in source.keys.items() if key not in ("columns",)}
    for key, value in inline.items():
        lines += _line(key, key, value, source)
    lines += ["", f"[sources.{source.name}.columns]"]
    for key, value in source.keys.get("columns", {}).items():
        lines += _line(key, f"columns.{key}", value, source)
    return "\n".join(lines) + "\n"


def _line(key: str, path: str, value: Any, source: Proposed) -> list[str]:
    doubt = source.doubts.get(path)
    return [*([f"# CHECK: {_comment(doubt)}"] if doubt else []), f"{key} = {_value(value)}"]


def _comment(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _value(value: Any) -> str:
    """A value as TOML: JSON writes texts and lists in a way that TOML reads alike."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_value(inner) for inner in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(text: str) -> str:
    plain = text.replace("_", "").replace("-", "")
    return text if plain.isascii() and plain.isalnum() else json.dumps(text, ensure_ascii=False)
