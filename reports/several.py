"""What a window tells together with the windows before it, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from reports.wording import count, finite, moment, number, percent

#: what a pool says, of many meters and of one
_OF_MANY = {"healthy": "inside the permissible error", "steady": "steadily off", "inconclusive": "still undecided"}
_OF_ONE = {
    "healthy": "inside its permissible error",
    "steady": "steadily off",
    "inconclusive": "neither surely inside nor surely outside its permissible error",
}


def pooled_sentence(verdicts: pl.DataFrame) -> str:
    """How many meters were judged on several windows together, and what came of it; empty if none was."""
    if "pooled_verdict" not in verdicts.columns:
        return ""
    told = verdicts.filter(pl.col("pooled_verdict").is_not_null())
    if told.is_empty():
        return ""
    tally = dict(told.group_by("pooled_verdict").len().iter_rows())
    parts = [f"{number(tally[name])} {words}" for name, words in _OF_MANY.items() if tally.get(name)]
    return (
        f"{count(told.height, 'meter')} that this window leaves open, or finds steadily off, {_were(told.height)} judged on it "
        f"and the windows before it together: {', '.join(parts)}. What is sent rests on that."
    )


def _were(many: int) -> str:
    return "was" if many == 1 else "were"


def together(row: Mapping[str, Any]) -> str:
    """What the windows before it add to a meter's verdict, as a sentence; empty where they add nothing."""
    verdict, windows = row.get("pooled_verdict"), finite(row.get("pooled_windows"))
    if verdict is None or windows is None:
        return ""
    error = percent(row.get("pooled_volume_error"))
    doubt = percent(row.get("pooled_uncertainty"), plus=False)
    return (
        f"Over {count(int(windows), 'window')} together, since {moment(row['pooled_since'])} and with "
        f"{count(int(row['pooled_n_flowing']), 'flowing pair')}, it is {_OF_ONE.get(verdict, verdict)} ({error} ± {doubt}); "
        "what is sent rests on that."
    )
