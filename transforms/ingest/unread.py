"""Unread: the dumps that the lake does not have yet, in batches that are parsed together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, Final

from transforms.digests import Digests, state_of
from transforms.fingerprint import Fingerprint, ReadAhead, fingerprint
from transforms.ingest.discover import Candidate, told_by_version
from transforms.ingest.dumps import Dump
from transforms.lake import Lake
from transforms.sources.newest import version_of_name

#: raw bytes that are parsed together; what bounds memory: each takes two to three bytes until its readings are in the lake
BATCH_BYTES: Final = 256 << 20
#: what a compressed byte counts for
_INFLATION: Final = 8

#: what makes two files the same dump: stream, source, digest, and the name where that tells something
Identity = tuple[str, str | None, str, str | None]


class Unread:
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
