"""The loop under random schedules: whatever comes, and wherever the program dies, the outbox is that of quiet days.

Two workspaces are told the same. In one the program runs undisturbed, in the other it dies at drawn write points and is
started again. After each step both hold the same files, and the promises about commands and notices are checked against
what was known at the time of each run, with `loop_model` for what the program must know.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.property.loop_checks import Story
from tests.property.loop_yard import CODES, HALF_DAY, POLICY, SHOWN, TERMINALS, Die, Yard
from tests.workspaces import START
from transforms.windows import iso

#: how many stories the long version plays, for example METERWRIGHT_STORIES=300 with --timeout=0
LONG = int(os.environ.get("METERWRIGHT_STORIES", "0"))
KEY = base64.b64encode(bytes(range(32))).decode()

kinds = st.lists(
    st.sampled_from(["right", "high", "high", "low", "far", "wild", "silent"]),
    min_size=len(CODES),
    max_size=len(CODES),
)
deaths = st.lists(st.builds(Die, at=st.integers(1, 70), torn=st.booleans()), max_size=2)
lags = st.sampled_from([timedelta(minutes=20), timedelta(hours=3), timedelta(hours=11, minutes=59)])


class Loop(RuleBasedStateMachine):
    """Meters report, the program runs, devices answer, people approve, the registry changes."""

    @initialize(signed=st.booleans())
    def open(self, signed: bool) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.calm, self.killed = (Yard.build(self.folder / name, KEY if signed else None) for name in ("calm", "killed"))
        self.now: datetime = START
        self.window = 0
        self.counter = 0
        self.owed: dict[int, list[str]] = {}
        self.story = Story(self.calm)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)

    def number(self) -> int:
        self.counter += 1
        return self.counter

    @rule(kinds=kinds, late=st.booleans(), lag=lags, deaths=deaths, silent_runs=st.booleans())
    def a_window_passes(
        self, kinds: list[str], late: bool, lag: timedelta, deaths: list[Die], silent_runs: bool
    ) -> None:
        end = START + (self.window + 1) * HALF_DAY
        for yard in (self.calm, self.killed):
            yard.report(self.window, kinds, late)
        if late:
            self.owed[self.window] = kinds
        self.window += 1
        self.now = max(self.now, end + lag)
        self.program(None, deaths)

    @rule(kinds=kinds)
    def a_window_passes_without_a_run(self, kinds: list[str]) -> None:
        for yard in (self.calm, self.killed):
            yard.report(self.window, kinds, late=False)
        self.window += 1
        self.now = max(self.now, START + self.window * HALF_DAY)

    @precondition(lambda self: self.window)
    @rule(back=st.integers(1, 4), deaths=deaths)
    def all_windows_are_run_that_have_none(self, back: int, deaths: list[Die]) -> None:
        self.program(START + max(0, self.window - back) * HALF_DAY, deaths)

    @precondition(lambda self: self.window)
    @rule(hours=st.integers(0, 20), deaths=deaths)
    def the_program_runs_again_later(self, hours: int, deaths: list[Die]) -> None:
        self.now = min(self.now + timedelta(hours=hours), START + (self.window + 1) * HALF_DAY - timedelta(minutes=1))
        self.program(None, deaths)

    @precondition(lambda self: self.owed)
    @rule(data=st.data(), kinds=kinds)
    def late_readings_come(self, data: st.DataObject, kinds: list[str]) -> None:
        window = data.draw(st.sampled_from(sorted(self.owed)))
        same = data.draw(st.booleans())
        rest = self.owed.pop(window) if same else kinds
        self.owed.pop(window, None)
        for yard in (self.calm, self.killed):
            yard.report_late(window, rest, f"late-{window}.csv")

    @precondition(lambda self: self.story.commands)
    @rule(
        data=st.data(),
        status=st.sampled_from(["applied", "applied", "applied", "rejected", "failed"]),
        hours=st.sampled_from([-30, -9, -1, 0, 0, 0, 5, 40]),
        what=st.sampled_from(["once", "once", "once", "twice", "of another meter", "unknown"]),
    )
    def a_device_answers(self, data: st.DataObject, status: str, hours: int, what: str) -> None:
        command = data.draw(st.sampled_from(self.story.commands[-6:]))
        ack = {
            "command_id": command["command_id"] if what != "unknown" else "c-nobody",
            "feature_code": command["feature_code"] if what != "of another meter" else "WM-9",
            "status": status,
            "at": iso(self.now + timedelta(hours=hours, seconds=self.number())),
        }
        lines = [ack, ack] if what == "twice" else [ack]
        name = f"{data.draw(st.integers(0, 9))}-{self.number()}.jsonl"
        for yard in (self.calm, self.killed):
            yard.say(name, lines)
        self.story.acks += lines

    @precondition(lambda self: self.story.runs)
    @rule(data=st.data(), hours=st.integers(0, 8), deaths=deaths)
    def somebody_approves(self, data: st.DataObject, hours: int, deaths: list[Die]) -> None:
        held = [run.name for run in self.story.runs if run.manifest["counts"]["held"]]
        name = data.draw(st.sampled_from(held or [self.story.runs[-1].name]))
        self.now = min(self.now + timedelta(hours=hours), START + (self.window + 1) * HALF_DAY - timedelta(minutes=1))
        with quiet():
            codes = [self.calm.approve(name, self.now), self.killed.approve(name, self.now, deaths)]
        assert codes[0] in (0, 2), self.calm.root
        assert codes[1] in (0, 2) and (codes == [0, 0] or codes[1] == 2)
        self.compare()

    @rule(data=st.data())
    def the_registry_changes(self, data: st.DataObject) -> None:
        """An exchange, a removal, another phone, another pairing, another time to live."""
        what = data.draw(st.sampled_from(["meters", "pairs", "terminals", "policy"]))
        code = data.draw(st.sampled_from(CODES))
        today = self.now.date()
        text = {
            "meters": "feature_code,model,installed_on,removed_on\n"
            + "".join(f"{c},T-R160,{self.dates(data, today) if c == code else ','}\n" for c in CODES),
            "pairs": f"feature_code,flowmeter_id,valid_from\n{code},F-{data.draw(st.sampled_from(CODES))},{today}\n",
            "terminals": TERMINALS + f"{code},+{data.draw(st.integers(1, 4))},sms,fr\n",
            "policy": POLICY.format(expires=data.draw(st.sampled_from(["6h", "30h", "72h"]))),
        }[what]
        for yard in (self.calm, self.killed):
            yard.write(f"{what}.{'toml' if what == 'policy' else 'csv'}", text)
        if what == "meters":
            self.story.exchanged(text)

    def dates(self, data: st.DataObject, today: Any) -> str:
        day = today + timedelta(days=data.draw(st.sampled_from([-1, 0, 1])))
        return data.draw(st.sampled_from([f"{day},", f",{day}", ","]))

    def program(self, since: datetime | None, deaths: list[Die]) -> None:
        with quiet():
            codes = [self.calm.run(self.now, since), self.killed.run(self.now, since, deaths)]
        assert set(codes) <= {0, 3, 4}, codes
        self.compare()

    def compare(self) -> None:
        """Both workspaces hold the same, and what is new in them keeps what was promised."""
        calm, killed = self.calm.files(), self.killed.files()
        assert sorted(calm) == sorted(killed)
        assert [name for name in calm if calm[name] != killed[name]] == []
        self.story.goes_on(self.now)


class quiet:
    """Neither output nor charts: the pages of the runs are not what is asked here."""

    def __enter__(self) -> None:
        self.stack = [
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
            patch("flows.reporting.render_run", lambda report: json.dumps(report.manifest)),
        ]
        for one in self.stack:
            one.__enter__()

    def __exit__(self, *error: Any) -> None:
        for one in reversed(self.stack):
            one.__exit__(*error)


TestLoop = Loop.TestCase
TestLoop.settings = settings(
    max_examples=LONG or 3,
    stateful_step_count=25 if LONG else 12,
    deadline=None,
    derandomize=not LONG,
    phases=[Phase.generate],  # a shorter failing story takes minutes to find; this one is printed as it is
    suppress_health_check=list(HealthCheck),
)
