"""Ingest against DuckDB's own way from CSV to Parquet: the same files, nothing asked of the rows but to be copied."""

from __future__ import annotations

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.measuring import METERWRIGHT, apart, measure
from tests.bench.session import Session, say
from tests.bench.tables import Cell, show

ROWS = (10_000_000, 100_000_000)
QUICK_ROWS = (500_000, 1_000_000)
_START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
_STEP_S = 900
#: rows of one dump: half a day of 100,000 meters
_DUMP_ROWS = 4_800_000

_WRITE = """
COPY (
    SELECT printf('WM-%06d', i % {meters}) AS feature_code,
        strftime(make_timestamp(CAST(({start} + (i // {meters} + {first}) * {step}) AS BIGINT) * 1000000), '%Y-%m-%dT%H:%M:%SZ')
            AS timestamp,
        CASE WHEN hash(i) % 3 = 0 THEN round((hash(i + 7) % 200000) / 100.0, 2) ELSE 0 END AS flow_lph
    FROM range({rows}) AS t(i)
) TO '{file}' (FORMAT csv, HEADER)
"""


def write(root: Path, rows: int) -> None:
    """Write so many rows as dumps of the meter stream, half a day of the fleet each."""
    import duckdb

    folder = root / "raw" / "meter"
    folder.mkdir(parents=True)
    con = duckdb.connect()
    con.execute("SET enable_progress_bar = false")
    meters = min(100_000, max(100, rows // 48))
    for number, begin in enumerate(range(0, rows, _DUMP_ROWS)):
        count = min(_DUMP_ROWS, rows - begin)
        con.execute(
            _WRITE.format(
                meters=meters, start=_START, first=begin // meters, step=_STEP_S, rows=count,
                file=folder / f"{number:04d}.csv",
            )
        )  # fmt: skip
    registry = root / "registry"
    registry.mkdir()
    codes = "".join(f"WM-{number:06d},M\n" for number in range(meters))
    (registry / "meters.csv").write_text("feature_code,model\n" + codes)
    (registry / "models.toml").write_text(
        '[models."M"]\nq1 = 15.625\nq2 = 25.0\nq3 = 2500.0\nq4 = 3125.0\naccuracy_class = 2\nband = [4.0, 60.0]\n'
    )


def copied(root: Path) -> float:
    """Seconds that DuckDB takes to copy the same files to Parquet, types told by itself."""
    import duckdb

    con = duckdb.connect()
    con.execute("SET enable_progress_bar = false")
    con.execute("SET threads = 2; SET memory_limit = '1200MB'; SET preserve_insertion_order = false")
    begun = time.perf_counter()
    con.execute(f"COPY (SELECT * FROM read_csv('{root}/raw/meter/*.csv')) TO '{root}/copy.parquet' (FORMAT parquet)")
    seconds = time.perf_counter() - begun
    (root / "copy.parquet").unlink()
    return seconds


def run(session: Session) -> None:
    """Print the ratio and the memory for each size."""
    table: list[tuple[Cell, ...]] = []
    for rows in QUICK_ROWS if session.quick else ROWS:
        root = session.folder / f"ingest-{rows}"
        say(f"write {rows:,} rows")
        apart(write, root, rows)
        before = apart(copied, root)
        say(f"ingest {rows:,} rows")
        done = measure([*METERWRIGHT, "ingest", "--workspace", str(root)])
        after = apart(copied, root)
        bare = min(before, after)
        table.append((f"{rows:,}", bare, done.wall_s, done.wall_s / bare, done.cpu_s, done.peak_bytes / 2**20))
        shutil.rmtree(root)
    show(
        "Ingest: CSV dumps of one stream into the lake",
        ("rows", "DuckDB's COPY [s]", "ingest [s]", "ratio", "processor [s]", "peak memory [MiB]"),
        table,
        ["Wanted: at most 2.5 times, and memory that does not grow. COPY: the better of two, before and after."],
    )
