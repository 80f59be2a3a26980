"""Small workspaces for tests: a registry and dumps written from a few numbers, and runs through the real program."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from click.testing import CliRunner

from flows.cli.main import main

START = datetime(2026, 1, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)

MODEL = """
[models."T-R160"]
q1 = 15.625
q2 = 25.0
q3 = 2500.0
q4 = 3125.0
accuracy_class = 2
band = [4.0, 60.0]
repeatability = 0.01
resolution = 0.1
"""


@dataclass
class Small:
    """A workspace of a few meters. Values are given per meter, one per quarter of an hour from `START` on."""

    root: Path

    def registry(self, codes: Sequence[str], **files: str) -> Small:
        folder = self.root / "registry"
        folder.mkdir(parents=True, exist_ok=True)
        rows = "".join(f"{code},T-R160\n" for code in codes)
        (folder / "meters.csv").write_text("feature_code,model\n" + rows)
        (folder / "models.toml").write_text(MODEL)
        for name, text in files.items():
            stem, ending = name.rsplit("_", 1)
            (folder / f"{stem}.{ending}").write_text(text)
        return self

    def dump(
        self,
        stream: str,
        values: Mapping[str, Iterable[float | None]],
        *,
        name: str = "a.csv",
        column: str = "flow_lph",
        start: datetime = START,
        flowmeter: str | None = None,
        coded: bool = True,
    ) -> Small:
        """Write one CSV dump; None leaves a sample out."""
        folder = self.root / "raw" / stream
        folder.mkdir(parents=True, exist_ok=True)
        head = ["feature_code"] if coded else []
        head += ["flowmeter_id"] if stream == "flowmeter" else []
        lines = [",".join([*head, "timestamp", column])]
        for code, series in values.items():
            who = [code] if coded else []
            who += [flowmeter or f"F-{code}"] if stream == "flowmeter" else []
            for k, value in enumerate(series):
                if value is not None:
                    lines.append(",".join([*who, f"{start + k * QUARTER:%Y-%m-%dT%H:%M:%SZ}", f"{value:.6f}"]))
        (folder / name).write_text("\n".join(lines) + "\n")
        return self

    def run(self, *more: str, until: str = "2026-01-01T12:00:00Z", engine: str = "plain") -> int:
        return main(["run", "--workspace", str(self.root), "--until", until, "--now", until, "--engine", engine, *more])

    def folder(self, run_id: str = "20260101T000000Z_12h_r1") -> Path:
        return self.root / "outbox" / run_id

    def verdicts(self, run_id: str = "20260101T000000Z_12h_r1") -> dict[str, dict[str, Any]]:
        frame = pl.read_parquet(self.folder(run_id) / "verdicts.parquet")
        return {row["feature_code"]: row for row in frame.iter_rows(named=True)}

    def lines(self, name: str, run_id: str = "20260101T000000Z_12h_r1") -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder(run_id) / name).read_text().splitlines()]

    def effects(self, run: str | None = None) -> list[dict[str, Any]]:
        """The rows of effects.parquet of a run."""
        return pl.read_parquet(self.folder(run) / "effects.parquet").to_dicts()

    def manifest(self, run_id: str = "20260101T000000Z_12h_r1") -> dict[str, Any]:
        return json.loads((self.folder(run_id) / "manifest.json").read_text())


def demand(level: float = 1.0, quarters: int = 48) -> list[float]:
    """A half day of one household: mostly nothing, some flow in every part of the day, from 20 to 1,300 L/h."""
    pattern = [0, 0, 40, 310, 0, 120, 700, 0, 25, 0, 0, 480]
    return [level * pattern[k % len(pattern)] * (1 + 0.03 * (k % 7)) for k in range(quarters)]


def noisy(values: Sequence[float], relative: float = 0.004) -> list[float]:
    """The same with a fixed, harmless ripple, so that scatter is neither zero nor random."""
    ripple = [0.3, -1.1, 0.8, 1.4, -0.6, -1.3, 0.9, -0.4]
    return [value * (1 + relative * ripple[k % len(ripple)]) for k, value in enumerate(values)]


def output(arguments: Sequence[str]) -> tuple[int, str]:
    """Run the program and return its exit code and what it wrote on standard output."""
    from flows.cli.main import meterwright

    done = CliRunner().invoke(meterwright, list(arguments))
    return done.exit_code, done.stdout
