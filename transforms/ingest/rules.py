"""Rules: what a reading must be, as named SQL expressions; the name of the first rule that a row breaks is its reason.

`judged` turns a relation of a dump's own columns into typed readings with the number of a reason, 0 for a good row.
`marked`, for the fast way, is made of the same pieces, so that the two cannot disagree about a good row.
"""

from __future__ import annotations

from typing import Final

from transforms.ingest.fields import Fields
from transforms.reasons import QUARANTINE_REASONS
from transforms.sources import EPOCHS
from transforms.sql import quote

#: reason codes by number; 0 is no reason
REASONS: Final = ("", *QUARANTINE_REASONS)
NUMBER: Final = {reason: number for number, reason in enumerate(REASONS)}

#: a register beyond this has lost its mind [L]
ABSURD_VOLUME_L: Final = 1e12
#: feature codes and flowmeter ids are no longer than this
ID_LENGTH: Final = 128
_BEGIN, _END = "TIMESTAMP '2000-01-01'", "TIMESTAMP '2100-01-01'"
_OFFSET_PATTERN: Final = r"[0-9]{4}-.*[0-9]\s?[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?"
_EPOCH_PATTERN: Final = r"[0-9]{9,16}(\.[0-9]+)?"
#: microseconds per unit of an epoch
_EPOCH_US: Final = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}

_TYPED = """
    SELECT {keep}, {feature_code} AS feature_code, {flowmeter_id} AS flowmeter_id,
        stamp, {ts} AS ts, flow_text, {flow} AS flow, volume_text, {volume} AS volume{zone_columns}
    FROM (
        SELECT {keep}, {feature_code_text} AS feature_code_text, {flowmeter_id_text} AS flowmeter_id_text,
            {stamp} AS stamp, {flow_text} AS flow_text, {volume_text} AS volume_text
        FROM {relation}
    ){zone_join}
"""

# Nearly every row is good: one cheap test says so, and only the others are asked what is wrong with them.
_JUDGED = """
SELECT {keep}, feature_code, flowmeter_id, ts, flow, volume,
    left(concat_ws(' ', stamp, flow_text, volume_text), 120) AS detail,
    CASE WHEN {good} THEN 0 ELSE CASE
        WHEN {nameless} THEN {no_feature_code}
        WHEN {misnamed} THEN {bad_feature_code}
        {time_rules}
        WHEN ts < {begin} OR ts >= {end} THEN {implausible_time}
        WHEN coalesce(trim(flow_text::VARCHAR), '') = '' AND coalesce(trim(volume_text::VARCHAR), '') = ''
            THEN {no_value}
        WHEN (flow IS NULL AND trim(flow_text::VARCHAR) <> '') OR (volume IS NULL AND trim(volume_text::VARCHAR) <> '')
            THEN {not_a_number}
        WHEN NOT isfinite(flow) OR NOT isfinite(volume) THEN {not_finite}
        WHEN flow < 0 OR volume < 0 THEN {negative}
        WHEN flow > {absurd_flow} OR volume > {absurd_volume} THEN {absurd}
        ELSE 0
    END END::UTINYINT AS reason
FROM ({typed})
"""

# A column that tells good from bad is cheaper than a filter, which would copy every string.
_MARKED = """
SELECT CASE WHEN {good} THEN dump ELSE -1 - dump END AS dump, {keep}feature_code, flowmeter_id, ts, flow, volume FROM ({typed})
"""
_NAMED: Final = (
    "no_feature_code", "bad_feature_code", "implausible_time", "no_value", "not_a_number", "not_finite", "negative", "absurd"
)  # fmt: skip


