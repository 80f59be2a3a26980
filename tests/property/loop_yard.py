"""A yard of a few meters whose days are drawn: what `test_loop_stories` does to a workspace, and reads back.

Two yards that are told the same are in the same state; one of them may die on the way.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from flows.cli.main import main
from tests.deaths import dies
from tests.workspaces import START, Small, demand, noisy
from transforms.windows import iso

CODES = ("WM-1", "WM-2", "WM-3", "WM-4")
HALF_DAY = timedelta(hours=12)
#: quarters of an hour that come in time where the rest of a window comes late
PUNCTUAL = 28
Q = demand()
TRUE = noisy(Q, 0.002)
#: what a meter may show in a window
SHOWN: dict[str, list[float | None]] = {
    "right": list(TRUE),
    "high": [1.08 * v for v in TRUE],
    "higher": [1.2 * v for v in TRUE],
    "low": [0.93 * v for v in TRUE],
    "far": [1.4 * v for v in TRUE],
    "wild": list(noisy(Q, 0.25)),
    "silent": [None] * len(TRUE),
}
_POLICY = """
max_attempts = 2
lateness = "48h"
[report]
plots = 0
[breaker]
share = 0.6
min_meters = 3
[command]
expires = "{expires}"
min_flowing = 6
[judge]
command_significance = 0.1
"""
#: two of the meters have one phone
PHONES = "feature_code,terminal_id,channel,language\nWM-1,+1,sms,en\nWM-2,+1,sms,en\nWM-3,+3,app,zh\n"


def policy_toml(expires: str) -> str:
    """Rules under which a few meters do all that a fleet does: three commands of four meters trip the breaker."""
    return _POLICY.format(expires=expires)


def meters_csv(code: str, dates: str) -> str:
    """The meters, one of them with ``installed_on,removed_on``."""
    rows = (f"{one},T-R160,{dates if one == code else ','}\n" for one in CODES)
    return "feature_code,model,installed_on,removed_on\n" + "".join(rows)


def pairs_csv(code: str, other: str, day: str) -> str:
    """One meter that from some day on is said to be watched by the flowmeter of one of them."""
    return f"feature_code,flowmeter_id,valid_from\n{code},F-{other},{day}\n"


@dataclass(frozen=True)
class Die:
    """Where the program dies: at a write point, numbered from 1, perhaps with a file half written, perhaps for real."""

    at: int
    torn: bool
    real: bool = False


@dataclass
class Yard:
    """One workspace, and how often the program has died in it."""

    small: Small
    deaths: int = 0

    @staticmethod
    def build(root: Path, key: str | None) -> Yard:
        small = Small(root)
        small.registry(CODES, terminals_csv=PHONES, policy_toml=policy_toml("30h"))
        if key:
            file = root / "registry" / "signing_key.pem"
            file.touch(0o600)
            file.write_text(key)
        return Yard(small)

    @property
    def root(self) -> Path:
        return self.small.root

    def report(self, number: int, kinds: Sequence[str], late: bool) -> None:
        """The dumps of a window; if ``late`` only its first hours."""
        last = PUNCTUAL if late else len(TRUE)
        start = START + number * HALF_DAY
        shown = {code: SHOWN[kind][:last] for code, kind in zip(CODES, kinds, strict=True)}
        self.small.dump("meter", shown, name=f"{number}.csv", start=start)
        self.small.dump("flowmeter", dict.fromkeys(CODES, Q), name=f"{number}.csv", start=start)

    def report_late(self, number: int, kinds: Sequence[str]) -> None:
        """The rest of a window's readings."""
        start = START + number * HALF_DAY + PUNCTUAL * timedelta(minutes=15)
        shown = {code: SHOWN[kind][PUNCTUAL:] for code, kind in zip(CODES, kinds, strict=True)}
        self.small.dump("meter", shown, name=f"late-{number}.csv", start=start)

    def say(self, name: str, acks: Iterable[dict[str, Any]]) -> None:
        """A file of acks, as the devices' gateway leaves it."""
        folder = self.root / "raw" / "acks"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("".join(json.dumps(ack) + "\n" for ack in acks))

    def write(self, name: str, text: str) -> None:
        (self.root / "registry" / name).write_text(text)

    def run(self, now: datetime, since: datetime | None, deaths: Sequence[Die] = ()) -> int:
        begin = ("--from", iso(since)) if since else ()
        arguments = ["run", "--engine", "plain", "--workers", "1", *begin, "--until", iso(now), "--now", iso(now)]
        return self._program([*arguments, "--workspace", str(self.root)], deaths)

    def approve(self, run_id: str, now: datetime, deaths: Sequence[Die] = ()) -> int:
        arguments = ["outbox", "approve", run_id, "--by", "Ana", "--now", iso(now), "--workspace", str(self.root)]
        return self._program(arguments, deaths)

    def _program(self, arguments: list[str], deaths: Sequence[Die]) -> int:
        for death in deaths:
            self.deaths += self._dies(arguments, death)
        return main(arguments)

    def _dies(self, arguments: list[str], death: Die) -> bool:
        if not death.real:
            return dies(lambda: main(arguments), self.root, death.at, torn=death.torn).dead
        seam = [str(self.root), str(death.at), "torn" if death.torn else "whole", "plain"]
        process = subprocess.run(
            [sys.executable, "-m", "tests.deaths", *seam, *arguments], capture_output=True, check=False
        )
        assert process.returncode in (-signal.SIGKILL, 0, 2, 3, 4), process.stderr.decode()
        return process.returncode == -signal.SIGKILL

    def files(self) -> dict[str, bytes]:
        """Everything that a run leaves for others, by name."""
        folders = (self.root / name for name in ("outbox", "reports", "quarantine"))
        paths = (path for folder in folders for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in paths}

    def runs(self) -> list[Written]:
        """The runs in the order in which they were committed."""
        folders = {path.name: path for path in (self.root / "outbox").glob("*") if path.is_dir()}
        manifests = {name: json.loads((path / "manifest.json").read_text()) for name, path in folders.items()}
        after = {(m["previous"] or {}).get("run_id"): name for name, m in manifests.items()}
        found, at = [], after.get(None)
        while at is not None:
            found.append(Written(folders[at], manifests[at]))
            at = after.get(at)
        assert len(found) == len(folders), "the chain leads through all runs"
        return found


@dataclass(frozen=True)
class Written:
    """A run as it lies in the outbox."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        return self.folder.name

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / name).read_text().splitlines()]

    def table(self, name: str) -> list[dict[str, Any]]:
        return pl.read_parquet(self.folder / name).to_dicts()
