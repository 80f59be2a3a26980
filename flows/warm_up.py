"""Part of setting up: the loops that are compiled at their first call are called once, on a small simulated fleet.

`transforms.compiled` keeps what it compiled beside the modules, so that no run has to wait for it. A run does without this
just as well; then the first one on a machine takes about half a minute longer. Python's own modules are compiled as well: where
it is told not to write what it compiles (PYTHONDONTWRITEBYTECODE), each process would do so again, for a quarter of a second.
"""

from __future__ import annotations

import compileall
import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import flows
import reports
import transforms
from flows.cli.main import main as meterwright
from flows.simulation import simulate_workspace
from transforms.simulate.behaviours import BEHAVIOURS

_START = datetime(2026, 1, 1, tzinfo=UTC)
_DAYS = 8
_METERS = 126
_PACKAGES = [Path(package.__path__[0]) for package in (flows, reports, transforms)]


def main() -> int:
    """Judge and audit the fleet in a folder that goes away again; a failure is told and harmless."""
    for package in _PACKAGES:
        compileall.compile_dir(package, quiet=2)
    with TemporaryDirectory(prefix="meterwright-") as folder:
        root = Path(folder)
        shares = dict.fromkeys(BEHAVIOURS, 1 / len(BEHAVIOURS))
        told = io.StringIO()
        with redirect_stdout(told), redirect_stderr(told):
            simulate_workspace(
                root,
                meters=_METERS,
                days=_DAYS,
                interval=timedelta(minutes=15),
                seed=1,
                start=_START,
                shares=shares,
            )
            begin, last, end = (f"{_START + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}" for day in (0, _DAYS - 1, _DAYS))
            # the second run of two looks at several windows together
            runs = ["--from", last, "--until", end, "--now", end, "--engine", "plain"]
            span = ["--from", begin, "--to", end, "--window", "6h", "--workers", "1"]
            codes = [
                meterwright(["run", "--workspace", folder, *runs]),
                meterwright(["audit", "--workspace", folder, *span]),
            ]
    if not {0, 3, 4}.issuperset(codes):
        sys.stderr.write(f"what is compiled at its first call could not be compiled ahead:\n{told.getvalue()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
