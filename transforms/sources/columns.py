"""Reading one entry of ``[sources.NAME.columns]``: a foreign column, a constant or a part of the file's name for one of
our columns."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from transforms.errors import UsageError
from transforms.faults import shown, suggestion
from transforms.sources.source import EPOCHS, EXCEL, Column
from transforms.units import FLOW_TO_LPH, VOLUME_TO_L
from transforms.windows import parse_span

UNITS: Final[dict[str, dict[str, float]]] = {"flow_lph": FLOW_TO_LPH, "volume_l": VOLUME_TO_L}
IDENTIFIERS: Final = ("feature_code", "flowmeter_id")
VERSION: Final = "version"
_KEYS: Final = {
    "feature_code": ("name", "value", "file", "pattern", "pad", "prefix"),
    "flowmeter_id": ("name", "value", "file", "pattern", "pad", "prefix"),
    "timestamp": ("name", "format", "file", "months"),
    "flow_lph": ("name", "unit", "unit_column", "units", "factor", "per"),
    "volume_l": ("name", "unit", "unit_column", "units", "factor"),
    "via": ("name", "value"),
    VERSION: ("name", "file", "pattern"),
}
_ORIGINS: Final = {
    "name": "name (a column)",
    "value": "value (a constant)",
    "file": "file (a pattern for the file's name)",
}
_TEXT_LENGTH: Final = 128
_PATTERN_LENGTH: Final = 200
#: a stamp whose parts cannot be taken for one another
_PROBE: Final = datetime(2025, 10, 27, 13, 7, 9, tzinfo=UTC)


def read_column(
    canonical: str, entry: Any, fault: Callable[[str], None], *, positions: bool = False, wide: bool = False
) -> Column:
    """Read where a canonical column comes from.

    Parameters
    ----------
    canonical : str
        The column's name, or `VERSION`.
    entry : Any
        What stands behind it in the file.
    fault : callable
        Is told what is wrong, as the rest of a sentence that begins with the column's key.
    positions : bool
        Whether the file has no header, so that columns are given by their positions.
    wide : bool
        Whether the column's values stand in the columns of a wide layout, so that it has no name of its own.
    """
    if isinstance(entry, str) or (positions and isinstance(entry, int) and not isinstance(entry, bool)):
        entry = {"name": entry}
    if not isinstance(entry, dict):
        fault(f" = {shown(entry)}; give a column's {'position' if positions else 'name'} or {{name = ..., ...}}")
        return Column()
    known = _KEYS[canonical]
    for key in entry:
        if key not in known:
            fault(_stray(canonical, key))
    origins = [origin for origin in _ORIGINS if origin in known]
    given = [origin for origin in origins if origin in entry]
    if wide and given:
        fault(f" stands in the columns of the wide layout; remove {' and '.join(given)}")
    elif not wide and not given:
        fault(f" needs {_either(origins)}")
    elif len(given) > 1 and canonical != "timestamp":
        # a stamp's date may stand in the file's name and its time of day in a column
        fault(f" needs {_either(origins)}, not {' and '.join(given)}")
    return Column(
        names=_names(canonical, entry["name"], fault, positions) if "name" in entry else (),
        format=_format(entry["format"], fault) if "format" in entry and "format" in known else None,
        unit=_unit(canonical, entry, fault) if "unit" in entry and canonical in UNITS else None,
        value=_value(canonical, entry["value"], fault) if "value" in entry and "value" in known else None,
        file=_pattern("file", entry["file"], fault) if "file" in entry and "file" in known else None,
        pattern=_pattern("pattern", entry["pattern"], fault) if "pattern" in entry and "pattern" in known else None,
        pad=_pad(entry["pad"], fault) if "pad" in entry and "pad" in known else 0,
        prefix=_text("prefix", entry["prefix"], fault) if "prefix" in entry and "prefix" in known else "",
        unit_column=_unit_column(entry, fault, positions) if canonical in UNITS else None,
        units=_units(canonical, entry, fault) if canonical in UNITS else {},
        factor=_factor(entry["factor"], fault) if "factor" in entry and canonical in UNITS else 1.0,
        months=_months(entry, fault) if "months" in entry and "months" in known else (),
        per_s=_per(entry["per"], fault) if "per" in entry and canonical == "flow_lph" else None,
    )


def _either(origins: list[str]) -> str:
    return ("either " if len(origins) > 1 else "") + " or ".join(_ORIGINS[origin] for origin in origins)


def _stray(canonical: str, key: str) -> str:
    """What is wrong with a key that the column does not have."""
    if key == "value" and canonical in ("timestamp", *UNITS):
        return " cannot be a constant; give the name of a column"
    owners = [name for name, keys in _KEYS.items() if key in keys and name != VERSION]
    if owners:
        return f".{key} is only for {' and '.join(owners)}; remove it"
    return f": unknown key {shown(key)}{suggestion(key, _KEYS[canonical])}"


def read_name(value: Any, fault: Callable[[str], None], *, positions: bool) -> str:
    """The name of a foreign column; its position (from 1) where the file has no header."""
    if positions:
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10_000:
            return str(value)
        fault(f" = {shown(value)}; with header = false give the column's position, 1 for the first")
    elif not isinstance(value, str) or not value.strip():
        fault(f" = {shown(value)}; give a column's name")
    return str(value)


def _names(canonical: str, value: Any, fault: Callable[[str], None], positions: bool) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    if positions:
        found = tuple(
            read_name(name, lambda sentence: fault(f".name{sentence}"), positions=positions) for name in listed
        )
    else:
        if not listed or not all(isinstance(name, str) and name.strip() for name in listed):
            fault(f".name = {shown(value)}; give a column's name, or a list of names")
            return ()
        found = tuple(listed)
    if len(found) > 1 and canonical in UNITS:
        fault(f".name = {shown(value)}; a number comes from one column, give one name")
    return found


def _value(canonical: str, value: Any, fault: Callable[[str], None]) -> str:
    text = _text("value", value, fault)
    if canonical == "via" and isinstance(value, str) and value not in ("direct", "meter"):
        fault(f".value = {shown(value)}; give 'direct' or 'meter'")
    return text


def _text(key: str, value: Any, fault: Callable[[str], None]) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > _TEXT_LENGTH:
        fault(f".{key} = {shown(value)}; give 1 to {_TEXT_LENGTH} printable characters")
    elif value != value.strip():
        fault(f".{key} = {shown(value)}; take away the space at its ends")
    return str(value)


def _pad(value: Any, fault: Callable[[str], None]) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= _TEXT_LENGTH:
        return value
    fault(f".pad = {shown(value)}; give the number of digits, 1 to {_TEXT_LENGTH}")
    return 0


def _pattern(key: str, value: Any, fault: Callable[[str], None]) -> str:
    """A regular expression with one group. Both engines that ever run it, Rust's and RE2, take time linear in the text."""
    wrong = ""
    if not isinstance(value, str) or not value or len(value) > _PATTERN_LENGTH:
        wrong = f"give a regular expression of 1 to {_PATTERN_LENGTH} characters"
    else:
        try:
            groups = pl.select(pl.lit("").str.extract_groups(value)).to_series().dtype
            if not isinstance(groups, pl.Struct) or len(groups.fields) != 1:
                wrong = "put exactly one group in round brackets around what is to be taken; (?:...) is no group"
        except pl.exceptions.PolarsError:
            wrong = "it is no regular expression that is known here (there is no looking ahead or back)"
    if wrong:
        fault(f".{key} = {shown(value)}; {wrong}")
    return str(value)


