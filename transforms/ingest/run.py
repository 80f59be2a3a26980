"""Ingest: every dump below raw/ that the lake does not have yet, batch by batch, each batch one commit."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import duckdb

from transforms.digests import Digests, state_of
from transforms.fingerprint import Fingerprint, ReadAhead, fingerprint
from transforms.ingest.accounts import DumpAccount, IngestResult
from transforms.ingest.devices import bucket_count as buckets_for
from transforms.ingest.devices import load_devices, number_new, number_registered
from transforms.ingest.discover import Candidate, discover, told_by_version
from transforms.ingest.dumps import Dump, prepare
from transforms.ingest.known import load_known
from transforms.ingest.parquet_copy import copy_parquet
from transforms.ingest.patterns import check_patterns
from transforms.ingest.quarantine import set_aside
from transforms.ingest.repeats import begin_repeats
from transforms.ingest.retry import clear_aside, combine, keep_refused
from transforms.ingest.rules import Limits
from transforms.ingest.settle import load_conflicts, overlapping, settle
from transforms.ingest.sort import sort_staged
from transforms.ingest.stage import stage
from transforms.ingest.store import (
    commit,
    extended,
    sweep,
    write_conflicts,
    write_devices,
    write_parts,
    write_repeats,
)
from transforms.lake import Lake, LakeFile, lake_file
from transforms.registry import Registry
from transforms.sources.newest import version_of_name
from transforms.sql import connect
from transforms.workspace import STREAMS, Workspace

#: raw bytes that are parsed together; what bounds memory
BATCH_BYTES: Final = 512 << 20
#: what a compressed byte counts for
_INFLATION: Final = 8


def ingest(
    workspace: Workspace,
    registry: Registry,
    *,
    absurd_flow_lph: float,
    absurd_by_model: Mapping[str, float] | None = None,
    threads: int,
    memory_mb: int = 1200,
    progress: Callable[[str], None] | None = None,
    bucket_count: int | None = None,
    ahead: ReadAhead | None = None,
    not_after: datetime | None = None,
    retry: Collection[str] | None = None,
) -> IngestResult:
    """Bring every new dump below raw/ into the lake.

    Killed anywhere and started again, it ends with the same ledger. The same content of the same stream and source is
    a dump only once, whatever its file is called.

    Parameters
    ----------
    workspace : Workspace
        Where raw/, lake/ and quarantine/ lie.
    registry : Registry
        For the sources, the preset correspondence and the size of the fleet.
    absurd_flow_lph : float
        Flows above this are quarantined as ``absurd`` [L/h].
    absurd_by_model : mapping, optional
        The same for the meters of a model, where that is less [L/h].
    threads : int
        That DuckDB may use.
    memory_mb : int
        That DuckDB may use before it spills into the workspace's scratch folder [MB].
    progress : callable, optional
        Told a sentence now and then.
    bucket_count : int, optional
        Number of hash buckets of a lake that is made now; by default it follows from the number of registered meters.
    ahead : ReadAhead, optional
        What was begun with before.
    retry : collection of str, optional
        Paths relative to raw/ of dumps to read once more; then new ones are left alone.
    not_after : datetime, optional
        Later stamps are quarantined as ``future``.

    Raises
    ------
    LakeError
        If the lake's ledger is damaged.
    RegistryError
        If a source's time stamp format cannot be carried out.
    """
    tell = progress or (lambda _: None)
    lake = Lake.open(workspace)
    sweep(lake)
    candidates, ignored = discover(workspace.raw, registry.sources)
    scratch = workspace.scratch / "ingest"
    # what a killed ingest left; the workspace's lock keeps out any other that is alive
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    accounts: list[DumpAccount] = []
    intake = _Intake(lake, candidates, threads, ahead, retry)
    try:
        con = connect(threads=threads, memory_mb=memory_mb, spill=scratch / "spill")
        try:
            con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
            check_patterns(con, registry.sources)
            run = _Run(
                con,
                workspace,
                lake,
                lake.n_buckets or bucket_count or buckets_for(registry.meters.height),
                Limits(absurd_flow_lph, not_after, load_known(con, registry, absurd_by_model or {})),
                scratch,
                tell,
            )
            load_devices(con, lake, registry.pairs)
            if not lake.generation:
                number_registered(con, registry, run.n_buckets)
            run.conflicts_tell = load_conflicts(con, lake)
            for dumps in intake.batches():
                run.batch(dumps)
                accounts += [dump.account() for dump in dumps]
            intake.close()
        finally:
            con.close()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return IngestResult(tuple(accounts), intake.skipped, tuple(sorted([*ignored, *intake.unreadable])))


#: what makes two files the same dump: stream, source, digest, and the name where that tells something
Identity = tuple[str, str | None, str, str | None]


class _Intake:
    """The dumps that the lake does not have yet, in batches; digests are made ahead of the batch that needs them."""

    def __init__(
        self,
        lake: Lake,
        candidates: Sequence[Candidate],
        threads: int,
        ahead: ReadAhead | None,
        retry: Collection[str] | None,
    ) -> None:
        self._before = {} if retry is None else _entries(lake, retry)
        self._again = retry is not None
        self._known: set[Identity] = {
            (dump["stream"], dump["source"], dump["sha256"], name) for dump in lake.dumps for name in _names_of(dump)
        }
        self._digests = Digests(lake.root)
        self._candidates = candidates
        self._threads = threads
        self._ahead = ahead
        self.skipped = 0
        self.unreadable: list[tuple[str, str]] = []

    def batches(self) -> Iterator[list[Dump]]:
        batch: list[Dump] = []
        weight = 0
        for dump in self._new_dumps():
            heavy = dump.size * (_INFLATION if dump.candidate.compression else 1)
            if batch and weight + heavy > BATCH_BYTES:
                yield batch
                batch, weight = [], 0
            dump.number = len(batch)
            batch.append(dump)
            weight += heavy
        if batch:
            yield batch

    def _new_dumps(self) -> Iterator[Dump]:
        with ThreadPoolExecutor(self._threads) as pool:
            waiting = iter(self._candidates)
            ahead: list[tuple[Candidate, Future[Fingerprint]]] = []
            while True:
                for one in islice(waiting, 2 * self._threads - len(ahead)):
                    ahead.append((one, pool.submit(self._digest, one)))
                if not ahead:
                    break
                one, future = ahead.pop(0)
                try:
                    found = future.result()
                except OSError:
                    self.unreadable.append((one.file, "unreadable"))
                    continue
                self._digests.remember(one.file, found.state, found.sha256)
                key = _identity(one, found.sha256)
                if self._again:
                    if before := self._before.pop(key, None):
                        facts = found.facts or fingerprint(one.path, count=is_text(one)).facts
                        yield Dump(0, one, found.sha256, found.size, facts, before=before)
                    continue
                if key in self._known:
                    self.skipped += 1
                    continue
                self._known.add(key)
                yield Dump(0, one, found.sha256, found.size, found.facts)

    def _digest(self, one: Candidate) -> Fingerprint:
        """The fingerprint of a file that may be a dump; one that the lake has is not read if it has not changed."""
        noted = self._digests.known(one.file, one.path)
        if noted is not None and _identity(one, noted) in self._known:
            return Fingerprint(state_of(one.path), noted, None)
        if is_text(one) and self._ahead and (taken := self._ahead.take(one.path)):
            return taken
        return fingerprint(one.path, count=is_text(one))

    def close(self) -> None:
        """Keep the digests for the next ingest."""
        self._digests.save()


def _entries(lake: Lake, files: Collection[str]) -> dict[Identity, dict[str, Any]]:
    """The ledger's entries of dumps that had rows set aside, by what makes two files the same dump."""
    wanted = [dump for dump in lake.dumps if dump["file"] in files and dump["quarantined"]]
    return {(dump["stream"], dump["source"], dump["sha256"], name): dump for dump in wanted for name in _names_of(dump)}


