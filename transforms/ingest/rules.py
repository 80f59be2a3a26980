"""Rules: what a reading must be, as named SQL expressions; the name of the first rule that a row breaks is its reason.

`judged` turns a relation of a dump's own columns into typed readings with the number of a reason, 0 for a good row.
`marked`, for the fast way, is made of the same pieces, so that the two cannot disagree about a good row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from transforms.ingest.fields import Fields
from transforms.ingest.known import Known
from transforms.ingest.stamps import instant, likely_join, looked_up, time_rules, zone_join
from transforms.ingest.values import factor, number, version
from transforms.reasons import QUARANTINE_REASONS
from transforms.sql import instant as literal

#: reason codes by number; 0 is no reason
REASONS: Final = ("", *QUARANTINE_REASONS)
NUMBER: Final = {reason: number for number, reason in enumerate(REASONS)}
#: stands in place of a reason for a row that another source reads
THEIRS: Final = 255

#: a register beyond this has lost its mind [L]
ABSURD_VOLUME_L: Final = 1e12
#: feature codes and flowmeter ids are no longer than this
ID_LENGTH: Final = 128
_BEGIN, _END = "TIMESTAMP '2000-01-01'", "TIMESTAMP '2100-01-01'"


@dataclass(frozen=True)
class Limits:
    """What no reading is believed to be beyond.

    Attributes
    ----------
    absurd_flow_lph : float
        The largest flow [L/h].
    not_after : datetime or None
        The latest stamp; None for no limit.
    known : Known
        Of single meters.
    """

    absurd_flow_lph: float
    not_after: datetime | None = None
    known: Known = field(default_factory=Known)

    @property
    def end(self) -> str:
        """SQL: the first instant that is too late."""
        return _END if self.not_after is None else f"least({_END}, TIMESTAMP '{literal(self.not_after)}')"


_TYPED = """
    SELECT {passed}, {feature_code} AS feature_code, {flowmeter_id} AS flowmeter_id,
        stamp, {ts} AS ts, flow_text, {flow} AS flow, volume_text, {volume} AS volume{more}
    FROM (
        SELECT {keep}, {raw}
        FROM {relation}
    ){zone_join}
"""

# Nearly every row is good: one cheap test says so, and only the others are asked what is wrong with them.
_JUDGED = """
SELECT {keep}, feature_code, flowmeter_id, ts, flow, volume, {version} AS version,
    left(concat_ws(' ', {label}stamp, flow_text, volume_text), 120) AS detail,
    CASE WHEN {good} THEN 0 ELSE CASE
        {rules_of_source}
        WHEN {nameless} THEN {no_feature_code}
        WHEN {misnamed} THEN {bad_feature_code}
        {time_rules}
        WHEN ts < {begin} OR ts >= {end} THEN {implausible_time}
        WHEN ts >= {not_after} THEN {future}
        WHEN coalesce(trim(flow_text::VARCHAR), '') = '' AND coalesce(trim(volume_text::VARCHAR), '') = ''
            THEN {no_value}
        {unit_rule}
        WHEN (flow IS NULL AND trim(flow_text::VARCHAR) <> '') OR (volume IS NULL AND trim(volume_text::VARCHAR) <> '')
            THEN {not_a_number}
        WHEN NOT isfinite(flow) OR NOT isfinite(volume) THEN {not_finite}
        WHEN flow < 0 OR volume < 0 THEN {negative}
        WHEN flow > {absurd_flow} OR volume > {absurd_volume} THEN {absurd}
        {version_rule}
        ELSE 0
    END END::UTINYINT AS reason
