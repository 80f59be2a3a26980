"""Fuzzing for minutes: structures by chance, then bytes led by coverage, each from the dumps of tests/dumps."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.session import Session, say
from tests.bench.tables import Cell, show

MINUTES, QUICK_MINUTES = 10.0, 0.2


def by_structure(minutes: float, seed: int) -> tuple[int, list[str]]:
    """Feed mutated dumps, acks and registry files for so long; how many, and what went wrong."""
    from tests.fuzzing import feed, feed_ack, feed_registry, mutated, registry_starts, starts
    from tests.property.test_fuzz import ACKS

    rng = random.Random(seed)
    end = time.monotonic() + 60 * minutes
    done, wrong = 0, []
    all_starts, files = starts(), registry_starts()
    while time.monotonic() < end:
        way = rng.random()
        start = rng.choice(all_starts)
        name, text = rng.choice(files)
        data = mutated(start.data if way < 0.8 else ACKS if way < 0.9 else text, rng)
        done += 1
        try:
            if way < 0.8:
                feed(start, data)
            elif way < 0.9:
                feed_ack(data)
            else:
                feed_registry(name, data)
        except Exception as error:
            what = start.name if way < 0.8 else "acks" if way < 0.9 else name
            wrong.append(f"{what}: {type(error).__name__}: {error}"[:300])
            kept = Path(tempfile.gettempdir()) / f"fuzz-{len(wrong):03d}-{what}"
            kept.write_bytes(data)
            say(f"{wrong[-1]} (kept as {kept})")
    return done, wrong


def by_coverage(minutes: float, seed: int) -> tuple[int, list[str]] | None:
    """Let a coverage-guided fuzzer (atheris) feed bytes for so long; None where it is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.fuzzing", folder, str(minutes), str(seed)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if "no atheris" in done.stderr:
        return None
    runs = [line for line in done.stderr.splitlines() if line.startswith("Done ")]
    count = int(runs[-1].split()[1]) if runs else 0
    wrong = [
        line for line in done.stderr.splitlines() if "Uncaught Python exception" in line or "ERROR: libFuzzer" in line
    ]
    if done.returncode and not wrong:
        wrong = [done.stderr[-300:]]
    for line in wrong:
        say(line)
        say(done.stderr[-3000:])
    return count, wrong


def _led_by_coverage(folder: str, minutes: str, seed: str) -> None:
    try:
        import atheris
    except ImportError:
        print("no atheris", file=sys.stderr)
        return
    with atheris.instrument_imports(include=["transforms.ingest", "transforms.sources"]):
        from tests.fuzzing import feed, starts
    all_starts = starts()
    corpus = Path(folder)
    for k, start in enumerate(all_starts):
        if len(start.data) < 8192:
            (corpus / f"{k:03d}").write_bytes(k.to_bytes(2, "big") + start.data)

    def one(data: bytes) -> None:
        which = int.from_bytes(data[:2], "big") % len(all_starts)
        feed(all_starts[which], data[2:])

    limit = f"-max_total_time={round(60 * float(minutes))}"
    kept = f"-artifact_prefix={tempfile.gettempdir()}/fuzz-led-"
    atheris.Setup([sys.argv[0], limit, kept, f"-seed={seed}", "-max_len=8192", "-timeout=30", folder], one)
    atheris.Fuzz()


def run(session: Session) -> None:
    """Print how much was fed and what broke."""
    minutes = QUICK_MINUTES if session.quick else MINUTES
    structures = by_structure(minutes, seed=1)
    led = by_coverage(minutes, seed=1)
    rows: list[tuple[Cell, ...]] = [("structures by chance", minutes, structures[0], len(structures[1]))]
    rows.append(("bytes led by coverage", minutes, led[0] if led else None, len(led[1]) if led else None))
    notes = ["Wanted: nothing broken. Fed: dumps of the matrix with their mappings, acks, registry files."]
    if led is None:
        notes.append("atheris is not installed, so the second was left out: pip install atheris")
    show(
        "Fuzzing",
        ("how", "minutes", "inputs", "broken"),
        rows,
        [*notes, *structures[1][:5], *(led[1][:5] if led else [])],
    )


if __name__ == "__main__":
    _led_by_coverage(*sys.argv[1:4])