def _names_of(dump: dict[str, Any]) -> tuple[str | None, ...]:
    """What a dump of the ledger may be told by, see `Candidate.told_by_name`."""
    return (None, dump["file"], told_by_version(version_of_name(dump["file"])))


def _identity(one: Candidate, sha256: str) -> Identity:
    """What makes two files the same dump."""
    return (one.stream, one.source_name, sha256, one.told_by_name)


def is_text(candidate: Candidate) -> bool:
    """Whether the file's own bytes are lines of text."""
    return candidate.format != "parquet" and candidate.compression is None


class _Run:
    """What stays the same over the batches of one ingest, and the lake as it grows."""

    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        workspace: Workspace,
        lake: Lake,
        n_buckets: int,
        limits: Limits,
        scratch: Path,
        tell: Callable[[str], None],
    ) -> None:
        self.con = con
        self.workspace = workspace
        self.lake = lake
        self.files: list[LakeFile] = [lake_file(lake.root, entry) for entry in lake.files]
        self.n_buckets = n_buckets
        self.limits = limits
        self.scratch = scratch
        self.tell = tell
        #: whether the list of conflicts tells versions
        self.conflicts_tell = True

    def batch(self, dumps: list[Dump]) -> None:
        """Take one batch into the lake and commit it."""
        size = sum(dump.size for dump in dumps)
        self.tell(f"ingest: {len(dumps)} dumps, {size / 1e6:,.1f} MB, from {dumps[0].candidate.file}")
        for dump in dumps:
            prepare(dump, self.scratch)
        copy_parquet(self.con, dumps, self.scratch)
        generation = self.lake.generation + 1
        new_files: list[LakeFile] = []
        new_devices = 0
        contradicted = False
        begin_repeats(self.con)
        for stream in STREAMS:
            of_stream = [dump for dump in dumps if dump.candidate.stream == stream]
            if not of_stream:
                continue
            self.con.execute("SET preserve_insertion_order = false")
            stage(self.con, of_stream, self.limits)
            self.con.execute("SET preserve_insertion_order = true")
            new_devices += number_new(self.con, stream, self.n_buckets)
            sorting = sort_staged(self.con, stream, self.n_buckets, of_stream)
            parts = sorting.parts(self.con)
            settlement = settle(self.con, sorting, self.lake, overlapping(self.files, parts), of_stream)
            for dump in of_stream:
                if dump.before is not None:
                    combine(dump, dump.before)
                    keep_refused(self.con, self.workspace.quarantine, dump)
            self.con.execute("DROP TABLE staged")
            if settlement.values is not None:
                sorting = sorting.in_table(settlement.values)
                parts = [
                    replace(part, corrected=part.number in settlement.corrected) for part in sorting.parts(self.con)
                ]
            new_files += write_parts(self.con, self.lake.root, parts, generation, sorting)
            self.con.execute("DROP TABLE IF EXISTS sorted")
            set_aside(
                self.con,
                self.workspace.quarantine,
                of_stream,
                refused=settlement.refused,
                limits=self.limits,
            )
            # a list that tells no versions is no use beside corrected readings
            contradicted |= settlement.refused or (bool(settlement.corrected) and not self.conflicts_tell)
        root = self.lake.root
        self.lake = extended(
            self.lake,
            n_buckets=self.n_buckets,
            files=new_files,
            dumps=[dump.account().entry() for dump in dumps],
            instead_of=[dump.before for dump in dumps if dump.before is not None],
            devices_file=write_devices(self.con, root, generation)
            if new_devices or not self.lake.generation
            else self.lake.devices_file,
            conflicts_file=write_conflicts(self.con, root, generation) if contradicted else self.lake.conflicts_file,
            repeats=write_repeats(self.con, root, generation),
        )
        commit(self.lake)
        self.conflicts_tell |= contradicted
        for dump in dumps:
            if dump.before is not None and not dump.account().quarantined:
                clear_aside(self.workspace.quarantine, dump)
        self.files += new_files
        for leftover in self.scratch.glob("text-*"):
            leftover.unlink()