FROM ({typed})
"""

# A column that tells good from bad is cheaper than a filter, which would copy every string.
_MARKED = """
SELECT CASE WHEN {good} THEN dump ELSE -1 - dump END AS dump, {keep}feature_code, flowmeter_id, ts, flow, volume FROM ({typed})
"""
_NAMED: Final = (
    "no_feature_code", "bad_feature_code", "implausible_time", "future", "no_value", "not_a_number", "not_finite",
    "negative", "absurd",
)  # fmt: skip


def judged(relation: str, fields: Fields, *, keep: str, limits: Limits, zone: str | None = None) -> str:
    """SQL that reads a relation of raw columns and says of each row what is wrong with it.

    Parameters
    ----------
    relation : str
        What stands behind FROM: its columns are those that ``fields`` and ``keep`` speak of.
    fields : Fields
        Where the canonical columns are.
    keep : str
        Columns that are passed on as they are.
    limits : Limits
        What is not believed.
    zone : str, optional
        The table of `transforms.ingest.zones`, for a ``timezone`` that is an IANA name.

    Returns
    -------
    str
        SELECT of ``keep``, feature_code, flowmeter_id (empty text where unknown), ts, flow, volume, version, detail, and
        the number of a reason, 0 for a good row and `THEIRS` for one that another source reads.
    """
    named = _identifiers(fields)
    wrong = " OR ".join(misnamed(name) for name in named)
    of_source = [f"WHEN theirs THEN {THEIRS}"] if fields.theirs else []
    of_source += [f"WHEN flagged THEN {NUMBER['flagged']}"] if fields.flagged else []
    unknown = " OR ".join(f"({kind}_factor IS NULL AND trim({kind}_text::VARCHAR) <> '')" for kind in _by_row(fields))
    return _JUDGED.format(
        typed=_typed(relation, fields, keep, zone, "coalesce(trim({}), '')"),
        keep=keep,
        label="wide_name, " if fields.wide else "",
        version="version" if fields.version else "NULL::BIGINT",
        good=f"{_good(fields, limits)} AND NOT ({wrong})",
        rules_of_source=" ".join(of_source),
        nameless=" AND ".join(f"{name} = ''" for name in named),
        misnamed=wrong,
        time_rules=time_rules(fields, zone, NUMBER),
        begin=_BEGIN,
        end=_END,
        not_after=limits.end,
        unit_rule=f"WHEN {unknown} THEN {NUMBER['unknown_unit']}" if unknown else "",
        version_rule=f"WHEN version IS NULL THEN {NUMBER['bad_version']}" if fields.version else "",
        absurd_flow=repr(limits.absurd_flow_lph),
        absurd_volume=repr(ABSURD_VOLUME_L),
        **{name: NUMBER[name] for name in _NAMED},
    )


def marked(
    relation: str,
    fields: Fields,
    *,
    limits: Limits,
    zone: str | None = None,
    likely: str | None = None,
    keep: str = "",
) -> str:
    """SQL of the rows with their ``dump``, or -1 minus that where `judged` would find anything wrong but identifiers.

    Identifiers are looked at once per device, by `odd_identifier`; ``likely`` is the table of `transforms.ingest.likely`.
    """
    return _MARKED.format(
        typed=_typed(relation, fields, f"{keep}dump", zone, "coalesce({}, '')", likely),
        keep=keep,
        good=_good(fields, limits),
    )


def misnamed(name: str) -> str:
    """SQL: whether an identifier cannot be one."""
    return f"(length({name}) > {ID_LENGTH} OR regexp_matches({name}, '[[:cntrl:]]'))"


def odd_identifier(name: str) -> str:
    """SQL: whether an identifier is wrong, or has blanks around it that `judged` would take off."""
    return f"({misnamed(name)} OR {name} <> trim({name}))"


def _identifiers(fields: Fields) -> list[str]:
    return [name for name in ("feature_code", "flowmeter_id") if getattr(fields, name)]


def _by_row(fields: Fields) -> list[str]:
    """The quantities whose unit stands in each row."""
    return [kind for kind in ("flow", "volume") if getattr(fields, f"{kind}_unit")]


def _good(fields: Fields, limits: Limits) -> str:
    """SQL: whether a row is good, blanks in place of a value aside."""
    tests = [
        f"ts >= {_BEGIN}",
        f"ts < {limits.end}",
        "(" + " OR ".join(f"{name} <> ''" for name in _identifiers(fields)) + ")",
    ]
    tests += ["theirs IS NOT TRUE"] if fields.theirs else []
    tests += ["flagged IS NOT TRUE"] if fields.flagged else []
    tests += ["version IS NOT NULL"] if fields.version else []
    if fields.typed_value:
        # DuckDB takes a NaN in Parquet for within the column's recorded limits, and would not even compare
        tests.append("isfinite(coalesce(flow, 0)) AND isfinite(coalesce(volume, 0))")
    within = {
        "flow": f"flow >= 0 AND flow <= {limits.absurd_flow_lph!r}",
        "volume": f"volume >= 0 AND volume <= {ABSURD_VOLUME_L!r}",
    }
    if fields.flow and fields.volume:
        either = " OR ".join(
            f"({within[one]} AND coalesce({other}_text::VARCHAR, '') = '')"
            for one, other in (("flow", "volume"), ("volume", "flow"))
        )
        return " AND ".join([*tests, f"({either} OR ({within['flow']} AND {within['volume']}))"])
    return " AND ".join([*tests, within["flow" if fields.flow else "volume"]])


def raw_columns(fields: Fields) -> str:
    """SQL: the raw texts that a row's reading is made of, under the names that the other expressions use."""
    columns = {
        "feature_code_text": fields.feature_code or "NULL::VARCHAR",
        "flowmeter_id_text": fields.flowmeter_id or "NULL::VARCHAR",
        "stamp": fields.stamp,
        "flow_text": fields.flow or "NULL::VARCHAR",
        "volume_text": fields.volume or "NULL::VARCHAR",
    }
    columns |= {f"{kind}_factor": factor(kind, fields) for kind in _by_row(fields)}
    columns |= {name: text for name in ("theirs", "flagged", "later_s") if (text := getattr(fields, name))}
    columns |= {"version_text": fields.version} if fields.version else {}
    columns |= {"wide_name": "wide_name"} if fields.wide else {}
    return ", ".join(f"{text} AS {name}" for name, text in columns.items())


def _typed(
    relation: str, fields: Fields, keep: str, zone: str | None, identifier: str, likely: str | None = None
) -> str:
    """SQL: the raw columns as identifiers, instants and numbers; null where that cannot be."""
    more = [f"{kind}_factor" for kind in _by_row(fields)]
    more += [name for name in ("theirs", "flagged") if getattr(fields, name)]
    more += [f"{version('version_text')} AS version"] if fields.version else []
    more += ["wide_name"] if fields.wide else []
    more += ["zoned.local", "zoned.twice"] if zone else []
    passed = keep
    if zone and fields.ambiguous == "by_order":
        passed = ", ".join(f"raw.{name}" for name in keep.split(", "))
    return _TYPED.format(
        passed=passed,
        keep=keep,
        relation=relation,
        feature_code=identifier.format("feature_code_text") if fields.feature_code else "''",
        flowmeter_id=identifier.format("flowmeter_id_text") if fields.flowmeter_id else "''",
        ts=looked_up(instant(fields, zone)) if likely else instant(fields, zone),
        flow=number("flow", fields) if fields.flow else "NULL::DOUBLE",
        volume=number("volume", fields) if fields.volume else "NULL::DOUBLE",
        raw=raw_columns(fields),
        more="".join(f", {name}" for name in more),
        zone_join=zone_join(fields, zone) + (likely_join(likely) if likely else ""),
    )
