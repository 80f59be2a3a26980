"""Partners of readings whose stamps differ: the nearest within half an interval, found in time in proportion to the fleet."""

from __future__ import annotations

import time

import duckdb
import pytest

from transforms.sql import statement

_TABLES = """
CREATE OR REPLACE TEMP TABLE flowmeter_samples AS
SELECT (d + 100000)::INT AS device_no, TIMESTAMP '2026-01-01' + k * INTERVAL 15 MINUTE AS ts, 1.0 * k AS lph
FROM range({meters}) AS devices(d), range(48) AS slots(k);
CREATE OR REPLACE TEMP TABLE meter_samples AS
SELECT d::INT AS device_no,
    TIMESTAMP '2026-01-01' + k * INTERVAL 15 MINUTE + (hash(d * 100 + k) % 400 + 1) * INTERVAL 1 SECOND AS ts, 2.0 * k AS lph
FROM range({meters}) AS devices(d), range(48) AS slots(k);
CREATE OR REPLACE TEMP TABLE ragged AS
SELECT d::INT AS meter_no, d::INT AS meter_device, (d + 100000)::INT AS flowmeter_device,
    TIMESTAMP '1900-01-01' AS valid_from, TIMESTAMP '2200-01-01' AS valid_to, 450000000::BIGINT AS half_us
FROM range({meters}) AS devices(d)
"""


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(config={"threads": 1})
    # as `match_bucket` sets it: joins are carried out as they are written
    con.execute("SET disabled_optimizers = 'join_order'")
    return con


def find(con: duckdb.DuckDBPyConnection, meters: int) -> float:
    """Find the partners of a fleet; seconds that it took."""
    con.execute(_TABLES.format(meters=meters))
    begun = time.perf_counter()
    con.execute(statement("transforms.match", "nearest.sql"))
    return time.perf_counter() - begun


def test_each_reading_finds_the_one_before_it(con: duckdb.DuckDBPyConnection) -> None:
    find(con, 50)
    pairs = con.sql("SELECT count(*), count(*) FILTER (q_meter_lph = 2 * q_lph) FROM nearest_pairs").fetchall()
    assert pairs == [(50 * 48, 50 * 48)]


def test_ten_times_the_meters_take_about_ten_times_the_time(con: duckdb.DuckDBPyConnection) -> None:
    few = min(find(con, 300) for _ in range(3))
    many = min(find(con, 3_000) for _ in range(3))
    # a way that is quadratic takes a hundred times as long
    assert many < 40 * few
