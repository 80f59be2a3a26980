"""Fields: where each canonical column stands in a dump, as SQL expressions over the dump's own columns."""

from __future__ import annotations

from dataclasses import dataclass


class FileFaultError(Exception):
    """A dump as a whole cannot be used: a reason code and what was found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Fields:
    """SQL expressions (text, or null) of one dump's readings, and how their text is to be understood.

    Attributes
    ----------
    feature_code, flowmeter_id, stamp, flow, volume : str or None
        Expressions of type VARCHAR; None where the dump has no such column.
    flow_factor, volume_factor : float
        Factor from the dump's unit to L/h and to L.
    flow_unit, volume_unit : (str, dict) or None
        Where the unit stands in each row: its expression, and the factors by unit.
    decimal : str
        ``.`` or ``,``.
    thousands : str or None
        Between groups of three digits.
    pattern : str or None
        strptime pattern of the time stamp, one of ``sources.EPOCHS``, or None for ISO 8601 or an epoch.
    timezone : str or None
        IANA name or offset of stamps without an offset.
    ambiguous, skipped : str
        What a local time means that occurs twice or not at all, see `transforms.sources.Source`.
    later_s : str or None
        Expression of how far after the stamp, on the same clock, a reading stands [s].
    shift_s : int
        What is added to the instant [s].
    theirs, flagged : str or None
        Whether a row is another source's, and whether its value is marked as not good.
    version : str or None
        Expression of the text that tells the newer of two readings.
    wide : bool
        Whether the relation has the columns of `transforms.ingest.wide`.
    typed_stamp, typed_value : bool
        Whether the expressions are a TIMESTAMP in UTC and a DOUBLE already, not text.
    """

    feature_code: str | None
    flowmeter_id: str | None
    stamp: str
    flow: str | None
    volume: str | None
    flow_factor: float = 1.0
    volume_factor: float = 1.0
    flow_unit: tuple[str, dict[str, float]] | None = None
    volume_unit: tuple[str, dict[str, float]] | None = None
    decimal: str = "."
    thousands: str | None = None
    pattern: str | None = None
    timezone: str | None = None
    ambiguous: str = "quarantine"
    skipped: str = "quarantine"
    later_s: str | None = None
    shift_s: int = 0
    theirs: str | None = None
    flagged: str | None = None
    version: str | None = None
    wide: bool = False
    typed_stamp: bool = False
    typed_value: bool = False
