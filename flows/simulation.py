"""Write a workspace full of labelled, realistic dumps."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, Protocol, cast

import polars as pl

from transforms.errors import UsageError
from transforms.simulate import Block, Fleet, Plan, registry_files
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
    shares: Mapping[str, float] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Make a workspace in an empty or new folder: registry, raw dumps of both streams, and truth.parquet.

    Parameters
    ----------
    target
        The folder.
    meters, days, interval, seed, start, dump, shares
        See ``transforms.simulate.Plan``.
    form
        One of ``FORMS``.
    progress
        Called now and then with how much is done and how much there is, told in meters.

    Returns
    -------
    dict
        What was made: paths, counts of files, bytes and readings per stream, meters per behaviour, the span.

    Raises
    ------
    UsageError
        If the folder is not empty, or the plan makes no sense.
    """
    if form not in FORMS:
        raise UsageError(f"{form!r} is not a form of a dump; use one of {', '.join(FORMS)}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is not an empty folder; simulate never overwrites, so name a new one")
    plan = Plan(meters, days, start, interval, seed, dump, **({} if shares is None else {"shares": dict(shares)}))
    fleet = Fleet.draw(plan)
    workspace = Workspace(target)
    workspace.registry.mkdir(parents=True)
    for name, text in registry_files(fleet).items():
        (workspace.registry / name).write_text(text, encoding="utf-8", newline="\n")
    fleet.truth_table().write_parquet(target / TRUTH)
    readings = write_dumps(fleet, workspace.raw, [form], progress)
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
        "readings": readings,
        "behaviours": dict(sorted(behaviours.items())),
    }


def write_dumps(
    fleet: Fleet,
    raw: Path,
    forms: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, int]:
    """Write one dump per stream and ``plan.dump``; the files are named like windows, e.g. ``20260101T120000Z_12h.csv``.

    Parameters
    ----------
    raw
        The folder that gets ``meter/`` and ``flowmeter/``.
    forms
        Some of ``FORMS``; the dumps take turns.

    Returns
    -------
    dict
        Number of readings per stream.
    """
    counts = dict.fromkeys(STREAMS, 0)
    total = fleet.block_count()
    for stream in STREAMS:
        (raw / stream).mkdir(parents=True, exist_ok=True)
    open_dumps = ExitStack()
    writers: dict[tuple[str, int], _Writer] = {}
    with open_dumps:
        for done, block in enumerate(fleet.blocks(), start=1):
            for stream in STREAMS:
                for number, stamps in _cut(fleet.plan, block):
                    if block.begins_dumps:
                        form = forms[number % len(forms)]
                        span = Window(fleet.plan.start.astimezone(UTC) + number * fleet.plan.dump, fleet.plan.dump)
                        file = raw / stream / (span.name + FORMS[form])
                        writers[stream, number] = open_dumps.enter_context(_writer(file, form))
                    counts[stream] += writers[stream, number].write(fleet, block, stream, stamps)
            if block.ends_dumps:
                open_dumps.close()
                writers.clear()
            if progress is not None:
                progress(fleet.plan.meters * done // total, fleet.plan.meters)
    return counts


def _cut(plan: Plan, block: Block) -> Iterator[tuple[int, slice]]:
    """The dumps of a block: number of the dump since the start, and its stamps within the block."""
    width = block.meter.shape[1]
    for begin in range(0, width, plan.per_dump):
        yield (block.first + begin) // plan.per_dump, slice(begin, min(begin + plan.per_dump, width))


class _Writer(Protocol):
    def write(self, fleet: Fleet, block: Block, stream: str, stamps: slice) -> int:
        """Append some readings to a dump and say how many."""
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

    def write(self, fleet: Fleet, block: Block, stream: str, stamps: slice) -> int:
        if self.kind == "rle":
            lines = run_length(fleet, block, stream, stamps)
            self.sink.write("".join(f"{line}\n" for line in lines).encode())
            return block.sent(stream, stamps)
        table = plain(fleet, block, stream, stamps, as_text=True)
        if self.kind == "csv":
            table.write_csv(self.sink, include_header=self.empty)
        else:
            table.write_ndjson(self.sink)
        self.empty = False
        return table.height


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

    def write(self, fleet: Fleet, block: Block, stream: str, stamps: slice) -> int:
        import pyarrow.parquet as pq

        table = plain(fleet, block, stream, stamps, as_text=False)
        arrow = table.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self.out is None:
            self.out = pq.ParquetWriter(self.sink, arrow.schema, compression="zstd")
        self.out.write_table(arrow)
        return table.height
