"""Work orders: what needs a person to go, and for how long it is one and the same need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import polars as pl

from transforms.canonical import digest_of, rounded
from transforms.correction import Correction
from transforms.decide.shown import Difference
from transforms.decide.situation import Situation
from transforms.state import UNTOUCHED
from transforms.windows import Window, iso

ORDER_SCHEMA = "meterwright.work_order/1"

#: the need that a display tells of: it lasts until a display agrees again, whatever the verdicts of the windows are
DIFFERS: Final = "display_differs"

#: how soon somebody must go, by reason; others are normal
PRIORITIES = {"beyond_limits": "high", "attempts_spent": "high", "not_increasing": "high", "stuck": "high"}

#: reasons that new parameters within the window give a sound meter, too
CHANGING = ("step", "drifting", "scatter")
#: names for one need: what a window calls a step, the next may call scatter, and a visit finds out which it is
RESTLESS = (*CHANGING, "clock_skew")

#: numbers of a verdict that a work order carries as evidence
EVIDENCE = (
    "verdict", "form", "n_pairs", "n_flowing", "coverage", "mean_diff_lph", "share_in_band", "volume_error",
    "error_q1_q2", "error_q2_q3", "error_q3_q4", "a1", "a1_se", "a2", "a2_se", "residual_std_lph", "q_min_lph",
    "q_max_lph", "drift_spread", "scatter_ratio", "lag_s", "changed_at", "dead_share", "flowmeter_id",
)  # fmt: skip


def limits_told(row: Mapping[str, Any], correction: Correction) -> dict[str, Any]:
    """The correction that would be needed, beside what the model allows."""
    return {
        "gain_wanted": rounded(correction.steepest()),
        "offset_wanted_lph": rounded(correction.offset_at_zero + 0.0),
        "max_gain_change": row["max_gain_change"],
        "max_offset_lph": row["max_offset_lph"],
    }


def visits_to(
    unsteady: pl.DataFrame, situation: Situation, window: Window
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Work orders for the unsteady meters, and which of them a window tells nothing of that would warrant a visit."""
    orders: list[dict[str, Any]] = []
    withheld: list[dict[str, str]] = []
    for row in unsteady.iter_rows(named=True):
        guard = _not_for_now(row["feature_code"], situation) or _perhaps_changing(row, situation, window)
        if guard:
            withheld.append({"feature_code": row["feature_code"], "reason": guard})
        else:
            orders.append(order_for(row, row["reason"], window, situation, {}))
    return orders, withheld


def _not_for_now(code: str, situation: Situation) -> str | None:
    """Why a window tells of no need that there is now."""
    if situation.stale or situation.overtaken.get(code) == "healthy":
        return "stale_window"
    return "meter_exchanged" if code in situation.exchanged else None


def _perhaps_changing(row: Mapping[str, Any], situation: Situation, window: Window) -> str | None:
    """Whether a command that may have been carried out within the window explains why the meter changed in it."""
    state = situation.states.get(row["feature_code"], UNTOUCHED)
    open_ = state.pending is not None or (state.same_since is not None and state.same_since > window.start)
    return "in_flight" if open_ and row["reason"] in CHANGING else None


def order_for(
    row: Mapping[str, Any],
    reason: str,
    window: Window,
    situation: Situation,
    more: Mapping[str, Any],
    since: str | None = None,
) -> dict[str, Any]:
    """A work order. It keeps its id, its reason and its beginning for as long as the same need stays open.

    ``since`` is given where the need is told by something else than the verdicts of windows.
    """
    code = row["feature_code"]
    episode = situation.episodes.get(code)
    begun = since or iso(window.start)
    same = episode is not None and (episode.reason == reason or {episode.reason, reason} <= set(RESTLESS))
    if episode is not None and same and since is None:
        reason, begun = episode.reason, episode.since
    since = begun
    evidence = {name: _plain(row[name]) for name in EVIDENCE if row[name] is not None}
    identity = {"schema": ORDER_SCHEMA, "feature_code": code, "reason": reason, "since": since}
    return {
        "schema": ORDER_SCHEMA,
        "order_id": digest_of(identity, "w"),
        "feature_code": code,
        "reason": reason,
        "evidence": {**evidence, **more},
        "since": since,
        "priority": PRIORITIES.get(reason, "normal"),
    }


def _plain(value: Any) -> Any:
    """A value of a verdict as JSON can hold it."""
    if isinstance(value, datetime):
        return iso(value)
    return rounded(value) if isinstance(value, float) else value


def visits_for(
    judged: pl.DataFrame, differs: Mapping[str, Difference], window: Window, situation: Situation
) -> list[dict[str, Any]]:
    """Visits to meters whose display contradicts what they send; none follow from a window that is stale."""
    if situation.stale:
        return []
    rows = judged.filter(pl.col("feature_code").is_in(sorted(differs))).sort("feature_code")
    return [
        order_for(row, DIFFERS, window, situation, {"display": dict(told.evidence)}, since=iso(told.since))
        for row in rows.iter_rows(named=True)
        for told in [differs[row["feature_code"]]]
    ]
