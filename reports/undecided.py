"""How much more flow the open questions would take, for the meters that a run left without a verdict.

``pairs_needed`` in verdicts.parquet is how many flowing pairs in all would settle a meter at the error and scatter seen so
far, null where no amount of flow would.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from reports.wording import NOTHING, count, number, percent

#: the borders of the classes that meters fall into by the flowing pairs that they lack
CLASSES = (5, 20, 100)
#: how many of the meters nearest to being settled are listed
NEAREST = 10

#: reasons whose answer is more flow
OPEN = ("undecided", "no_flow")


def more_flow(verdicts: pl.DataFrame, reason: str) -> dict[str, Any] | None:
    """What it would take to settle the meters that were not judged for one reason; None where flow is no remedy,
    or where the verdicts come from a version that did not say.

    Returns
    -------
    dict or None
        ``said``: a sentence; ``nearest``: rows of ``code, seen, lacking, error, uncertainty``, the meters that lack the
        fewest flowing pairs.
    """
    if reason not in OPEN or "pairs_needed" not in verdicts.columns:
        return None
    frame = verdicts.filter((pl.col("verdict") == "inconclusive") & (pl.col("reason") == reason)).with_columns(
        seen=pl.col("n_flowing").fill_null(0)
    )
    lacking = frame.with_columns(lacking=pl.max_horizontal(pl.col("pairs_needed") - pl.col("seen"), 1)).sort(
        "lacking", "feature_code", nulls_last=True
    )
    known = lacking.filter(pl.col("pairs_needed").is_not_null())
    # Where nothing flowed at all, every meter lacks the same and a list of them tells nothing.
    listed = known.head(NEAREST) if reason == "undecided" else known.clear()
    return {"said": _sentence(known["lacking"], frame.height - known.height, reason), "nearest": _rows(listed)}


def _sentence(lacking: pl.Series, never: int, reason: str) -> str:
    values: list[int] = lacking.to_list()
    if reason == "no_flow":
        return f"{_would(len(values))} judged after {_more(max(values))} at the most." if values else ""
    parts: list[str] = []
    above = 0
    for border in CLASSES:
        many = sum(above < value <= border for value in values)
        if many:
            parts.append(
                f"{number(many) if parts else f'{_would(many)} settled'} by up to {_more(border, noun=not parts)}"
            )
        above = border
    many = sum(value > above for value in values)
    if many:
        parts.append(f"{number(many) if parts else f'{_would(many)} settled'} by more than {above}")
    if never:
        is_, show = ("is", "shows") if never == 1 else ("are", "show")
        parts.append(
            f"{number(never)} {is_} closer to the limit than the reference itself is known, or {show} too little to say"
        )
    return f"{', '.join(parts)}." if parts else ""


def _would(many: int) -> str:
    return f"{count(many, 'meter')} would be"


def _more(many: int, *, noun: bool = True) -> str:
    return count(many, "more flowing pair") if noun else number(many)


def _rows(frame: pl.DataFrame) -> list[dict[str, str]]:
    zones = ("q1_q2", "q2_q3", "q3_q4")
    rows = []
    for row in frame.iter_rows(named=True):
        # The zone that keeps the question open is the one known worst for its error.
        told = [
            (row[f"error_{zone}"], row[f"uncertainty_{zone}"]) for zone in zones if row[f"error_{zone}"] is not None
        ]
        error, uncertainty = max(told, key=lambda pair: abs(pair[0]) + (pair[1] or 0.0)) if told else (None, None)
        rows.append(
            {
                "code": row["feature_code"],
                "seen": number(row["seen"]),
                "lacking": number(row["lacking"]),
                "error": percent(error),
                "uncertainty": NOTHING if uncertainty is None else percent(uncertainty, plus=False),
            }
        )
    return rows
