"""Reading sources.toml."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from transforms.errors import RegistryError
from transforms.faults import Faults, shown, suggestion
from transforms.sources.builtin import KEY as BUILTIN
from transforms.sources.builtin import with_builtin
from transforms.sources.columns import UNITS, read_column
from transforms.sources.dialect import DIALECT_KEYS, read_dialect
from transforms.sources.keys import Keys
from transforms.sources.layout import LAYOUT_KEYS, read_layout
from transforms.sources.places import KEYS as PLACE_KEYS
from transforms.sources.places import read_place
from transforms.sources.source import CANONICAL, FORMATS, Column, Source, Wide
from transforms.sources.times import TIME_KEYS, read_times
from transforms.toml import Document, read_toml
from transforms.workspace import STREAMS

_KEYS: Final = ("stream", "glob", "format", "columns", BUILTIN, *DIALECT_KEYS, *TIME_KEYS, *LAYOUT_KEYS, *PLACE_KEYS)
#: of what run-length frames state themselves, or have no use for
_NOT_OF_FRAMES: Final = ("records", "where", "status", "version", "missing", "decimal", "thousands")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def read_sources(file: Path) -> tuple[Source, ...]:
    """Read sources.toml, in the order of the sources' names.

    Raises
    ------
    RegistryError
        Listing all faults, each with its line, its ``[sources.NAME]`` and key.
    """
    faults = Faults(RegistryError)
    sources = collect_sources(file, faults)
    faults.raise_if_any()
    return sources


def collect_sources(file: Path, faults: Faults) -> tuple[Source, ...]:
    """Read sources.toml, noting what is wrong; the sources without fault are returned."""
    document = read_toml(file, faults)
    if document is None:
        return ()
    for key in document.values:
        if key != "sources":
            document.fault(faults, (key,), f"unknown key {shown(key)}; sources stand in [sources.NAME] tables")
    tables = document.values.get("sources", {})
    if not isinstance(tables, dict):
        document.fault(faults, ("sources",), "sources must be tables; write [sources.NAME]")
        return ()
    found = (_SourceReader(document, faults, name).read(tables[name]) for name in sorted(tables))
    return tuple(source for source in found if source is not None)


@dataclass
class _SourceReader:
    """Reads one ``[sources.NAME]`` table, noting what is wrong with it."""

    document: Document
    faults: Faults
    name: str

    def fault(self, sentence: str, *path: str) -> None:
        label = self.name if self.name.isprintable() else shown(self.name)
        self.document.fault(self.faults, ("sources", self.name, *path), sentence, key=f"[sources.{label}]")

    def read(self, table: Any) -> Source | None:
        before = self.faults.count
        if not isinstance(table, dict):
            self.fault(f"a source is a table of keys, not {shown(table)}")
            return None
        if not _NAME.fullmatch(self.name):
            self.fault("the source's name must be 1 to 64 letters, digits, '_', '-' or '.'; rename it")
        Keys(table, self.fault).check(_KEYS)
        table = with_builtin(table, Keys(table, self.fault))
        keys = Keys(table, self.fault)
        stream = keys.choice("stream", STREAMS)
        kind = keys.choice("format", FORMATS)
        place = read_place(table, self.fault)
        glob = self.glob(keys)
        dialect = read_dialect(keys, kind)
        times = read_times(keys)
        positions = kind == "csv" and not dialect["header"]
        layout = read_layout(keys, stream, kind, self.fault, positions=positions)
        for key in _NOT_OF_FRAMES if kind == "rle" else ():
            if key in table:
                keys.fault(key, " is not for run-length frames; remove the key")
        columns = self.columns(table, stream, kind, positions, layout["wide"])
        if self.faults.count > before:
            return None
        return Source(
            self.name,
            stream,
            glob,
            kind,
            columns=dict(sorted(columns.items())),
            place=place,
            **dialect,
            **times,
            **layout,
        )

    def glob(self, keys: Keys) -> str:
        if "glob" not in keys and "place" in keys:
            return "*"
        if "glob" not in keys:
            self.fault("key glob is missing; give a pattern relative to raw/, for example 'vendor/*.csv'")
            return ""
        value = keys.text("glob", "x")
        wrong = ""
        if not value.strip() or not value.isprintable():
            wrong = "is empty or holds control characters"
        elif "://" in value:
            wrong = "is an address; give it as place, and glob for the files that are meant there"
        elif value.startswith(("/", "~")) or re.match(r"[A-Za-z]:", value):
            wrong = "is absolute"
        elif "\\" in value:
            wrong = "holds a backslash; separate folders by '/'"
        elif ".." in PurePosixPath(value).parts:
            wrong = "leads out of raw/ by '..'"
        elif value.endswith("/") or not PurePosixPath(value).parts:
            wrong = "names a folder"
        elif PurePosixPath(value).parts[0] == "raw":
            wrong = "begins with raw/, to which it is relative already; leave that out"
        if wrong:
            keys.fault(
                "glob", f" = {shown(value)} {wrong}; give a pattern relative to raw/, for example 'vendor/*.csv'"
            )
        return str(PurePosixPath(value))

    def columns(
        self, table: dict[str, Any], stream: str, kind: str, positions: bool, wide: Wide | None
    ) -> dict[str, Column]:
        found = table.get("columns", {})
        if not isinstance(found, dict):
            self.fault(f"columns = {shown(found)}; write a table [sources.{self.name}.columns]", "columns")
            return {}
        if kind == "rle":
            if found:
                self.fault("run-length frames name their own keys; remove the columns", "columns")
            return {}
        known = CANONICAL.get(stream, CANONICAL["flowmeter"])
        columns: dict[str, Column] = {}
        for canonical, entry in found.items():
            if canonical not in known:
                of = f"no column of the {stream} stream" if stream else "no column"
                self.fault(f"{shown(canonical)} is {of}{suggestion(canonical, known)}", "columns", canonical)
            else:
                spread = wide is not None and canonical in (wide.value, wide.names)
                columns[canonical] = read_column(
                    canonical, entry, self.column_fault(canonical), positions=positions, wide=spread
                )
        if wide is not None:
            # what the wide columns hold needs an entry only to say more, its unit for example
            columns = {name: Column() for name in (wide.value, wide.names) if name in known} | columns
        self.complete(columns.keys(), stream)
        return columns

    def complete(self, found: Any, stream: str) -> None:
        """Note canonical columns that no reading can do without."""
        if "timestamp" not in found:
            self.fault('columns lacks timestamp; map it, for example timestamp = {name = "Time"}', "columns")
        if all(name in found for name in UNITS) or not any(name in found for name in UNITS):
            lack = "has both flow_lph and volume_l" if "flow_lph" in found else "lacks flow_lph or volume_l"
            self.fault(f"columns {lack}; map one, a flow or a register", "columns")
        if stream == "meter" and "feature_code" not in found:
            self.fault('columns lacks feature_code; map it, or give it as {value = "..."}', "columns")
        if stream == "flowmeter" and not found & {"feature_code", "flowmeter_id"}:
            self.fault('columns lacks flowmeter_id or feature_code; map one, or give it as {value = "..."}', "columns")

    def column_fault(self, canonical: str) -> Callable[[str], None]:
        return lambda sentence: self.fault(f"columns.{canonical}{sentence}", "columns", canonical)
