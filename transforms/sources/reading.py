"""Reading sources.toml."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

import polars as pl

from transforms.errors import RegistryError
from transforms.faults import Faults, near, shown, suggestion
from transforms.sources.columns import read_column
from transforms.sources.places import KEYS as PLACE_KEYS
from transforms.sources.places import read_place
from transforms.sources.source import CANONICAL, FORMATS, Column, Source
from transforms.toml import Document, read_toml
from transforms.workspace import STREAMS

_KEYS: Final = (
    "stream",
    "glob",
    "format",
    "delimiter",
    "decimal",
    "encoding",
    "skip_rows",
    "timezone",
    "columns",
    *PLACE_KEYS,
)
_CSV_KEYS: Final = ("delimiter", "decimal", "skip_rows")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_OFFSET: Final = re.compile(r"[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00")
_SKIP_LIMIT: Final = 10_000


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
        for key in table:
            if key not in _KEYS:
                self.fault(f"unknown key {shown(key)}{suggestion(key, _KEYS)}", key)
        stream = self.choice(table, "stream", STREAMS)
        kind = self.choice(table, "format", FORMATS)
        for key in _CSV_KEYS if kind and kind != "csv" else ():
            if key in table:
                self.fault(f"{key} is for CSV, but format = {shown(kind)}; remove the key", key)
        place = read_place(table, self.fault)
        glob = self.glob({"glob": "*", **table} if "place" in table else table)
        delimiter = self.text(table, "delimiter", ",")
        if len(delimiter) != 1 or delimiter in '"\r\n' or not delimiter.isascii():
            self.fault(f"delimiter = {shown(delimiter)}; give one character such as ',', ';' or '\\t'", "delimiter")
        decimal = self.text(table, "decimal", ".")
        if decimal not in (".", ","):
            self.fault(f"decimal = {shown(decimal)}; give '.' or ','", "decimal")
        elif decimal == delimiter:
            self.fault(f"decimal and delimiter are both {shown(decimal)}; give the file's delimiter", "delimiter")
        encoding = self.encoding(table)
        skip_rows = table.get("skip_rows", 0)
        if isinstance(skip_rows, bool) or not isinstance(skip_rows, int) or not 0 <= skip_rows <= _SKIP_LIMIT:
            self.fault(f"skip_rows = {shown(skip_rows)}; give a whole number 0 to {_SKIP_LIMIT}", "skip_rows")
        timezone = self.timezone(table)
        columns = self.columns(table, stream, kind)
        if self.faults.count > before:
            return None
        return Source(
            self.name,
            stream,
            glob,
            kind,
            delimiter,
            decimal,
            encoding,
            skip_rows,
            timezone,
            dict(sorted(columns.items())),
            place,
        )

    def text(self, table: dict[str, Any], key: str, default: str) -> str:
        value = table.get(key, default)
        if isinstance(value, str):
            return value
        self.fault(f"{key} = {shown(value)}; give text in quotes", key)
        return default

    def choice(self, table: dict[str, Any], key: str, known: tuple[str, ...]) -> str:
        """The value of a required key with few values; empty where it is wrong."""
        value = table.get(key)
        if value is None:
            self.fault(f"key {key} is missing; give one of {', '.join(known)}")
        elif value not in known:
            self.fault(f"{key} = {shown(value)}{suggestion(str(value), known)}", key)
        else:
            return str(value)
        return ""

    def glob(self, table: dict[str, Any]) -> str:
        if "glob" not in table:
            self.fault("key glob is missing; give a pattern relative to raw/, for example 'vendor/*.csv'")
            return ""
        value = self.text(table, "glob", "x")
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
            self.fault(
                f"glob = {shown(value)} {wrong}; give a pattern relative to raw/, for example 'vendor/*.csv'", "glob"
            )
        return str(PurePosixPath(value))

    def encoding(self, table: dict[str, Any]) -> str:
        value = self.text(table, "encoding", "utf-8")
        try:
            "1,2".encode(value)
            return codecs.lookup(value).name
        except (LookupError, UnicodeError, ValueError):
            self.fault(f"encoding = {shown(value)} is not known; give for example utf-8, latin-1 or utf-16", "encoding")
        return "utf-8"

    def timezone(self, table: dict[str, Any]) -> str | None:
        if "timezone" not in table:
            return None
        value = self.text(table, "timezone", "UTC")
        if _OFFSET.fullmatch(value):
            return value
        try:
            ZoneInfo(value)
            # stamps are localised by Polars, which knows fewer names than the system's files have
            pl.Series([0]).cast(pl.Datetime("us")).dt.replace_time_zone(value)
        except (LookupError, ValueError, OSError, pl.exceptions.PolarsError):
            hint = near(value, available_timezones()) or "; give one such as Europe/Paris, or an offset such as +12:00"
            self.fault(f"timezone = {shown(value)} is not known{hint}", "timezone")
        return value

    def columns(self, table: dict[str, Any], stream: str, kind: str) -> dict[str, Column]:
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
                columns[canonical] = read_column(canonical, entry, self.column_fault(canonical))
        self.complete(found, stream)
        return columns

    def complete(self, found: dict[str, Any], stream: str) -> None:
        """Note canonical columns that no reading can do without."""
        if "timestamp" not in found:
            self.fault('columns lacks timestamp; map it, for example timestamp = {name = "Time"}', "columns")
        if ("flow_lph" in found) == ("volume_l" in found):
            lack = "has both flow_lph and volume_l" if "flow_lph" in found else "lacks flow_lph or volume_l"
            self.fault(f"columns {lack}; map one, a flow or a register", "columns")
        if stream == "meter" and "feature_code" not in found:
            self.fault('columns lacks feature_code; map it, or give it as {value = "..."}', "columns")
        if stream == "flowmeter" and not found.keys() & {"feature_code", "flowmeter_id"}:
            self.fault('columns lacks flowmeter_id or feature_code; map one, or give it as {value = "..."}', "columns")

    def column_fault(self, canonical: str) -> Callable[[str], None]:
        return lambda sentence: self.fault(f"columns.{canonical}{sentence}", "columns", canonical)
