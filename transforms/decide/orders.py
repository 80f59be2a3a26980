"""Work orders: what needs a person, with the numbers that say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import polars as pl

from transforms.canonical import digest_of, rounded
from transforms.correction import Correction
from transforms.decide.shown import Difference
from transforms.state import Episode, MeterState
from transforms.windows import Window, iso

ORDER_SCHEMA = "meterwright.work_order/1"

#: the need that a display tells of: it lasts until a display agrees again, whatever the verdicts of the windows are
DIFFERS: Final = "display_differs"

#: how soon somebody must go, by reason; others are normal
PRIORITIES = {"beyond_limits": "high", "attempts_spent": "high", "not_increasing": "high", "stuck": "high"}

#: numbers of a verdict that a work order carries as evidence
EVIDENCE = (
    "verdict", "form", "n_pairs", "n_flowing", "coverage", "mean_diff_lph", "share_in_band", "volume_error",
    "error_q1_q2", "error_q2_q3", "error_q3_q4", "a1", "a1_se", "a2", "a2_se", "residual_std_lph", "q_min_lph",
    "q_max_lph", "drift_spread", "scatter_ratio", "lag_s", "changed_at", "dead_share", "flowmeter_id",
)  # fmt: skip


@dataclass(frozen=True)
class Situation:
    """What a decision rests on beside the verdicts.

    ``confirmed`` holds, for meters steady now, in how many windows in a row (this one included) they were. ``stale``
    is true for a window older than one already judged: then nothing is sent. ``effects`` holds, by feature code, what
    this window showed of the command applied last (`transforms.schemas.EFFECTS`). ``episodes`` are the needs that verdicts
    tell of, ``displays`` the ids of the orders that displays have brought about.
    """

    states: Mapping[str, MeterState]
    episodes: Mapping[str, Episode]
    confirmed: Mapping[str, int]
    stale: bool
    effects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    displays: frozenset[str] = frozenset()


def limits_told(row: Mapping[str, Any], correction: Correction) -> dict[str, Any]:
    """The correction that would be needed, beside what the model allows."""
    return {
        "gain_wanted": rounded(correction.steepest()),
        "offset_wanted_lph": rounded(correction.offset_at_zero + 0.0),
        "max_gain_change": row["max_gain_change"],
        "max_offset_lph": row["max_offset_lph"],
    }


def order_for(
    row: Mapping[str, Any],
    reason: str,
    window: Window,
    situation: Situation,
    more: Mapping[str, Any],
    since: str | None = None,
) -> dict[str, Any]:
    """A work order. It keeps its id and its beginning for as long as the same need stays open.

    ``since`` is given where the need is told by something else than the verdicts of windows.
    """
    code = row["feature_code"]
    episode = situation.episodes.get(code)
    same = episode is not None and episode.reason == reason
    since = since or (episode.since if episode and same else iso(window.start))
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
