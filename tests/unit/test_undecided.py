"""How much more flow an open question would take, as a run's report says it."""

from __future__ import annotations

import polars as pl
import pytest

from reports.undecided import NEAREST, more_flow


def _verdicts(rows: list[tuple[str, str, int, int | None]]) -> pl.DataFrame:
    frame = pl.DataFrame(
        rows,
        schema={"feature_code": pl.String, "reason": pl.String, "n_flowing": pl.Int64, "pairs_needed": pl.Int64},
        orient="row",
    )
    zones = {
        f"{what}_{zone}": pl.lit(None, pl.Float64) for what in ("error", "uncertainty") for zone in ("q1_q2", "q3_q4")
    }
    return frame.with_columns(
        verdict=pl.lit("inconclusive"), error_q2_q3=pl.lit(0.012), uncertainty_q2_q3=pl.lit(0.011), **zones
    )


def test_the_distribution_is_told_class_by_class() -> None:
    needed = [11, 12, 15, 30, 90, 5000, None]
    told = more_flow(_verdicts([(f"M{k}", "undecided", 10, each) for k, each in enumerate(needed)]), "undecided")
    assert told is not None
    assert told["said"] == (
        "3 meters would be settled by up to 5 more flowing pairs, 1 by up to 20, 1 by up to 100, 1 by more than 100, "
        "1 is closer to the limit than the reference itself is known, or shows too little to say."
    )


def test_the_nearest_are_those_that_lack_least() -> None:
    rows = [(f"M{k:02d}", "undecided", 20, 60 - k) for k in range(NEAREST + 5)] + [("N", "undecided", 8, None)]
    told = more_flow(_verdicts(rows), "undecided")
    assert told is not None
    assert [row["code"] for row in told["nearest"]] == [f"M{k:02d}" for k in range(NEAREST + 4, 4, -1)]
    assert (told["nearest"][0]["seen"], told["nearest"][0]["lacking"]) == ("20", "26")
    assert told["nearest"][0]["error"].startswith("+1.20")
    assert told["nearest"][0]["uncertainty"].startswith("1.10")


def test_of_meters_without_flow_only_the_sentence() -> None:
    told = more_flow(_verdicts([("A", "no_flow", 0, 6), ("B", "no_flow", 2, 6)]), "no_flow")
    assert told == {"said": "2 meters would be judged after 6 more flowing pairs at the most.", "nearest": []}


@pytest.mark.parametrize("reason", ["reference_expired", "too_few_pairs"])
def test_more_flow_is_no_remedy_for_other_reasons(reason: str) -> None:
    assert more_flow(_verdicts([("A", reason, 0, None)]), reason) is None


def test_only_meters_no_amount_of_flow_would_settle() -> None:
    told = more_flow(_verdicts([("A", "undecided", 9, None), ("B", "undecided", 9, None)]), "undecided")
    assert told is not None
    assert told["said"].startswith("2 are closer to the limit")
    assert told["nearest"] == []
