"""What a run found: verdicts put together with what was sent before, decided, counted and accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl

from flows.displays import photographed, readings_frame, tally_readings, weigh_displays
from flows.inputs import in_order, row_accounting, told_of
from flows.notifying import notices_of
from flows.photos import Looked
from flows.situation import Known, effects_of, new_faults, put_into_words, situation_of, with_earlier_windows
from transforms.decide import Decision, contradicted, decide
from transforms.feedback import sentence_of
from transforms.fleet import fleet_table
from transforms.lake import Lake
from transforms.notices import open_until
from transforms.outbox import History, Run
from transforms.policy import Policy
from transforms.pool import overruled, with_columns_of
from transforms.registry import Registry
from transforms.state import UNTOUCHED, MeterState
from transforms.windows import Window, iso, parse_time

#: the revision of a window's first run; approval of held commands and late readings make later ones
REVISION = 1


def collect(
    registry: Registry,
    policy: Policy,
    lake: Lake,
    known: Known,
    judged: pl.DataFrame,
    sums: pl.DataFrame,
    window: Window,
    now: datetime,
    version: str,
    revision: int = REVISION,
    looked: Looked | None = None,
    overtaken: Mapping[str, str] | None = None,
) -> Run:
    """Decide what follows from the verdicts and gather everything that the run says.

    ``overtaken`` are the meters of which a newer window that is judged already knows better, see `Situation`.
    """
    looked = looked or Looked()
    own = put_into_words(known, judged)
    pooled = with_earlier_windows(known, own, sums, registry, policy, window)
    judged = overruled(own, pooled)
    effects = effects_of(known, judged, window)
    situation = replace(
        situation_of(known, own, effects, window, registry, policy),
        contradicted=_contradicted(lake, judged, window),
        overtaken=overtaken or {},
    )
    run_id = window.run_id(revision)
    limits = fleet_table(registry).select("feature_code", "max_gain_change", "max_offset_lph")
    displays = weigh_displays(registry, policy, known, looked, judged, window)
    decision = decide(judged, limits, policy, window, run_id, now, situation, displays)
    own = with_columns_of(own, pooled)
    notices = notices_of(registry, policy, known, decision, situation, now, photographed(looked, known))
    inputs = _inputs(lake, known.history, window)
    readings = readings_frame(looked, displays, decision)
    photos = None
    if looked.account is not None:
        photos = {**looked.account, "faults": new_faults(known, looked.refused)}
    faults = new_faults(known, [sentence_of(item) for item in known.acks.refused])
    facts = {
        "window_start": iso(window.start),
        "window_end": iso(window.end),
        "revision": revision,
        "issued_at": iso(now),
        "code_version": version,
        "policy_digest": policy.digest,
        "registry_digest": registry.digest,
        "counts": {**_counts(own, decision, effects, len(notices)), "readings": tally_readings(readings)},
        "withheld": decision.withheld,
        "suspect_references": decision.suspects,
        "rows": row_accounting(inputs),
        "inputs": inputs,
        "feedback": {"acks": len(known.acks.acks), "refused": len(known.acks.refused), "faults": faults},
        "photos": photos,
        "notices_until": open_until(notices),
        "composed_with": _composed_with(decision, known.states),
        "previous": known.history.head,
    }
    return Run(run_id, own, sums, effects, readings, decision.commands, notices, decision.work_orders, facts)


def _contradicted(lake: Lake, judged: pl.DataFrame, window: Window) -> frozenset[str]:
    """The meters about which the dumps of a window, or of those that it is judged with, say different things."""
    file = lake.conflicts()
    if file is None:
        return frozenset()
    begins: datetime = min([window.start, *judged["pooled_since"].drop_nulls()])
    span = begins.replace(tzinfo=None), window.end.replace(tzinfo=None)
    inside = pl.col("ts").is_between(span[0], span[1], closed="left")
    refused = pl.scan_parquet(file, glob=False).filter(inside).select("device_no", "ts").collect()
    return frozenset() if refused.is_empty() else contradicted(refused, lake.devices(), judged, window)


def _composed_with(decision: Decision, states: Mapping[str, MeterState]) -> dict[str, Any]:
    """For each held command the correction in force that it builds on: approval asks whether that is still so."""
    held = (command["feature_code"] for command in decision.commands if command["state"] == "held")
    return {code: states.get(code, UNTOUCHED).in_force.to_json() for code in held}


def _counts(judged: pl.DataFrame, decision: Decision, effects: pl.DataFrame, notices: int) -> dict[str, Any]:
    def tally(column: str, frame: pl.DataFrame = judged) -> dict[str, int]:
        return dict(frame.group_by(column).len().sort(column).iter_rows())

    held = sum(command["state"] == "held" for command in decision.commands)
    return {
        "meters": judged.height,
        "verdict": tally("verdict"),
        "reason": tally("reason"),
        "pooled": tally("pooled_verdict", judged.filter(pl.col("pooled_verdict").is_not_null())),
        "effect": tally("effect", effects),
        "commands": len(decision.commands) - held,
        "held": held,
        "withheld": len(decision.withheld),
        "notices": notices,
        "work_orders": len(decision.work_orders),
        "second_look": {
            "flagged": int(judged["doubtful"].sum()),
            "looked_at": int(judged["looked_at"].sum()),
        },
    }


def _inputs(lake: Lake, history: History, window: Window) -> list[dict[str, Any]]:
    """The dumps that this run rests on: those with readings in the window, and those with none that no run named yet."""
    named = history.dumps_named()
    found = []
    for dump in lake.dumps:
        if dump["min_ts"] is None:
            wanted = (dump["stream"], dump["sha256"]) not in named
        else:
            wanted = parse_time(dump["min_ts"]) < window.end and parse_time(dump["max_ts"]) >= window.start
        if wanted:
            found.append(told_of(dump))
    return in_order(found)


def to_markdown(manifest: dict[str, Any]) -> str:
    """A page for the Prefect UI: what the run found, in a few lines."""
    counts, rows = manifest["counts"], manifest["rows"]
    verdicts = "\n".join(f"| {name} | {number:,} |" for name, number in counts["verdict"].items())
    return (
        f"## Run {manifest['run_id']}\n\n"
        f"Window {manifest['window_start']} to {manifest['window_end']}\n\n"
        f"| verdict | meters |\n|---|---|\n{verdicts}\n\n"
        f"{counts['commands']:,} commands, {counts['held']:,} held, {counts['work_orders']:,} work orders, "
        f"{counts['notices']:,} notices\n\n"
        f"Rows: {rows['read']:,} read = {rows['accepted']:,} accepted + {rows['duplicate']:,} duplicate + "
        f"{rows['quarantined']:,} quarantined\n"
    )
