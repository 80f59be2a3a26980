"""Built-in mappings: what well-known programs write, so that a source need only name the program and where its files lie."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

from transforms.faults import shown, suggestion
from transforms.sources.keys import Keys

KEY = "builtin"


def builtin_names() -> list[str]:
    """The programs whose output is known."""
    return sorted(
        entry.name.removesuffix(".toml") for entry in files(__package__).iterdir() if entry.name.endswith(".toml")
    )


def with_builtin(table: dict[str, Any], keys: Keys) -> dict[str, Any]:
    """The table of a source with the keys of the mapping that it builds on, wherever it has none of its own.

    Columns are taken over one by one, so that a decoder with other names needs only those.
    """
    if KEY not in table:
        return table
    name = keys.text(KEY, "")
    if name not in builtin_names():
        keys.fault(KEY, f" = {shown(name)} is not known{suggestion(name, builtin_names())}")
        return table
    base = tomllib.loads((files(__package__) / f"{name}.toml").read_text(encoding="utf-8"))
    own = {key: value for key, value in table.items() if key != KEY}
    columns = own.get("columns", {})
    merged = {**base, **own}
    if isinstance(columns, dict):
        merged["columns"] = _columns(base["columns"], columns)
    return merged


def _columns(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Columns taken together; a flow of one's own replaces a register of the mapping, and the other way round."""
    instead = {"flow_lph": "volume_l", "volume_l": "flow_lph"}
    dropped = {instead[name] for name in own if name in instead}
    return {**{name: entry for name, entry in base.items() if name not in dropped}, **own}
