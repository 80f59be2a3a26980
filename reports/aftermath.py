"""What became of earlier commands: the part of a run's report that tells of effects, and of windows judged anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from reports.wording import count, moment, percent

#: effects in the order in which somebody should look at them, and what each means
MEANINGS = {
    "worse": "it reads further off than before; the command is undone",
    "no_effect": "it reads as far off as before",
    "improved": "it reads nearer, but is not healthy yet",
    "cured": "it is healthy now",
}
#: rows that a page takes; cured meters beyond that are only counted
MOST = 200


def effects(frame: pl.DataFrame) -> dict[str, Any] | None:
    """The effects told in this window: how many of each, and the meters one by one, the worst first; None without any."""
    if frame.is_empty():
        return None
    rank = {name: place for place, name in enumerate(MEANINGS)}
    rows = sorted(frame.to_dicts(), key=lambda row: (rank.get(row["effect"], len(rank)), row["feature_code"]))
    tally = {name: sum(row["effect"] == name for row in rows) for name in MEANINGS}
    return {
        "sentence": "; ".join(
            f"{count(many, 'meter')} {name.replace('_', ' ')}" for name, many in tally.items() if many
        ),
        "more": max(0, len(rows) - MOST),
        "rows": [
            {
                "feature_code": row["feature_code"],
                "effect": row["effect"].replace("_", " "),
                "means": MEANINGS.get(row["effect"], ""),
                "before": percent(row["volume_error_before"]),
                "after": percent(row["volume_error_after"]),
                "applied": moment(row["applied_at"]),
            }
            for row in rows[:MOST]
        ],
    }


def revision(manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """What late readings changed, None for a run that revises nothing."""
    if not manifest.get("revises"):
        return None
    changed = manifest["counts"].get("changed_verdicts", 0)
    taken_back = manifest["counts"]["commands"]
    return {
        "revises": manifest["revises"],
        "sentence": f"Readings that came late gave {count(changed, 'meter')} another verdict; "
        f"{count(taken_back, 'command')} still in flight {'is' if taken_back == 1 else 'are'} taken back.",
        "noted": [{**entry, "status": str(entry["status"]).replace("_", " ")} for entry in manifest.get("noted") or []],
    }
