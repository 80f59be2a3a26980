"""What must not be imported: pandas, half a second, which PyArrow imports where it is asked in passing; statsmodels, which
brings it; Polars before a fork."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.workspaces import Small, demand

PROGRAM = """
import sys
from dataclasses import replace
import numpy as np
from flows.cli.main import main
from transforms.fit.points import MOST_POINTS
from transforms.judge.kept import to_table
from transforms.judge.second_look import SecondLook

root = sys.argv[1]
span = ["--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T12:00:00Z"]
assert main(["run", "--workspace", root, "--until", span[3], "--now", span[3], "--engine", "plain"]) == 0
print("run", {"pandas", "statsmodels"} & set(sys.modules))
assert main(["audit", "--workspace", root, *span, "--workers", "1"]) == 0
curve = np.arange(MOST_POINTS, dtype=float)[None]
second = replace(SecondLook.none(3), curve_q=curve, curve_q_meter=curve)
second.looked[:], second.curved[1] = True, True
assert to_table(second)["curve_q"].null_count() == 2
print("audit", {"pandas", "statsmodels"} & set(sys.modules))
"""


def test_neither_a_run_nor_an_audit_imports_pandas_or_statsmodels(tmp_path: Path) -> None:
    q = demand()
    small = Small(tmp_path / "w").registry(["A", "B"])
    small.dump("flowmeter", {"A": q, "B": q}).dump("meter", {"A": q, "B": [1.08 * value for value in q]})
    for stream in ("meter", "flowmeter"):
        # a name that tells a version, as those of most exports do
        (dump,) = (small.root / "raw" / stream).iterdir()
        dump.rename(dump.with_name("export_20260101T120000.csv"))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(small.root)], capture_output=True, check=False, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.split()[0] in ("run", "audit")] == [
        "run set()",
        "audit set()",
    ]


def test_what_processes_are_forked_from_and_what_asks_for_them_have_not_imported_polars() -> None:
    program = (
        "import sys, flows.audit.forebear, transforms.lake; print('numba' in sys.modules, 'polars' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout == "True False\n"
