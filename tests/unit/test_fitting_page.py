"""The example on the fitting page runs and says what a reader expects of it."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "fitting.md"


def test_the_example_finds_the_line_it_was_made_with() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(example, str(PAGE), "exec"), {})  # noqa: S102 - our own page
    lines = said.getvalue().splitlines()
    a1, u1, a2, u2 = map(float, re.findall(r"[\d.]+", lines[0].replace("a1 =", "").replace("a2 =", ""))[:4])
    assert abs(a1 - 1.03) < u1 < 0.01
    assert abs(a2 - 1.5) < u2 < 1
    chi2, limit = map(float, re.findall(r"(?:chi2 =|limit) ([\d.]+)", lines[1]))
    assert chi2 < limit
    flow, u = map(float, re.findall(r"([\d.]+) ± ([\d.]+)", lines[2])[0])
    assert abs(flow - (1000 - 1.5) / 1.03) < u
    assert [line.split(":")[0] for line in lines[3:]] == ["q1_q2", "q2_q3", "q3_q4"]
    assert "outside" in lines[3]
