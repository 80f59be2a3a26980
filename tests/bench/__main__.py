"""The program behind ``make bench``: which benchmarks, how large, and on what machine they ran."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from tests.bench.session import Session, say

#: modules of this package, in the order in which they run; each has ``run(session)``, which prints its tables
BENCHMARKS = (
    "fleet",
    "judging",
    "scaling",
    "pandas_loop",
    "startup",
    "confusion",
    "estimators",
    "detectability",
    "year",
    "fuzzing",
    "ingest",
    "audit",
    "onsets",
    "intervals",
    "displays",
)
FULL, QUICK = 100_000, 10_000

#: variables of ours and of Prefect's: a setting of the person who measures must not change what is measured
_OURS = ("METERWRIGHT_", "PREFECT_")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks named and return 0; a program measured that fails is an exception."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"some of: {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--meters", type=int, help=f"size of the fleet (default {FULL:,}, with --quick {QUICK:,})")
    parser.add_argument("--quick", action="store_true", help="small fleets, few repetitions: to see that it works")
    parser.add_argument(
        "--photos", type=Path, metavar="FOLDER", help="displays: photos with a truth.csv to read as well"
    )
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no benchmark is called {unknown[0]!r}; there are {', '.join(BENCHMARKS)}")
    meters = given.meters or (QUICK if given.quick else FULL)
    if meters < 100:
        parser.error(f"--meters {meters}: at least 100 are needed")
    for name in [name for name in os.environ if name.startswith(_OURS)]:
        del os.environ[name]
    print(_machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="meterwright-bench-") as folder:
        session = Session(Path(folder), meters, quick=given.quick, photos=given.photos)
        for name in [name for name in BENCHMARKS if name in (given.names or BENCHMARKS)]:
            say(f"benchmark {name}")
            import_module(f"tests.bench.{name}").run(session)
    return 0


def _machine() -> str:
    parts = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "polars", "pandas", "statsmodels", "prefect"))
    load = os.getloadavg()[0]
    return (
        f"Python {platform.python_version()}, {parts}\n"
        f"{os.cpu_count()} cores, load of the machine at the start {load:.1f}"
        + ("; others were at work on it, times are too long" if load > 0.5 else "")
    )


if __name__ == "__main__":
    sys.exit(main())
