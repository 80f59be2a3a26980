"""The loop under random schedules: whatever comes, and wherever the program dies, the outbox is that of quiet days.

Two workspaces are told the same. In one the program runs undisturbed, in the other it dies at drawn write points and is
started again. After each step both hold the same files, and the promises about commands and notices are checked against
what was known at the time of each run, with `loop_model` for what the program must know.

The suite plays a few stories, always the same ones. METERWRIGHT_STORIES=500 plays so many new ones; give pytest
``--timeout=0`` then.
"""

from __future__ import annotations

import base64
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.deaths import without_charts
from tests.property.loop_checks import Story
from tests.property.loop_yard import CODES, HALF_DAY, PHONES, SHOWN, Die, Yard, meters_csv, pairs_csv, policy_toml
from tests.workspaces import START
from transforms.windows import iso

STORIES = int(os.environ.get("METERWRIGHT_STORIES", "0"))
STEPS = 14 if STORIES else 6
KEY = base64.b64encode(bytes(range(32))).decode()
#: in the long version one death in eight is by SIGKILL, in a process of its own, which takes seconds
REAL = st.sampled_from([False] * 7 + [True]) if STORIES else st.just(False)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

#: what happens between two windows, and how often
BETWEEN = {"nothing": 2, "answers": 6, "late readings": 5, "approval": 3, "registry": 1, "run again": 1, "catch up": 1}
LAGS = [20 * MINUTE, 20 * MINUTE, 3 * HOUR, 11 * HOUR + 59 * MINUTE]
#: how a device answers: with what, and how long before or after the moment [h]
ANSWERS = ["applied"] * 5 + ["rejected", "failed", "silence", "silence"]
SHIFTS = [0, 0, 0, -1, -9, -30, 5, 40]
WAYS = ["once"] * 5 + ["twice", "of another meter", "unknown"]


