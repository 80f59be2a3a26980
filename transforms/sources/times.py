"""What an export's time stamps mean: their zone, the doubled hour, the end of an interval they stand for, and a clock
that is off."""

from __future__ import annotations

from typing import Any, Final

from transforms.faults import shown
from transforms.sources.keys import Keys
from transforms.timezones import zone_of

TIME_KEYS: Final = ("timezone", "ambiguous", "skipped", "label", "interval", "shift")
AMBIGUOUS: Final = ("quarantine", "first", "second", "by_order", "folded")
SKIPPED: Final = ("quarantine", "forward")


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
    try:
        zone_of(value)
    except ValueError as hint:
        keys.fault("timezone", f" = {shown(value)} is not known{hint}")
    return value
