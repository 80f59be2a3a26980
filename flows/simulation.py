"""Write a workspace full of labelled, realistic dumps."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Protocol, cast

import numpy as np
import polars as pl

from transforms.errors import UsageError
from transforms.private import write_new
from transforms.simulate import (
    NONE,
    SHARES,
    SOURCES,
    USUAL,
    Block,
    Defects,
    Fleet,
    Part,
    Plan,
    VolumeErrors,
    registry_files,
    truth_table,
)
from transforms.simulate.defects import Losses, Selection, deal
from transforms.simulate.dumps import plain, run_length
from transforms.windows import Window, iso
from transforms.workspace import STREAMS, Workspace

#: forms of a dump and the endings of their files
FORMS = {
    "csv": ".csv",
    "csv.gz": ".csv.gz",
    "jsonl": ".jsonl",
    "jsonl.gz": ".jsonl.gz",
    "rle": ".rle.jsonl",
    "rle.gz": ".rle.jsonl.gz",
    "parquet": ".parquet",
}
TRUTH = "truth.parquet"


def simulate_workspace(
    target: Path,
    *,
    meters: int,
    days: float,
    interval: timedelta,
    seed: int,
    start: datetime,
    form: str = "csv",
    dump: timedelta = timedelta(hours=12),
    shares: Mapping[str, float] = SHARES,
    sources: Mapping[str, float] = SOURCES,
    reference_noise: float = 0.003,
    outliers: float = 0.0,
    defects: Defects = USUAL,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Make a workspace in an empty or new folder: registry, raw dumps of both streams, and truth.parquet.

    Parameters
    ----------
    target
        The folder.
    meters, days, interval, seed, start, dump, shares, sources, reference_noise, outliers
        See ``transforms.simulate.Plan``.
    form
        One of ``FORMS``.
    defects
        What goes wrong on the way to the dumps.
    progress
        Called now and then with how much is done and how much there is, told in meters.

    Returns
    -------
    dict
        What was made: paths, counts of files, bytes and readings per stream, ``defects`` per stream, meters per
        behaviour, the span.

    Raises
    ------
    UsageError
        If the folder is not empty, or the plan makes no sense.
    """
    if form not in FORMS:
        raise UsageError(f"{form!r} is not a form of a dump; use one of {', '.join(FORMS)}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is not an empty folder; simulate never overwrites, so name a new one")
    plan = Plan(meters, days, start, interval, seed, dump, dict(shares), dict(sources), reference_noise, outliers)
    fleet = Fleet.draw(plan)
    workspace = Workspace(target)
    workspace.registry.mkdir(parents=True)
    for name, text in registry_files(fleet).items():
        write_new(workspace.registry / name, text)
    written = write_dumps(fleet, workspace.raw, [form], defects, progress)
    written.truth.write_parquet(target / TRUTH)
    files = sorted(file for file in workspace.raw.rglob("*") if file.is_file())
    behaviours = Counter(fleet.meters["behaviour"].to_list())
    return {
        "workspace": str(target),
        "meters": meters,
        "start": iso(plan.start),
        "end": iso(plan.end),
        "interval_s": int(interval.total_seconds()),
        "seed": seed,
        "form": form,
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
        "readings": {stream: losses.written for stream, losses in written.losses.items()},
        "defects": {
            stream: {name: count for name, count in asdict(losses).items() if name != "written"}
            for stream, losses in written.losses.items()
        },
        "behaviours": dict(sorted(behaviours.items())),
    }


@dataclass(frozen=True)
class Written:
    """What ``write_dumps`` knows when it is done: the truth table, and per stream what went in and what went wrong."""

    truth: pl.DataFrame
    losses: dict[str, Losses]


