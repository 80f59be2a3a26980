"""Contradicted: how many of a window's readings dumps must disagree about before the others are no ground for a command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from transforms.decide import contradicted
from transforms.schemas import UTC_US
from transforms.windows import Window

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
WINDOW = Window(START, timedelta(hours=12))
NOON = START.replace(tzinfo=None)
DEVICES = pl.DataFrame(
    [(0, "meter", "A", None), (1, "flowmeter", None, "F-A"), (2, "flowmeter", "B", None), (3, "meter", "B", None)],
    schema={"device_no": pl.Int32, "stream": pl.String, "feature_code": pl.String, "flowmeter_id": pl.String},
    orient="row",
)


def refused(**counts: int) -> pl.DataFrame:
    """So many instants of a device, ``d1``, of which two readings each were refused."""
    rows = [(int(name[1:]), NOON + k * timedelta(minutes=15)) for name, n in counts.items() for k in [*range(n)] * 2]
    return pl.DataFrame(rows, schema={"device_no": pl.Int32, "ts": pl.Datetime("us")}, orient="row")


def judged(pairs: int, of: int = 48, windows: int | None = None) -> pl.DataFrame:
    rows = {"feature_code": ["A", "B", "C"], "flowmeter_id": ["F-A", None, None]}
    since = None if windows is None else START - (windows - 1) * timedelta(hours=12)
    return pl.DataFrame({**rows, "n_pairs": [pairs, pairs, 0], "coverage": [pairs / of, pairs / of, 0.0]}).with_columns(
        pooled_since=pl.lit(since, UTC_US)
    )


@pytest.mark.parametrize(
    ("rows", "pairs", "expected"),
    [
        (refused(d0=4), 44, set()),
        (refused(d0=5), 43, {"A"}),
        (refused(d1=5), 43, {"A"}),
        (refused(d0=3, d1=3), 42, {"A"}),
        (refused(d2=5), 43, {"B"}),
        (refused(d3=5, d0=5), 43, {"A", "B"}),
        # a newer dump has settled them: no pair is missing
        (refused(d0=40), 48, set()),
        (refused(d0=40), 45, set()),
        (refused(d9=40), 20, set()),
        # silent, and judged by earlier windows alone
        (refused(d0=1), 0, {"A"}),
    ],
)
def test_more_than_a_tenth_of_what_was_expected(rows: pl.DataFrame, pairs: int, expected: set[str]) -> None:
    assert contradicted(rows, DEVICES, judged(pairs), WINDOW) == expected


@pytest.mark.parametrize(("windows", "expected"), [(1, set()), (2, {"A"}), (9, {"A"})])
@pytest.mark.parametrize("ago", [timedelta(hours=12), timedelta(hours=0.25)])
def test_one_of_the_windows_judged_together_is_enough(ago: timedelta, windows: int, expected: set[str]) -> None:
    """Ten in the window before this one: its first ones, or one of its last and nine of this one, which settled them."""
    before = refused(d0=10).with_columns(pl.col("ts") - ago)
    told = expected if ago > timedelta(hours=1) else set()
    assert contradicted(before, DEVICES, judged(48, windows=windows), WINDOW) == told
