"""Displays in a run: readings weighed with all that is known of their meters, and what followed from each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import polars as pl

from flows.photos import Looked
from flows.registered import in_place, screens_of
from flows.situation import Known
from transforms.decide import Decision, Displays, Surroundings, weigh
from transforms.judge import calibration_status
from transforms.policy import Policy
from transforms.registry import Registry
from transforms.schemas import READINGS
from transforms.windows import Window


def weigh_displays(
    registry: Registry, policy: Policy, known: Known, looked: Looked, judged: pl.DataFrame, window: Window
) -> Displays:
    """What follows from the photos of a run, and from a display that contradicted the wire earlier and still does.

    From a revision of a window nothing new follows: what was seen on its photos was weighed when they were taken in.
    """
    if looked.kept is not None or (not looked.fresh and looked.record.is_empty()):
        return Displays()
    codes = sorted({row["feature_code"] for row in looked.fresh} | set(looked.record["feature_code"].to_list()))
    here = {
        row["feature_code"]: row for row in judged.filter(pl.col("feature_code").is_in(codes)).iter_rows(named=True)
    }
    models = registry.meters.filter(pl.col("feature_code").is_in(codes)).select("feature_code", "model")
    around = Surroundings(
        wires=looked.wires,
        models={code: registry.models[name] for code, name in models.iter_rows()},
        screens=screens_of(registry, codes),
        states=known.states,
        commands=known.commands,
        references=_references(registry, policy, window),
        judged=here,
        installed=in_place(registry, codes),
    )
    return weigh(looked.fresh, looked.record, around, policy)


def _references(registry: Registry, policy: Policy, window: Window) -> dict[str, tuple[float, date]] | None:
    calibration = calibration_status(registry.flowmeters, policy, window)
    if calibration is None:
        return None
    valid = calibration.filter("reference_valid")
    return {
        row["flowmeter_id"]: (row["reference_uncertainty"], row["calibrated_on"]) for row in valid.iter_rows(named=True)
    }


def photographed(looked: Looked, known: Known) -> frozenset[str]:
    """The commands after which a photo came that was, or may yet be, read: one that names them, or was taken since."""
    rows = [row for row in (*looked.record.iter_rows(named=True), *looked.fresh) if row["status"] != "rejected"]
    named = {row["command_id"] for row in rows if row["command_id"]}
    newest: dict[str, datetime] = {}
    for row in rows:
        newest[row["feature_code"]] = max(row["captured_at"], newest.get(row["feature_code"], row["captured_at"]))
    since = {
        state.awaiting
        for code, state in known.states.items()
        if state.awaiting and state.changed_at and code in newest and newest[code] >= state.changed_at
    }
    return frozenset(named | since)


def readings_frame(looked: Looked, displays: Displays, decision: Decision) -> pl.DataFrame:
    """The run's readings.parquet by the time they were taken, each accepted reading with what followed from it."""
    if looked.kept is not None:
        return looked.kept
    codes = {row["feature_code"] for row in looked.fresh}
    sent = {name for command in decision.commands for name in command.get("photos", ())}
    kept_back = {entry["feature_code"] for entry in decision.withheld if entry["feature_code"] in codes}
    visits: dict[str, set[str]] = {}
    for order in decision.work_orders:
        if order["feature_code"] in codes:
            visits.setdefault(order["feature_code"], set()).add(order["reason"])
    rows = []
    for row in looked.fresh:
        said = None
        if row["status"] == "accepted":
            code = row["feature_code"]
            said = _consequence(row, displays, row["reading_id"] in sent, code in kept_back, visits.get(code, set()))
        rows.append({**row, "consequence": said})
    return pl.DataFrame(rows, schema=READINGS, orient="row").sort("captured_at", "reading_id")


def _consequence(
    row: Mapping[str, Any], displays: Displays, sent: bool, kept_back: bool, visits: set[str]
) -> str | None:
    """What photos alone tell, unless a command, a guard or a visit made something else of it."""
    name, code = row["reading_id"], row["feature_code"]
    said = displays.said.get(name)
    if said == "said_again":
        return said if sent else "withheld"
    if said != "joined" or name not in displays.fits.get(code, {}).get("photos", ()):
        return said
    if sent:
        return "revised"
    if "beyond_limits" in visits:
        return "beyond_limits"
    return "withheld" if kept_back or visits else said


def tally_readings(readings: pl.DataFrame) -> dict[str, int]:
    """How many readings were accepted, rejected, or wait for a person."""
    return dict(readings.group_by("status").len().sort("status").iter_rows())
