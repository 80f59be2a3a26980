"""The engine of an audit: chunks are judged, groups of meters put together, and tables written."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flows.audit.crew import Crew
from flows.audit.desk import Desk, Done
from flows.audit.figures import Figures, meters_of, parts_of, put_together
from flows.audit.gather import Group, groups_of, table_of_group
from flows.audit.plan import chunks_of
from flows.audit.report import load_for_report, pairs_drawn
from flows.audit.tables import WINDOWS_FILE, WindowsFile
from flows.audit.what_if import commands_of
from flows.memory import give_back
from transforms.match.span import Chunk

Progress = Callable[[str], None]

#: seconds between two words about progress
_PATIENCE = 5.0


@dataclass(frozen=True)
class Audited:
    """What the engine made: figures, the single pairs to be drawn as soon as they are found, how many parts of the span there
    were and had to be read from the lake, and the digest of the table of windows, as soon as it is known."""

    figures: Figures
    pairs: Iterator[pl.DataFrame]
    chunks: int
    read: int
    digest: Future[str]


def carry_out(desk: Desk, hands: Crew, folder: Path, progress: Progress) -> Audited:
    """Judge every window of the span, write ``windows.parquet`` into a folder, and work out the figures."""
    setting = desk.setting
    chunks = chunks_of(desk.lake, setting.windows)
    hands.brief(desk)
    setting.work.mkdir(parents=True, exist_ok=True)
    judging = hands.map(_judge, chunks)
    # the lists of meters are made while the first are judged
    groups = groups_of(desk)
    read = _judge_all(judging, len(chunks), progress)
    if setting.what_if is not None:
        spans: dict[object, list[Chunk]] = defaultdict(list)
        for chunk in chunks:
            spans[chunk.start].append(chunk)
        for _ in hands.map(commands_of, list(spans.values())):
            pass
    hands.make_ready(_give_back)
    give_back()
    # one process writes: a file is made in order
    written = hands.begin(_write, (groups, chunks, folder / WINDOWS_FILE))
    found = list(parts_of(hands, groups, chunks))
    written.result()
    digest = _digest_of(folder / WINDOWS_FILE)
    progress(f"statistics of {sum(part.meters.height for part in found):,} meters")
    # the others get ready and look for pairs while this process puts together what they found
    hands.make_ready(load_for_report)
    meters = meters_of(found)
    pairs = pairs_drawn(meters, hands, setting)
    figures = put_together(meters, found, desk.registry, setting.policy.reference.shared)
    return Audited(figures, pairs, len(chunks), read, digest)


def _digest_of(path: Path) -> Future[str]:
    """Take the digest of a large file in a thread: a core is idle while this process puts figures together."""
    file = path.open("rb")  # now, for a customer's report does away with it

    def digest() -> str:
        with file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    aside = ThreadPoolExecutor(1)
    found = aside.submit(digest)
    aside.shutdown(wait=False)
    return found


def _judge_all(judging: Iterator[Done], chunks: int, progress: Progress) -> int:
    read, told = 0, time.monotonic()
    for number, done in enumerate(judging, start=1):
        read += done.read
        if time.monotonic() - told > _PATIENCE or number == chunks:
            told = time.monotonic()
            progress(f"{number} of {chunks} parts judged, {read} of them from readings")
    return read


def _judge(desk: Desk, chunk: Chunk) -> Done:
    return desk.judge(chunk)


def _write(desk: Desk, job: tuple[Sequence[Group], Sequence[Chunk], Path]) -> None:
    """Write all windows into one file."""
    groups, chunks, path = job
    with WindowsFile(path) as file:
        for group in groups:
            file.take_in(table_of_group(desk, chunks, group))


def _give_back(_desk: Desk, _: None) -> None:
    """Statistics take less than judging, in other pieces."""
    give_back()