def _unit(canonical: str, entry: dict[str, Any], fault: Callable[[str], None]) -> str:
    value = entry["unit"]
    if canonical == "flow_lph" and "per" in entry:
        if not isinstance(value, str) or value not in VOLUME_TO_L:
            fault(
                f".unit = {shown(value)} is no unit of volume, which 'per' asks for{suggestion(str(value), VOLUME_TO_L)}"
            )
    elif not isinstance(value, str) or value not in UNITS[canonical]:
        fault(f".unit = {shown(value)} is no unit of {canonical}{suggestion(str(value), UNITS[canonical])}")
    return str(value)


def _unit_column(entry: dict[str, Any], fault: Callable[[str], None], positions: bool) -> str | None:
    if "unit_column" not in entry:
        return None
    if "unit" in entry:
        fault(" has both unit and unit_column; keep the one that is true")
    return read_name(entry["unit_column"], lambda sentence: fault(f".unit_column{sentence}"), positions=positions)


def _units(canonical: str, entry: dict[str, Any], fault: Callable[[str], None]) -> dict[str, str]:
    """What the unit column may hold; our own names of the units always count."""
    if "units" not in entry:
        return {}
    value = entry["units"]
    known = VOLUME_TO_L if "per" in entry else UNITS[canonical]
    if "unit_column" not in entry:
        fault(".units is for unit_column; give that, or remove it")
    if not isinstance(value, dict) or not value:
        fault(f'.units = {shown(value)}; give {{"their name" = "our unit", ...}}')
        return {}
    for theirs, ours in value.items():
        if not isinstance(ours, str) or ours not in known:
            fault(f".units {shown(theirs)} = {shown(ours)} is no unit of {canonical}{suggestion(str(ours), known)}")
    return {str(theirs): str(ours) for theirs, ours in sorted(value.items())}