@dataclass
class Tale:
    """One story: two yards, the time, and what the meters are used to show."""

    draw: st.DataObject
    calm: Yard
    killed: Yard
    story: Story
    now: datetime = START
    window: int = 0
    files: int = 0
    habits: dict[str, str] = field(default_factory=lambda: dict.fromkeys(CODES, "right"))
    owed: dict[int, list[str]] = field(default_factory=dict)
    deaths: int = 0

    def pick(self, values: list[str] | list[int] | list[timedelta], label: str) -> object:
        return self.draw.draw(st.sampled_from(values), label)

    def half_a_day(self) -> None:
        """A window is over: the meters report, and the program runs unless it is forgotten."""
        for code in CODES:
            if self.pick([0, 0, 1], "changes its ways"):
                self.habits[code] = str(self.pick(sorted(SHOWN), code))
        late = self.draw.draw(st.booleans(), "the rest comes late")
        shown = [self.habits[code] for code in CODES]
        for yard in (self.calm, self.killed):
            yard.report(self.window, shown, late)
        if late:
            self.owed[self.window] = shown
        self.window += 1
        end = START + self.window * HALF_DAY
        if self.pick([0, 0, 0, 0, 0, 1], "nobody runs it"):
            self.now = max(self.now, end)
            return
        self.now = max(self.now, end + self.draw.draw(st.sampled_from(LAGS), "lag"))
        self.program(None)

    def between(self) -> None:
        """Something else happens before the next window is over."""
        hours = self.draw.draw(st.integers(0, 7), "hours pass")
        self.now = min(self.now + hours * HOUR, START + (self.window + 1) * HALF_DAY - MINUTE)
        what = self.pick([name for name, times in BETWEEN.items() for _ in range(times)], "what happens")
        if what == "answers":
            self.answers()
        elif what == "late readings" and self.owed:
            self.late_readings()
        elif what == "approval" and self.story.runs:
            self.approval()
        elif what == "registry":
            self.registry()
        elif what == "run again":
            self.program(None)
        elif what == "catch up":
            self.program(START + max(0, self.window - 4) * HALF_DAY)

    def answers(self) -> None:
        """Devices answer commands of late, and what comes back may be late, doubled, or nobody's."""
        for command in self.story.commands[-4:]:
            status = str(self.pick(ANSWERS, "answer"))
            if status == "silence":
                continue
            self.files += 1
            shift = self.draw.draw(st.sampled_from(SHIFTS), "hours off")
            way = self.pick(WAYS, "way")
            ack = {
                "command_id": "c-nobody" if way == "unknown" else command["command_id"],
                "feature_code": "WM-9" if way == "of another meter" else command["feature_code"],
                "status": status,
                "at": iso(self.now + shift * HOUR - (self.files % 50) * timedelta(seconds=7)),
            }
            if status == "applied":
                self.habits[command["feature_code"]] = str(
                    self.pick(["right", "right", "high", "higher"], "then shows")
                )
            lines = [ack] * (2 if way == "twice" else 1)
            name = f"{self.draw.draw(st.integers(0, 9), 'file')}-{self.files}.jsonl"
            for yard in (self.calm, self.killed):
                yard.say(name, lines)
            self.story.acks += lines

    def late_readings(self) -> None:
        window = self.draw.draw(st.sampled_from(sorted(self.owed)), "of window")
        shown = self.owed.pop(window)
        if self.draw.draw(st.booleans(), "they tell another story"):
            shown = [str(self.pick(sorted(SHOWN), code)) for code in CODES]
        for yard in (self.calm, self.killed):
            yard.report_late(window, shown)

    def approval(self) -> None:
        held = [run.name for run in self.story.runs if run.manifest["counts"]["held"]]
        name = self.draw.draw(st.sampled_from(held[-2:] or [self.story.runs[-1].name]), "approved")
        with quiet():
            codes = self.calm.approve(name, self.now), self.killed.approve(name, self.now, self.die())
        # a program that died after its commit finds that all is done, which is a refusal
        assert codes in [(0, 0), (2, 2), (0, 2)]
        self.compare()

    def registry(self) -> None:
        """An exchange, a removal, another phone, another pairing, another time to live."""
        code = str(self.pick(list(CODES), "concerns"))
        day = str((self.now + self.draw.draw(st.integers(-1, 1), "days from now") * 2 * HALF_DAY).date())
        what = self.pick(["exchanged", "exchanged", "removed", "as before", "paired", "phone", "policy"], "changes")
        name, text = {
            "exchanged": ("meters.csv", meters_csv(code, f"{day},")),
            "removed": ("meters.csv", meters_csv(code, f",{day}")),
            "as before": ("meters.csv", meters_csv(code, ",")),
            "paired": ("pairs.csv", pairs_csv(code, str(self.pick(list(CODES), "flowmeter")), day)),
            "phone": ("terminals.csv", PHONES + f"{code},+7,sms,fr\n"),
            "policy": ("policy.toml", policy_toml(str(self.pick(["6h", "30h", "72h"], "expires")))),
        }[str(what)]
        for yard in (self.calm, self.killed):
            yard.write(name, text)
        if name == "meters.csv":
            self.story.exchanged(text)

    def die(self) -> list[Die]:
        """Where the program dies in the other yard, and again when it is started again."""
        return self.draw.draw(
            st.lists(st.builds(Die, at=st.integers(1, 60), torn=st.booleans(), real=REAL), max_size=2), "dies"
        )

    def program(self, since: datetime | None) -> None:
        with quiet():
            codes = {self.calm.run(self.now, since), self.killed.run(self.now, since, self.die())}
        assert codes <= {0, 3, 4}, codes
        self.compare()

    def compare(self) -> None:
        """Both workspaces hold the same, and what is new in them keeps what was promised."""
        calm, killed = self.calm.files(), self.killed.files()
        assert sorted(calm) == sorted(killed)
        assert [name for name in calm if calm[name] != killed[name]] == []
        self.story.goes_on(self.now)


@contextmanager
def quiet() -> Iterator[None]:
    """Without output, and without charts, which nothing here asks about."""
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(io.StringIO()))
        stack.enter_context(redirect_stderr(io.StringIO()))
        stack.enter_context(without_charts())
        yield


@settings(
    max_examples=STORIES or 2,
    deadline=None,
    derandomize=not STORIES,
    phases=[Phase.generate],  # finding a shorter story that fails takes many minutes; the long one is printed
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_the_outbox_is_that_of_quiet_days(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        key = KEY if data.draw(st.booleans(), "signed") else None
        calm, killed = (Yard.build(Path(folder) / name, key) for name in ("calm", "killed"))
        tale = Tale(data, calm, killed, Story(calm))
        for step in range(STEPS):
            note(f"--- step {step}, {tale.now}")
            tale.half_a_day()
            tale.between()
            if step % 2:
                tale.between()
