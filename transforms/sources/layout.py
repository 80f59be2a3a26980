"""Where the readings stand in an export: many in a row, records inside a JSON line, rows that are another source's, rows
that are flagged, and what tells a corrected reading from the one it corrects."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from transforms.faults import shown
from transforms.sources.columns import UNITS, VERSION, read_column, read_name
from transforms.sources.keys import Fault, Keys
from transforms.sources.source import Choice, Wide

LAYOUT_KEYS: Final = ("records", "wide", "where", "status", VERSION, "corrections")
_WIDE_KEYS: Final = ("names", "columns", "value", "first", "step")
_TIME_OF_DAY: Final = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")


def read_layout(keys: Keys, stream: str, kind: str, fault: Fault, *, positions: bool) -> dict[str, Any]:
    """Read the keys about the layout as the attributes of a source."""
    records = None
    if "records" in keys:
        records = keys.text("records", "")
        if kind not in ("json", "jsonl", ""):
            keys.fault("records", f" is for json and jsonl, but format = {shown(kind)}; remove the key")
        elif not records or not all(records.split(".")):
            keys.fault("records", f" = {shown(records)}; give the path of the array, 'data.readings' for example")
    return {
        "records": records,
        "wide": _wide(keys, stream, kind, fault, positions),
        "where": _choice(keys, "where", "is", fault, positions),
        "status": _choice(keys, "status", "good", fault, positions),
        **_corrections(keys, fault, positions),
    }


def _table(keys: Keys, key: str, known: tuple[str, ...], fault: Fault) -> Keys | None:
    found = keys.table.get(key)
    if found is None:
        return None
    if not isinstance(found, dict):
        keys.fault(key, f" = {shown(found)}; give {{{', '.join(f'{name} = ...' for name in known)}}}")
        return None
    inner = Keys(found, fault, f"{key}.")
    inner.check(known)
    return inner


def _choice(keys: Keys, key: str, word: str, fault: Fault, positions: bool) -> Choice | None:
    inner = _table(keys, key, ("name", word), fault)
    if inner is None:
        return None
    if "name" not in inner:
        inner.missing("name", "the column that tells")
    if word not in inner:
        inner.missing(word, "the texts that count, as a list")
    name = read_name(inner.table.get("name", "?" if not positions else 1), _at(inner, "name"), positions=positions)
    return Choice(name, inner.texts(word, "a list of texts"))


def _at(keys: Keys, key: str) -> Callable[[str], None]:
    return lambda sentence: keys.fault(key, sentence)


def _corrections(keys: Keys, fault: Fault, positions: bool) -> dict[str, Any]:
    """Which of two readings that differ is used, and what tells it; where nothing is said, the dump's name does."""
    conflict = keys.choice("corrections", ("newest", "conflict"), "newest") == "conflict"
    column = None
    if VERSION in keys:
        column = read_column(
            VERSION, keys.table[VERSION], lambda sentence: fault(f"{VERSION}{sentence}", VERSION), positions=positions
        )
    return {"version": None if conflict else column, "conflict": conflict}


def _wide(keys: Keys, stream: str, kind: str, fault: Fault, positions: bool) -> Wide | None:
    inner = _table(keys, "wide", _WIDE_KEYS, fault)
    if inner is None:
        return None
    if "records" in keys and kind != "json":
        keys.fault("wide", " cannot stand beside records; a record is one reading")
    if kind == "rle":
        keys.fault("wide", " is not for run-length frames; remove the table")
    known = ("feature_code", "time") if stream == "meter" else ("feature_code", "flowmeter_id", "time")
    names = inner.choice("names", known)
    if positions and names in ("feature_code", "flowmeter_id"):
        inner.fault("names", f" = {shown(names)}, but there is no header that holds names")
    value = inner.choice("value", tuple(UNITS))
    step_s, first_s = _steps(inner, names, positions)
    return Wide(names, _wide_names(inner, kind), value, step_s, first_s)


def _wide_names(inner: Keys, kind: str) -> tuple[str, ...]:
    what = "the names of the columns, or a pattern such as 'WM-*'"
    columns = inner.texts("columns", what)
    if "columns" not in inner:
        inner.missing("columns", what)
    elif kind in ("json", "jsonl") and any(set(name) & set("*?") for name in columns):
        inner.fault("columns", f" = {shown(list(columns))}; JSON keys are listed one by one, without '*' and '?'")
    return columns


def _steps(inner: Keys, names: str, positions: bool) -> tuple[int | None, int]:
    """How far the columns of a day stand apart, and where the first one stands [s]."""
    if "step" not in inner:
        if "first" in inner:
            inner.fault("first", " is for step; give that, or remove it")
        if names == "time" and positions:
            inner.missing("step", "how far the columns stand apart, '1h' for example")
        return None, 0
    if names and names != "time":
        inner.fault("step", " is for names = 'time'; remove it")
    first = seconds_of_day(inner.text("first", "00:00"))
    if first is None:
        inner.fault("first", f" = {shown(inner.table['first'])}; give the time of the first column, '00:15' say")
    return inner.seconds("step"), first or 0


def seconds_of_day(text: str) -> int | None:
    """A time of day such as ``00:15`` or ``24:00`` in seconds; None for anything else."""
    found = _TIME_OF_DAY.fullmatch(text.strip())
    if not found:
        return None
    seconds = int(found[1]) * 3600 + int(found[2]) * 60
    return seconds if seconds <= 86_400 else None