def _per(value: Any, fault: Callable[[str], None]) -> int | None:
    try:
        return int(parse_span(value).total_seconds())
    except (UsageError, TypeError) as error:
        fault(f".per: {error}")
        return None


def _factor(value: Any, fault: Callable[[str], None]) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 1e-9 <= value <= 1e9:
        return float(value)
    fault(f".factor = {shown(value)}; give a number above 0, 10 for a pulse of ten units")
    return 1.0


def _months(entry: dict[str, Any], fault: Callable[[str], None]) -> tuple[str, ...]:
    """The twelve names of the months, which stand where the format has %B or %b."""
    value = entry["months"]
    pattern = entry.get("format")
    if not isinstance(pattern, str) or not ("%B" in pattern or "%b" in pattern):
        fault(".months is for a format with %B or %b; give that, or remove it")
    good = (
        isinstance(value, list) and len(value) == 12 and all(isinstance(name, str) and name.strip() for name in value)
    )
    if not good or len({name.strip().lower() for name in value}) != 12 or max(map(len, value)) > _TEXT_LENGTH:
        fault(f".months = {shown(value)}; give the names of all twelve months, each another, from January on")
        return ()
    return tuple(name.strip() for name in value)


def _format(value: Any, fault: Callable[[str], None]) -> str:
    if not isinstance(value, str) or not reads_dates(value):
        fault(
            f".format = {shown(value)} cannot read a date and time; give a pattern such as '%d/%m/%Y %H:%M:%S'"
            f" or one of {', '.join((*EPOCHS, EXCEL))}"
        )
    return str(value)


def reads_dates(pattern: str) -> bool:
    """Whether a time stamp format carries year, month and day: a probe written with it reads back as the same day."""
    if pattern in EPOCHS or pattern == EXCEL:
        return True
    # strptime's fraction ".%f" is "%.f" to Polars, which reads no hour without its minute
    polars_pattern = pattern.replace(".%f", "%.f")
    if "%H" in pattern and not any(mark in pattern for mark in ("%M", "%T", "%R", "%X", "%c")):
        polars_pattern = polars_pattern.replace("%H", "%H:%M")
    zoned = any(mark in pattern for mark in ("z", "Z", "%+"))
    probe = pl.Series([_PROBE if zoned else _PROBE.replace(tzinfo=None)])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            written = probe.dt.strftime(polars_pattern)
            back = written.str.to_datetime(polars_pattern, strict=False)
    except pl.exceptions.PolarsError:
        return False
    return back[0] is not None and back[0].date() == _PROBE.date()
