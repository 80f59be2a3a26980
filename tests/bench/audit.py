"""An audit of a large fleet over a year, against DuckDB's bare scan of the same files of the lake."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.bench.measuring import METERWRIGHT, PROJECT, apart
from tests.bench.session import START, Session, say
from tests.bench.tables import Cell, show

if TYPE_CHECKING:
    import psutil

METERS, DAYS = 10_000, 365
QUICK_METERS, QUICK_DAYS = 1_000, 32
#: a part of the span, to see whether ten times the span costs ten times the time
TENTH = 10

#: every column of every reading: its number, sum and maximum
_SCAN = """
SELECT count(*), sum(device_no), sum(flow_lph), sum(volume_l), max(device_no), max(ts), max(flow_lph), max(volume_l)
FROM read_parquet('{files}', hive_partitioning = false)
"""
_SCANS = 3
#: times that the whole span is audited from nothing: the first may pay for memory that a virtual machine has not touched yet
_TIMES = 3
#: looks until it is asked anew who belongs to an audit: that takes ten times as long as a look, from what is measured
_LOOKS_PER_CENSUS = 10


@dataclass(frozen=True)
class Took:
    """Seconds of wall clock and of all processors, and the largest sum of the resident sets of all processes [bytes]."""

    wall_s: float
    cpu_s: float
    peak_bytes: int = 0
    read: int = 0


def scan(root: Path, days: int) -> tuple[int, Took]:
    """Scan the first days of both streams: readings, and the quickest of some scans with a warm file cache."""
    import duckdb

    files = []
    for stream in ("meter", "flowmeter"):
        dates = sorted((root / "lake" / f"stream={stream}").iterdir())[:days]
        files += [str(path) for date in dates for path in date.rglob("*.parquet")]
    query = _SCAN.replace("'{files}'", json.dumps(files).replace('"', "'"))
    taken = []
    for _ in range(1 + _SCANS):
        with duckdb.connect(config={"threads": os.cpu_count() or 1}) as con:
            begun, cpu = time.perf_counter(), time.process_time()
            ((readings, *_),) = con.sql(query).fetchall()
            taken.append(Took(time.perf_counter() - begun, time.process_time() - cpu))
    return readings, min(taken[1:], key=lambda one: one.wall_s)


def audit(root: Path, first: int, days: int) -> Took:
    """One ``meterwright audit`` over some days, all its processes together."""
    import psutil

    begin, end = (START + timedelta(days=day) for day in (first, first + days))
    span = ["--from", f"{begin:%Y-%m-%dT%H:%M:%SZ}", "--to", f"{end:%Y-%m-%dT%H:%M:%SZ}", "--window", "12h"]
    command = [*METERWRIGHT, "audit", "--workspace", str(root), *span, "--json"]
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=PROJECT, text=True) as process:
        first, peak, used = psutil.Process(process.pid), 0, dict[int, float]()
        family, looks = [first], 0
        while process.poll() is None:
            if looks % _LOOKS_PER_CENSUS == 0:
                family = _family_of(first) or family
            peak = max(peak, _look_at(family, used))
            looks += 1
            time.sleep(0.05)
        out, err = process.communicate()
    wall = time.perf_counter() - begun
    if process.returncode not in (0, 3):
        raise RuntimeError(f"exit code {process.returncode} from {' '.join(command)}\n{err}")
    return Took(wall, sum(used.values()), peak, read=json.loads(out)["parts_read"])


def _family_of(first: psutil.Process) -> list[psutil.Process]:
    """A process and all that come of it, nobody if it has just ended."""
    import psutil

    try:
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _look_at(family: list[psutil.Process], used: dict[int, float]) -> int:
    """The sum of resident sets, and into ``used`` the processor seconds of each process until now: of processes that a server
    forked, nobody is told at the end how many they took."""
    import psutil

    total = 0
    for each in family:
        try:
            with each.oneshot():
                total += each.memory_info().rss
                taken = each.cpu_times()
                used[each.pid] = taken.user + taken.system
        except psutil.NoSuchProcess:  # it has ended since, and holds nothing
            continue
    return total


def run(session: Session) -> None:
    """Print the ratio to the scan, the memory, how time grows with the span, and what a second audit costs."""
    meters, days = (QUICK_METERS, QUICK_DAYS) if session.quick else (METERS, DAYS)
    root = session.folder / "audited"
    say(f"write {meters:,} meters over {days} days into a lake")
    subprocess.run(
        [sys.executable, "-m", "tests.bench.into_lake", str(root), str(meters), str(days)], cwd=PROJECT, check=True
    )
    rows: list[tuple[Cell, ...]] = []
    short = max(days // TENTH, 4)
    times = []
    for name, span in (("a tenth of the span", short), *((f"the whole span, {k + 1}", days) for k in range(_TIMES))):
        readings, bare = apart(scan, root, span)
        for kept in (".cache", "reports"):
            shutil.rmtree(root / kept, ignore_errors=True)
        say(f"audit {span} days")
        took = apart(audit, root, 0, span)
        rows.append(_row(name, span, readings, took, bare))
        times += [took.wall_s / bare.wall_s] if span == days else []
    say("audit an overlapping span again")
    readings, bare = apart(scan, root, days)
    again = apart(audit, root, short, days - short)
    rows.append(_row("again, without the first tenth", days - short, readings * (days - short) // days, again, bare))
    show(
        f"Audit: {meters:,} meters, windows of 12 h at 15 min, from the lake to the report",
        ("what", "days", "readings", "scan [s]", "audit [s]", "times the scan", "processor seconds", "times the scan's",
         "million readings/s", "memory [MiB]", "parts read"),
        rows,
        [f"The whole span: {median(times):.2f} times the scan, the median of {_TIMES} ({min(times):.2f} to {max(times):.2f}).",
         "Wanted: at most 8 times the scan, 2,048 MiB, time in proportion to the span, and nothing read again."],
    )  # fmt: skip


def _row(name: str, days: int, readings: int, took: Took, bare: Took) -> tuple[Cell, ...]:
    return (
        name, days, readings, bare.wall_s, took.wall_s, took.wall_s / bare.wall_s, took.cpu_s, took.cpu_s / bare.cpu_s,
        readings / took.wall_s / 1e6, took.peak_bytes // 2**20, took.read,
    )  # fmt: skip
