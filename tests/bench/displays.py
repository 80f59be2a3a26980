"""How photos of displays are read: taken and right, taken and wrong, sent to a person; time, memory, and calibration.

Displays are drawn with seeds that neither the weights nor a test have seen. With ``--photos FOLDER`` those of a folder are
read as well: JPEG, PNG and MP4 files with a ``truth.csv`` (file, severity, reading; the format is the reading's own).
"""

from __future__ import annotations

import csv
import json
import resource
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.bench.measuring import apart
from tests.bench.session import Session, say
from tests.bench.tables import Cell, show

COUNT, QUICK = 600, 24
CLIPS = 12
SEED = 424_243
#: edges of the classes of confidence in which it is compared with what came true
_CONFIDENCE = (0.0, 0.5, 0.9, 0.98, 0.99, 1.01)


@dataclass(frozen=True)
class Read:
    """One file: how hard it is, what it shows, and what became of it."""

    group: str
    truth: str
    status: str
    reason: str
    text: str
    confidence: float
    seconds: float

    @property
    def right(self) -> bool:
        return self.text == self.truth


def draw(folder: Path, count: int, clips: int) -> None:
    """Write drawn displays and clips with their truth into a folder."""
    import cv2

    from tests.displays.sets import SEVERITIES, displays, film

    folder.mkdir()
    rows = []
    for drawn in displays(count, SEED, dseg=True):
        (folder / f"{drawn.name}.jpg").write_bytes(drawn.jpeg)
        rows.append((f"{drawn.name}.jpg", drawn.severity, drawn.reading))
    for k in range(clips):
        first, frames = film(("medium", "hard")[k % 2], SEED * 7 + k, 15, dseg=True)
        path = folder / f"clip_{k:03d}.mp4"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 15, (960, 720))
        for frame in frames:
            writer.write(frame)
        writer.release()
        rows.append((path.name, f"clip, {first.severity}", first.reading))
    order = [*SEVERITIES, "clip, medium", "clip, hard"]
    rows.sort(key=lambda row: order.index(row[1]))
    with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "severity", "reading"), *rows])


def read(folder: Path) -> str:
    """Read every file of a folder by the eyes: JSON of the readings, of the child's start [s], CPU [s] and peak [KiB]."""
    from flows.eyes import Eyes
    from transforms.screens import Screen

    with (folder / "truth.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found: list[tuple[str, str, str, str, str, float, float]] = []
    with Eyes.open() as eyes:
        begun = time.perf_counter()
        eyes.read(folder / "truth.csv", [])  # no picture: only starts the child
        start = time.perf_counter() - begun
        for row in rows:
            digits, decimals = len(row["reading"].replace(".", "")), len(row["reading"].partition(".")[2])
            screen = Screen("main", "volume", "m3", digits, decimals)
            begun = time.perf_counter()
            sight = eyes.read(folder / row["file"], [screen])
            took = time.perf_counter() - begun
            best = sight.candidates[0] if sight.candidates else None
            found.append((row["severity"], row["reading"], sight.status, sight.reason,
                          best.text if best else "", best.confidence if best else 0.0, took))  # fmt: skip
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return json.dumps([found, start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss])


def run(session: Session) -> None:
    """Print what is taken, wrong and left to a person by class, then confidence against truth, time and memory."""
    drawn = session.folder / "displays"
    count = QUICK if session.quick else COUNT
    say(f"draw {count} displays")
    apart(draw, drawn, count, 2 if session.quick else CLIPS)
    every: list[Read] = []
    for name, folder in (("own", drawn), *((("photos", session.photos),) if session.photos else ())):
        say(f"read {name}")
        found, start, cpu, peak = json.loads(apart(read, folder))
        reads = [Read(*fields) for fields in found]
        every += reads
        groups = list(dict.fromkeys(r.group for r in reads))
        rows = [_row(f"{name}: {group}", [r for r in reads if r.group == group]) for group in groups]
        stills = sorted(r.seconds for r in reads if not r.group.startswith(("clip", "video")))
        show(
            f"Displays, {name}: {len(reads)} files",
            ("class", "files", "taken, right [%]", "taken, wrong", "to a person [%]", "of them right first [%]"),
            [*rows, _row(f"{name}: all", reads)],
            [
                f"A photo takes {_at(stills, 0.5):.2f} s (median) to {_at(stills, 0.95):.2f} s (95 of 100) on the clock.",
                f"The child starts in {start:.1f} s, takes {cpu / len(reads):.2f} s of CPU a file (start and clips included)",
                f"and at most {peak / 1024:.0f} MiB.",
            ],
        )
    show(
        "Confidence against truth, all files with a reading",
        ("confidence", "files", "said [%]", "right [%]"),
        [row for low, high in pairwise(_CONFIDENCE) if (row := _calibration(every, low, high))[1]],
    )


def _row(name: str, reads: list[Read]) -> tuple[Cell, ...]:
    taken = [r for r in reads if r.status == "sure"]
    left = [r for r in reads if r.status != "sure"]
    right = sum(r.right for r in taken)
    first = 100 * sum(r.right for r in left) / len(left) if left else None
    return name, len(reads), 100 * right / len(reads), len(taken) - right, 100 * len(left) / len(reads), first


def _calibration(reads: list[Read], low: float, high: float) -> tuple[Cell, ...]:
    mine = [r for r in reads if r.text and low <= r.confidence < high]
    if not mine:
        return "", 0, None, None
    said, right = sum(r.confidence for r in mine) / len(mine), sum(r.right for r in mine) / len(mine)
    return f"{low:.2f} to {min(high, 1):.2f}", len(mine), 100 * said, 100 * right


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
