"""Reading one entry of ``[sources.NAME.columns]``: a foreign column, or a constant, for one of ours."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from transforms.faults import shown, suggestion
from transforms.sources.source import EPOCHS, Column
from transforms.units import FLOW_TO_LPH, VOLUME_TO_L

_UNITS: Final[dict[str, dict[str, float]]] = {"flow_lph": FLOW_TO_LPH, "volume_l": VOLUME_TO_L}
_KEYS: Final = ("name", "format", "unit", "value")
_TEXT_LENGTH: Final = 128
#: a stamp whose parts cannot be taken for one another
_PROBE: Final = datetime(2025, 10, 27, 13, 7, 9, tzinfo=UTC)


def read_column(canonical: str, entry: Any, fault: Callable[[str], None]) -> Column:
    """Read where a canonical column comes from. What is wrong goes to ``fault``, as the rest of a sentence that begins
    with the column's key."""
    if isinstance(entry, str):
        entry = {"name": entry}
    if not isinstance(entry, dict):
        fault(f" = {shown(entry)}; give a column's name or {{name = ..., ...}}")
        return Column()
    for key in entry:
        if key not in _KEYS:
            fault(f": unknown key {shown(key)}{suggestion(key, _KEYS)}")
    if ("name" in entry) == ("value" in entry):
        fault(" needs either name (a column) or value (a constant)")
        return Column()
    return Column(
        names=_names(canonical, entry["name"], fault) if "name" in entry else (),
        format=_format(canonical, entry["format"], fault) if "format" in entry else None,
        unit=_unit(canonical, entry["unit"], fault) if "unit" in entry else None,
        value=_value(canonical, entry["value"], fault) if "value" in entry else None,
    )


def _names(canonical: str, value: Any, fault: Callable[[str], None]) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(name, str) and name.strip() for name in listed):
        fault(f".name = {shown(value)}; give a column's name, or a list of names")
        return ()
    if len(listed) > 1 and canonical in _UNITS:
        fault(f".name = {shown(value)}; a number comes from one column, give one name")
    return tuple(listed)


def _value(canonical: str, value: Any, fault: Callable[[str], None]) -> str:
    if canonical in ("timestamp", *_UNITS):
        fault(" cannot be a constant; give the name of a column")
    elif not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > _TEXT_LENGTH:
        fault(f".value = {shown(value)}; give 1 to {_TEXT_LENGTH} printable characters")
    elif value != value.strip():
        fault(f".value = {shown(value)}; take away the space at its ends")
    elif canonical == "via" and value not in ("direct", "meter"):
        fault(f".value = {shown(value)}; give 'direct' or 'meter'")
    return str(value)


def _unit(canonical: str, value: Any, fault: Callable[[str], None]) -> str:
    if canonical not in _UNITS:
        fault(".unit is only for flow_lph and volume_l; remove it")
    elif not isinstance(value, str) or value not in _UNITS[canonical]:
        fault(f".unit = {shown(value)} is no unit of {canonical}{suggestion(str(value), _UNITS[canonical])}")
    return str(value)


def _format(canonical: str, value: Any, fault: Callable[[str], None]) -> str:
    if canonical != "timestamp":
        fault(".format is only for timestamp; remove it")
    elif not isinstance(value, str) or not reads_dates(value):
        fault(
            f".format = {shown(value)} cannot read a date and time; give a pattern such as '%d/%m/%Y %H:%M:%S'"
            f" or one of {', '.join(EPOCHS)}"
        )
    return str(value)


def reads_dates(pattern: str) -> bool:
    """Whether a time stamp format carries year, month and day: a probe written with it reads back as the same day."""
    if pattern in EPOCHS:
        return True
    # strptime's fraction ".%f" is "%.f" to Polars
    polars_pattern = pattern.replace(".%f", "%.f")
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
