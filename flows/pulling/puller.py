"""Pulling all sources that have a place: each file once, what fails today is tried again with the next run."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from flows.pulling.credentials import Credentials
from flows.pulling.errors import PullError, RetryError
from flows.pulling.fetch import fetch, finish
from flows.pulling.guard import guarded
from flows.pulling.journal import Entry, note, read_journal
from flows.pulling.names import local_name, version_name
from flows.pulling.remote import Found, Remote, connect
from transforms.digests import sha256_of
from transforms.policy.keys import PullPolicy
from transforms.sources import PULLED, Source
from transforms.workspace import Workspace

_MB = 1_000_000
_WAIT_S = 1.0


@dataclass
class Pulled:
    """What pulling one source came to: files fetched (below raw/), their bytes, how many were known, what failed."""

    source: str
    files: list[str] = field(default_factory=list)
    size: int = 0
    known: int = 0
    resumed: int = 0
    failures: list[str] = field(default_factory=list)


def pull(
    workspace: Workspace,
    sources: Sequence[Source],
    policy: PullPolicy,
    now: datetime,
    progress: Callable[[str], None],
    credentials: Callable[[str], Credentials] = Credentials.of,
    wait: Callable[[float], None] = time.sleep,
) -> list[Pulled]:
    """Fetch what is new at the places of all sources that have one; none stops the others."""
    return [
        _Puller(workspace.raw / PULLED / source.name, source, credentials(source.name), policy, progress, wait).all(now)
        for source in sources
        if source.place
    ]


@dataclass
class _Puller:
    """Pulls one source into its folder."""

    folder: Path
    source: Source
    credentials: Credentials
    policy: PullPolicy
    progress: Callable[[str], None]
    wait: Callable[[float], None]

    def all(self, now: datetime) -> Pulled:
        assert self.source.place is not None  # noqa: S101
        place, done = self.source.place, Pulled(self.source.name)
        self.address = place.address
        self.entries = read_journal(self.folder)
        self._complete()
        try:
            with guarded(self.address, self.credentials):
                remote = connect(place, self.credentials, self.policy.timeout.total_seconds())
                found = remote.list(self.source.glob, now)
        except PullError as error:
            done.failures.append(f"source {self.source.name}: {error}")
            return done
        fresh = [one for one in found if not self._known(one)]
        done.known = len(found) - len(fresh)
        budget = self.policy.max_total_mb * _MB
        for one in fresh:
            if done.size + (one.size or 0) > budget:
                done.failures.append(
                    f"source {self.source.name}: {one.name} and what comes after it must wait: more than "
                    f"pull.max_total_mb = {self.policy.max_total_mb:g} would be fetched in one run"
                )
                break
            try:
                remote = self._one(remote, one, done)
            except PullError as error:
                done.failures.append(f"source {self.source.name}: {error}")
        remote.close()
        if done.files:
            self.progress(f"source {self.source.name}: fetched {len(done.files):,} files, {done.size:,} bytes")
        return done

    def _known(self, found: Found) -> bool:
        """Whether this very version was fetched. Where the server tells no versions apart, a name is fetched once."""
        return any(
            (entry.place, entry.name, entry.stamp) == (self.address, found.name, found.stamp)
            and (found.size is None or entry.size == found.size)
            for entry in self.entries
        )

    def _one(self, remote: Remote, found: Found, done: Pulled) -> Remote:
        """Fetch one file, with some patience; returns the connection that is in use then."""
        part = self._part(found.name)
        for attempt in range(self.policy.retries + 1):
            try:
                with guarded(f"{self.address} {found.name}", self.credentials):
                    fetched = fetch(
                        remote,
                        found,
                        part,
                        limit=int(self.policy.max_file_mb * _MB),
                        timeout_s=self.policy.timeout.total_seconds(),
                    )
                break
            except RetryError as error:
                if attempt == self.policy.retries:
                    raise
                self.progress(f"source {self.source.name}: {error}; trying again")
                self.wait(_WAIT_S * 2**attempt)
                with guarded(self.address, self.credentials):
                    remote.close()
                    assert self.source.place is not None  # noqa: S101
                    remote = connect(self.source.place, self.credentials, self.policy.timeout.total_seconds())
        file, known = self._name(found.name, fetched.sha256)
        entry = Entry(self.address, found.name, fetched.size, found.stamp, fetched.sha256, file)
        note(self.folder, entry)
        self.entries.append(entry)
        finish(fetched, None if known else self.folder / file)
        done.size += fetched.size
        done.resumed += fetched.resumed_at > 0
        if known:
            done.known += 1
        else:
            done.files.append(f"{PULLED}/{self.source.name}/{file}")
        return remote

    def _part(self, name: str) -> Path:
        """Where a file grows: hidden and named by a digest, so that no name of a server matters."""
        return self.folder / f".{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}.part"

    def _name(self, name: str, sha256: str) -> tuple[str, bool]:
        """The file's path below the folder, and whether the same content lies there already.

        Another version of a file comes beside the older ones: raw dumps are never changed. Two names that differ only
        in case stay apart on every file system.
        """
        taken = {entry.file.casefold(): entry for entry in self.entries}
        plain = local_name(name)
        version = 1
        while True:
            file = plain if version == 1 else version_name(plain, version)
            holder = taken.get(file.casefold())
            mine = holder is None or (holder.place, holder.name) == (self.address, name)
            path = self.folder / file
            if mine and holder is not None and holder.sha256 == sha256 and path.exists():
                return file, True
            if holder is None and path.is_file() and sha256_of(path) == sha256:
                return file, True
            if holder is None and not path.exists():
                return file, False
            version += 1

    def _complete(self) -> None:
        """Give its name to a file that was noted as fetched when the program was killed."""
        for entry in self.entries:
            part, target = self._part(entry.name), self.folder / entry.file
            if not target.exists() and part.exists() and sha256_of(part) == entry.sha256:
                target.parent.mkdir(parents=True, exist_ok=True)
                part.rename(target)
