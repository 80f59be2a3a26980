"""What an export's time stamps mean: their zone, the doubled hour, the end of an interval they stand for, and a clock
that is off."""

from __future__ import annotations

import re
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

import polars as pl

from transforms.faults import near, shown
from transforms.sources.keys import Keys

TIME_KEYS: Final = ("timezone", "ambiguous", "skipped", "label", "interval", "shift")
AMBIGUOUS: Final = ("quarantine", "first", "second", "by_order", "folded")
SKIPPED: Final = ("quarantine", "forward")
_OFFSET: Final = re.compile(r"[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00")


def read_times(keys: Keys) -> dict[str, Any]:
    """Read the keys about time as the attributes of a source."""
    timezone = _timezone(keys)
    named = timezone is not None and timezone[0] not in "+-"
    for key in ("ambiguous", "skipped"):
        if key in keys and not named:
            keys.fault(key, " is for clocks that change; give timezone as a name such as Europe/Paris, or remove it")
    label = keys.choice("label", ("end", "start"), "end")
    interval_s = keys.seconds("interval")
    if label == "start" and "interval" not in keys:
        keys.fault("label", " = 'start' needs to know how long an interval is; give interval = '15m' for example")
    elif label == "end" and "interval" in keys:
        keys.fault("interval", " is for label = 'start'; give that, or remove it")
    return {
        "timezone": timezone,
        "ambiguous": keys.choice("ambiguous", AMBIGUOUS, "quarantine"),
        "skipped": keys.choice("skipped", SKIPPED, "quarantine"),
        "label_s": interval_s,
        "shift_s": keys.seconds("shift", signed=True),
    }


def _timezone(keys: Keys) -> str | None:
    if "timezone" not in keys:
        return None
    value = keys.text("timezone", "UTC")
    if _OFFSET.fullmatch(value):
        return value
    try:
        ZoneInfo(value)
        # stamps are localised by Polars, which knows fewer names than the system's files have
        pl.Series([0]).cast(pl.Datetime("us")).dt.replace_time_zone(value)
    except (LookupError, ValueError, OSError, pl.exceptions.PolarsError):
        hint = near(value, available_timezones()) or "; give one such as Europe/Paris, or an offset such as +12:00"
        keys.fault("timezone", f" = {shown(value)} is not known{hint}")
    return value
