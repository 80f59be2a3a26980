"""Judged rows as lines of bytes: what is read of them is what was written, group by group."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from flows.audit.judged import Layout

COLUMNS = {
    "code": pl.Int32,
    "window": pl.Int32,
    "verdict": pl.String,
    "n_pairs": pl.Int64,
    "a1": pl.Float64,
    "changed_at": pl.Datetime("us", "UTC"),
    "calibrated_on": pl.Date,
    "looked_at": pl.Boolean,
    "curve_q_lph": pl.List(pl.Float64),
}
FRAME = pl.DataFrame(
    [
        (0, 0, "healthy", 48, 1.5, None, date(2026, 1, 5), True, None),
        (0, 1, None, None, None, datetime(2026, 1, 1, 9, 30, tzinfo=UTC), None, None, [1.0, 2.5, 4.0]),
        (2, 0, "steady", 0, -0.0, datetime(1969, 12, 31, tzinfo=UTC), date(1960, 2, 29), False, [3.0, 7.0]),
        (2, 1, "steady", -1, 1e300, None, None, False, None),
    ],
    schema=COLUMNS,
    orient="row",
)


def test_lines_say_what_the_frame_said(tmp_path: Path) -> None:
    layout = Layout(COLUMNS, {"verdict": ("healthy", "steady")})
    file = str(tmp_path / "windows")
    layout.write(layout.lines(FRAME), FRAME["code"].to_numpy(), 4, file)
    assert_frame_equal(layout.frame(layout.read(file)), FRAME)
    for group, rows in enumerate([FRAME[:2], FRAME[:0], FRAME[2:], FRAME[:0]]):
        assert_frame_equal(layout.frame(layout.read(file, group)), rows)


def test_parts_in_order_of_time_become_meters_in_order_of_time() -> None:
    layout = Layout(COLUMNS, {"verdict": ("healthy", "steady")})
    later = FRAME.with_columns(pl.col("window") + 2)
    lines = layout.by_meter([layout.lines(FRAME), layout.lines(later)])
    assert lines["code"].tolist() == [0] * 4 + [2] * 4
    assert lines["window"].tolist() == [0, 1, 2, 3] * 2
    assert layout.frame(lines)["n_pairs"].to_list() == [48, None, 48, None, 0, -1, 0, -1]
