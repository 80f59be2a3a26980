"""``windows.parquet`` read again: the windows of some meters, whichever process reads them."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from flows.audit.reader import windows_of
from flows.audit.tables import WindowsFile
from transforms.schemas import AUDIT_WINDOWS

COLUMNS = ["verdict", "error", "feature_code", "window_start"]


def group_of(codes: list[str], windows: int = 3) -> pl.DataFrame:
    """Windows of some meters; one in three has no verdict and no error."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [
        {
            "feature_code": code,
            "window_start": start + number * timedelta(hours=12),
            "verdict": ("healthy", "steady", None)[number % 3],
            "error": (0.01 * place, -0.02, None)[number % 3],
        }
        for place, code in enumerate(codes)
        for number in range(windows)
    ]
    return pl.DataFrame(rows, schema={name: AUDIT_WINDOWS[name] for name in rows[0]}).select(
        pl.col(name) if name in rows[0] else pl.lit(None, kind).alias(name) for name, kind in AUDIT_WINDOWS.items()
    )


@pytest.fixture
def groups(tmp_path: Path) -> tuple[Path, pl.DataFrame]:
    """A file of two groups of meters, which are not in the order of their codes, and what is in it."""
    frames = [group_of(["C", "A\u202e", "D"]), group_of(["B", "E"])]
    frames[0] = frames[0].sort("feature_code", "window_start")
    file = tmp_path / "windows.parquet"
    with WindowsFile(file) as out:
        for frame in frames:
            table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
            words = {name for name, kind in AUDIT_WINDOWS.items() if kind == pl.String}
            columns = [
                table[name].cast(pa.string()).dictionary_encode() if name in words else table[name]
                for name in table.column_names
            ]
            out.take_in(pa.table(columns, table.column_names))
    return file, pl.concat(frames)


@pytest.mark.parametrize("codes", [["A\u202e"], ["E", "B", "C", "B"], ["D", "nobody"], ["nobody"], []])
def test_a_reader_finds_the_windows_of_meters_also_in_another_process(
    groups: tuple[Path, pl.DataFrame], codes: list[str]
) -> None:
    file, everything = groups
    wanted = everything.filter(pl.col("feature_code").is_in(codes)).sort("feature_code", "window_start").select(COLUMNS)
    here = partial(windows_of, file)
    assert_frame_equal(here(codes, COLUMNS), wanted)
    there = pickle.loads(pickle.dumps(here))  # noqa: S301 - as it goes to another process
    assert_frame_equal(there(codes, COLUMNS), wanted)


def test_a_file_without_windows_has_none(tmp_path: Path) -> None:
    with WindowsFile(tmp_path / "windows.parquet"):
        pass
    found = windows_of(tmp_path / "windows.parquet", ["A"], COLUMNS)
    assert found.is_empty() and found.columns == COLUMNS
