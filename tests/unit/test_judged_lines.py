"""Judged rows as blocks of words: what is read of them is what was written, group by group."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flows.audit.judged import Block, Layout, Room
from flows.audit.tables import arrow_of
from transforms.fit.points import MOST_POINTS
from transforms.judge.columns import series_of
from transforms.judge.words import MISSING, NONE

COLUMNS = {
    "code": pl.Int64,
    "window": pl.Int64,
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
#: the same as arrays
DAY_US, GONE = 86_400_000_000, np.nan
ARRAYS = {
    "code": np.array([0, 0, 2, 2]),
    "window": np.array([0, 1, 0, 1]),
    "verdict": np.array([0, NONE, 1, 1], dtype=np.int8),
    "n_pairs": np.array([48, MISSING, 0, -1]),
    "a1": np.array([1.5, GONE, -0.0, 1e300]),
    "changed_at": np.array([MISSING, 20_454 * DAY_US + 9 * 3_600_000_000 + 1_800_000_000, -DAY_US, MISSING]),
    "calibrated_on": np.array([20_458, MISSING, -3594, MISSING]),
    "looked_at": np.array([1, NONE, 0, 0], dtype=np.int8),
    "curve_q_lph": np.full((4, MOST_POINTS), GONE),
}
ARRAYS["curve_q_lph"][1, :3] = 1.0, 2.5, 4.0
ARRAYS["curve_q_lph"][2, :2] = 3.0, 7.0


def _frame(layout: Layout, block: Block) -> pl.DataFrame:
    kinds = layout.columns.items()
    return pl.DataFrame([series_of(name, kind, layout.of(block, name), layout.words.get(name)) for name, kind in kinds])


def test_files_say_what_the_arrays_said(tmp_path: Path) -> None:
    layout = Layout(COLUMNS, {"verdict": ("healthy", "steady")})
    file = str(tmp_path / "windows")
    layout.write(ARRAYS, 4, 4, 1, file)
    assert_frame_equal(_frame(layout, layout.read(file)), FRAME)
    for group, rows in enumerate([FRAME[:2], FRAME[:0], FRAME[2:], FRAME[:0]]):
        assert_frame_equal(_frame(layout, layout.together([file], group, Room())[0]), rows)


@pytest.mark.parametrize("names", [["code", "n_pairs"], ["code", "verdict", "curve_q_lph"], list(COLUMNS)])
def test_some_columns_are_read_as_all_are(tmp_path: Path, names: list[str]) -> None:
    layout = Layout(COLUMNS, {"verdict": ("healthy", "steady")})
    files = [str(tmp_path / name) for name in ("first", "second")]
    for file in files:
        layout.write(ARRAYS, 4, 4, 1, file)
    some = layout.only(names)
    assert list(some.columns) == [name for name in COLUMNS if name in names]
    for group, rows in enumerate([2, 0, 2, 0]):
        whole, place = layout.together(files, group, Room())
        block, own = some.together(files, group, Room())
        assert_frame_equal(_frame(some, block), _frame(layout, whole).select(list(some.columns)))
        assert own.tolist() == place.tolist()
        assert some.rows(files, group) == [rows, rows]


def test_a_table_says_it_as_well() -> None:
    layout = Layout(COLUMNS, {"verdict": ("healthy", "steady")})
    block = layout.block(ARRAYS, 4)
    for name, kind in COLUMNS.items():
        if kind not in (pl.List(pl.Float64), pl.Boolean):
            told = pl.Series(arrow_of(kind, layout.of(block, name), layout.words.get(name)))
            assert told.cast(pl.String).to_list() == FRAME[name].cast(pl.String).to_list()


def test_a_table_has_only_words_that_occur() -> None:
    told = arrow_of(pl.String, np.array([3, NONE, 1, 3]), pl.Series(["a", "b", "c", "d"]))
    assert told.to_pylist() == ["d", None, "b", "d"]
    assert told.dictionary.to_pylist() == ["b", "d"]


def test_of_columns_that_are_not_given_nothing_is_known() -> None:
    layout = Layout(COLUMNS, {"verdict": ("healthy", "steady")})
    known = {name: ARRAYS[name] for name in ("code", "window")}
    frame = _frame(layout, layout.block(known, 4))
    assert_frame_equal(frame.select("code", "window"), FRAME.select("code", "window"))
    assert all(frame[name].null_count() == 4 for name in COLUMNS if name not in known)


def test_parts_in_order_of_time_become_meters_in_order_of_time(tmp_path: Path) -> None:
    layout = Layout(COLUMNS, {"verdict": ("healthy", "steady")})
    later = ARRAYS | {"window": ARRAYS["window"] + 2}
    files = [str(tmp_path / name) for name in ("first", "second")]
    for file, arrays in zip(files, (ARRAYS, later), strict=True):
        layout.write(arrays, 4, 1, 3, file)
    block, place = layout.together(files, 0, Room())
    assert place.tolist() == [0, 1, 4, 5, 2, 3, 6, 7]
    assert layout.of(block, "code").tolist() == [0] * 4 + [2] * 4
    assert layout.of(block, "window").tolist() == [0, 1, 2, 3] * 2
    assert _frame(layout, block)["n_pairs"].to_list() == [48, None, 48, None, 0, -1, 0, -1]


def test_a_file_that_ends_early_says_so(tmp_path: Path) -> None:
    layout = Layout(COLUMNS, {"verdict": ("healthy", "steady")})
    file = tmp_path / "windows"
    layout.write(ARRAYS, 4, 1, 4, str(file))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(OSError, match="windows ends early"):
        layout.together([str(file)], 0, Room())


def test_words_of_all_kinds_are_read_as_they_were_written(tmp_path: Path) -> None:
    """One word for all; numbers of one, two, four and eight bytes, up to their limits, and in single precision; and few that tell
    something in so many."""
    layout = Layout({"code": pl.Int64, **dict.fromkeys("abcdefgijk", pl.Int64), **dict.fromkeys("hlm", pl.Float64)}, {})
    rows, random = 400, np.random.default_rng(1)
    reach = {"b": 2**7, "c": 2**15, "d": 2**31, "e": 2**63}
    told = {name: random.integers(-limit, limit, rows) for name, limit in reach.items()}
    for name, limit in reach.items():
        told[name][:2] = -limit, limit - 1
    few = random.random(rows) < 0.1
    told |= {"a": np.full(rows, MISSING), "g": np.arange(rows) // 100}
    told |= {name: np.where(few, told[of], MISSING) for name, of in zip("ijkf", "bcde", strict=True)}
    # the last two in single precision, but for one that is not
    single = (1e-3 * random.standard_normal(rows)).astype(np.float32).astype(np.float64)
    told |= {"l": single, "m": np.where(few, single, GONE)}
    told["l"][:3], told["m"][-1] = (-0.0, np.inf, -np.inf), -1e-3
    told |= {"h": np.where(few, random.random(rows), GONE), "code": np.sort(random.integers(0, 20, rows))}
    file = str(tmp_path / "windows")
    layout.write(told, rows, 7, 3, file)
    assert Path(file).stat().st_size < 8 * rows * 4 + 8 * 2 * 13 * 7
    ways = np.unique(layout._head_of(file).kind)
    assert {0, 1, 2, 3, 4, 8, 17, 18, 19, 20, 24} <= set(ways.tolist())
    block = layout.read(file)
    for name, values in told.items():
        assert layout.of(block, name).tobytes() == values.tobytes()