def judged(relation: str, fields: Fields, *, keep: str, absurd_flow_lph: float, zone: str | None = None) -> str:
    """SQL that reads a relation of raw columns and says of each row what is wrong with it.

    Parameters
    ----------
    relation : str
        What stands behind FROM: its columns are those that ``fields`` and ``keep`` speak of.
    fields : Fields
        Where the canonical columns are.
    keep : str
        Columns that are passed on as they are.
    absurd_flow_lph : float
        Flows above this are not believed [L/h].
    zone : str, optional
        Table ``(local TIMESTAMP, utc TIMESTAMP)`` of local stamps, for a ``timezone`` that is an IANA name.

    Returns
    -------
    str
        SELECT of ``keep``, feature_code, flowmeter_id (empty text where unknown), ts, flow, volume, detail, and the
        number of a reason, 0 for a good row.
    """
    named = _identifiers(fields)
    wrong = " OR ".join(misnamed(name) for name in named)
    return _JUDGED.format(
        typed=_typed(relation, fields, keep, zone, "coalesce(trim({}), '')"),
        keep=keep,
        good=f"{_good(fields, absurd_flow_lph)} AND NOT ({wrong})",
        nameless=" AND ".join(f"{name} = ''" for name in named),
        misnamed=wrong,
        time_rules=_time_rules(fields, zone),
        begin=_BEGIN,
        end=_END,
        absurd_flow=repr(absurd_flow_lph),
        absurd_volume=repr(ABSURD_VOLUME_L),
        **{name: NUMBER[name] for name in _NAMED},
    )


def marked(relation: str, fields: Fields, *, absurd_flow_lph: float, zone: str | None = None, keep: str = "") -> str:
    """SQL of the rows with their ``dump``, or -1 minus that where `judged` would find anything wrong but identifiers.

    Identifiers are looked at once per device, by `odd_identifier`.
    """
    return _MARKED.format(
        typed=_typed(relation, fields, f"{keep}dump", zone, "coalesce({}, '')"),
        keep=keep,
        good=_good(fields, absurd_flow_lph),
    )


def misnamed(name: str) -> str:
    """SQL: whether an identifier cannot be one."""
    return f"(length({name}) > {ID_LENGTH} OR regexp_matches({name}, '[[:cntrl:]]'))"


def odd_identifier(name: str) -> str:
    """SQL: whether an identifier is wrong, or has blanks around it that `judged` would take off."""
    return f"({misnamed(name)} OR {name} <> trim({name}))"


def _identifiers(fields: Fields) -> list[str]:
    return [name for name in ("feature_code", "flowmeter_id") if getattr(fields, name)]


def _good(fields: Fields, absurd_flow_lph: float) -> str:
    """SQL: whether a row is good, blanks in place of a value aside."""
    tests = [
        f"ts >= {_BEGIN}",
        f"ts < {_END}",
        "(" + " OR ".join(f"{name} <> ''" for name in _identifiers(fields)) + ")",
    ]
    if fields.typed_value:
        # DuckDB takes a NaN in Parquet for within the column's recorded limits, and would not even compare
        tests.append("isfinite(coalesce(flow, 0)) AND isfinite(coalesce(volume, 0))")
    within = {
        "flow": f"flow >= 0 AND flow <= {absurd_flow_lph!r}",
        "volume": f"volume >= 0 AND volume <= {ABSURD_VOLUME_L!r}",
    }
    if fields.flow and fields.volume:
        either = " OR ".join(
            f"({within[one]} AND coalesce({other}_text::VARCHAR, '') = '')"
            for one, other in (("flow", "volume"), ("volume", "flow"))
        )
        return " AND ".join([*tests, f"({either} OR ({within['flow']} AND {within['volume']}))"])
    return " AND ".join([*tests, within["flow" if fields.flow else "volume"]])


def _typed(relation: str, fields: Fields, keep: str, zone: str | None, identifier: str) -> str:
    """SQL: the raw columns as identifiers, instants and numbers; null where that cannot be."""
    return _TYPED.format(
        keep=keep,
        relation=relation,
        feature_code=identifier.format("feature_code_text") if fields.feature_code else "''",
        flowmeter_id=identifier.format("flowmeter_id_text") if fields.flowmeter_id else "''",
        ts=_instant(fields, zone),
        flow=_number("flow_text", fields, fields.flow_factor) if fields.flow else "NULL::DOUBLE",
        volume=_number("volume_text", fields, fields.volume_factor) if fields.volume else "NULL::DOUBLE",
        feature_code_text=fields.feature_code or "NULL::VARCHAR",
        flowmeter_id_text=fields.flowmeter_id or "NULL::VARCHAR",
        stamp=fields.stamp,
        flow_text=fields.flow or "NULL::VARCHAR",
        volume_text=fields.volume or "NULL::VARCHAR",
        zone_columns=", local, zoned.utc" if zone else "",
        zone_join=f" AS raw LEFT JOIN {zone} AS zoned ON zoned.local = {local_stamp(fields)}" if zone else "",
    )


