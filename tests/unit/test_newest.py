"""Newest: which names of dumps are newer than which, and which tell nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from transforms.ingest.discover import Candidate
from transforms.sources import Column, Source
from transforms.sources.newest import version_of_name


def us(*moment: int) -> int:
    """A moment in microseconds since 1970, reckoned by the calendar."""
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("20260301120000.csv", us(2026, 3, 1, 12)),
        ("20260301120000123.csv.gz", us(2026, 3, 1, 12)),
        ("hes_202603011230.csv", us(2026, 3, 1, 12, 30)),
        ("2026-03-01T12:00.csv", us(2026, 3, 1, 12)),
        ("20260301_1200.csv", us(2026, 3, 1, 12)),
        ("20260301T120001Z_12h.csv", us(2026, 3, 1, 12, 0, 1)),
        ("20260301T120000+0100.csv", us(2026, 3, 1, 12)),
        ("2026_03_01_12-30-15.parquet", us(2026, 3, 1, 12, 30, 15)),
        ("2026-03-01T06.csv", us(2026, 3, 1, 6)),
        ("20260301T2400.csv", us(2026, 3, 2)),
        ("meter20260301.csv", us(2026, 3, 1)),
        ("01.03.2026.csv", us(2026, 3, 1)),
        # a span ends, an export is later than its day, and neither is a time of day
        ("2026-03-01_2026-03-31.csv", us(2026, 3, 31)),
        ("20260301-20260331.csv", us(2026, 3, 31)),
        ("data_2026-03-01_exported_20260302060000.csv", us(2026, 3, 2, 6)),
        ("exported_20260302060000_of_2026-03-01.csv", us(2026, 3, 2, 6)),
        ("2026-03-01_2026-03.csv", us(2026, 3, 1)),
        # no time of day
        ("20260301_9999.csv", us(2026, 3, 1)),
        ("2026-03-01_06.csv", us(2026, 3, 1)),
        # marks
        ("day_2026-03-01_v2.csv", us(2026, 3, 1) + 2_000),
        ("v3.csv", 3_000_000),
        ("day-rev10.csv", 10_000_000),
        ("day_Version_2.csv", 2_000_000),
        ("pulled/hes/day~v2.csv.gz", 2),
        ("pulled/hes/day_v2~v3.csv", 2_000_003),
        ("pulled/hes/day_2026-03-01~v4.csv", us(2026, 3, 1) + 4),
        # not believed
        ("day.csv", None),
        ("WM-0042_2026-01.csv", None),
        ("01-03-2026.csv", None),
        ("1772366400.csv", None),
        ("18991231.csv", None),
        ("21010101.csv", None),
        ("2026-02-30.csv", None),
        ("202603019999.csv", None),
        ("192.10.01.2026.csv", None),
        ("day (2).csv", None),
        ("reading_r2.csv", None),
        ("tv2.csv", None),
        ("2026-03-01/day.csv", None),
        ("pulled/hes/day~202603011200.csv", None),
    ],
)
def test_what_a_name_tells(name: str, version: int | None) -> None:
    assert version_of_name(name) == version
    assert version_of_name(f"meter/2026-04-01_v9/{name}" if "/" not in name else name) == version


def test_a_source_may_go_by_something_else(tmp_path: object) -> None:
    def told(source: Source | None) -> tuple[int | None, str | None]:
        one = Candidate(tmp_path, "hes/day_v2.csv", "meter", source, "csv", None)  # type: ignore[arg-type]
        return one.version, one.told_by_name

    plain = Source("hes", "meter", "hes/*", "csv")
    assert told(None) == told(plain) == (2_000_000, "/2000000")
    assert told(Source("hes", "meter", "hes/*", "csv", conflict=True)) == (None, None)
    assert told(Source("hes", "meter", "hes/*", "csv", version=Column(("v",)))) == (None, None)
    assert told(Source("hes", "meter", "hes/*", "csv", version=Column(file=r"_v(\d)"))) == (None, "hes/day_v2.csv")
