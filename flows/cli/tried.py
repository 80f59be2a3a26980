"""What a trial of mappings tells: its accounting with examples, ranges and pairs, for people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from flows.cli.telling import replaced_in_words
from reports.wording import visible

if TYPE_CHECKING:
    from flows.trying import Trial
    from transforms.registry import Registry

_SHOWN = 10
_EXAMPLES = 3


def accounts(tried: Trial) -> dict[str, Any]:
    """The row accounting of all dumps together."""
    reasons: dict[str, int] = {}
    for one in tried.accounts:
        for reason, count in one.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    total = {
        key: sum(getattr(one, key) for one in tried.accounts)
        for key in ("read", "accepted", "duplicate", "quarantined")
    }
    return {**total, "reasons": dict(sorted(reasons.items()))}


def in_words(counts: dict[str, Any]) -> str:
    """The accounting as a sum."""
    return (
        f"{counts['read']:,} rows = {counts['accepted']:,} accepted + {counts['duplicate']:,} duplicate + "
        f"{counts['quarantined']:,} quarantined"
    )


def first_rows(readings: pl.DataFrame) -> list[str]:
    """The first readings of each stream."""
    return [
        " ".join(
            str(value)
            for value in (
                row["stream"], row["feature_code"] or "-", row["flowmeter_id"] or "", f"{row['timestamp']:%Y-%m-%dT%H:%M:%SZ}",
                "" if row["flow_lph"] is None else f"{row['flow_lph']:g} L/h",
                "" if row["volume_l"] is None else f"{row['volume_l']:.12g} L",
            )
            if value != ""
        )
        for stream in readings.partition_by("stream", maintain_order=True)
        for row in stream.head(_SHOWN).iter_rows(named=True)
    ]  # fmt: skip


def told(tried: Trial, registry: Registry) -> list[str]:
    """The accounting and the ranges, for people."""
    lines = []
    for one in tried.accounts:
        lines.append(
            visible(f"{one.file}, source {one.source or '(plain columns)'}, {one.stream}: {in_words(vars(one))}")
        )
        if one.replaced:
            lines.append(f"  {replaced_in_words(one.replaced)}")
        aside = (
            tried.quarantined.filter(tried.quarantined["file"] == one.file)
            if one.reasons
            else tried.quarantined.clear()
        )
        for reason, count in one.reasons.items():
            lines.append(f"  {count:,} {reason}")
            for row in aside.filter(aside["reason"] == reason).head(_EXAMPLES).iter_rows(named=True):
                where = "" if row["line"] is None else f"line {row['line']}: "
                why = f"  ({row['detail']})" if row["detail"] else ""
                lines.append(visible(f"    {where}{row['row'][:120]}{why}"))
    for span in spans(tried, registry):
        flows = "" if span["largest_flow_lph"] is None else f"; flows up to {span['largest_flow_lph']:,.6g} L/h"
        limit = (
            "" if span["q4_lph"] is None or not flows else f", the registered models' Q4 up to {span['q4_lph']:,.6g}"
        )
        lines.append(
            f"{span['stream']}: {span['devices']:,} devices ({span['registered']:,} of their feature codes registered), "
            f"{span['from']} to {span['to']}, usually every {span['interval_s']:g} s{flows}{limit}"
        )
    pairs = _pairs(tried.readings)
    if pairs is not None:
        lines.append(f"{pairs:,} instants have a reading of the meter and of its flowmeter")
    return lines


def spans(tried: Trial, registry: Registry) -> list[dict[str, Any]]:
    """What stands in each stream: devices, times, interval, the largest flow beside the models' Q4."""
    q4 = max((model.q4 for model in registry.models.values()), default=None)
    known = registry.meters["feature_code"].implode()
    found = []
    for rows in tried.readings.partition_by("stream", maintain_order=True):
        device = ["feature_code", "flowmeter_id"]
        step = pl.col("timestamp").diff().over(device).dt.total_microseconds()
        hours = step / 3.6e9
        flow = pl.coalesce("flow_lph", pl.col("volume_l").diff().over(device) / hours)
        numbers = rows.select(interval=step.median() / 1e6, top=flow.filter(flow.is_finite()).max()).row(0)
        begins, ends = rows.select(pl.col("timestamp").min(), last=pl.col("timestamp").max()).row(0)
        codes = rows["feature_code"].drop_nulls().unique()
        found.append(
            {
                "stream": rows["stream"][0],
                "devices": rows.select(device).n_unique(),
                "registered": int(codes.is_in(known).sum()),
                "from": f"{begins:%Y-%m-%dT%H:%M:%SZ}",
                "to": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
                "interval_s": numbers[0] or 0.0,
                "largest_flow_lph": numbers[1],
                "q4_lph": q4,
            }
        )
    return found


def _pairs(readings: pl.DataFrame) -> int | None:
    """How many instants of a feature code both streams have; None where only one stream is there."""
    key = ["feature_code", "timestamp"]
    streams = {frame["stream"][0]: frame.select(key).unique() for frame in readings.partition_by("stream")}
    if len(streams) < 2:
        return None
    return streams["meter"].join(streams["flowmeter"].filter(pl.col("feature_code").is_not_null()), on=key).height
