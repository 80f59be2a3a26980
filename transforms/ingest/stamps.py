"""Stamps: a dump's time stamps as instants in UTC, in SQL, and why one of them gave none."""

from __future__ import annotations

from typing import Final

from transforms.ingest.fields import Fields
from transforms.sources import EPOCHS
from transforms.sql import quote

_OFFSET_PATTERN: Final = r"[0-9]{4}-.*[0-9]\s?[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?"
_EPOCH_PATTERN: Final = r"[0-9]{9,16}(\.[0-9]+)?"
#: microseconds per unit of an epoch
_EPOCH_US: Final = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
#: where the rows of a doubled hour are told apart by their order, see `transforms.ingest.zones`
FOLD_ORDER: Final = "fold_order"


def local_stamp(fields: Fields) -> str:
    """SQL: the stamp as a local time, null where it carries its own offset or cannot be read."""
    if fields.pattern:
        return f"try_strptime(trim(stamp), {quote(fields.pattern)})::TIMESTAMP{_later(fields)}"
    return f"CASE WHEN {_has_offset()} OR {_is_epoch()} THEN NULL ELSE try_cast(stamp AS TIMESTAMP){_later(fields)} END"


def zone_join(fields: Fields, zone: str | None) -> str:
    """SQL: what joins the raw columns (``raw``) with the table of `transforms.ingest.zones`."""
    if zone is None:
        return ""
    join = f" AS raw LEFT JOIN {zone} AS zoned ON zoned.local = {local_stamp(fields)}"
    if fields.ambiguous == "by_order":
        join += (
            f" LEFT JOIN {FOLD_ORDER} AS fold ON fold.line = raw.line AND fold.local = zoned.local"
            " AND fold.feature_code IS NOT DISTINCT FROM feature_code_text"
            " AND fold.flowmeter_id IS NOT DISTINCT FROM flowmeter_id_text"
        )
    return join


def likely_join(likely: str) -> str:
    """SQL: what joins the raw columns with the table of `transforms.ingest.likely`."""
    return f" LEFT JOIN {likely} ON likely_text = stamp"


def looked_up(found: str) -> str:
    """SQL: the stamp in UTC as the table joined by `likely_join` has it, else as ``found`` says."""
    return f"CASE WHEN likely_ts IS NOT NULL THEN likely_ts ELSE {found} END"


def instant(fields: Fields, zone: str | None) -> str:
    """SQL: the stamp in UTC, null where it cannot be read or has no offset."""
    found = _unshifted(fields, zone)
    return f"({found}) + to_seconds({fields.shift_s})" if fields.shift_s else found


def _unshifted(fields: Fields, zone: str | None) -> str:
    later = _later(fields)
    if fields.typed_stamp:
        return f"stamp{later}"
    if fields.pattern in EPOCHS:
        return f"CASE WHEN {_is_epoch()} THEN {_epoch(str(_EPOCH_US[str(fields.pattern)]))}{later} END"
    shift = _shift(fields.timezone)
    zoned = "zoned.utc"
    if fields.ambiguous == "by_order":
        zoned = "coalesce(zoned.utc, CASE fold.nth WHEN 1 THEN zoned.first WHEN 2 THEN zoned.second END)"
    if fields.pattern:
        if "%z" in fields.pattern or "%Z" in fields.pattern:
            return f"try_strptime(trim(stamp), {quote(fields.pattern)})::TIMESTAMP{later}"
        return (
            zoned
            if zone
            else f"try_strptime(trim(stamp), {quote(fields.pattern)}){later} - {shift}"
            if shift
            else "NULL"
        )
    local = zoned if zone else f"try_cast(stamp AS TIMESTAMP){later} - {shift}" if shift else "NULL::TIMESTAMP"
    digits = "length(split_part(trim(stamp), '.', 1))"
    magnitude = f"CASE WHEN {digits} <= 11 THEN 1000000 WHEN {digits} <= 14 THEN 1000 ELSE 1 END"
    return (
        f"CASE WHEN suffix(stamp, 'Z') THEN try_cast(stamp AS TIMESTAMP){later} WHEN regexp_full_match(trim(stamp), "
        f"{quote(_OFFSET_PATTERN)}) THEN try_cast(stamp AS TIMESTAMPTZ)::TIMESTAMP{later} "
        f"WHEN {_is_epoch()} THEN {_epoch(magnitude)}{later} ELSE {local} END"
    )


def time_rules(fields: Fields, zone: str | None, number: dict[str, int]) -> str:
    """SQL: the cases of a stamp that gave no instant; ``number`` has the reasons."""
    bad = f"WHEN ts IS NULL THEN {number['bad_timestamp']}"
    if zone:
        return (
            f"WHEN ts IS NULL AND local IS NOT NULL THEN CASE WHEN twice AND {fields.ambiguous == 'folded'} "
            f"THEN {number['folded_hour']} ELSE {number['ambiguous_local_time']} END {bad}"
        )
    if fields.typed_stamp or fields.timezone or fields.pattern in EPOCHS:
        return bad
    readable = (
        f"try_strptime(trim(stamp), {quote(fields.pattern)}) IS NOT NULL"
        if fields.pattern
        else "try_cast(stamp AS TIMESTAMP) IS NOT NULL"
    )
    return f"WHEN ts IS NULL AND {readable} THEN {number['no_offset']} {bad}"


def _later(fields: Fields) -> str:
    """How far after its row's stamp a reading stands."""
    return f" + to_seconds({fields.later_s})" if fields.later_s else ""


def _has_offset() -> str:
    return f"(suffix(stamp, 'Z') OR regexp_full_match(trim(stamp), {quote(_OFFSET_PATTERN)}))"


def _is_epoch() -> str:
    return f"regexp_full_match(trim(stamp), {quote(_EPOCH_PATTERN)})"


def _epoch(unit_us: str) -> str:
    """A count since 1970 as an instant. Decimal, because a DOUBLE would lose microseconds."""
    return f"make_timestamp(round(try_cast(stamp AS DECIMAL(25, 6)) * {unit_us})::BIGINT)"


def _shift(timezone: str | None) -> str | None:
    """An offset such as ``+12:00`` as an interval; None for no zone and for a name."""
    if timezone is None or timezone[0] not in "+-":
        return None
    hours, minutes = timezone[1:].split(":")
    seconds = (int(hours) * 3600 + int(minutes) * 60) * (-1 if timezone[0] == "-" else 1)
    return f"to_seconds({seconds})"
