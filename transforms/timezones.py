"""Names of time zones as the registry and the policy give them: ``Europe/Paris``, or an offset such as ``+12:00``."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from transforms.faults import near

_OFFSET: Final = re.compile(r"[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00")


def is_offset(name: str) -> bool:
    """Whether it is an offset from UTC and no name."""
    return _OFFSET.fullmatch(name) is not None


def zone_of(name: str) -> tzinfo:
    """The zone of a name or offset.

    Raises
    ------
    ValueError
        If there is none; what it says goes on after "is not known".
    """
    if name == "UTC":
        return UTC
    if is_offset(name):
        sign = -1 if name[0] == "-" else 1
        return timezone(sign * timedelta(hours=int(name[1:3]), minutes=int(name[4:])))
    import polars as pl

    try:
        zone = ZoneInfo(name)
        # stamps are localised by Polars, which knows fewer names than the system's files have
        pl.Series([0]).cast(pl.Datetime("us")).dt.replace_time_zone(name)
    except (LookupError, ValueError, OSError, pl.exceptions.PolarsError):
        hint = near(name, available_timezones()) or "; give one such as Europe/Paris, or an offset such as +12:00"
        raise ValueError(hint) from None
    return zone
