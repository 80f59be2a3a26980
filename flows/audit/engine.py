"""The engine of an audit: chunks are judged, groups of meters put together, and the folder appears by one rename."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flows.audit.crew import Crew
from flows.audit.desk import Desk, Done
from flows.audit.gather import Gathered, Group, gather, groups_of
from flows.audit.plan import Setting, chunks_of, said
from flows.audit.tables import WindowsFile
from transforms.lake import Lake
from transforms.match.span import Chunk

Progress = Callable[[str], None]

#: an audit of fewer readings is carried out in this process: others would take longer to start
WORTH_A_CREW = 3_000_000
#: seconds between two words about progress
_PATIENCE = 5.0


@dataclass(frozen=True)
class Tally:
    """How many chunks there were, how many of them were read from the lake, and windows of meters in all."""

    chunks: int
    read: int
    rows: int


def run_engine(setting: Setting, workers: int, folder: Path, progress: Progress) -> Tally:
    """Judge every window of the span and write ``windows.parquet`` into a folder."""
    lake = Lake.open(setting.workspace)
    chunks = chunks_of(lake, setting.windows)
    setting.work.mkdir(parents=True, exist_ok=True)
    readings = sum(entry["rows"] for entry in lake.files)
    crew = min(workers, len(chunks)) if readings > WORTH_A_CREW else 1
    with Crew(setting, crew) as hands:
        read = 0
        told = time.monotonic()
        for number, done in enumerate(hands.map(_judge, chunks), start=1):
            read += done.read
            if time.monotonic() - told > _PATIENCE or number == len(chunks):
                told = time.monotonic()
                progress(f"{number} of {len(chunks)} parts judged, {read} of them from readings")
        rows = 0
        with WindowsFile(folder / "windows.parquet") as file:
            for gathered in _gathered(hands, setting, chunks):
                file.write(gathered.windows)
                rows += gathered.windows.height
    return Tally(len(chunks), read, rows)


def _gathered(hands: Crew, setting: Setting, chunks: list[Chunk]) -> Iterator[Gathered]:
    desk = Desk(setting)
    jobs = [(group, chunks) for group in groups_of(desk)]
    yield from hands.map(_gather, jobs)


def _judge(desk: Desk, chunk: Chunk) -> Done:
    return desk.judge(chunk)


def _gather(desk: Desk, job: tuple[Group, list[Chunk]]) -> Gathered:
    group, chunks = job
    return gather(desk, chunks, group)


def work_folder(setting_text: str, root: Path) -> Path:
    """The folder in which an audit leaves what it has judged until it is done."""
    return root / hashlib.sha256(setting_text.encode()).hexdigest()[:24]


__all__ = ["Tally", "pl", "run_engine", "said", "shutil", "work_folder"]
