"""Ingest: every dump below raw/ that the lake does not have yet, batch by batch, each batch one commit."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Final

import duckdb

from transforms.fingerprint import ReadAhead
from transforms.ingest.accounts import DumpAccount, IngestResult
from transforms.ingest.devices import bucket_count as buckets_for
from transforms.ingest.devices import load_devices, number_new, number_registered
from transforms.ingest.discover import discover
from transforms.ingest.dumps import Dump, prepare
from transforms.ingest.known import load_known
from transforms.ingest.parquet_copy import copy_parquet
from transforms.ingest.part import overlapping
from transforms.ingest.patterns import check_patterns
from transforms.ingest.quarantine import set_aside
from transforms.ingest.repeats import begin_repeats
from transforms.ingest.retry import clear_aside, combine, keep_refused
from transforms.ingest.rules import Limits
from transforms.ingest.settle import Settlement, load_conflicts, settle
from transforms.ingest.sort import Sorting, Staged, fetch_staged
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
from transforms.ingest.unread import Unread
from transforms.lake import Lake, LakeFile, lake_file
from transforms.registry import Registry
from transforms.sql import connect
from transforms.workspace import STREAMS, Workspace


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
    meanwhile: Callable[[], None] | None = None,
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
    meanwhile : callable, optional
        What the caller has to do beside, called in a thread of its own when the first batch is parsed, which is hardly
        Python's work. It is not waited for, and not called where nothing is new.

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
    unread = Unread(lake, candidates, threads, ahead, retry)
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
            for number, dumps in enumerate(unread.batches()):
                if meanwhile is not None and number == 0:
                    Thread(target=meanwhile, name="beside ingest", daemon=True).start()
                run.batch(dumps)
                accounts += [dump.account() for dump in dumps]
            unread.close()
        finally:
            con.close()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return IngestResult(tuple(accounts), unread.skipped, tuple(sorted([*ignored, *unread.unreadable])))


#: tables that each stream has of its own
_OF_A_STREAM: Final = ("staged", "bad")


@dataclass(frozen=True)
class _Begun:
    """A stream of a batch that was staged: its dumps, its readings, and how far they are sorted and written."""

    stream: str
    dumps: list[Dump]
    staged: Staged
    ahead: Future[tuple[Sorting | None, list[LakeFile] | None]]


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
        by_stream = [(stream, [dump for dump in dumps if dump.candidate.stream == stream]) for stream in STREAMS]
        begun: list[_Begun] = []
        with ThreadPoolExecutor(1) as beside:
            for stream, of_stream in by_stream:
                if of_stream:
                    new_devices += self._stage(stream, of_stream)
                    begun.append(self._begin(beside, stream, of_stream, generation))
            devices_file = (
                write_devices(self.con, self.lake.root, generation)
                if new_devices or not self.lake.generation
                else self.lake.devices_file
            )
            for one in begun:
                files, settlement = self._end(one, generation)
                new_files += files
                # a list that tells no versions is no use beside corrected readings
                contradicted |= settlement.refused or (bool(settlement.corrected) and not self.conflicts_tell)
        root = self.lake.root
        self.lake = extended(
            self.lake,
            n_buckets=self.n_buckets,
            files=new_files,
            dumps=[dump.account().entry() for dump in dumps],
            instead_of=[dump.before for dump in dumps if dump.before is not None],
            devices_file=devices_file,
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

    def _stage(self, stream: str, dumps: list[Dump]) -> int:
        """Make the tables ``staged`` and ``bad``; return how many devices were new."""
        self.con.execute("SET preserve_insertion_order = false")
        stage(self.con, dumps, self.limits)
        self.con.execute("SET preserve_insertion_order = true")
        return number_new(self.con, stream, self.n_buckets)

    def _begin(self, beside: ThreadPoolExecutor, stream: str, dumps: list[Dump], generation: int) -> _Begun:
        """Begin to sort and to write what was staged, and lay the tables aside: the next stream may be staged meanwhile."""
        staged = fetch_staged(self.con, stream, self.n_buckets, dumps)
        ahead = beside.submit(self._write_ahead, staged, generation, again=any(dump.before for dump in dumps))
        for table in _OF_A_STREAM:
            self.con.execute(f"ALTER TABLE {table} RENAME TO {table}_{stream}")
        return _Begun(stream, dumps, staged, ahead)

    def _write_ahead(
        self, staged: Staged, generation: int, *, again: bool
    ) -> tuple[Sorting | None, list[LakeFile] | None]:
        """Sort in memory, and write what meets no other reading, neither in the batch nor in the lake: for either no
        database is needed. None stands for what could not be done."""
        sorting = staged.ordered()
        if sorting is None or sorting.ordered is None or again:
            return sorting, None
        parts = sorting.ordered.parts(sorting.stream, self.n_buckets)
        if overlapping(self.files, parts):
            return sorting, None
        return sorting, write_parts(None, self.lake.root, parts, generation, sorting)

    def _end(self, begun: _Begun, generation: int) -> tuple[list[LakeFile], Settlement]:
        """Do for a stream what could not be done ahead, and set its bad rows aside."""
        for table in _OF_A_STREAM:
            self.con.execute(f"ALTER TABLE {table}_{begun.stream} RENAME TO {table}")
        sorting, files = begun.ahead.result()
        settlement = Settlement()
        if files is None:
            files, settlement = self._settle(begun, begun.staged.in_database(self.con, sorting), generation)
        self.con.execute("DROP TABLE IF EXISTS sorted")
        set_aside(self.con, self.workspace.quarantine, begun.dumps, refused=settlement.refused, limits=self.limits)
        for table in _OF_A_STREAM:
            self.con.execute(f"DROP TABLE {table}")
        return files, settlement

    def _settle(self, begun: _Begun, sorting: Sorting, generation: int) -> tuple[list[LakeFile], Settlement]:
        """Rule on readings that meet others, and write what goes into the lake."""
        parts = sorting.parts(self.con)
        settlement = settle(self.con, sorting, self.lake, overlapping(self.files, parts), begun.dumps)
        for dump in begun.dumps:
            if dump.before is not None:
                combine(dump, dump.before)
                keep_refused(self.con, self.workspace.quarantine, dump)
        if settlement.values is not None:
            sorting = sorting.in_table(settlement.values)
            parts = [replace(part, corrected=part.number in settlement.corrected) for part in sorting.parts(self.con)]
        return write_parts(self.con, self.lake.root, parts, generation, sorting), settlement