def write_dumps(
    fleet: Fleet,
    raw: Path,
    forms: Sequence[str],
    defects: Defects = NONE,
    progress: Callable[[int, int], None] | None = None,
) -> Written:
    """Write one dump per stream and ``plan.dump``; the files are named like windows, e.g. ``20260101T120000Z_12h.csv``.

    Meters that send their register have dumps of their own, named ``20260101T120000Z_12h_registers.csv``.

    Parameters
    ----------
    raw
        The folder that gets ``meter/`` and ``flowmeter/``.
    forms
        Some of ``FORMS``; the dumps take turns.
    defects
        What goes wrong.
    """
    losses = {stream: Losses() for stream in STREAMS}
    errors = VolumeErrors(fleet)
    total = fleet.block_count()
    for stream in STREAMS:
        (raw / stream).mkdir(parents=True, exist_ok=True)
    open_dumps = ExitStack()
    writers: dict[Path, _Writer] = {}
    with open_dumps:
        for done, block in enumerate(fleet.blocks(), start=1):
            errors.add(block)
            dumps = _cut(fleet.plan, block)
            for number, part in enumerate(block.parts):
                chance = np.random.default_rng([fleet.plan.seed, 4, block.first, block.rows.start, number])
                dealt = deal(part.values, [span for _, span in dumps], defects, chance, losses[part.stream])
                for (dump, _), chosen in zip(dumps, dealt, strict=True):
                    form = forms[dump % len(forms)]
                    file = raw / part.stream / (_name(fleet.plan, dump, part) + FORMS[form])
                    if file not in writers:
                        writers[file] = open_dumps.enter_context(_writer(file, form))
                    writers[file].write(fleet, part, block.first, chosen)
            if block.ends_dumps:
                open_dumps.close()
                writers.clear()
            if progress is not None:
                progress(fleet.plan.meters * done // total, fleet.plan.meters)
    return Written(truth_table(fleet, errors), losses)


def _cut(plan: Plan, block: Block) -> list[tuple[int, slice]]:
    """The dumps of a block: number of the dump since the start, and its stamps within the block."""
    width = block.flow.shape[1]
    begins = range(0, width, plan.per_dump)
    return [((block.first + b) // plan.per_dump, slice(b, min(b + plan.per_dump, width))) for b in begins]


def _name(plan: Plan, dump: int, part: Part) -> str:
    span = Window(plan.start.astimezone(UTC) + dump * plan.dump, plan.dump)
    return span.name + ("_registers" if part.column == "volume_l" else "")


class _Writer(Protocol):
    def write(self, fleet: Fleet, part: Part, first: int, chosen: Selection) -> None:
        """Append some readings to a dump."""
        ...


@contextmanager
def _writer(file: Path, form: str) -> Iterator[_Writer]:
    kind, _, packed = form.partition(".")
    with file.open("wb") as plain_file, ExitStack() as stack:
        sink: IO[bytes] = plain_file
        if packed:
            # neither name nor time go into the header: the same readings are the same bytes
            sink = cast(
                IO[bytes], stack.enter_context(gzip.GzipFile("", "wb", compresslevel=6, fileobj=plain_file, mtime=0))
            )
        yield stack.enter_context(_Parquet(sink)) if kind == "parquet" else _Text(sink, kind)


class _Text:
    """CSV, JSON Lines or run-length frames, appended to an open file."""

    def __init__(self, sink: IO[bytes], kind: str) -> None:
        self.sink = sink
        self.kind = kind
        self.empty = True

    def write(self, fleet: Fleet, part: Part, first: int, chosen: Selection) -> None:
        if self.kind == "rle":
            lines = run_length(fleet, part, first, chosen)
            self.sink.write("".join(f"{line}\n" for line in lines).encode())
            return
        table = plain(fleet, part, first, chosen, as_text=True)
        if self.kind == "csv":
            table.write_csv(self.sink, include_header=self.empty)
        else:
            table.write_ndjson(self.sink)
        self.empty = False


class _Parquet:
    """Parquet, one row group per block."""

    def __init__(self, sink: IO[bytes]) -> None:
        self.sink = sink
        self.out: Any = None

    def __enter__(self) -> _Parquet:
        return self

    def __exit__(self, *error: object) -> None:
        if self.out is not None:
            self.out.close()

    def write(self, fleet: Fleet, part: Part, first: int, chosen: Selection) -> None:
        import pyarrow.parquet as pq

        table = plain(fleet, part, first, chosen, as_text=False)
        arrow = table.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self.out is None:
            self.out = pq.ParquetWriter(self.sink, arrow.schema, compression="zstd")
        self.out.write_table(arrow)