def local_stamp(fields: Fields) -> str:
    """SQL: the stamp as a local time, null where it carries its own offset or cannot be read."""
    if fields.pattern:
        return f"try_strptime(trim(stamp), {quote(fields.pattern)})::TIMESTAMP"
    return f"CASE WHEN {_has_offset()} OR {_is_epoch()} THEN NULL ELSE try_cast(stamp AS TIMESTAMP) END"


def _has_offset() -> str:
    return f"(suffix(stamp, 'Z') OR regexp_full_match(trim(stamp), {quote(_OFFSET_PATTERN)}))"


def _is_epoch() -> str:
    return f"regexp_full_match(trim(stamp), {quote(_EPOCH_PATTERN)})"


def _epoch(unit_us: str) -> str:
    """A count since 1970 as an instant. Decimal, because a DOUBLE would lose microseconds."""
    return f"make_timestamp(round(try_cast(stamp AS DECIMAL(25, 6)) * {unit_us})::BIGINT)"


def _instant(fields: Fields, zone: str | None) -> str:
    """SQL: the stamp in UTC, null where it cannot be read or has no offset."""
    if fields.typed_stamp:
        return "stamp"
    if fields.pattern in EPOCHS:
        return f"CASE WHEN {_is_epoch()} THEN {_epoch(str(_EPOCH_US[str(fields.pattern)]))} END"
    shift = _shift(fields.timezone)
    if fields.pattern:
        if "%z" in fields.pattern or "%Z" in fields.pattern:
            return f"try_strptime(trim(stamp), {quote(fields.pattern)})::TIMESTAMP"
        return (
            "zoned.utc"
            if zone
            else f"try_strptime(trim(stamp), {quote(fields.pattern)}) - {shift}"
            if shift
            else "NULL"
        )
    local = "zoned.utc" if zone else f"try_cast(stamp AS TIMESTAMP) - {shift}" if shift else "NULL::TIMESTAMP"
    digits = "length(split_part(trim(stamp), '.', 1))"
    magnitude = f"CASE WHEN {digits} <= 11 THEN 1000000 WHEN {digits} <= 14 THEN 1000 ELSE 1 END"
    return (
        f"CASE WHEN suffix(stamp, 'Z') THEN try_cast(stamp AS TIMESTAMP) "
        f"WHEN regexp_full_match(trim(stamp), {quote(_OFFSET_PATTERN)}) THEN try_cast(stamp AS TIMESTAMPTZ)::TIMESTAMP "
        f"WHEN {_is_epoch()} THEN {_epoch(magnitude)} ELSE {local} END"
    )


def _shift(timezone: str | None) -> str | None:
    """An offset such as ``+12:00`` as an interval; None for no zone and for a name."""
    if timezone is None or timezone[0] not in "+-":
        return None
    hours, minutes = timezone[1:].split(":")
    seconds = (int(hours) * 3600 + int(minutes) * 60) * (-1 if timezone[0] == "-" else 1)
    return f"to_seconds({seconds})"


def _time_rules(fields: Fields, zone: str | None) -> str:
    """Why a stamp gave no instant."""
    bad = f"WHEN ts IS NULL THEN {NUMBER['bad_timestamp']}"
    if zone:
        return f"WHEN ts IS NULL AND local IS NOT NULL THEN {NUMBER['ambiguous_local_time']} {bad}"
    if fields.typed_stamp or fields.timezone or fields.pattern in EPOCHS:
        return bad
    readable = (
        f"try_strptime(trim(stamp), {quote(fields.pattern)}) IS NOT NULL"
        if fields.pattern
        else "try_cast(stamp AS TIMESTAMP) IS NOT NULL"
    )
    return f"WHEN ts IS NULL AND {readable} THEN {NUMBER['no_offset']} {bad}"


def _number(text: str, fields: Fields, factor: float) -> str:
    """SQL: text as a number in our unit. A point in a file with decimal commas is not guessed at."""
    if fields.decimal == ",":
        text = f"CASE WHEN contains({text}, '.') THEN NULL ELSE replace({text}, ',', '.') END"
    scaled = "" if factor == 1.0 else f" * {factor!r}"
    # adding zero makes -0.0 an ordinary zero
    number = text if fields.typed_value else f"try_cast({text} AS DOUBLE)"
    return f"{number}{scaled} + 0.0"
