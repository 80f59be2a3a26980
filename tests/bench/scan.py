"""The measure of all things here: what DuckDB takes merely to scan the same CSV files."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from transforms.workspace import STREAMS

#: count, maximum of every column, sum of the flow: every field of every row is parsed and looked at
_SCAN = "SELECT count(*), max(COLUMNS(*)), sum(flow_lph) FROM read_csv('{files}')"
_SCANS = 3


@dataclass(frozen=True)
class Scan:
    """The quickest of three scans of both streams with a warm file cache: time and processor time of all threads [s]."""

    wall_s: float
    cpu_s: float


def scan(raw: Path) -> Scan:
    """Scan with one thread per core and otherwise DuckDB's own settings, sniffing included."""
    import duckdb

    queries = [_SCAN.format(files=raw / stream / "*.csv") for stream in STREAMS]
    taken = []
    for _ in range(1 + _SCANS):
        # A new connection each time: DuckDB keeps what it has read of a file, and only the system's cache is meant.
        with duckdb.connect(config={"threads": os.cpu_count() or 1}) as con:
            begun, begun_cpu = time.perf_counter(), time.process_time()
            for query in queries:
                con.sql(query).fetchall()
            taken.append(Scan(time.perf_counter() - begun, time.process_time() - begun_cpu))
    return min(taken[1:], key=lambda one: one.wall_s)
